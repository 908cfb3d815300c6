import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser

from project.commands.recorded import Origin
from project.commands.training import train
from project.errors import ConfigError, EvenhandError, RunError, TrainingError
from project.launch.cli.hydra_versions import version_options
from project.launch.cli.quoting import as_list, quoted
from project.launch.cli.resolvers import register_resolvers
from project.rerun import gathered, run
from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from project.runs.record import RunRecord, read_record
from project.runs.saved_config import read_overrides
from tests.conftest import TINY, TINY_MODEL, Command, Compose

Rerun = Callable[..., RunRecord]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A finished run as the command line leaves it; not to be changed."""
    register_resolvers()
    outputs = tmp_path_factory.mktemp("outputs")
    path = outputs / "original"
    overrides = [*TINY, *TINY_MODEL, f"data.root={photos}", "sampler=balanced"]
    with initialize_config_module("conf", **version_options()):
        cfg = compose("train", [*overrides, f"paths.run={path}", f"paths.output={outputs}"])
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

    monkeypatch.setattr("project.commands.rerunning.train", instead)
    return configs


@pytest.fixture
def untrainable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends training where the network would be built: photos are known, nothing is learned."""

    def stop(*_: object) -> None:
        raise TrainingError("far enough")

    monkeypatch.setattr("project.commands.training.build.classifier", stop)


@pytest.fixture
def other_photos(photos: Path, tmp_path: Path) -> Path:
    """The photos but for one of two splits; not those that the run was measured on."""
    other = Path(shutil.copytree(photos, tmp_path / "fewer"))
    for split in ("train", "test"):
        (other / split / "hat" / "0.jpg").unlink()
    return other


@pytest.fixture
def same_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is committed meanwhile: the code is that of the run."""
    monkeypatch.setattr("project.commands.rerunning.environment_changes", lambda *_: [])


def change_json(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def change_overrides(path: Path, *overrides: str) -> None:
    """As if these had been among the overrides."""
    run = RunDirectory(path)
    keys = [override.partition("=")[0] for override in overrides]
    kept = [o for o in read_overrides(run) if o.partition("=")[0] not in keys]
    run.overrides_file.write_text(yaml.safe_dump([*kept, *overrides]))


def change_config(path: Path, **values: Any) -> None:
    file = RunDirectory(path).config_file
    config = yaml.safe_load(file.read_text())
    for key, value in values.items():
        group, name = key.split("__")
        config[group][name] = value
    file.write_text(yaml.safe_dump(config, sort_keys=False))


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
    assert "oversampling.factors" in shown
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


def test_other_photos_are_shown_before_training(
    rerun: Rerun,
    trained: Path,
    other_photos: Path,
    untrainable: None,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(TrainingError, match="far enough"):
        rerun(trained, f"data.root={other_photos}")
    assert "The photos, labels or split are not those of" in caplog.text
    shown = capsys.readouterr().out
    assert "What differs in the data from" in shown
    assert re.search(r"test images +19 +18", shown)
    assert re.search(r"train images +56 +55", shown)


def test_what_came_of_other_photos_that_were_asked_for_is_shown(
    rerun: Rerun,
    trained: Path,
    other_photos: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rerun(trained, f"data.root={other_photos}")
    assert "One run each, so a difference may be chance:" in capsys.readouterr().out
    assert not re.search("metrics (differ from|are exactly) those of", caplog.text)


def test_photos_that_changed_since_may_explain_other_numbers(
    rerun: Rerun,
    copied: Path,
    other_photos: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change_config(copied, data__root=str(other_photos))
    change_overrides(copied, f"data.root={other_photos}")
    rerun(copied)
    assert "metrics differ from those of" in caplog.text
    assert re.search(r"What differs and may explain it: .*\bdata\.", caplog.text)
    assert "One run each" not in capsys.readouterr().out


def test_an_argument_that_came_since_leaves_the_numbers_to_be_the_same(
    rerun: Rerun,
    copied: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO")
    file = RunDirectory(copied).config_file
    config = yaml.safe_load(file.read_text())
    del config["optimizer"]["amsgrad"]
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    rerun(copied)
    assert "metrics are exactly those of" in caplog.text
    shown = capsys.readouterr().out
    assert re.search(r"optimizer\.amsgrad +nothing +false", shown)
    assert "One run each" not in shown


def test_another_seed_is_another_result(
    rerun: Rerun, trained: Path, untrained: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    rerun(trained, "seed=2")
    assert "One run each, so a difference may be chance:" in capsys.readouterr().out


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
    untrainable: None,
    same_surroundings: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    with pytest.raises(TrainingError, match="far enough"):
        rerun(trained)
    assert "Configuration, code, packages and hardware are those of" in caplog.text
    assert "Nothing differs from" in caplog.text
    assert "the metrics must come out exactly." in caplog.text


@pytest.mark.parametrize("photos_known", [True, False])
def test_nothing_is_promised_where_something_differs_or_is_unknown(
    rerun: Rerun,
    copied: Path,
    other_photos: Path,
    untrainable: None,
    same_surroundings: None,
    caplog: pytest.LogCaptureFixture,
    photos_known: bool,
) -> None:
    caplog.set_level("INFO")
    change_config(copied, data__root=str(other_photos))
    change_overrides(copied, f"data.root={other_photos}")
    if not photos_known:
        change_json(copied / "run.json", data={}, state="failed")
    with pytest.raises(TrainingError, match="far enough"):
        rerun(copied)
    assert ("ended before it knew its photos" in caplog.text) == (not photos_known)
    assert "must come out exactly" not in caplog.text


def test_differences_keep_every_letter_on_a_narrow_terminal(
    rerun: Rerun,
    copied: Path,
    untrained: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    place = "/photos/" + "with-a-name-of-some-length/" * 4
    change_config(copied, data__root=f"{place}one")
    rerun(copied, f"data.root={place}two", "oversampling=outer_copy_x4")
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if len(line.split()) > 1]
    assert f"{place}one" in "".join(row[-2] for row in rows)
    assert f"{place}two" in "".join(row[-1] for row in rows)
    assert any(row[0] == "oversampling.factors" for row in rows)


def test_a_default_that_changed_since_is_kept_from_the_run_and_said(
    rerun: Rerun, copied: Path, untrained: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    change_config(copied, optimizer__lr=0.0123)
    rerun(copied)
    assert untrained[0].optimizer.lr == 0.0123
    assert "optimizer.lr: 0.0123, as in the run; today's default is 0.001." in caplog.text


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "model.memory_format=auto",
            "model.memory_format: contiguous, as in the run; it was chosen",
        ),
        ("trainer=auto_precision", "trainer.precision: bf16-mixed, as in the run; it was chosen"),
        (
            "optimizer.lr=${data.size}",
            "optimizer.lr: 0.0123, as in the run; its own overrides give",
        ),
    ],
)
def test_what_the_run_s_own_overrides_left_open_is_not_called_a_default(
    rerun: Rerun,
    copied: Path,
    untrained: list[Any],
    caplog: pytest.LogCaptureFixture,
    override: str,
    said: str,
) -> None:
    caplog.set_level("INFO")
    change_config(
        copied,
        model__memory_format="contiguous",
        trainer__precision="bf16-mixed",
        optimizer__lr=0.0123,
    )
    change_overrides(copied, override)
    key = said.partition(":")[0]
    rerun(copied, "model.width=4")
    (line,) = (message for message in caplog.messages if message.startswith(f"{key}:"))
    assert line.startswith(said)
    assert "default" not in line


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


def test_a_key_that_is_like_one_of_the_run_is_no_matter_of_the_run(
    rerun: Rerun, copied: Path, untrained: list[Any]
) -> None:
    change_config(copied, loss__weight=3)  # no longer known, and the beginning of the user's key
    with pytest.raises(ConfigError, match=r"^loss\.weights_x: ((?!Rerun).)*$"):
        rerun(copied, "~loss.weight", "+loss.weights_x=1")


def test_what_cannot_be_trained_again_is_refused(
    rerun: Rerun, compose_config: Compose, trained: Path, copied: Path
) -> None:
    for nothing in ([], ["run=null"], ["run="]):
        with pytest.raises(ConfigError, match=r"run: a value is needed .* Add run=<run dir"):
            run(compose_config("rerun", *nothing))
    with pytest.raises(RunError, match=r'nothing there\. Did you mean "original"'):
        rerun(trained.with_name("orignal"))
    change_json(copied / "run.json", kind="evaluation")
    with pytest.raises(RunError, match="got an evaluation"):
        rerun(copied)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run=[a,b]"], r"run: expected one run directory, got \['a', 'b'\]\. Rerun once for each"),
        (["run=a", "compare=maybe"], r"compare: expected true or false, got 'maybe'"),
        (["run=a", "compare=null"], r"compare: expected true or false, got None"),
        (["run=a", "overrides=seed"], r"overrides: expected a list of words, got 'seed'"),
        (["run=7"], r"expected the directory of a run at 7, got nothing there"),
    ],
)
def test_values_that_mean_nothing_are_refused(
    compose_config: Compose, words: list[str], message: str
) -> None:
    with pytest.raises(EvenhandError, match=message):
        run(compose_config("rerun", *words))


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


def test_comparison_with_what_measured_nothing_is_refused_before_training(
    rerun: Rerun, copied: Path, untrained: list[Any]
) -> None:
    file = RunDirectory(copied).predictions("test")
    file.write_bytes(b"torn")
    with pytest.raises(RunError, match=r"test\.parquet, got a file that holds none"):
        rerun(copied, "oversampling=outer_copy_x4", compare="true")
    file.unlink()
    with pytest.raises(RunError, match=r"expected predictions at .*test\.parquet, got no such"):
        rerun(copied, "oversampling=outer_copy_x4", compare="true")
    change_json(copied / "run.json", state="interrupted")
    with pytest.raises(RunError, match=r"expected a finished run at .*, got one that is inter"):
        rerun(copied, "oversampling=outer_copy_x4", compare="true")
    assert not untrained


def test_comparison_on_other_test_images_is_refused_before_training(
    rerun: Rerun, trained: Path, other_photos: Path, untrainable: None
) -> None:
    words = "oversampling=outer_copy_x4", f"data.root={other_photos}"
    answer = r"expected the test images of .*, got 1 of 19 missing .* and 0 that .*hat/0\.jpg"
    with pytest.raises(ConfigError, match=answer):
        rerun(trained, *words, compare="true")


def test_comparison_with_other_training_images_is_allowed(
    rerun: Rerun, trained: Path, photos: Path, tmp_path: Path, untrainable: None
) -> None:
    fewer = Path(shutil.copytree(photos, tmp_path / "fewer"))
    (fewer / "train" / "hat" / "0.jpg").unlink()
    with pytest.raises(TrainingError, match="far enough"):
        rerun(trained, f"data.root={fewer}", compare="true")


def test_comparison_of_other_classes_is_refused_before_training(
    rerun: Rerun, trained: Path, untrainable: None
) -> None:
    with pytest.raises(
        ConfigError, match=r"the classes of .*, which are hat, outer, top, got cap,"
    ):
        rerun(trained, "data.class_map={hat: cap}", compare="true")


def test_comparison_of_one_recipe_on_moved_photos_is_refused_before_training(
    rerun: Rerun, trained: Path, photos: Path, tmp_path: Path, untrainable: None
) -> None:
    shutil.copytree(photos, tmp_path / "moved")
    with pytest.raises(ConfigError, match="compare=true: expected an override that makes another"):
        rerun(trained, f"data.root={tmp_path}/moved", compare="true")


@pytest.mark.slow
def test_comparison_is_on_the_split_that_the_run_measured(
    rerun: Rerun, tiny: Compose, photos: Path, tmp_path: Path
) -> None:
    untested = tmp_path / "untested"
    shutil.copytree(photos / "train", untested)
    path = tmp_path / "validated"
    train(tiny(f"paths.run={path}", f"data.root={untested}", "data.test_fraction=0"))
    rerun(path, "oversampling=outer_copy_x4", compare="true")
    assert (tmp_path / "outputs" / "comparisons" / "again" / "comparison.json").is_file()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run=x"], ["run=x"]),
        (["--help"], ["--help"]),
        (["run=x", "--cfg", "job", "seed=2"], ['overrides=["seed=2"]', "run=x", "--cfg", "job"]),
        (
            ["+a=1", "run=x", "compare=true", "~b", "paths.output=y", "hydra.run.dir=z", "++c=[d]"],
            [
                'overrides=["+a=1","~b","++c=[d]"]',
                "run=x",
                "compare=true",
                "paths.output=y",
                "hydra.run.dir=z",
            ],
        ),
        (["run=x", 'overrides=["seed=2"]'], ["run=x", 'overrides=["seed=2"]']),
        (
            ["--cfg", "job", "run=x", "seed=2"],
            ["--cfg", "job", 'overrides=["seed=2"]', "run=x"],
        ),
        (
            ["++hydra.run.dir=a", "+paths.photos=b", "++paths.run=c", "hydra/job_logging=none"],
            ["++hydra.run.dir=a", "+paths.photos=b", "++paths.run=c", "hydra/job_logging=none"],
        ),
    ],
)
def test_overrides_are_gathered_from_the_command_line(
    words: list[str], expected: list[str]
) -> None:
    assert gathered(words) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/a b/c,d",
        "/seed=1,x=2",
        "/it's (mine)",
        '/a "quoted" name',
        "/모자=1/옷 장",
        "C:\\photos\\",
    ],
)
def test_paths_arrive_as_they_were_written(
    compose_config: Compose, tmp_path: Path, path: str
) -> None:
    place = f"{tmp_path}{path}"
    Path(place).mkdir(parents=True)
    (word,) = gathered([f"data.root={place}"])
    (override,) = compose_config("rerun", quoted(word)).overrides  # as the command quotes it
    assert OverridesParser.create().parse_override(override).value() == place


def test_sweeps_and_two_kinds_of_overrides_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected one run to train again, got a sweep"):
        gathered(["-m", "run=x", "seed=1,2"])
    for word in ("overrides=[seed=2]", "++overrides=[seed=2]"):
        with pytest.raises(ConfigError, match=r"in one way, got the list and sampler=natural"):
            gathered(["run=x", word, "sampler=natural"])


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
