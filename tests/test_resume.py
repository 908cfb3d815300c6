"""A run that was stopped and goes on leaves what one leaves that was never stopped."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from project import build
from project.callbacks.interruption import signals
from project.checking import check
from project.commands.resuming import continued
from project.errors import ConfigError, Pruned, RunError
from project.models.classifier import Classifier
from project.runs.directory import RunDirectory
from project.runs.lock import Lock
from project.runs.record import DataFacts, RunRecord, read_record
from project.runs.saved_config import read_config
from project.train import placed, run
from tests.conftest import REPOSITORY, TINY, TINY_MODEL, Command, Compose, command_environment
from tests.left_runs import MakeRun

Stop = Callable[..., None]
Start = Callable[..., RunRecord]


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Stop:
    """``stop(epoch, batch)`` has this process get a signal while that batch is trained."""

    def at(
        epoch: int, batch: int, number: int = signal.SIGTERM, during: str = "train", times: int = 1
    ) -> None:
        left = [times]

        def send(self: Classifier, *arguments: Any) -> None:
            if (self.current_epoch, arguments[2]) == (epoch, batch) and left:
                if during == "validation" and self.trainer.state.fn != "fit":
                    return
                for _ in range(left.pop()):
                    os.kill(os.getpid(), number)

        monkeypatch.setattr(Classifier, f"on_{during}_batch_end", send)

    return at


@pytest.fixture
def start(tiny: Compose, tmp_path: Path) -> Start:
    """``start("name", *overrides)`` trains; with ``resume=True`` it goes on."""

    def started(name: str, *overrides: str, resume: bool = False) -> RunRecord:
        place = tmp_path / name
        again = [f"resume={place}"] if resume else []
        return run(tiny("trainer.max_epochs=3", f"paths.run={place}", *overrides, *again))

    return started


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C interrupts, also where a shell has the tests ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def leaves(node: Any, path: str = "") -> dict[str, Any]:
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        return {k: v for key, value in items for k, v in leaves(value, f"{path}/{key}").items()}
    return {path: node}


def checkpoint(run: RunDirectory, which: str) -> dict[str, Any]:
    """What matters of a checkpoint, without paths of the run."""
    content = torch.load(run.existing_checkpoint(which), weights_only=True)
    content["evenhand_rest"] = content.get("evenhand_rest")
    kept = {key: value for key, value in content.items() if key != "callbacks"}
    kept["callbacks"] = [value for key, value in content["callbacks"].items() if "Best" not in key]
    return leaves(kept)


def assert_same(one: RunDirectory, other: RunDirectory) -> None:
    for split in ("val", "test"):
        assert one.predictions(split).read_bytes() == other.predictions(split).read_bytes()
    assert one.metrics_file.read_bytes() == other.metrics_file.read_bytes()
    first, second = read_record(one), read_record(other)
    assert repr(first.metrics) == repr(second.metrics)
    assert first.best == second.best
    for which in ("best", "last"):
        left, right = checkpoint(one, which), checkpoint(other, which)
        assert left.keys() == right.keys()
        for key, value in left.items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value.nan_to_num(), right[key].nan_to_num()), key
            else:
                assert value == right[key], key


def interrupted(start: Start, name: str, *overrides: str, resume: bool = False) -> int:
    with pytest.raises(SystemExit) as ended:
        start(name, *overrides, resume=resume)
    assert isinstance(ended.value.code, int)
    return ended.value.code


# Four batches an epoch, three epochs.
FEATURES = {
    "dropout": "model=timm model.name=test_resnet model.drop_rate=0.5 data.size=32",
    "ema": "callbacks=[default,ema] callbacks.ema.decay=0.9 callbacks.ema.update_every_n_steps=2",
    "plateau": "scheduler=plateau scheduler.patience_epochs=0 scheduler.factor=0.5 optimizer.lr=0",
    "step": "scheduler=step scheduler.step_epochs=1 scheduler.gamma=0.5",
    "one_cycle": "scheduler=one_cycle optimizer=sgd trainer.log_every_n_steps=1 "
    "callbacks.learning_rate.logging_interval=step",
    "accumulation": "trainer.accumulate_grad_batches=3 scheduler=cosine",
    "mixing": "mixing=mixup_cutmix augmentation=strong oversampling=outer_color_x4",
    "early_stopping": "callbacks=[default,early_stopping] callbacks.early_stopping.patience=1 "
    "optimizer.lr=0",
    "rare_validation": "trainer.check_val_every_n_epoch=2 trainer.max_epochs=4 scheduler=plateau",
    "frequent_validation": "+trainer.val_check_interval=0.5 callbacks=[default,ema,early_stopping]",
    "few_batches": "trainer.limit_train_batches=3",
    "steps": "trainer.max_steps=10 trainer.max_epochs=-1 scheduler=none",
    "bf16": "trainer.precision=bf16-mixed trainer.gradient_clip_val=0.5",
    "workers": "data.num_workers=2 augmentation=strong",
    # Stopped in the midst of a stage, and in the validation before layers thaw.
    "gradual": "finetune=gradual finetune.unfreeze_at=[1,2] model=small_cnn model.width=8 "
    "model.depth=3 model.dropout=0.5 callbacks=[default,ema] callbacks.ema.decay=0.9 "
    "trainer.gradient_clip_val=0.1 optimizer.fused=true",
    "linear_probe": "finetune=linear_probe scheduler=one_cycle model=timm model.name=test_resnet "
    "model.drop_rate=0.5 data.size=32",
    "discriminative": "finetune=discriminative scheduler=plateau scheduler.patience_epochs=0",
    "uncached": "data.cache=none augmentation=color",
}


@pytest.mark.slow
@pytest.mark.parametrize("feature", FEATURES)
def test_whatever_is_trained_goes_on_bit_by_bit(
    start: Start, stop: Stop, tmp_path: Path, feature: str
) -> None:
    options = FEATURES[feature].split()
    start("whole", *options)
    # The last one is in the validation. Gradients that are half gathered are not saved.
    last = 2 if feature == "few_batches" else 3
    inside = [] if feature == "accumulation" else [(1, last - 1)]
    places = [(0, 1), (1, 0), *inside, (1, last)]
    for number, (epoch, batch) in enumerate(places):
        stop(epoch, batch)
        assert interrupted(start, "parts", *options, resume=number > 0) == 143
    record = start("parts", *options, resume=True)
    assert record.attempts == 1 + len(places)
    assert_same(RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "parts"))


@pytest.mark.slow
def test_run_goes_on_with_another_cache_and_other_workers(
    start: Start, stop: Stop, tmp_path: Path
) -> None:
    ways = ["data.cache=disk", "data.cache=none data.num_workers=2", "data.cache=ram"]
    start("whole", "augmentation=color")
    for number, way in enumerate(ways[:2]):
        stop(1, number + 1)
        interrupted(start, "parts", "augmentation=color", *way.split(), resume=number > 0)
    start("parts", *ways[2].split(), resume=True)
    assert_same(RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "parts"))


def test_run_that_was_stopped_in_the_midst_of_an_epoch_goes_on_there(
    start: Start, stop: Stop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, parts = RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "parts")
    start("whole")
    stop(1, 1)
    assert interrupted(start, "parts") == 143
    before = read_record(parts)
    assert before.state == "interrupted"
    assert before.error is not None
    assert before.error.type == "SystemExit"
    caplog.set_level("INFO")
    record = start("parts", resume=True)
    assert "Training goes on from last.ckpt: epoch 1, after 2 of its batches." in caplog.text
    assert (record.state, record.attempts, record.error) == ("finished", 2, None)
    assert record.started == before.started
    assert record.seconds["total"] > before.seconds["total"]
    assert_same(whole, parts)


@pytest.mark.slow
def test_signal_in_a_validation_saves_what_was_trained_before_it(
    start: Start, stop: Stop, tmp_path: Path
) -> None:
    ema = ["callbacks=[default,ema]", "callbacks.ema.decay=0.9", "data.batch_size=4"]
    start("whole", *ema)
    stop(1, 1, during="validation")
    assert interrupted(start, "parts", *ema) == 143
    state = torch.load(tmp_path / "parts" / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["loops"]["fit_loop"]["state_dict"]["at_rest"] == "validation"
    start("parts", resume=True)
    assert_same(RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "parts"))


@pytest.mark.slow
def test_sigusr1_saves_at_once_and_training_goes_on(
    start: Start, stop: Stop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    start("whole")
    for during in ("train", "validation"):
        stop(1, 0, signal.SIGUSR1, during=during)
        assert start(during, "seed=1").state == "finished"
        assert f"Saved {tmp_path / during}" in caplog.text
        assert_same(RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / during))


@pytest.mark.slow
def test_clock_saves_between_epochs(start: Start, stop: Stop, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        original = Classifier.training_step
        patch.setattr(
            Classifier,
            "training_step",
            lambda self, batch, batch_idx: (
                die() if self.global_step == 6 else original(self, batch, batch_idx)
            ),
        )
        with pytest.raises(Killed):
            start("parts", "callbacks.last.checkpoint_minutes=1e-9")
    state = torch.load(tmp_path / "parts" / "checkpoints" / "last.ckpt", weights_only=True)
    previous = torch.load(tmp_path / "parts" / "checkpoints" / "previous.ckpt", weights_only=True)
    assert (state["global_step"], previous["global_step"]) == (6, 5)
    start("whole")
    start("parts", resume=True)
    assert_same(RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "parts"))


@pytest.mark.slow
def test_ctrl_c_saves_and_a_second_one_ends_at_once(
    start: Start, stop: Stop, tmp_path: Path, ctrl_c: None
) -> None:
    for times, steps in ((1, 6), (2, 4)):
        stop(1, 1, signal.SIGINT, times=times)
        place = f"{times}"
        with pytest.raises(KeyboardInterrupt):
            start(place)
        assert read_record(RunDirectory(tmp_path / place)).state == "interrupted"
        file = tmp_path / place / "checkpoints" / "last.ckpt"
        assert torch.load(file, weights_only=True)["global_step"] == steps


def test_signal_before_training_ends_the_run_at_once(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = signal.getsignal(signal.SIGTERM)

    def ask(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)  # nothing to save yet, and no reason to die
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(build, "datamodule", ask)
    assert interrupted(start, "parts") == 143
    assert read_record(RunDirectory(tmp_path / "parts")).state == "interrupted"
    assert signal.getsignal(signal.SIGTERM) is handler


def test_what_stops_an_attempt_before_its_first_batch_costs_nothing_that_was_reached(
    start: Start, stop: Stop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Classifier) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    stop(0, 2)
    interrupted(start, "parts")
    parts = RunDirectory(tmp_path / "parts")
    left = parts.checkpoint("last").read_bytes()
    monkeypatch.setattr(Classifier, "on_train_start", full)
    with pytest.raises(RuntimeError, match="out of memory"):
        start("parts", resume=True)
    record = read_record(parts)
    assert (record.state, record.attempts) == ("interrupted", 2)
    assert "Going on failed before it began (OutOfMemoryError: CUDA" in record.messages[-1]
    assert parts.checkpoint("last").read_bytes() == left


def test_failure_after_a_batch_was_trained_is_one(
    start: Start, stop: Stop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("of its own")

    stop(0, 1)
    interrupted(start, "parts")
    monkeypatch.setattr(Classifier, "on_train_batch_end", lambda *_: None)
    monkeypatch.setattr(Classifier, "on_validation_epoch_start", fail)
    with pytest.raises(ValueError, match="of its own"):
        start("parts", "trainer.num_sanity_val_steps=0", resume=True)
    record = read_record(RunDirectory(tmp_path / "parts"))
    assert record.error is not None
    assert (record.state, record.error.type) == ("failed", "ValueError")


def test_signals_are_never_left_to_the_trainer(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []

    def terminate(_: Classifier) -> None:
        heard.append(signal.getsignal(signal.SIGTERM))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Classifier, "on_fit_start", terminate)
    assert interrupted(start, "parts") == 143
    assert heard == [signals._receive]
    assert read_record(RunDirectory(tmp_path / "parts")).state == "interrupted"


@pytest.mark.slow
def test_signal_while_testing_ends_the_run_at_once_and_it_goes_on_with_the_test(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = FEATURES["early_stopping"].split()  # which must not be forgotten either
    start("whole", *early)
    steps: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Classifier, "on_test_start", lambda _: os.kill(os.getpid(), signal.SIGTERM))
        assert interrupted(start, "parts", *early) == 143
    monkeypatch.setattr(
        Classifier, "on_train_batch_start", lambda *arguments: steps.append(arguments[2])
    )
    start("parts", resume=True)
    assert not steps
    assert_same(RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "parts"))


def test_pruned_run_is_neither_finished_nor_failed(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prune(self: Classifier) -> None:
        raise Pruned("Trial 3 falls behind.")

    monkeypatch.setattr(Classifier, "on_train_batch_end", lambda *_: prune(*_[:1]))
    with pytest.raises(Pruned):
        start("trial")
    record = read_record(RunDirectory(tmp_path / "trial"))
    assert (record.state, record.error and record.error.message) == (
        "pruned",
        "Trial 3 falls behind.",
    )


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x40
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


@pytest.mark.slow
def test_torn_checkpoint_gives_way_to_the_one_before(
    start: Start, stop: Stop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start("whole")
    whole = RunDirectory(tmp_path / "whole")
    stop(1, 2)
    interrupted(start, "parts")
    for name, damage, torn in (
        ("flipped", flip, ["last"]),
        ("cut", cut, ["last"]),
        ("both", cut, ["last", "previous"]),
        ("none", Path.unlink, ["last", "previous"]),
    ):
        shutil.copytree(tmp_path / "parts", tmp_path / name)
        parts = RunDirectory(tmp_path / name)
        for which in torn:
            damage(parts.checkpoints / f"{which}.ckpt")
        (parts.checkpoints / "last.ckpt.unfinished").write_bytes(b"half")
        caplog.clear()
        record = start(name, resume=True)
        told = [m for m in record.messages if "is damaged and cannot be used" in m]
        assert len(told) == (0 if name == "none" else len(torn))
        assert all(message in caplog.text for message in told)
        assert ("starts from the beginning" in caplog.text) == (len(torn) == 2)
        assert_same(whole, parts)
        assert not list(parts.checkpoints.glob("*.unfinished"))


@pytest.mark.slow
def test_run_in_another_folder_than_before_goes_on(
    start: Start, stop: Stop, tmp_path: Path
) -> None:
    start("whole")
    stop(1, 1)
    interrupted(start, "parts")
    (tmp_path / "parts").rename(tmp_path / "moved")
    start("moved", resume=True)
    assert_same(RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "moved"))
    assert not (tmp_path / "parts").exists()


def test_finished_run_has_nothing_left_to_do(start: Start, make_run: MakeRun) -> None:
    make_run("done", state="finished", finished="2026-01-31T12:00:00+00:00")
    with pytest.raises(RunError, match=r"finished at 2026-01-31.*: there is nothing left to do"):
        start("done", resume=True)


def test_evaluation_cannot_go_on(start: Start, make_run: MakeRun) -> None:
    make_run("evaluation", kind="evaluation", state="interrupted")
    with pytest.raises(RunError, match=r"expected a training run at .* got an evaluation"):
        start("evaluation", resume=True)


def test_place_without_a_run_is_refused(start: Start) -> None:
    with pytest.raises(RunError, match=r"directory of a run at .*nowhere, got nothing"):
        start("nowhere", resume=True)


def test_run_cannot_go_on_in_another_directory(tiny: Compose, make_run: MakeRun) -> None:
    here = make_run("here", state="interrupted")
    with pytest.raises(ConfigError, match=r"paths\.run: expected .*here, which is to go on, got"):
        run(tiny(f"resume={here.path}"))


def test_directory_in_which_another_process_works_is_left_alone(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("project.commands.recorded._PATIENCE_SECONDS", 0.01)
    run_directory = RunDirectory(tmp_path / "taken")
    run_directory.path.mkdir()
    RunRecord(state="running", name="theirs").write(run_directory)
    lock = Lock.take(run_directory.lock_file)
    assert lock is not None
    with pytest.raises(RunError, match="got another process that is working in it"):
        start("taken")
    lock.release()
    assert read_record(run_directory).name == "theirs"


def test_lock_that_somebody_only_looks_at_is_waited_for(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Begun(BaseException):
        pass

    lock = Lock.take(RunDirectory(tmp_path / "free").lock_file)
    assert lock is not None
    monkeypatch.setattr("project.runs.lock.time.sleep", lambda _: lock.release())

    def begin(_: Any) -> None:
        raise Begun

    monkeypatch.setattr("project.commands.training.check", begin)
    with pytest.raises(Begun):
        start("free")


def test_other_photos_or_classes_are_refused_and_the_record_keeps_what_it_knows(
    start: Start, stop: Stop, tmp_path: Path, photos: Path
) -> None:
    root = tmp_path / "some photos"
    shutil.copytree(photos, root)
    stop(0, 2)
    interrupted(start, "parts", f"data.root={root}")
    parts = RunDirectory(tmp_path / "parts")
    before = read_record(parts)
    left = parts.checkpoint("last").read_bytes()
    (root / "train" / "top" / "0.jpg").unlink()
    expected = r"expected the data that the run began with(.|\n)*train images: 56, now 55"
    for _ in range(2):
        with pytest.raises(RunError, match=expected):
            start("parts", resume=True)
    after = read_record(parts)
    assert (after.data, after.counts) == (before.data, before.counts)
    assert (after.state, after.error) == ("interrupted", before.error)
    assert [m for m in after.messages if "Going on failed before it began (RunError" in m]
    assert parts.checkpoint("last").read_bytes() == left
    after.data, after.classes = DataFacts(), ["hat", "outer", "shoes"]
    after.write(parts)
    with pytest.raises(RunError, match="classes: hat, outer, shoes, now hat, outer, top"):
        start("parts", resume=True)


THEN = {
    "seed": 1,
    "model": {"_target_": "small", "width": 8},
    "data": {"num_workers": 0, "root": "photos"},
    "trainer": {"max_epochs": 3, "enable_progress_bar": True},
    "logger": {},
    "paths": {"run": "there"},
}
TODAY = {
    "seed": 2,
    "model": {"_target_": "large"},
    "data": {"num_workers": 4, "root": "photos"},
    "trainer": {"max_epochs": 3, "enable_progress_bar": False},
    "logger": {"wandb": {"id": None}},
    "paths": {"run": "here"},
}


def test_what_cannot_change_a_result_may_be_different_in_another_attempt() -> None:
    assert continued(THEN, TODAY, []) == {**THEN, "paths": {"run": "here"}}
    given = ["data.num_workers=4", "+logger.wandb.id=null", "trainer.max_epochs=3"]
    config = continued(THEN, TODAY, given)
    assert config["data"]["num_workers"] == 4
    assert config["logger"] == {"wandb": {"id": None}}
    assert config["trainer"]["enable_progress_bar"] is True
    assert config["seed"] == 1
    whole_group = continued(THEN, TODAY, ["trainer=cpu"])
    assert whole_group["trainer"] == TODAY["trainer"]


@pytest.mark.parametrize(
    ("override", "shown"),
    [
        ("seed=2", "seed: 1, now 2"),
        ("model=large", r"model\._target_: small, now large\n  model\.width: 8, now nothing"),
        ("experiment=wardrobe", "seed: 1, now 2"),
        ("~model.width", r"model\.width: 8, now nothing"),
    ],
)
def test_what_can_change_a_result_must_stay(override: str, shown: str) -> None:
    with pytest.raises(ConfigError, match=f"a run goes on as it began; got others:(.|\n)*{shown}"):
        continued(THEN, TODAY, [override])


def test_only_training_goes_on_with_a_run(tiny: Compose) -> None:
    with pytest.raises(ConfigError, match=r"resume: expected a run of its own, got outputs/runs/x"):
        check(tiny("resume=outputs/runs/x"))


def test_run_goes_on_in_its_directory(make_run: MakeRun, tmp_path: Path) -> None:
    there = make_run("a b,c=1", state="interrupted").path
    words = placed([f"resume={there}", "data.num_workers=2"])
    assert words == [f"resume={there}", "data.num_workers=2", f'hydra.run.dir="{there}"']
    assert placed(words) == words
    assert placed(["resume=null", "seed=1"]) == ["resume=null", "seed=1"]
    with pytest.raises(ConfigError, match=r"hydra\.run\.dir: expected .*, which is to go on"):
        placed([f"resume={there}", "hydra.run.dir=elsewhere"])
    with pytest.raises(ConfigError, match="--multirun: expected one run to go on with"):
        placed(["-m", f"resume={there}"])
    with pytest.raises(RunError, match=r"expected the directory of a run at .*nothing there"):
        placed([f"resume={tmp_path}/nothing"])


def spawn(tmp_path: Path, *overrides: str) -> "subprocess.Popen[str]":
    """Starts a command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "project.train", *overrides],
        cwd=REPOSITORY,
        env=command_environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(file: Path, process: "subprocess.Popen[str]", seconds: float = 0.0) -> None:
    deadline = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None, process.communicate()[1][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(seconds)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_command_survives_being_killed_and_terminated(
    command: Command, photos: Path, tmp_path: Path, ranks: int
) -> None:
    placement = ["trainer=ddp", "trainer.accelerator=cpu"] if ranks == 2 else ["trainer=cpu"]
    options = [
        *(o for o in TINY if not o.startswith("trainer=")),
        *TINY_MODEL,
        *placement,
        "data.num_workers=1",
        f"data.root={photos}",
        "trainer.max_epochs=8",
        "callbacks=[default,ema]",
        "model.dropout=0.3",
        "callbacks.last.checkpoint_minutes=1e-9",
    ]
    done = command("train", *options, f"hydra.run.dir={tmp_path}/whole")
    assert done.returncode == 0, done.stderr[-3000:]
    parts = RunDirectory(tmp_path / "parts")
    again = [f"resume={parts.path}"]

    process = spawn(tmp_path, *options, f"hydra.run.dir={parts.path}")
    wait_for(parts.checkpoint("previous"), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert read_record(parts).state == "running"

    parts.checkpoint("previous").unlink()
    process = spawn(tmp_path, *again, *options)
    wait_for(parts.checkpoint("previous"), process)
    process.send_signal(signal.SIGTERM)  # the first process alone
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143, errors[-3000:]
    record = read_record(parts)
    assert (record.state, record.attempts) == ("interrupted", 2)

    done = command("train", *again)
    assert done.returncode == 0, done.stderr[-3000:]
    record = read_record(parts)
    assert (record.state, record.attempts) == ("finished", 3)
    assert not any("resume" in override for override in record.overrides)
    assert read_config(parts)["paths"]["run"] == str(parts.path)
    assert "resume" not in read_config(parts)
    assert_same(RunDirectory(tmp_path / "whole"), parts)
    assert "nothing left to do" in command("train", *again).stderr
