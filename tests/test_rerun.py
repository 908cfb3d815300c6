import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_module

from project.errors import ConfigError, RunError
from project.launch.hydra_versions import version_options
from project.launch.quoting import as_list
from project.launch.resolvers import register_resolvers
from project.recorded import Origin
from project.rerun import gathered, run
from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from project.runs.record import RunRecord, read_record
from project.runs.saved_config import read_overrides
from project.training import train
from tests.conftest import TINY, TINY_MODEL, Command, Compose

Rerun = Callable[..., RunRecord]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A finished run as the command line leaves it; not to be changed."""
    register_resolvers()
    path = tmp_path_factory.mktemp("outputs") / "original"
    overrides = [*TINY, *TINY_MODEL, f"data.root={photos}", "sampler=balanced"]
    with initialize_config_module("conf", **version_options()):
        cfg = compose("train", [*overrides, f"paths.run={path}", "paths.output=unused"])
    train(cfg, Origin("training", overrides, {"sampler": "balanced", "oversampling": "none"}))
    return path


@pytest.fixture
def rerun(compose_config: Compose, tmp_path: Path) -> Rerun:
    """``rerun(path, *overrides, compare=true)`` trains a run again."""

    def again(path: Path, *overrides: str, **own: str) -> RunRecord:
        words = [f"{key}={value}" for key, value in own.items()]
        place = f'run="{path}"', f"paths.run={tmp_path}/outputs/again"
        return run(compose_config("rerun", *place, *words, f"overrides={as_list(overrides)}"))

    return again


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(trained, tmp_path / "copied"))


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch, trained: Path) -> list[Any]:
    """Has nothing be trained; the configurations that would have been are gathered here."""
    configs: list[Any] = []

    def instead(cfg: Any, origin: Origin) -> RunRecord:
        configs.append(cfg)
        return read_record(RunDirectory(trained))

    monkeypatch.setattr("project.rerunning.train", instead)
    return configs


def change_json(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def change_config(path: Path, **values: Any) -> None:
    file = RunDirectory(path).config_file
    config = yaml.safe_load(file.read_text())
    for key, value in values.items():
        group, name = key.split("__")
        config[group][name] = value
    file.write_text(yaml.safe_dump(config))


def test_without_overrides_the_numbers_come_out_again_exactly(
    rerun: Rerun, trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    record = rerun(trained)
    then = read_record(RunDirectory(trained))
    assert record.rerun_of == str(trained)
    assert repr(record.metrics) == repr(then.metrics)
    assert record.config_fingerprint == then.config_fingerprint
    again = RunDirectory(tmp_path / "outputs" / "again")
    for split in ("val", "test"):
        old, new = (read_predictions(r, split) for r in (RunDirectory(trained), again))
        assert (old.logits == new.logits).all()
    assert read_overrides(again) == read_overrides(RunDirectory(trained))
    assert f"All {len(then.metrics)} metrics are exactly those of {trained}." in caplog.text


def test_an_option_is_switched_and_what_came_of_it_is_shown(
    rerun: Rerun, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = rerun(trained, "oversampling=outer_copy_x4", "sampler=natural")
    assert record.draws["outer"] == 64
    assert record.choices["oversampling"] == "outer_copy_x4"
    assert record.overrides[-2:] == ["oversampling=outer_copy_x4", "sampler=natural"]
    assert "sampler=balanced" not in record.overrides
    shown = capsys.readouterr().out
    assert "What differs from" in shown
    assert "oversampling.factors.outer" in shown
    assert "test/macro_recall" in shown
    assert "test/accuracy" in shown


def test_a_run_of_a_program_is_repeated_from_its_configuration(
    rerun: Rerun, tiny: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "by_program"
    train(tiny(f"paths.run={path}"))
    rerun(path, "data.num_workers=1", "logger=csv")
    assert "metrics are exactly those of" in caplog.text
    assert "Other keys that differ and cannot change a result: 1." in caplog.text


def test_moved_photos_give_the_same_numbers(
    rerun: Rerun,
    trained: Path,
    photos: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    shutil.copytree(photos, tmp_path / "moved photos")
    rerun(trained, f"data.root='{tmp_path}/moved photos'")
    assert "The photos, labels and split are those of" in caplog.text
    assert "metrics are exactly those of" in caplog.text


def test_other_photos_are_called_out(
    rerun: Rerun, trained: Path, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(photos, tmp_path / "fewer")
    (tmp_path / "fewer" / "test" / "hat" / "0.jpg").unlink()
    rerun(trained, f"data.root={tmp_path}/fewer")
    assert "The photos, labels or split are not those of" in caplog.text
    assert "are exactly those" not in caplog.text


def test_a_failed_run_can_be_trained_again(
    rerun: Rerun, copied: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    change_json(copied / "run.json", state="failed", metrics={})
    assert rerun(copied).state == "finished"
    assert "is failed and measured nothing, so there is nothing to compare" in caplog.text


def test_numbers_that_differ_are_listed_with_what_may_explain_them(
    rerun: Rerun, copied: Path, untrained: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    record = read_record(RunDirectory(copied))
    change_json(
        copied / "run.json",
        metrics={**record.metrics, "test/accuracy": 0.125},
        packages={**record.packages, "torch": "1.0"},
    )
    rerun(copied)
    assert f"1 of {len(record.metrics)} metrics differ from those of {copied}:" in caplog.text
    assert ", was 0.125" in caplog.text
    assert "What differs and may explain it: " in caplog.text
    assert "torch" in caplog.text


def test_nothing_that_differs_is_said_before_training(
    rerun: Rerun,
    trained: Path,
    untrained: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("project.rerunning.environment_changes", lambda *_: [])
    rerun(trained)
    assert "Nothing differs from" in caplog.text
    assert "the metrics must come out exactly." in caplog.text


def test_a_default_that_changed_since_is_kept_from_the_run_and_said(
    rerun: Rerun, copied: Path, untrained: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    change_config(copied, optimizer__lr=0.0123)
    rerun(copied)
    assert untrained[0].optimizer.lr == 0.0123
    assert "optimizer.lr: 0.0123, as in the run; today's default is 0.001." in caplog.text


@pytest.mark.parametrize(
    ("key", "value", "cure"),
    [
        (
            "loss__gone",
            1,
            r"no such argument.* trained with loss\.gone=1, .*Rerun it with ~loss\.go",
        ),
        (
            "sampler___target_",
            "gone.Sampler",
            r"imported.*with sampler\._target_=project.*PowerSam",
        ),
    ],
)
def test_what_todays_code_no_longer_takes_is_named_with_a_cure(
    rerun: Rerun, copied: Path, untrained: list[Any], key: str, value: object, cure: str
) -> None:
    change_config(copied, **{key: value})
    with pytest.raises(ConfigError, match=f"(?s){cure}"):
        rerun(copied)
    assert not untrained


def test_a_mistake_in_an_override_is_no_matter_of_the_run(
    rerun: Rerun, trained: Path, untrained: list[Any]
) -> None:
    with pytest.raises(ConfigError, match=r"sampler\.q: expected .*got 'x'((?!Rerun).)*$"):
        rerun(trained, "sampler.q=x")


def test_what_cannot_be_trained_again_is_refused(
    rerun: Rerun, compose_config: Compose, trained: Path, copied: Path
) -> None:
    with pytest.raises(ConfigError, match=r"run: a value is needed .* Add run=<run directory>"):
        run(compose_config("rerun"))
    with pytest.raises(RunError, match=r'nothing there\. Did you mean "original"'):
        rerun(trained.with_name("orignal"))
    change_json(copied / "run.json", kind="evaluation")
    with pytest.raises(RunError, match="got an evaluation"):
        rerun(copied)


@pytest.mark.slow
def test_comparison_has_the_earlier_run_as_its_baseline(
    rerun: Rerun, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rerun(trained, "oversampling=outer_copy_x4", compare="true")
    output = tmp_path / "outputs" / "comparisons" / "again"
    found = json.loads((output / "comparison.json").read_text())
    assert found["baseline"] == "oversampling=none"
    assert found["groups"][1]["name"] == "oversampling=outer_copy_x4"
    assert "oversampling=outer_copy_x4" in capsys.readouterr().out


@pytest.mark.parametrize("overrides", [[], ["seed=2"], ["data.num_workers=1", "logger=csv"]])
def test_comparison_of_one_recipe_is_refused_before_training(
    rerun: Rerun, trained: Path, untrained: list[Any], overrides: list[str]
) -> None:
    with pytest.raises(ConfigError, match="compare=true: expected an override that makes another"):
        rerun(trained, *overrides, compare="true")
    assert not untrained


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run=x"], ["run=x"]),
        (["--help"], ["--help"]),
        (["run=x", "--cfg", "job", "seed=2"], ['overrides=["seed=2"]', "run=x", "--cfg", "job"]),
        (
            ["+a=1", "run=x", "compare=true", "~b", "paths.output=y", "hydra.run.dir=z", "++c=d=e"],
            [
                'overrides=["+a=1","~b","++c=d=e"]',
                "run=x",
                "compare=true",
                "paths.output=y",
                "hydra.run.dir=z",
            ],
        ),
        (["run=x", 'overrides=["seed=2"]'], ["run=x", 'overrides=["seed=2"]']),
    ],
)
def test_overrides_are_gathered_from_the_command_line(
    words: list[str], expected: list[str]
) -> None:
    assert gathered(words) == expected


def test_sweeps_and_two_kinds_of_overrides_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected one run to train again, got a sweep"):
        gathered(["-m", "run=x", "seed=1,2"])
    with pytest.raises(ConfigError, match=r"in one way, got the list and sampler=natural"):
        gathered(["run=x", "overrides=[seed=2]", "sampler=natural"])


@pytest.mark.slow
def test_whole_command_repeats_what_a_whole_command_left(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    place = f"hydra.run.dir={tmp_path}/a run, x=1"
    done = command("train", *TINY, *TINY_MODEL, f"data.root={photos}", place)
    assert done.returncode == 0, done.stderr[-3000:]
    done = command("rerun", f"run={tmp_path}/a run, x=1")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "metrics are exactly those of" in done.stdout
    (first,) = (tmp_path / "outputs" / "runs").iterdir()
    assert "_rerun=arun" in first.name
    done = command("rerun", f"run={first}", "oversampling=outer_copy_x4", "model.width=12")
    assert done.returncode == 0, done.stderr[-3000:]
    second = next(p for p in (tmp_path / "outputs" / "runs").iterdir() if p != first)
    assert second.name.endswith(",oversampling=outer_copy_x4,width=12")
    record = read_record(RunDirectory(second))
    assert record.rerun_of == str(first)
    assert record.choices["oversampling"] == "outer_copy_x4"
    assert record.overrides[-2:] == ["oversampling=outer_copy_x4", "model.width=12"]
    assert "model.width=8" not in record.overrides


@pytest.mark.slow
def test_mistakes_on_the_command_line_get_an_answer(command: Command, trained: Path) -> None:
    for words, answer in (
        (["-m", f"run={trained}"], "error: --multirun: expected one run"),
        (["oversampling=none"], "error: run: a value is needed"),
        ([f"run={trained}", "optimizr.lr=1"], "Did you mean optimizer.lr?"),
    ):
        done = command("rerun", *words)
        assert done.returncode == 1
        assert answer in done.stderr
        assert "Traceback" not in done.stderr
    assert "run: ???" in command("rerun", "--help").stdout
