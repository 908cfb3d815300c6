"""The page of the published cases says what was run and what came out, and nothing else."""

import csv
import json
import shlex
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from benchmarks import cases
from benchmarks.case_diagnoses import check_expected, of_all, of_case, sort_out
from benchmarks.case_facts import Facts, Variant, Verdicts, estimates, read_verdicts
from benchmarks.case_page import broken, page
from benchmarks.case_texts import FOLDER, Case, read_cases
from project.errors import ConfigError, RunError
from project.launch.cli.word_lists import worded
from project.report.comparison import cells
from project.report.metrics import title
from project.runs.environment import CodeVersion
from project.runs.finding import find_runs
from project.runs.record import read_record
from project.runs.sweeps import SweepDirectory, SweepFacts
from project.stats.results import Interval, Verdict
from tests.conftest import COUNTS, REPOSITORY, TINY, TINY_MODEL, command_environment

EXPERIMENTS = [
    "clothing", "head_direction", "cats_dogs", "car_damage", "traffic_signs", "surface_crack",
    "transfer",
]  # fmt: skip
HEADS = Case(
    name="heads",
    title="Heads",
    question="Which one?",
    place=1,
    sweeps={"all": ["experiment=heads"]},
    published="It was said.",
    different="It is not so.",
    baseline="head=fixed",
    scores=["test/accuracy"],
    expected={"model.head=clamped": ["clamped_logits", "collapse"]},
    remarks={"head=fixed": {"overfitting": "so few photos"}},
)
COLUMNS = (
    "group", "metric", "images", "mean", "spread", "low", "high",
    "difference", "difference_low", "difference_high", "verdict",
)  # fmt: skip
MEASURED = Facts(
    commands=["python -m project.train --multirun experiment=heads"],
    measured={"Photos": "drawn"},
    variants=[
        Variant("head=fixed,x=1", [1, 2], {"test/accuracy": [0.9, 0.8]}, {"overfitting": 2}),
        Variant(
            "head=clamped,x=1",
            [1, 2],
            {"test/accuracy": [0.5, None]},
            {"clamped_logits": 2, "overfitting": 1},
        ),
    ],
    verdicts=[
        Verdicts(
            "test", "head=fixed,x=1", 0.95, ["head=clamped is worse."], ["One note."],
            [
                ",".join(COLUMNS),
                '"head=fixed,x=1",recall/cat,40,0.85,0.0707,0.7,0.93,,,,',
                '"head=clamped,x=1",recall/cat,40,0.5,,0.35,0.65,-0.35,-0.5,-0.2,worse',
            ],
        )
    ],
)  # fmt: skip


def write_case(folder: Path, name: str, sweep: list[str], **keys: object) -> Path:
    """A case in a file of its own."""
    head = {"title": name.title(), "question": "Which?", "place": 1, "sweeps": {"all": sweep}}
    text = yaml.safe_dump({**head, **keys}, sort_keys=False)
    file = folder / f"{name}.md"
    file.parent.mkdir(exist_ok=True)
    body = "## Published\n\nCoats are hard.\n\n## Different\n\nThese are squares.\n"
    file.write_text(f"---\n{text}---\n\n{body}", encoding="utf-8")
    return file


def test_every_published_case_has_its_experiment() -> None:
    known = read_cases()
    assert [case.name for case in known] == EXPERIMENTS
    for case in known:
        for sweep in case.sweeps:
            words = case.words(sweep, "small", "photos")
            assert {f"experiment={case.name}", "scale=small"} <= set(words)
            OverridesParser.create().parse_overrides([worded(word) for word in words])
    assert [case.name for case in known if case.needs_photos] == ["clothing", "transfer"]


def test_page_of_the_repository_is_what_its_texts_and_facts_give() -> None:
    known = read_cases()
    files = {case.name: FOLDER / f"{case.name}.json" for case in known}
    facts = {name: Facts.read(file) for name, file in files.items() if file.exists()}
    written = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
    assert written == page(known, facts), "python benchmarks/cases.py --page-only"


@pytest.mark.parametrize("case", EXPERIMENTS)
def test_command_of_an_experiment_is_the_one_that_was_measured(case: str) -> None:
    header = (REPOSITORY / "conf" / "experiment" / f"{case}.yaml").read_text(encoding="utf-8")
    told = header.partition("# Command:")[2].partition("# Expect:")[0].replace("#", " ")
    words = shlex.split(told.replace("<folder>", cases.PLACEHOLDER))
    measured = Facts.read(FOLDER / f"{case}.json").commands
    typed = {word for command in measured for word in shlex.split(command)}
    assert (
        {"--multirun", f"experiment={case}", "scale=small"} <= set(words) <= typed | {"and", "with"}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Iterator[Path]:
    """One tiny case, run by the command: two samplers, two seeds."""
    folder = tmp_path_factory.mktemp("cases")
    write_case(
        folder / "texts",
        "samplers",
        [*TINY, *TINY_MODEL, "data.root={photos}", "sampler=natural,balanced"],
        baseline="sampler=natural",
        compare=["metrics=[macro_recall,recall]"],
        scores=["test/accuracy", "val/macro_recall"],
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in command_environment(folder).items():
            patch.setenv(name, value)
        launch(folder, photos)
        yield folder


def launch(folder: Path, photos: Path, *words: str) -> None:
    places = [f"--texts={folder}/texts", f"--write={folder}/page.md", f"--jobs-dir={folder}/jobs"]
    cases.main([*places, f"--clothing={photos}", "--seeds=2", "--with-changes", *words])


def facts_of(folder: Path) -> Facts:
    return Facts.read(folder / "texts" / "samplers.json")


@pytest.mark.slow
def test_commands_on_the_page_are_those_that_were_run(folder: Path, photos: Path) -> None:
    trained, compared = facts_of(folder).commands
    shown = (folder / "page.md").read_text(encoding="utf-8")
    assert trained.endswith(
        f"sampler=natural,balanced seed=1,2 hydra.sweep.dir={folder}/jobs/samplers"
    )
    typed = SweepFacts.read(SweepDirectory(folder / "jobs" / "samplers")).command
    assert shlex.split(trained.replace(cases.PLACEHOLDER, str(photos)))[1:] == typed[1:]
    recorded = json.loads(comparison(folder, "json"))["command"].replace('"', "")  # Hydra's quotes
    assert shlex.split(recorded) == shlex.split(compared)
    for command in (trained, compared):
        assert "\n".join(broken(command)) in shown
    assert str(photos) not in shown


def comparison(folder: Path, suffix: str) -> str:
    file = folder / "outputs" / "comparisons" / "samplers" / f"comparison.{suffix}"
    return file.read_text(encoding="utf-8")


@pytest.mark.slow
def test_numbers_of_the_table_are_those_of_the_comparison(folder: Path) -> None:
    written = comparison(folder, "csv").splitlines()
    assert facts_of(folder).verdicts[0].table == written
    shown = (folder / "page.md").read_text(encoding="utf-8")
    rows = list(csv.DictReader(written))
    assert {row["metric"] for row in rows} >= {"macro_recall", "recall/hat", "recall/top"}
    for row in rows:
        line = next(x for x in shown.splitlines() if x.startswith(f"| {title(row['metric'])} ("))
        assert cells.number(float(row["mean"])) in line
        if row["verdict"]:
            assert cells.points(float(row["difference"])) in line
            assert cells.word(Verdict(row["verdict"])) in line


@pytest.mark.slow
def test_measured_says_what_the_runs_were(folder: Path) -> None:
    facts = facts_of(folder)
    images = ", ".join(f"{sum(counts.values())} {split}" for split, counts in COUNTS.items())
    assert facts.measured["Photos"] == f"real; 3 classes; {images}"
    assert "24 pixels; epochs: 1 at most" in facts.measured["Network"]
    assert facts.measured["Runs"] == "4 (2 recipes, seeds 1, 2)"
    assert [variant.name for variant in facts.variants] == ["sampler=natural", "sampler=balanced"]
    runs = find_runs([folder / "jobs"])
    accuracies = sorted(read_record(run).metrics["test/accuracy"] for run in runs)
    told = [value for variant in facts.variants for value in variant.scores["test/accuracy"]]
    assert sorted(value for value in told if value is not None) == accuracies


@pytest.mark.slow
def test_the_same_command_again_trains_nothing(folder: Path, photos: Path) -> None:
    records = {run.record_file: run.record_file.stat() for run in find_runs([folder / "jobs"])}
    before = (folder / "page.md").read_bytes()
    assert len(records) == 4
    launch(folder, photos, "samplers")
    assert {file: file.stat().st_mtime_ns for file in records} == {
        file: stat.st_mtime_ns for file, stat in records.items()
    }
    assert (folder / "page.md").read_bytes() == before


@pytest.mark.slow
def test_recipe_alone_gets_intervals_instead_of_a_verdict(folder: Path) -> None:
    runs = [run for run in find_runs([folder / "jobs"]) if "natural" in run.path.name]
    found = estimates(runs, "test", ["accuracy"])
    (row,) = csv.DictReader(found.table)
    assert float(row["low"]) < float(row["mean"]) < float(row["high"])
    shown = page([HEADS], {"heads": replace(MEASURED, verdicts=[found])})
    between = Interval(float(row["low"]), float(row["high"]))
    assert cells.between(between) in shown


def test_table_has_means_differences_intervals_and_verdicts() -> None:
    shown = page([HEADS], {"heads": MEASURED})
    assert "| 95 % intervals | head=<br>fixed,<br>x=<br>1 | head=<br>clamped,<br>x=<br>1 |" in shown
    baseline, variant = "85.0 ± 7.1<br>[70.0, 93.0]", "50.0<br>-35.0 [-50.0, -20.0]<br>**▼ worse**"
    assert f"| recall cat (40) | {baseline} | {variant} |" in shown
    assert "| head=fixed,x=1 | 85.0 (80.0 to 90.0) |" in shown
    assert "| head=clamped,x=1 | 50.0 (50.0 to 50.0) |" in shown
    assert "- head=clamped is worse.\n- One note." in shown
    assert shown.index("It was said.") < shown.index("It is not so.")
    assert "- [Heads](#heads): Which one?" in shown


def test_many_variants_get_tables_side_by_side_with_the_baseline_in_each() -> None:
    verdicts = MEASURED.verdicts[0]
    baseline, variant = verdicts.table[1:]
    others = [variant.replace("head=clamped", f"head={letter}") for letter in "abcd"]
    table = [verdicts.table[0], baseline, *others]
    notes = [f"note {number}" for number in range(7)]
    wide = replace(MEASURED, verdicts=[replace(verdicts, table=table, notes=notes)])
    shown = page([HEADS], {"heads": wide})
    headings = [line for line in shown.splitlines() if line.startswith("| 95 % intervals")]
    assert ["head=<br>fixed" in line for line in headings] == [True, True]
    assert [line.count("head=") for line in headings] == [4, 2]
    assert "- note 4\n- 2 more remarks are in the comparison's own page." in shown


def test_diagnoses_are_expected_true_besides_or_false_alarms() -> None:
    found = sort_out(HEADS, MEASURED.variants[1])
    assert found.expected == {"clamped_logits": 2, "collapse": 0}
    assert found.alarms == {"overfitting": 1}  # seen to be true of the other variant alone
    rows = list(of_case(HEADS, MEASURED))
    assert rows[0] == ["head=fixed,x=1", 2, "–", "overfitting (2)", "–"]
    expected = "clamped logits (2 of 2), collapse (0 of 2)"
    assert rows[1] == ["head=clamped,x=1", 2, expected, "–", "overfitting (1)"]
    sums = list(of_all([(HEADS, MEASURED)]))
    assert sums[0] == ["Heads", 4, 5, 2, 2, 1]
    shown = page([HEADS], {"heads": MEASURED})
    assert "- overfitting: so few photos" in shown
    assert "| overfitting | 0 | 2 | 1 | Heads (3) |" in shown
    assert "| collapse |" not in shown  # nobody said it


def test_expectation_of_no_variant_is_refused() -> None:
    case = replace(HEADS, expected={"head=clampt": ["collapse"]})
    with pytest.raises(
        ConfigError, match=r"expected a variant or a part .*'head=clampt'.*\n  head"
    ):
        check_expected(case, MEASURED)
    check_expected(replace(HEADS, expected={"*": ["collapse"]}), MEASURED)
    case = replace(HEADS, remarks={"head=clampt": {"collapse": "why"}})
    with pytest.raises(ConfigError, match=r"remarks of the case .*'head=clampt'"):
        check_expected(case, MEASURED)


def test_case_that_was_not_run_keeps_its_section(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_case(tmp_path, "coats", ["data.root={photos}"], place=2)
    write_case(tmp_path, "heads", ["experiment=heads"])
    MEASURED.write(tmp_path / "heads.json")
    target = tmp_path / "page.md"
    words = [f"--texts={tmp_path}", f"--write={target}", "--clothing=", "--with-changes"]
    cases.main([*words, "coats"])
    assert "Coats is left out: it needs --clothing FOLDER" in capsys.readouterr().out
    shown = target.read_text(encoding="utf-8")
    assert "recall cat (40) | 85.0 ± 7.1" in shown
    assert "**Measured.** Not yet. It needs the photos" in shown
    target.unlink()
    cases.main([*words, "--page-only"])
    assert target.read_text(encoding="utf-8") == shown


def test_case_whose_command_fails_is_named_and_its_section_stays(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENHAND_OUTPUT", str(tmp_path / "outputs"))
    write_case(tmp_path, "heads", ["no_such_key=1"])
    MEASURED.write(tmp_path / "heads.json")
    target = tmp_path / "page.md"
    with pytest.raises(SystemExit, match=r"Failed: heads\. The same command goes on"):
        cases.main([f"--texts={tmp_path}", f"--write={target}", "--with-changes"])
    said = capfd.readouterr().err
    assert "Heads: expected exit code 0, got 1 from: python -m project.train --multirun" in said
    assert "85.0 ± 7.1" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("version", "got"), [(CodeVersion("abc", dirty=True), "changes"), (None, "no commit")]
)
def test_code_that_nobody_could_run_again_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: CodeVersion | None, got: str
) -> None:
    monkeypatch.setattr(cases, "code_version", lambda: version)
    write_case(tmp_path, "heads", ["experiment=heads"])
    with pytest.raises(SystemExit, match=rf"got {got}: nobody could .* --with-changes"):
        cases.main([f"--texts={tmp_path}", f"--write={tmp_path}/page.md"])


def test_unknown_case_is_answered(tmp_path: Path) -> None:
    write_case(tmp_path, "heads", ["experiment=heads"])
    with pytest.raises(SystemExit, match=r"among heads, got 'head'\. Did you mean \"heads\"\?"):
        cases.main([f"--texts={tmp_path}", f"--write={tmp_path}/page.md", "head"])


def test_texts_that_are_no_case_are_answered(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected files <case>\.md in .*, got none"):
        read_cases(tmp_path)
    file = write_case(tmp_path, "heads", ["experiment=heads"], seed=3)
    with pytest.raises(
        ConfigError, match=r"expected the keys .*got seed\. Did you mean \"seeds\"\?"
    ):
        read_cases(tmp_path)
    whole = write_case(tmp_path, "heads", ["experiment=heads"]).read_text(encoding="utf-8")
    file.write_text(whole.replace("title: Heads\n", ""), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"expected the key title in .*heads\.md, got none"):
        read_cases(tmp_path)
    file.write_text(whole.replace("## Different", "## Other"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"## Different in .*, got published, other"):
        read_cases(tmp_path)
    file.write_text(whole.replace("title: Heads", "title: [Heads"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"expected YAML between lines of dashes"):
        read_cases(tmp_path)


def test_facts_survive_their_file_and_damage_is_answered(tmp_path: Path) -> None:
    file = tmp_path / "heads.json"
    MEASURED.write(file)
    assert Facts.read(file) == MEASURED
    file.write_text(file.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    with pytest.raises(RunError, match=r"heads\.json, got content that is none .* Remove it"):
        Facts.read(file)


def test_missing_comparison_is_answered(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"expected a comparison in .*, got: No such file"):
        read_verdicts(tmp_path, "test")


def test_ctrl_c_waits_for_the_command_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    begin = time.monotonic()
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            cases._run(["timeit", "-n1", "-r1", "import time; time.sleep(1.2)"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begin > 1.2


def test_long_commands_are_broken_where_a_shell_goes_on() -> None:
    command = shlex.join(
        ["python", "-m", "project.train", *(f"data.key_{n}=[a b]" for n in range(9))]
    )
    lines = broken(command)
    assert len(lines) > 1
    assert max(map(len, lines)) < 110
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == shlex.split(command)
