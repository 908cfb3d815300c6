"""Runs that start from weights which the project trains itself."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, open_dict

from project.commands.pretraining import planned, pretrain_once, starting_from, weights_digest
from project.errors import ConfigError, EvenhandError, RunError
from project.launch.cli.hydra_versions import version_options
from project.launch.cli.quoting import as_list, quoted
from project.launch.cli.resolvers import register_resolvers
from project.launch.cli.word_lists import worded
from project.launch.composition.composed import settled
from project.models.classifier import Classifier
from project.models.weights import read_weights
from project.report.tables import summary
from project.rerun import run as rerun
from project.runs.directory import RunDirectory
from project.runs.fingerprint import config_fingerprint
from project.runs.lock import Lock
from project.runs.progress import Progress, write_progress
from project.runs.record import Failure, Pretrained, RunRecord, read_record
from project.runs.saved_config import read_config
from project.train import run
from tests.conftest import REPOSITORY, TINY, TINY_MODEL, Compose, command_environment

Start = Callable[..., RunRecord]

WORDS = [*TINY_MODEL, "data=folder", "data.size=24", "data.batch_size=16", "trainer.max_epochs=1"]
SLOW = "trainer.max_epochs=20"


def words(photos: Path, *more: str) -> str:
    """The key with words of a training of a second."""
    return worded(f"pretrain=[{','.join([*WORDS, f'data.root={photos}', *more])}]")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def composed(photos: Path, outputs: Path) -> Compose:
    """``composed("name", *overrides)`` composes a run that starts from weights of its own."""
    register_resolvers()

    def configured(name: str, *overrides: str) -> DictConfig:
        place = [f"paths.output={outputs}", f"paths.run={outputs}/{name}"]
        given = [*TINY, *TINY_MODEL, f"data.root={photos}", words(photos), *place, *overrides]
        with initialize_config_module("conf", **version_options()):
            return compose("train", given)

    return configured


@pytest.fixture(scope="module")
def first(composed: Compose, outputs: Path) -> RunDirectory:
    """A run whose features stay as they were in the weights that it starts from."""
    run(composed("first", "finetune=linear_probe", "optimizer.lr=0.05"))
    return RunDirectory(outputs / "first")


@pytest.fixture(scope="module")
def source(first: RunDirectory) -> RunDirectory:
    """The training that came before it."""
    weights = read_record(first).pretrained
    assert weights is not None
    return RunDirectory(Path(weights.folder))


def processes_started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have been trained beforehand from now on."""
    started: list[Any] = []
    monkeypatch.setattr("project.launch.beforehand._run", lambda *given: started.append(given))
    return started


@pytest.mark.slow
def test_run_starts_from_the_best_weights_of_the_words(
    first: RunDirectory, source: RunDirectory, outputs: Path, composed: Compose
) -> None:
    before = read_weights(source.checkpoint("best"))
    after = read_weights(first.checkpoint("last"))
    features = [name for name in before if name.startswith("backbone.features")]
    assert features
    assert all(torch.equal(before[name], after[name]) for name in features)
    assert not torch.equal(
        before["backbone.classifier.weight"], after["backbone.classifier.weight"]
    )
    assert source.path.parent == outputs / "pretrained"
    plan = planned(composed("first"))
    assert plan is not None
    # What is composed here is what the process composes.
    assert plan.job.fingerprint == read_record(source).config_fingerprint


@pytest.mark.slow
def test_record_report_and_configuration_say_what_the_run_started_from(
    first: RunDirectory, source: RunDirectory, photos: Path
) -> None:
    record, before = read_record(first), read_record(source)
    assert record.pretrained == Pretrained(
        folder=str(source.path),
        words=[*WORDS, f"data.root={photos}"],
        config_fingerprint=before.config_fingerprint,
        weights_sha256=weights_digest(source.checkpoint("best")),
        metrics={name: value for name, value in before.metrics.items() if "val/" in name},
    )
    assert record.pretrained.metrics["val/macro_recall"] >= 0
    assert record.seconds["pretrain"] > 0
    config = read_config(first)
    assert config["pretrain"] == record.pretrained.words
    assert config["model"]["checkpoint_path"] is None
    lines = dict(summary(record, first))
    assert lines["started from"].startswith("model.width=8 model.depth=2 data=folder")
    assert str(source.path) in first.report_file.read_text(encoding="utf-8")


@pytest.mark.slow
def test_weights_that_are_there_are_not_trained_again(
    first: RunDirectory,
    source: RunDirectory,
    composed: Compose,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = processes_started(monkeypatch)
    kept = source.record_file.read_bytes()
    record = run(composed("second", "seed=2"))
    assert not started
    assert source.record_file.read_bytes() == kept
    assert record.pretrained == read_record(first).pretrained
    assert record.recipe_fingerprint != read_record(first).recipe_fingerprint  # another fine-tuning


@pytest.mark.slow
def test_run_goes_on_without_the_weights_that_it_started_from(
    source: RunDirectory, composed: Compose, monkeypatch: pytest.MonkeyPatch, outputs: Path
) -> None:
    def stop(self: Classifier, *_: Any) -> None:
        if self.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    longer = "trainer.max_epochs=2"
    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "on_train_batch_end", stop)
        with pytest.raises(SystemExit):
            run(composed("stopped", longer))
    started = processes_started(monkeypatch)
    aside = source.path.rename(outputs / "aside")
    try:
        record = run(composed("stopped", longer, f"resume={outputs}/stopped"))
    finally:
        aside.rename(source.path)
    assert not started
    assert (record.state, record.attempts) == ("finished", 2)
    assert record.pretrained is not None
    assert record.pretrained.folder == str(source.path)


@pytest.fixture
def repeat(first: RunDirectory, compose_config: Compose, tmp_path: Path) -> Start:
    """``repeat(*overrides, digest=...)`` trains a copy of the run again."""
    copied = Path(shutil.copytree(first.path, tmp_path / "copied"))

    def again(*overrides: str, **changed: str) -> RunRecord:
        record = read_record(RunDirectory(copied))
        plain = json.loads(RunDirectory(copied).record_file.read_bytes())
        assert record.pretrained is not None
        plain["pretrained"] = asdict(record.pretrained) | changed
        RunDirectory(copied).record_file.write_text(json.dumps(plain), encoding="utf-8")
        place = f"run={copied}", f"paths.run={tmp_path}/again"
        return rerun(compose_config("rerun", *place, f"overrides={as_list(overrides)}"))

    return again


@pytest.mark.slow
def test_repeated_run_starts_from_the_same_folder(
    first: RunDirectory, repeat: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = processes_started(monkeypatch)
    record = repeat()
    assert not started
    assert record.pretrained == read_record(first).pretrained
    assert repr(record.metrics) == repr(read_record(first).metrics)


@pytest.mark.slow
def test_repeated_run_has_its_weights_trained_again_where_the_folder_is_gone(
    first: RunDirectory, repeat: Start, tmp_path: Path
) -> None:
    record = repeat(folder=f"{tmp_path}/gone")
    assert record.pretrained is not None
    assert Path(record.pretrained.folder).parent == tmp_path / "outputs" / "pretrained"
    assert repr(record.metrics) == repr(read_record(first).metrics)


@pytest.mark.slow
def test_repeated_run_refuses_other_weights(
    repeat: Start, source: RunDirectory, photos: Path
) -> None:
    with pytest.raises(RunError, match=r"with the SHA-256 0000 and .* got others in .*pretrained"):
        repeat(weights_sha256="0000")
    record = repeat("pretrain=null", weights_sha256="0000")
    assert record.pretrained is None


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("pretrain=seed=2", "expected null or a list of words of another training, got 'seed=2'"),
        ("pretrain=[]", r"expected null or a list of words of another training, got \[\]"),
        ("pretrain=[seed]", "seed: expected key=value as on the command line"),
        ("pretrain=['seed=1,2']", "seed=1,2: expected one value, got several"),
        ("pretrain=[resume=there]", "resume=there: expected a word about what is trained"),
        ("pretrain=[paths.run=there]", r"paths\.run=there: expected a word about what is trained"),
        (
            "pretrain=[seed=2,modle.width=4]",
            r"pretrain=\[seed=2,modle\.width=4\]: modle\.width: there is no such key",
        ),
        ("pretrain=[model=resnet19]", r"pretrain=\[model=resnet19\]: model=resnet19: .* resnet18"),
        ("pretrain=[data=folder]", r"pretrain=\[data=folder\]: data\.root: a value is needed"),
        ("pretrain=[data.batch_size=many]", r"pretrain=\[.*data\.batch_size.*expected"),
        (
            "pretrain=['pretrain=[seed=2]']",
            r"nothing trained here, got one with pretrain=\[seed=2\]\. Add pretrain=null",
        ),
    ],
)
def test_words_that_make_no_training_are_refused_before_photos_are_read(
    tiny: Compose, key: str, text: str
) -> None:
    with pytest.raises(ConfigError, match=text) as refused:
        run(tiny(quoted(worded(key)), "data.root=nowhere"))
    assert str(refused.value).startswith("pretrain")


@pytest.mark.parametrize("other", ["model.checkpoint_path=a.pth", "model.pretrained=true"])
def test_weights_come_from_one_place(tiny: Compose, photos: Path, other: str) -> None:
    network = ["model=timm", "model.name=test_resnet"]
    with pytest.raises(ConfigError, match=rf"expected one source of weights, got {other}"):
        planned(tiny(*network, words(photos), other))


def test_words_train_the_network_of_the_run(tiny: Compose, photos: Path) -> None:
    text = r"expected the network of this run, with model\.width=8, .* got model\.width=4\."
    with pytest.raises(ConfigError, match=text):
        planned(tiny(words(photos, "model.width=4")))
    with pytest.raises(ConfigError, match=r"SmallCNN, .* got model\._target_=project"):
        planned(tiny(worded("pretrain=[model=resnet18]")))


def test_network_without_a_key_for_weights_cannot_start_from_any(
    tiny: Compose, photos: Path
) -> None:
    cfg = tiny(words(photos))
    with open_dict(cfg):
        del cfg.model.checkpoint_path
    with pytest.raises(ConfigError, match=r"SmallCNN without model\.checkpoint_path"):
        planned(cfg)


def test_words_are_told_where_things_are_unless_they_say_so(
    tiny: Compose, photos: Path, tmp_path: Path
) -> None:
    plan = planned(tiny(words(photos)))
    assert plan is not None
    assert plan.job.config["trainer"]["accelerator"] == "cpu"
    assert plan.job.config["data"]["num_workers"] == 0
    assert plan.job.config["paths"]["cache"] == f"{tmp_path}/outputs/cache"
    assert "logger=csv" in plan.job.words
    said = planned(tiny(words(photos, "trainer.accelerator=auto", "logger=tensorboard")))
    assert said is not None
    assert said.job.config["trainer"]["accelerator"] == "auto"
    assert "tensorboard" in said.job.config["logger"]
    assert said.job.name != plan.job.name
    assert planned(tiny("pretrain=null")) is None


def test_fingerprint_of_a_run_has_the_words_and_no_folder(
    tiny: Compose, photos: Path, tmp_path: Path
) -> None:
    one = config_fingerprint(settled(tiny(words(photos))))
    assert one == config_fingerprint(settled(tiny(words(photos), f"paths.output={tmp_path}/b")))
    assert one != config_fingerprint(settled(tiny(words(photos, "seed=2"))))
    assert one != config_fingerprint(settled(tiny("pretrain=null")))


@pytest.fixture
def plan(tiny: Compose, photos: Path) -> Any:
    return planned(tiny(words(photos)))


def left_behind(run: RunDirectory, state: Any, finished: str = "then") -> None:
    run.path.mkdir(parents=True, exist_ok=True)
    error = Failure("TrainingError", "the loss is not finite")
    RunRecord(state=state, finished=finished, error=error).write(run)


def test_failure_of_another_process_is_not_tried_again(
    plan: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    lock = Lock.take(plan.job.run.lock_file)
    assert lock is not None

    def fail() -> None:
        while "Another process trains the weights" not in caplog.text:
            time.sleep(0.01)
        left_behind(plan.job.run, "failed")
        lock.release()

    other = threading.Thread(target=fail)
    other.start()
    with pytest.raises(RunError, match=r"failed \(TrainingError: the loss is not finite\)\. Mend"):
        pretrain_once(plan)
    other.join()


def test_other_processes_of_a_run_wait_for_the_first(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("project.launch.beforehand._LOOK_SECONDS", 0.01)
    started = processes_started(monkeypatch)
    left_behind(plan.job.run, "failed")  # of an earlier attempt
    other = threading.Timer(0.2, left_behind, (plan.job.run, "failed", "now"))
    other.start()
    with pytest.raises(RunError, match="the loss is not finite"):
        pretrain_once(plan)
    other = threading.Timer(0.2, left_behind, (plan.job.run, "finished", "later"))
    other.start()
    with pytest.raises(RunError, match=r"expected a checkpoint at .*best"):  # it looks for weights
        pretrain_once(plan)
    assert not started


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is not the first one of its run, and soon tired of waiting for it."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("project.launch.beforehand._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("project.launch.beforehand._ABANDONED_SECONDS", 1.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("state", "found"),
    [
        (None, "got no training, on which nobody has worked"),
        ("running", "is cut off, on which nobody has worked for 1 seconds"),
        ("failed", r"is failed \(TrainingError: the loss is not finite\), on which nobody"),
    ],
    ids=["before it began", "killed", "failed at once"],
)
def test_first_process_that_is_gone_is_not_waited_for_without_end(
    plan: Any, state: str | None, found: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    if state is not None:
        left_behind(plan.job.run, state)
    with pytest.raises(RunError, match=rf"{found}.* See what ended the first process"):
        pretrain_once(plan)
    told = [message for message in caplog.messages if "waiting for" in message]
    assert told == [
        f"The first process has the weights to start from trained: waiting for {plan.job.run.path}."
    ]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("sign", ["lock", "progress"])
def test_first_process_is_waited_for_as_long_as_it_works(
    plan: Any, sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("project.launch.beforehand._ABANDONED_SECONDS", 4.0)
    run = plan.job.run
    left_behind(run, "failed")  # of an earlier launch
    lock = Lock.take(run.lock_file)
    assert lock is not None
    if sign == "progress":  # of a node whose locks are not seen
        lock.release()

    def work() -> None:
        for step in range(100):
            time.sleep(0.05)
            if sign == "progress":
                write_progress(run, Progress(0, 1, step / 100, "val/loss", None, step, None))
        left_behind(run, "finished", "later")
        lock.release()

    other = threading.Thread(target=work)
    other.start()
    with pytest.raises(RunError, match=r"expected a checkpoint at .*best"):  # it looks for weights
        pretrain_once(plan)
    other.join()


def test_a_look_at_the_lock_is_no_other_process_that_trains(
    plan: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Or an old failure would be taken for that of the other one."""
    left_behind(plan.job.run, "failed")
    caplog.set_level("INFO")
    looking = Lock.take(plan.job.run.lock_file, shared=True)
    assert looking is not None
    done = threading.Timer(0.1, looking.release)
    done.start()
    tried = RunRecord(state="failed", error=Failure("DataError", "tried again"))
    monkeypatch.setattr("project.launch.beforehand._run", lambda *_: tried)
    with pytest.raises(RunError, match=r"failed \(DataError: tried again\)"):
        pretrain_once(plan)
    done.join()
    assert "Another process trains" not in caplog.text


def test_process_is_told_nothing_that_is_another_run_s(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = ("EVENHAND_SWEEP", "EVENHAND_TRIAL", "WANDB_RUN_ID", "LOCAL_RANK", "SLURM_NTASKS")
    for name in theirs:
        monkeypatch.setenv(name, "0")
    told: dict[str, Any] = {}

    def start(arguments: list[str], **options: Any) -> None:
        told.update(options, arguments=arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("project.launch.beforehand.subprocess.Popen", start)
    with pytest.raises(KeyboardInterrupt):
        pretrain_once(plan)
    assert not set(theirs) & set(told["env"])
    assert told["env"]["EVENHAND_LOCK_FD"] == str(told["pass_fds"][0])
    assert "hydra.mode=RUN" in told["arguments"]


@pytest.mark.slow
def test_training_that_fails_ends_the_run_with_its_error(
    tiny: Compose, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(EvenhandError, match=r"pretrained/.* is failed \(DataError: .*nowhere"):
        run(tiny(words(photos, f"data.root={tmp_path}/nowhere")))
    assert read_record(RunDirectory(tmp_path / "outputs" / "run")).state == "failed"


def begin(tmp_path: Path, photos: Path, name: str, *overrides: str) -> "subprocess.Popen[str]":
    """Starts a run in a process of its own, as a shell would."""
    given = [*TINY, *TINY_MODEL, f"data.root={photos}", f"hydra.run.dir={tmp_path}/{name}"]
    return subprocess.Popen(
        [sys.executable, "-m", "project.train", *given, *overrides],
        cwd=REPOSITORY,
        env=command_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_two_runs_at_once_have_their_weights_trained_once(tmp_path: Path, photos: Path) -> None:
    both = [begin(tmp_path, photos, name, words(photos)) for name in ("one", "two")]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("First trains the weights" in text for text in said) == 1
    assert sum(text.count("waiting for") for text in said) <= 1
    records = [read_record(RunDirectory(tmp_path / name)) for name in ("one", "two")]
    assert records[0].pretrained is not None
    assert records[0].pretrained == records[1].pretrained
    assert repr(records[0].metrics) == repr(records[1].metrics)
    (folder,) = (tmp_path / "outputs" / "pretrained").iterdir()
    assert read_record(RunDirectory(folder)).attempts == 1


@pytest.mark.slow
def test_run_that_is_stopped_while_its_weights_are_trained_goes_on_with_them(
    tmp_path: Path, photos: Path
) -> None:
    long = words(photos, SLOW)
    process = begin(tmp_path, photos, "one", long)
    until = time.monotonic() + 120
    while not list(tmp_path.glob("outputs/pretrained/*/checkpoints/last.ckpt")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)
    process.terminate()
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 143, said
    (folder,) = (tmp_path / "outputs" / "pretrained").iterdir()
    before = read_record(RunDirectory(folder))
    assert before.state == "interrupted"
    assert read_record(RunDirectory(tmp_path / "one")).state == "interrupted"
    process = begin(tmp_path, photos, "one", long, f"resume={tmp_path}/one")
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert "Goes on training the weights" in said
    after = read_record(RunDirectory(folder))
    assert (after.state, after.attempts) == ("finished", 2)
    record = read_record(RunDirectory(tmp_path / "one"))
    assert record.pretrained is not None
    assert record.pretrained.folder == str(folder)


def test_configuration_stays_as_it_was_asked_for(tiny: Compose, photos: Path) -> None:
    cfg = tiny(words(photos))
    assert starting_from(cfg, None) is cfg
    started = starting_from(cfg, Pretrained("somewhere"))
    assert (started.model.checkpoint_path, cfg.model.checkpoint_path) == ("somewhere", None)
