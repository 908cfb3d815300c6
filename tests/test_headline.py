"""What tables lead with is a matter of taste: it is checked, recorded, and changes no number."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from project.errors import ConfigError
from project.evaluate import run as evaluate
from project.runs.directory import RunDirectory
from project.runs.groups import group_runs
from project.runs.record import RunRecord, read_record
from project.train import run
from tests.conftest import TINY, TINY_MODEL, Command, Compose


@pytest.mark.parametrize(
    ("headline", "message"),
    [
        ("macro_recal", r'headline: expected one of accuracy, .* got .*"macro_recall"\?'),
        ("recal/hat", r'recall/<class>, precision/<class>, f1/<class>, got .*"recall/hat"\?'),
        ("val/macro_recall", r'got \'val/macro_recall\'\. Did you mean "macro_recall"\?'),
        ("test/recall/hat", r'got .*Did you mean "recall/hat"\?'),
        ("recall/", r"headline: expected .* got 'recall/'"),
        ("support/hat", r"headline: expected .* got 'support/hat'"),
        ("null", r"headline: expected .* got None"),
        ("[accuracy]", r"headline: expected .* got \['accuracy'\]"),
    ],
)
def test_unknown_metric_is_answered_before_photos_are_read(
    tiny: Compose, tmp_path: Path, headline: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(tiny(f"headline={headline}", f"data.root={tmp_path}/nowhere"))


@pytest.mark.parametrize("kind", ["recall", "precision", "f1"])
def test_class_that_is_not_there_is_answered_with_those_that_are(tiny: Compose, kind: str) -> None:
    cfg = tiny(f"headline={kind}/oter", "model.width=-1")  # which building the model would refuse
    known = rf'{kind}/<class> of hat, outer, top, which .* got \'{kind}/oter\'.*"outer"\?'
    with pytest.raises(ConfigError, match=known):
        run(cfg)


@pytest.fixture
def trained(tiny: Compose, tmp_path: Path) -> Callable[..., tuple[RunDirectory, RunRecord]]:
    """``trained("name", *overrides)`` trains in a folder of that name."""

    def made(name: str, *overrides: str) -> tuple[RunDirectory, RunRecord]:
        cfg = tiny(f"paths.run={tmp_path}/{name}", *overrides)
        return RunDirectory(Path(cfg.paths.run)), run(cfg)

    return made


def test_headline_leads_and_changes_nothing_else(
    trained: Any, compose_config: Compose, capsys: pytest.CaptureFixture[str]
) -> None:
    (plain, usual), (led, record) = trained("plain"), trained("led", "headline=recall/outer")
    assert read_record(led).headline == "recall/outer"
    assert read_record(plain).headline == "macro_recall"
    assert repr(record.metrics) == repr(usual.metrics)
    assert record.config_fingerprint == usual.config_fingerprint
    (group,) = group_runs([plain, led]).groups
    assert len(group.runs) == 1  # the same recipe with the same seed
    lines = capsys.readouterr().out.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("recall of outer"))
    assert lines[place + 1].startswith("macro recall")
    page = led.report_file.read_text(encoding="utf-8")
    assert page.index("Recall of outer") < page.index("Macro recall")
    assert evaluate(compose_config("evaluate", f"run={led.path}")).headline == "recall/outer"


def test_stopped_run_goes_on_with_another_headline(
    trained: Any, tiny: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, record = trained("run", "headline=recall/outer")
    record.state = "interrupted"
    record.write(directory)
    place = f"paths.run={directory.path}"
    assert run(tiny(place, f"resume={directory.path}")).headline == "recall/outer"
    record.write(directory)
    monkeypatch.setattr("project.commands.resuming.task_overrides", lambda: ["headline=accuracy"])
    again = run(tiny(place, f"resume={directory.path}", "headline=accuracy"))
    assert again.headline == read_record(directory).headline == "accuracy"


@pytest.mark.slow  # two whole sweeps
def test_sweep_leads_with_what_its_jobs_share_and_goes_on_with_another(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    sweep, conf = tmp_path / "sweep", tmp_path / "conf"
    for name in ("hat", "outer"):  # experiments that differ in nothing else
        (conf / "experiment").mkdir(parents=True, exist_ok=True)
        text = f"# @package _global_\nheadline: recall/{name}\n"
        (conf / "experiment" / f"{name}.yaml").write_text(text, encoding="utf-8")
    words = ["--config-dir", str(conf), "--multirun", *TINY, *TINY_MODEL, f"data.root={photos}"]
    words += [f"hydra.sweep.dir={sweep}", "experiment=hat,outer"]
    done = command("train", *words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count(": test macro recall ") == 2
    assert "| job | state | macro recall |" in (sweep / "summary.md").read_text(encoding="utf-8")
    before = [file.read_bytes() for file in sorted(sweep.glob("*/run.json"))]
    again = command("train", *words, "headline=precision/hat")
    assert again.returncode == 0, again.stderr[-3000:]
    assert again.stdout.count(": test precision of hat ") == again.stdout.count("skipped ") == 2
    assert "| job | state | precision hat |" in (sweep / "summary.md").read_text(encoding="utf-8")
    assert [file.read_bytes() for file in sorted(sweep.glob("*/run.json"))] == before
    assert "precision hat" in command("sweep", "status", f"dir={sweep}").stdout
