import json
import os
import pty
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import wandb
import yaml
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict
from wandb.errors import UsageError
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from project import build
from project.callbacks.loggers import closing_wandb, log_config, log_results, wandb_logger
from project.callbacks.tracking import results
from project.callbacks.tracking.logger import WandbRunLogger
from project.commands.recorded import task_choices, task_overrides, tracked_as
from project.models.classifier import Classifier
from project.runs.directory import RunDirectory
from project.runs.record import RunRecord, read_record
from project.train import run
from tests.callbacks.tracking.wandb_server import (
    KEY,
    WandbServer,
    log_out,
    logged_in,
    offline_parts,
    read_back,
    records,
    serving,
    wandb_command,
)
from tests.conftest import REPOSITORY, TINY, TINY_MODEL, Command, Compose, command_environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # wandb's own, which change with every release
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WandbServer]:
    log_out(monkeypatch, tmp_path)
    with logged_in(monkeypatch) as running:
        yield running


def test_online_run_arrives(server: WandbServer, tiny: Compose) -> None:
    cfg = tiny("logger=wandb", "trainer.max_epochs=2", "logger.wandb.group=g", "tags=[first]")
    record = run(cfg)
    created = server.asked("UpsertBucket")[0]
    assert (created["project"], created["groupName"], created["jobType"], created["tags"]) == (
        "evenhand", "g", "train", ["first"]
    )  # fmt: skip
    assert len(server.run_ids) == 1
    assert server.config["optimizer"]["lr"] == cfg.optimizer.lr
    assert server.config["run"]["config_fingerprint"] == record.config_fingerprint
    epochs = [line["epoch"] for line in server.lines("wandb-history.jsonl") if "val/loss" in line]
    assert epochs == [0, 1]
    sent = json.loads(server.files["wandb-summary.json"])
    assert sent["test/macro_recall"] == pytest.approx(record.metrics["test/macro_recall"])
    assert any("results/mistakes" in name for name in server.files)
    artifacts = [
        asked["input"]["artifactCollectionName"] for asked in server.asked("CreateArtifact")
    ]
    assert f"data-{record.data.fingerprint}" in artifacts
    assert server.exit_code == 0
    assert wandb.run is None


def test_failed_run_is_marked_failed_and_the_next_attempt_resumes_it(
    server: WandbServer, tiny: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = tiny("logger=wandb")
    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "on_validation_epoch_end", interrupting)
        with pytest.raises(KeyboardInterrupt):
            run(cfg)
    assert server.exit_code == 1
    assert run(cfg).state == "finished"
    assert server.exit_code == 0
    assert len(server.run_ids) == 1
    assert len(server.asked("RunResumeStatus")) == 2


def interrupting(_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("hangs", [False, True], ids=["closes", "hangs"])
def test_server_that_dies_in_mid_run_costs_a_wait_and_a_command(
    server: WandbServer,
    tiny: Compose,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hangs: bool,
) -> None:
    caplog.set_level("INFO", logger="project")
    server.hangs = hangs
    send = WandbRunLogger.log_metrics

    def dying(self: WandbRunLogger, metrics: Mapping[str, float], step: int | None = None) -> None:
        server.dead = server.dead or "val/loss" in metrics
        send(self, metrics, step)

    monkeypatch.setattr(WandbRunLogger, "log_metrics", dying)
    cfg = tiny("logger=wandb", "logger.wandb.upload_timeout_seconds=3", "trainer.max_epochs=2")
    begin = time.monotonic()
    record = run(cfg)
    assert time.monotonic() - begin < 120  # a hang, not a speed
    assert record.state == "finished"
    assert wandb.run is None
    told = re.findall(r"wandb sync .*", caplog.text)[-1]
    with serving() as reborn:
        wandb_command(*shlex.split(told)[1:], WANDB_BASE_URL=reborn.url, WANDB_API_KEY=KEY)
        lines = reborn.lines("wandb-history.jsonl")
        assert [line["epoch"] for line in lines if "val/loss" in line] == [0, 1]
        assert any("results/mistakes" in name for name in reborn.files)
        assert len(reborn.run_ids) == 1


def test_jobs_of_a_sweep_are_runs_of_their_own_in_its_group(
    command: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_out(monkeypatch, tmp_path)
    arguments = [*TINY, *TINY_MODEL, f"data.root={photos}", "logger=wandb", "seed=1,2"]
    done = command("train", "--multirun", *arguments, f"hydra.sweep.dir={tmp_path}/coats")
    assert done.returncode == 0, done.stderr
    parts = [offline_parts(tmp_path / "coats" / name) for name in ("seed=1", "seed=2")]
    opened = [records(part, "run")[0] for (part,) in parts]
    assert [run["display_name"] for run in opened] == ["seed=1", "seed=2"]
    assert {run["run_group"] for run in opened} == {"coats"}
    assert len({run["run_id"] for run in opened}) == 2
    for name, (part,) in zip(("seed=1", "seed=2"), parts, strict=True):
        printed = RunDirectory(tmp_path / "coats" / name).output_file.read_text(encoding="utf-8")
        assert f"wandb sync {part}" in printed


@pytest.fixture
def hydra_knows(compose_config: Compose) -> Iterator[Callable[..., DictConfig]]:
    """``hydra_knows(mode, *overrides)`` composes as Hydra does when it runs."""

    def composed(mode: RunMode, *overrides: str) -> DictConfig:
        given = ["logger=wandb", "logger.wandb.mode=offline", *overrides]
        cfg = compose("train", given, return_hydra_config=True)
        with open_dict(cfg):
            cfg.hydra.mode, cfg.hydra.sweep.dir = mode, "sweeps/coats"
            cfg.hydra.runtime.output_dir = "sweeps/coats/model=vgg11"
        HydraConfig.instance().set_config(cfg)
        return cfg

    yield composed
    HydraConfig.instance().cfg = None


@pytest.mark.parametrize(
    ("mode", "overrides", "group", "name"),
    [
        (RunMode.RUN, ["model=vgg11"], None, "model=vgg11"),
        (RunMode.RUN, ["experiment=wardrobe"], "wardrobe", "experiment=wardrobe"),
        (RunMode.MULTIRUN, ["model=vgg11", "seed=2"], "coats", "model=vgg11"),
        (RunMode.MULTIRUN, ["experiment=wardrobe"], "wardrobe", "model=vgg11"),
        (RunMode.RUN, ["logger.wandb.group=g", "logger.wandb.name=n"], "g", "n"),
    ],
    ids=["run", "experiment", "sweep", "experiment in a sweep", "told"],
)
def test_group_is_the_experiment_or_the_sweep_and_the_name_what_was_overridden(
    hydra_knows: Callable[..., DictConfig],
    mode: RunMode,
    overrides: list[str],
    group: str | None,
    name: str,
) -> None:
    cfg = hydra_knows(mode, *overrides)
    record = RunRecord(overrides=task_overrides(), choices=task_choices(), name="model=vgg11")
    logger = build.tracker(cfg.logger.wandb, "logger.wandb", tracked_as(record))
    assert isinstance(logger, WandbRunLogger)
    assert (logger.identity.group, logger.identity.name) == (group, name)


def test_disabled_run_trains_and_keeps_nothing(
    tiny: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log_out(monkeypatch, tmp_path)
    wandb.teardown()
    cfg = tiny("logger=wandb", "logger.wandb.mode=disabled")
    assert run(cfg).state == "finished"
    assert not list(Path(cfg.paths.run).rglob("*.wandb"))


def test_sweep_file_is_run_as_the_agent_does(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_out(monkeypatch, tmp_path)
    sweep = yaml.safe_load((REPOSITORY / "conf" / "wandb_sweep.yaml").read_text(encoding="utf-8"))
    values = {"optimizer.lr": 0.0031, "model": "small_cnn", "oversampling": "copy"}
    assert values.keys() == sweep["parameters"].keys()
    arguments = create_sweep_command_args(
        {"args": {key: {"value": value} for key, value in values.items()}}
    )
    told = {"env": ["/usr/bin/env"], **arguments}
    own = [*TINY, *TINY_MODEL, f"data.root={photos}", f"hydra.run.dir={tmp_path}/run"]
    words: list[str] = []
    for word in create_sweep_command(sweep["command"]):
        words += own if word == "${args_no_hyphens}" else []
        words += told[word[2:-1]] if word.startswith("${") else [word]
    params = tmp_path / "params.yaml"
    params.write_text(
        yaml.safe_dump({"wandb_version": 1, **{k: {"value": v} for k, v in values.items()}})
    )
    done = subprocess.run(
        words,
        cwd=REPOSITORY,
        env={
            **command_environment(tmp_path),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "WANDB_SWEEP_ID": "swept",
            "WANDB_RUN_ID": "agents",
            "WANDB_SWEEP_PARAM_PATH": str(params),
            "WANDB_PROJECT": "theirs",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (part,) = offline_parts(tmp_path / "run")
    read = read_back(part)
    assert (read["run_id"], read["project"]) == ("agents", "theirs")
    assert read["config"]["optimizer.lr"] == 0.0031
    assert read["config"]["optimizer"]["lr"] == 0.0031
    assert read["config"]["model"] == "small_cnn"
    assert read["config"]["model_config"]["width"] == 8
    assert "Ignoring" not in done.stderr
    record = read_record(RunDirectory(tmp_path / "run"))
    assert sweep["metric"] == {"name": "val/macro_recall", "goal": "maximize"}
    assert record.best is not None
    assert read["summary"][sweep["metric"]["name"]] == pytest.approx(record.best.value)


def at_a_terminal(folder: Path, **environment: str) -> str:
    """What a process says that opens a run where somebody could answer questions."""
    code = (
        "import sys; from project.callbacks.loggers import closing_wandb, wandb_logger\n"
        "with closing_wandb(sys.argv[1]): print(wandb_logger(sys.argv[1]).experiment.offline)"
    )
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=REPOSITORY, stdin=theirs, stdout=theirs, stderr=theirs, timeout=120, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    return said


def test_no_key_is_asked_for_at_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_out(monkeypatch, tmp_path)
    said = at_a_terminal(tmp_path, WANDB_MODE="online")  # with which W&B itself would ask
    assert "ConfigError: WANDB_MODE asks for online, but nobody has logged in" in said


def test_no_other_key_is_asked_for_at_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_out(monkeypatch, tmp_path)
    with serving() as server:
        server.refuses = True
        said = at_a_terminal(tmp_path, WANDB_BASE_URL=server.url, WANDB_API_KEY="1" * 40)
    assert "W&B: cannot be online" in said
    assert said.split()[-1] == "True"


def test_one_id_for_the_jobs_of_a_sweep_is_refused(command: Command, photos: Path) -> None:
    arguments = [*TINY, *TINY_MODEL, f"data.root={photos}", "logger=wandb", "seed=1,2"]
    done = command("train", "--multirun", *arguments, "logger.wandb.id=same")
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "logger.wandb.id: each job of --multirun is a run of its own" in said


def test_training_goes_on_where_wandb_cannot_begin_at_all(
    tiny: Compose,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log_out(monkeypatch, tmp_path)

    def broken(**_: object) -> None:
        raise UsageError("no")

    monkeypatch.setattr(wandb, "init", broken)
    assert run(tiny("logger=wandb")).state == "finished"
    assert caplog.text.count("Going on without it.") == 1
    assert "could not send" not in caplog.text


@pytest.mark.parametrize(
    ("owner", "broken", "told"),
    [
        (wandb.Run, "define_metric", "the axis of the curves"),
        (results, "log_data", "what is trained on"),
        (results, "log_results", "what came out"),
    ],
    ids=["axis", "data", "results"],
)
def test_whatever_wandb_raises_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    owner: object,
    broken: str,
    told: str,
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise UsageError("no")

    log_out(monkeypatch, tmp_path)
    monkeypatch.setattr(owner, broken, failing)
    directory = RunDirectory(tmp_path)
    with closing_wandb(tmp_path):
        loggers = [wandb_logger(tmp_path, mode="disabled" if owner is results else "offline")]
        log_config(loggers, {"seed": 1}, directory, RunRecord())
        log_results(loggers, directory, RunRecord())
    assert f"W&B: could not send {told} (UsageError: no)." in caplog.text


def test_numbers_are_dropped_with_a_warning_when_the_service_has_gone(
    tiny: Compose,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log_out(monkeypatch, tmp_path)
    wandb.teardown()

    def killing(_: object) -> None:
        wandb.teardown()

    monkeypatch.setattr(Classifier, "on_fit_end", killing, raising=False)
    assert run(tiny("logger=wandb")).state == "finished"
    assert "W&B: could not send" in caplog.text
