import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from project.compare import arranged, run, with_runs
from project.errors import ConfigError, RunError
from project.runs.directory import RunDirectory
from project.runs.environment import CodeVersion
from project.stats.results import About, Verdict
from tests.callbacks.tracking.wandb_server import log_out, offline_parts, read_back
from tests.conftest import REPOSITORY, Command, Compose

LABELS = np.repeat([0, 1, 2], [20, 40, 60])
COUNTS = REPOSITORY / "conf" / "published" / "clothing.yaml"


def predictions(recalls: Sequence[float], seed: int) -> list[int]:
    """Predictions with about these recalls; the same images are hard in every run."""
    hard = np.random.default_rng(0).random(len(LABELS))
    rng = np.random.default_rng([seed, *(int(100 * recall) for recall in recalls)])
    right = hard + rng.normal(0, 0.05, len(LABELS)) < np.array(recalls)[LABELS]
    return list(np.where(right, LABELS, (LABELS + 1) % 3))


@pytest.fixture
def sweep(measured: Any, tmp_path: Path) -> Path:
    """Three samplers with three seeds each: balanced finds far more hats, root is like natural."""
    recalls = {"natural": (0.3, 0.8, 0.9), "balanced": (0.9, 0.8, 0.9), "root": (0.35, 0.8, 0.9)}
    for sampler, shares in recalls.items():
        for seed in (1, 2, 3):
            place = f"sweep/sampler={sampler},seed={seed}"
            measured(place, sampler, seed, predictions(shares, seed), labels=list(LABELS))
    return tmp_path / "sweep"


def compared(compose_config: Compose, tmp_path: Path, *overrides: str) -> Any:
    return run(compose_config("compare", f"paths.run={tmp_path}/comparison", *overrides))


def test_sweep_gets_a_verdict_for_each_class(
    compose_config: Compose, sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(compose_config, tmp_path, f"runs={sweep}", "baseline='sampler=natural'")
    assert found.baseline == "sampler=natural"
    assert set(found.variants) == {"sampler=balanced", "sampler=root"}
    hat = found.difference("sampler=balanced", "recall/hat")
    assert hat.verdict is Verdict.BETTER
    assert hat.about is About.RECIPES
    assert found.difference("sampler=root", "recall/hat").verdict is Verdict.NOT_SHOWN
    printed = capsys.readouterr().out
    assert "better" in printed
    assert "recall of hat" in printed


def test_files_hold_what_was_found(compose_config: Compose, sweep: Path, tmp_path: Path) -> None:
    found = compared(compose_config, tmp_path, f"runs={sweep}", "baseline='sampler=natural'")
    folder = tmp_path / "comparison"
    plain = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    assert plain["format"] == 1
    with (folder / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["group"], row["metric"]): row for row in csv.DictReader(file)}
    for difference in found.differences:
        row = rows[difference.variant, difference.metric]
        assert float(row["difference"]) == pytest.approx(difference.difference)
        assert row["verdict"] == difference.verdict
    page = (folder / "comparison.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert (folder / "comparison.md").stat().st_size > 1000
    assert len(list((folder / "figures").glob("*.png"))) >= 2


def test_default_baseline_of_two_groups_is_the_one_that_started_first(
    compose_config: Compose, measured: Any, tmp_path: Path
) -> None:
    for day, (place, sampler) in enumerate((("one", "natural"), ("two", "balanced")), 1):
        measured(place, sampler, 1, started=f"2026-01-0{day}T00:00:00+00:00")
    found = compared(compose_config, tmp_path, f"runs=[{tmp_path}/one,{tmp_path}/two]")
    assert found.groups == ("sampler=natural", "sampler=balanced")
    assert {d.about for d in found.differences} == {About.MODELS}


def test_directories_sweeps_and_patterns_mix(
    compose_config: Compose, sweep: Path, tmp_path: Path
) -> None:
    one = sweep / "sampler=natural,seed=1"
    pattern = sweep / "sampler=bal*"
    found = compared(compose_config, tmp_path, f'runs=["{one}","{pattern}"]')
    assert {found.estimate(name, "accuracy").runs for name in found.groups} == {1, 3}
    assert {d.about for d in found.differences} == {About.RECIPES}


def test_baseline_that_is_not_there_is_answered_with_those_that_are(
    compose_config: Compose, sweep: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r'(?s)Did you mean "sampler=natural"\?.*sampler=root'):
        compared(compose_config, tmp_path, f"runs={sweep}", "baseline='sampler=naturl'")


def test_repeats_of_one_recipe_are_no_comparison(
    compose_config: Compose, sweep: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="at least two recipes, got 1, all of"):
        compared(compose_config, tmp_path, f"runs='{sweep}/sampler=root*'")


def test_what_cannot_be_compared_is_refused_unless_told_to_take_what_is_common(
    compose_config: Compose, sweep: Path, measured: Any, tmp_path: Path
) -> None:
    fewer = [int(label) for label in LABELS[:100]]
    measured("sweep/sampler=power,seed=1", "power", 1, fewer, labels=fewer)
    with pytest.raises(RunError, match=r"sampler=power,seed=1: other images: 20 that others have"):
        compared(compose_config, tmp_path, f"runs={sweep}")
    found = compared(compose_config, tmp_path, f"runs={sweep}", "strict=false")
    assert sum(found.images) == 100
    assert "100 test images that all runs have in common" in (
        tmp_path / "comparison" / "comparison.md"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("overrides", "match"),
    [
        ([], r"expected runs=.* or counts=<file>, got neither"),
        (["runs=x", "counts=y"], "got both"),
        (["runs=x", "margin=2"], "margin: expected a share between 0 and 1, got 2"),
        (["runs=x", "confidence=95"], "confidence: expected a share between 0.5 and 1, got 95"),
        (["runs=x", "metrics=[recal]"], r"metrics: expected some of .*got 'recal'.*\"recall\""),
        (["runs=x", "metrics=[]"], "metrics: expected some of accuracy, .*got none"),
        (["runs=x", "strict=maybe"], "strict: expected true or false, got 'maybe'"),
        (["runs=x", "logger=tensorboard"], "logger: a comparison goes to .* got tensorboard"),
        ([f"counts={COUNTS}", "split=val"], "published counts have neither splits nor images"),
        ([f"counts={COUNTS}", "baseline=nothing"], "baseline: expected one of all x4 by colour"),
    ],
)
def test_mistake_is_answered(
    compose_config: Compose, tmp_path: Path, overrides: list[str], match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        compared(compose_config, tmp_path, *overrides)


def test_classes_that_only_some_runs_know_are_left_out_when_told(
    compose_config: Compose, measured: Any, tmp_path: Path
) -> None:
    two = [min(int(label), 1) for label in LABELS]
    measured("a", "natural", 1, list(LABELS), labels=list(LABELS))
    measured("b", "root", 1, [2 - label for label in LABELS], labels=list(LABELS))
    measured("c", "balanced", 1, two, classes=("hat", "outer"), labels=two)
    found = compared(compose_config, tmp_path, f"runs='{tmp_path}/[abc]'", "strict=false")
    assert found.classes == ("hat", "outer")
    assert found.images == (20, 40)


def test_folds_are_refused_with_the_way_to_their_table(
    compose_config: Compose, folded: Any, tmp_path: Path
) -> None:
    for sampler in ("natural", "balanced"):
        for fold in (0, 1):
            folded(f"sweep/sampler={sampler},fold={fold}", sampler, fold=fold)
    message = r"whose data\.fold is 0, 1: .*summary\.md.*runs='<sweep>/\*fold=0\*'"
    for strict in ("true", "false"):
        with pytest.raises(RunError, match=message):
            compared(compose_config, tmp_path, f"runs={tmp_path}/sweep", f"strict={strict}")
    one = compared(compose_config, tmp_path, f"runs='{tmp_path}/sweep/*fold=0'")
    assert one.images == (2, 1, 1)


@pytest.mark.parametrize("named", ["runs=5", "runs=[5,6]"])
def test_numbers_are_no_runs(compose_config: Compose, tmp_path: Path, named: str) -> None:
    with pytest.raises(RunError, match="expected the directory of a run at 5, got nothing there"):
        compared(compose_config, tmp_path, named)


def test_reader_is_told_what_may_explain_a_difference_besides_the_recipe(
    compose_config: Compose, measured: Any, tmp_path: Path
) -> None:
    old, new = CodeVersion("0123456789", dirty=False), CodeVersion("abcdef0123", dirty=True)
    collapsed = [0] * len(LABELS)
    for seed in (1, 2):
        measured(f"a{seed}", "natural", seed, collapsed, labels=list(LABELS), code=old)
    measured("b1", "balanced", 1, list(LABELS), labels=list(LABELS), code=new)
    compared(compose_config, tmp_path, f"runs='{tmp_path}/[ab]?'")
    notes = (tmp_path / "comparison" / "comparison.md").read_text(encoding="utf-8")
    assert "not all groups were trained by the same version" in notes.lower()
    assert "01234567;" in notes
    assert "abcdef01 with changes" in notes
    never = "never predicted outer (2 of 2 runs), top (2 of 2 runs). Its precision of such a class"
    assert never in notes
    assert "One run only: sampler=balanced" in notes


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # wandb's own, which change with every release
def test_comparison_goes_to_wandb_too(
    compose_config: Compose,
    sweep: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="project")
    log_out(monkeypatch, tmp_path)
    found = compared(compose_config, tmp_path, f"runs={sweep}", "logger=wandb", "tags=[coats]")
    (part,) = offline_parts(tmp_path / "comparison")
    assert f"wandb sync {part}" in caplog.text
    read = read_back(part)
    assert (read["name"], read["tags"]) == ("comparison", ["coats"])
    assert read["summary"]["baseline"] == found.baseline
    difference = found.difference(found.variants[0], "accuracy")
    assert read["summary"][f"{difference.variant}/accuracy"] == difference.verdict
    assert {"comparison", "overview", "forest", "recall"} <= read["summary"].keys()


def test_published_counts_need_no_runs(compose_config: Compose, tmp_path: Path) -> None:
    found = compared(compose_config, tmp_path, f"counts={COUNTS}")
    verdicts = {d.metric: d.verdict for d in found.differences}
    assert verdicts == {
        "accuracy": Verdict.NOT_SHOWN,
        "macro_recall": Verdict.NOT_SHOWN,
        "recall/hat": Verdict.NOT_SHOWN,
        "recall/outer": Verdict.BETTER,
        "recall/top": Verdict.WORSE,
        "recall/bottom": Verdict.BETTER,
        "recall/shoes": Verdict.NOT_SHOWN,
    }


@pytest.mark.parametrize(
    ("headlines", "overrides", "leads"),
    [
        (["recall/outer"] * 2, [], ["recall outer", "accuracy"]),
        (["f1/outer"] * 2, [], ["accuracy", "macro recall"]),  # is not compared
        (["recall/outer"] * 2, ["metrics=[macro_f1,accuracy]"], ["macro F1", "accuracy"]),
        (["macro_f1", "recall/outer"], [], ["accuracy", "macro recall"]),
    ],
    ids=["shared", "unknown", "left out", "several"],
)
def test_tables_lead_with_the_headline_that_all_runs_share(
    compose_config: Compose,
    measured: Any,
    tmp_path: Path,
    headlines: list[str],
    overrides: list[str],
    leads: list[str],
) -> None:
    for place, headline in zip(("natural", "balanced"), headlines, strict=True):
        measured(f"sweep/{place}", place, 1, list(LABELS), labels=list(LABELS), headline=headline)
    compared(compose_config, tmp_path, f"runs={tmp_path}/sweep", *overrides)
    text = (tmp_path / "comparison" / "comparison.md").read_text(encoding="utf-8")
    rows = text[text.index("| metric |") :].splitlines()[2:4]
    assert [row.split("|")[1].strip() for row in rows] == leads


def test_fewer_metrics_are_fewer_tests(
    compose_config: Compose, sweep: Path, tmp_path: Path
) -> None:
    overrides = [f"runs={sweep}", "baseline='sampler=natural'"]
    every = compared(compose_config, tmp_path, *overrides)
    recalls = compared(compose_config, tmp_path, *overrides, "metrics=[recall]")
    assert recalls.metrics == ("recall/hat", "recall/outer", "recall/top")
    one, other = (c.difference("sampler=root", "recall/hat") for c in (every, recalls))
    assert one.p_value == other.p_value
    assert other.p_adjusted <= one.p_adjusted
    counts = compared(compose_config, tmp_path, f"counts={COUNTS}", "metrics=[accuracy,precision]")
    assert counts.metrics == ("accuracy",)


def test_command_takes_what_the_shell_makes_of_a_pattern(
    command: Command, sweep: Path, tmp_path: Path
) -> None:
    done = command("compare", *map(str, sorted(sweep.iterdir())), "name=mine")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "3 groups, 9 runs, 120 test images of 3 classes" in done.stdout
    assert (tmp_path / "outputs" / "comparisons" / "mine" / "comparison.html").is_file()


def test_runs_with_and_without_the_key_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"runs either with the key or without"):
        with_runs(["runs=outputs/sweeps/one", "outputs/sweeps/two"])


@pytest.mark.parametrize("name", ["../escape", "a/b", "null", "..", ""])
def test_comparison_stays_in_its_folder(name: str) -> None:
    with pytest.raises(ConfigError, match="name: expected the name of a folder without a path"):
        arranged(["counts=x.yaml", f"name={name}"])
    assert arranged(["counts=x.yaml", "name=coats, 2"]) == ["counts=x.yaml", "name=coats, 2"]


def test_words_of_hydra_are_not_taken_for_runs(tmp_path: Path) -> None:
    words = ["--cfg", "job", "logger=wandb", "hydra.run.dir=/tmp/x", "--config-dir", str(tmp_path)]
    assert with_runs(words) == words
    run_directory = RunDirectory(tmp_path / "seed=1,model=x")
    run_directory.path.mkdir()
    assert with_runs([str(run_directory.path)]) == [f'runs=["{run_directory.path}"]']
