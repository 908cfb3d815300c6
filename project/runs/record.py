"""What a run was, did and measured: ``run.json``."""

import contextlib
import json
import math
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal

from project.atomic import write_bytes
from project.errors import Pruned, RunError
from project.runs.directory import RunDirectory
from project.runs.environment import CodeVersion, Hardware

State = Literal["running", "finished", "failed", "interrupted", "pruned"]
Kind = Literal["training", "evaluation"]
Counts = dict[str, int]

KILLED = "killed"  # by a signal, such as the one for too little memory
TIMED_OUT = "timed out"
EXITED = "exited"
NO_WORD = (KILLED, TIMED_OUT, EXITED)  # how a process ends that says nothing itself

HEADLINE = "macro_recall"
"""What tables lead with where nothing else is asked for."""

TERMINATED = 128 + signal.SIGTERM
"""Exit code of a run that stops because SIGTERM asked it to; what a shell would report, too."""

_TRACEBACK_LINES = 30


@dataclass
class Best:
    """The checkpoint that was tested: its monitored metric and the epoch, counted from 0."""

    monitor: str
    value: float
    epoch: int


@dataclass
class DataFacts:
    """What the run learned from.

    Attributes:
        root: Where the photos were.
        fingerprint: Changes when a photo, a label or a split does.
        images: Images per split and named test set.
        skipped: Path of each unusable photo, and what is wrong with it.
        leaks: Photos of val, test or a named test set that are also in train, byte for byte.
    """

    root: str = ""
    fingerprint: str = ""
    images: Counts = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    leaks: int = 0


@dataclass
class Diagnosis:
    """Something about a training that a reader should know.

    Attributes:
        name: What it is, in snake case, such as ``collapse``.
        sentence: What is seen, since when, what it usually means, and what to try.
        evidence: The numbers that it rests on.
    """

    name: str
    sentence: str
    evidence: dict[str, float | str] = field(default_factory=dict)


@dataclass
class Pretrained:
    """Weights of another run that a training started from.

    Attributes:
        folder: Directory of that run.
        words: What it was asked for by.
        config_fingerprint: Of that run.
        weights_sha256: Digest of its best weights.
        metrics: What they reach on the validation split of that run.
    """

    folder: str
    words: list[str] = field(default_factory=list)
    config_fingerprint: str = ""
    weights_sha256: str = ""
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class Failure:
    """What ended a run too early.

    Attributes:
        type: The error's class; or `KILLED`, `TIMED_OUT` or `EXITED`, where the process ended
            without a word of its own.
        message: What the error said.
        traceback: The end of its traceback.
        output: The last lines that the run printed, if it was a job of a sweep.
    """

    type: str
    message: str
    traceback: str = ""
    output: str = ""


@dataclass
class RunRecord:
    """Everything that later steps know about a run.

    Attributes:
        state: How far the run got.
        command: The command line, fit to be pasted into a shell.
        overrides: What was overridden in the configuration.
        choices: Option by group, whether chosen on the command line, in an experiment or by
            default; empty when a program composed the configuration.
        kind: Whether the run trained, or measured what another had trained.
        rerun_of: Directory of the run that this one repeats, if any.
        pretrained: The weights that it started from, if they were trained for it.
        name: The run's name.
        seed: The seed of everything random.
        headline: The metric that tables lead with, such as ``recall/<class>``.
        config_fingerprint: Equal for runs that must give equal results.
        recipe_fingerprint: Equal for runs that differ in their seed alone.
        started: When the first attempt did, ISO 8601 in UTC.
        finished: When it ended, however it ended.
        metrics: Value by name, such as ``test/macro_recall`` or ``test/recall/<class>``. What is
            not defined (the recall of a class without images) is NaN.
        best: The checkpoint that was tested.
        classes: Class names; the model's outputs are in this order.
        counts: Images by class, for each split and named test set.
        draws: Draws per epoch by class, after sampler and oversampling.
        data: What the run learned from.
        code: Version of the code; None outside a checkout.
        packages: Version by distribution name.
        hardware: What the run ran on.
        seconds: Duration by stage, and ``total``; of all attempts together.
        attempts: How often the run was started: once, and once more whenever it went on.
        milliseconds_per_image: Of a forward pass of the trained model, on what the run ran on.
        step_milliseconds: Of a training step, by precision and memory format, where the fastest
            were to be taken; the configuration has what was.
        messages: What a reader of the results should be warned of.
        diagnoses: What is wrong with the training, as far as its numbers show it.
        error: What ended the run too early.
    """

    state: State = "running"
    command: str = ""
    overrides: list[str] = field(default_factory=list)
    choices: dict[str, str | None] = field(default_factory=dict)
    kind: Kind = "training"
    rerun_of: str | None = None
    pretrained: Pretrained | None = None
    name: str = ""
    seed: int | None = None
    headline: str = HEADLINE
    config_fingerprint: str = ""
    recipe_fingerprint: str = ""
    started: str = ""
    finished: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    best: Best | None = None
    classes: list[str] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)
    draws: Counts = field(default_factory=dict)
    data: DataFacts = field(default_factory=DataFacts)
    code: CodeVersion | None = None
    packages: dict[str, str] = field(default_factory=dict)
    hardware: Hardware | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    attempts: int = 1
    milliseconds_per_image: float | None = None
    step_milliseconds: dict[str, float] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    error: Failure | None = None

    def write(self, run: RunDirectory) -> None:
        """Writes the record, replacing an earlier one.

        Args:
            run: The run that it describes.

        Raises:
            RunError: The disk is full, or the place cannot be written.
        """
        plain = _without_nan(asdict(self))
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
        # Bytes of a file name that are no valid text become JSON escapes, and survive.
        write_bytes(run.record_file, text.encode("utf-8", errors="backslashreplace"))

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time that the block takes to `seconds`, also when it raises.

        Args:
            name: The stage, such as ``train``.
        """
        begin = time.perf_counter()
        try:
            yield
        finally:
            taken = self.seconds.get(name, 0.0) + time.perf_counter() - begin
            self.seconds[name] = round(taken, 3)

    def remark(self, messages: Iterable[str]) -> None:
        """Adds what a reader should be warned of, unless an earlier attempt said so already.

        Args:
            messages: A sentence each.
        """
        self.messages += [message for message in messages if message not in self.messages]


def read_record(run: RunDirectory) -> RunRecord:
    """Reads the record of a run.

    Args:
        run: The run.

    Returns:
        The record. Keys that this version does not know, from a later one, are left out.

    Raises:
        RunError: There is no record, or it has been damaged.
    """
    try:
        plain = json.loads(run.record_file.read_bytes())
        return _from_plain(plain)
    except OSError as error:
        raise RunError(
            f"expected the record of a run at {run.record_file}, got: {error.strerror}. "
            "Choose the directory of a run that has started."
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(
            f"expected the record of a run in {run.record_file}, got content that is none "
            f"({error}). It was changed by something else: restore it, or run again."
        ) from error


def refuse_finished(run: RunDirectory) -> None:
    """Protects the results of a finished run from the next one.

    Args:
        run: Where the next run would write.

    Raises:
        RunError: The folder holds a finished run, or a damaged record.
    """
    if not run.record_file.exists():
        return
    record = read_record(run)
    if record.state == "finished":
        raise RunError(
            f"{run.path} holds a run that finished at {record.finished}, and this one would "
            "overwrite it. Choose another folder with hydra.run.dir=<folder>, or move the "
            "finished run away."
        )


@contextlib.contextmanager
def recording(
    run: RunDirectory, record: RunRecord, begun: Callable[[], bool] = lambda: True
) -> Iterator[RunRecord]:
    """Keeps the record true about how far the run is, and how it ended.

    Args:
        run: Where the record goes.
        record: What is known before the run starts; the block adds the rest.
        begun: Tells whether this attempt has got anywhere. One that fails before is remarked, and
            the record says how the attempt before ended: what that has reached is still there.

    Yields:
        The same record.

    Raises:
        RunError: The record cannot be written.
    """
    before = replace(record)
    record.state, record.started = "running", record.started or _now()
    record.finished = record.error = None  # of an earlier attempt
    record.write(run)
    try:
        with record.stage("total"):
            yield record
    except BaseException as error:
        record.state = _state_after(error)
        record.error = _failure(error)
        if record.state == "failed" and not begun():
            _put_back(record, before)
        _write_last_words(run, record, error)
        raise
    record.state, record.finished = "finished", _now()
    record.write(run)


def _state_after(error: BaseException) -> State:
    if isinstance(error, Pruned):
        return "pruned"
    asked = isinstance(error, SystemExit) and error.code == TERMINATED
    return "interrupted" if asked or isinstance(error, KeyboardInterrupt) else "failed"


def _put_back(record: RunRecord, before: RunRecord) -> None:
    error = record.error
    assert error is not None, "it failed"
    record.remark([f"Going on failed before it began ({error.type}: {error.message})."])
    # Nobody has recorded the end of a run that was killed.
    record.state = "interrupted" if before.state == "running" else before.state
    record.error = before.error


def _write_last_words(run: RunDirectory, record: RunRecord, error: BaseException) -> None:
    record.finished = _now()
    try:
        record.write(run)
    except RunError as unwritten:  # a full disk must not hide what went wrong first
        error.add_note(f"The record of the run could not be updated: {unwritten}")


def _failure(error: BaseException) -> Failure:
    lines = "".join(traceback.format_exception(error)).splitlines()
    tail = "\n".join(lines[-_TRACEBACK_LINES:])
    return Failure(type=type(error).__name__, message=str(error), traceback=tail)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _without_nan(plain: Any) -> Any:  # any tree of plain values
    """JSON has no NaN and no infinity: null says that there is no number."""
    if isinstance(plain, dict):
        return {key: _without_nan(value) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [_without_nan(value) for value in plain]
    if isinstance(plain, float) and not math.isfinite(plain):
        return None
    return plain


def _from_plain(plain: Mapping[str, Any]) -> RunRecord:
    record = RunRecord(**{"state": plain["state"], **_known(RunRecord, plain)})
    if "kind" not in plain and record.seed is None:
        record.kind = "evaluation"  # before kinds were recorded; only these have no seed
    record.metrics = {name: _number(value) for name, value in record.metrics.items()}
    record.data = DataFacts(**_known(DataFacts, plain.get("data", {})))
    if best := plain.get("best"):
        record.best = Best(best["monitor"], _number(best["value"]), best["epoch"])
    if code := plain.get("code"):
        record.code = CodeVersion(**_known(CodeVersion, code))
    if hardware := plain.get("hardware"):
        record.hardware = Hardware(**_known(Hardware, hardware))
    found = plain.get("diagnoses", [])
    record.diagnoses = [Diagnosis(**_known(Diagnosis, diagnosis)) for diagnosis in found]
    if pretrained := plain.get("pretrained"):
        record.pretrained = Pretrained(**_known(Pretrained, pretrained))
        numbers = record.pretrained.metrics
        record.pretrained.metrics = {name: _number(value) for name, value in numbers.items()}
    if failure := plain.get("error"):
        record.error = Failure(**_known(Failure, failure))
    return record


def _known(kind: type, plain: Mapping[str, Any]) -> dict[str, Any]:
    return {item.name: plain[item.name] for item in fields(kind) if item.name in plain}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
