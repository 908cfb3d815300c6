"""Runs jobs on this machine, each in a process and a place of its own."""

import logging
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from project.errors import ConfigError, RunError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.local.devices import chosen_gpus
from project.launch.local.fork_server import Request
from project.launch.local.processes import ColdProcess, ForkServer, kill_all, tell
from project.launch.local.slots import THREADS, Slot, Slots, available_cores, cpu_slots, gpu_slots
from project.runs.lock import INHERITED, Lock, is_locked

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_IMPORTED = ("project.commands.training",)


@dataclass
class _Running:
    attempt: Attempt
    slot: Slot
    process: int
    cold: ColdProcess | None  # None: forked, so the server tells how it ends


def local_executor(
    sweep: Path,
    devices: int,
    *,
    gpus: str | int | Sequence[int | str] | None = "auto",
    gpus_per_job: int | str = "auto",
    jobs_per_gpu: int = 1,
    cpu_jobs: int | str = "auto",
    warm_start: bool = True,
    on_cpu: bool = False,
) -> "LocalExecutor":
    """Cuts this machine into places for jobs.

    Args:
        sweep: Directory of the sweep.
        devices: Of a job, by its trainer.
        gpus: ``auto`` for all that are visible, numbers of some, or none.
        gpus_per_job: ``auto`` takes ``devices``.
        jobs_per_gpu: Jobs that share a GPU.
        cpu_jobs: Without a GPU, jobs at the same time.
        warm_start: Whether jobs are forked from a process that has imported what they need.
        on_cpu: Whether jobs train on the CPU whatever there is. They take a GPU's place all the
            same, unless they have more processes than there are GPUs.

    Raises:
        ConfigError: If there are no such GPUs, or the numbers do not fit together.
    """
    names = chosen_gpus(gpus)
    cores = available_cores()
    if gpus_per_job == "auto" and 0 < len(names) < devices:
        if not on_cpu:
            raise ConfigError(
                f"trainer.devices={devices}: expected at most {len(names)}, the GPUs that the "
                "launcher may use for a job."
            )
        names = []
    if names:
        per_job = _number("gpus_per_job", gpus_per_job) or devices
        slots = gpu_slots(names, per_job, _number("jobs_per_gpu", jobs_per_gpu) or 1, cores)
    else:
        slots = cpu_slots(_number("cpu_jobs", cpu_jobs), devices, cores)
    return LocalExecutor(sweep, Slots(slots), _IMPORTED if warm_start else ())


def _number(name: str, value: int | str) -> int | None:
    """A number that was given, or None for ``auto``."""
    if value == "auto":
        return None
    if isinstance(value, int) and value >= 1:
        return value
    raise ConfigError(f"hydra.launcher.{name}: expected auto, or 1 or more, got {value}.")


class LocalExecutor:
    """Gives each job a slot; see `project.launch.jobs.executor.Executor`.

    Args:
        sweep: Directory of the sweep.
        slots: Places for jobs.
        warm: Modules that jobs need, imported once by a server that jobs are forked from; none to
            start each job from nothing.
    """

    holds_locks = True

    def __init__(self, sweep: Path, slots: Slots, warm: Sequence[str] = ()) -> None:
        self._sweep = sweep
        self._slots = slots
        self._warm = list(warm)
        self._server: ForkServer | None = None
        self._running: list[_Running] = []
        self._codes: dict[int, int] = {}  # of forked processes that have ended
        self._place: tuple[Slot, list[Lock]] | None = None

    def call(self, module: str, arguments: Sequence[str], output: Path) -> int:
        """Runs a module of ours to its end, with the imports that jobs share.

        Args:
            module: As ``python -m`` knows it.
            arguments: Its command line.
            output: Gets what it prints.

        Returns:
            Its exit code, or minus the signal that killed it.
        """
        request = Request(
            module, list(arguments), dict(os.environ), str(Path.cwd()), str(output), told=""
        )
        process, cold = self._started(request, [])
        while True:
            code = self._code_of(process, cold)
            if code is not None:
                return code
            if cold is None and not (self._server and self._server.alive):
                process, cold = self._started(request, [])  # once more, with another server
            time.sleep(_POLL_SECONDS)

    def has_room(self) -> bool:
        """Whether a slot is free, which then waits for the next attempt."""
        if self._place is None:
            self._place = self._slots.take()
        return self._place is not None

    def begin(self, attempt: Attempt) -> None:
        """Begins an attempt in the slot that `has_room` found."""
        assert self._place is not None, "has_room comes first"
        (slot, locks), self._place = self._place, None
        attempt.place = slot.name
        own = [attempt.lock] if attempt.lock else []
        try:
            attempt.job.run.output_file.parent.mkdir(parents=True, exist_ok=True)
            request = self._request(attempt, slot)
            process, cold = self._started(request, [lock.descriptor for lock in [*own, *locks]])
        except OSError as error:
            self._slots.give_back(slot)
            raise RunError(
                f"{attempt.job.name}: its process cannot be started: {error.strerror or error}. "
                "Free some memory or disk, and start the sweep again."
            ) from error
        finally:
            for lock in [*own, *locks]:
                lock.release()  # it is the job's now
        self._running.append(_Running(attempt, slot, process, cold))

    def wait(self, seconds: float) -> Sequence[tuple[Attempt, Exit]]:
        """Waits until a job ends; a slot that nothing was begun in is free for others meanwhile."""
        self._let_go()
        until = time.monotonic() + seconds
        while not (ended := self._ended()) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        return ended

    def stop(self, attempt: Attempt, *, at_once: bool) -> None:
        """Tells the job's main process, or kills all processes of the job."""
        for running in self._running:
            if running.attempt is attempt:
                if at_once:
                    kill_all(running.process)
                else:
                    tell(running.process, signal.SIGTERM)

    def close(self) -> None:
        """Ends the server that jobs were forked from."""
        self._let_go()
        if self._server is not None:
            self._server.close()
            self._server = None

    def _let_go(self) -> None:
        if self._place is None:
            return
        (slot, locks), self._place = self._place, None
        for lock in locks:
            lock.release()
        self._slots.give_back(slot)

    def _request(self, attempt: Attempt, slot: Slot) -> Request:
        return Request(
            module=attempt.job.module,
            arguments=attempt.job.arguments(resume=attempt.resume),
            environment=attempt.environment(self._sweep, slot.environment),
            folder=str(Path.cwd()),
            output=str(attempt.job.run.output_file),
            told=INHERITED if attempt.lock else "",
        )

    def _started(
        self, request: Request, descriptors: Sequence[int]
    ) -> tuple[int, ColdProcess | None]:
        server = self._ready_server(request.environment.get(THREADS[0], "1"))
        process = server.fork(request, descriptors) if server else None
        if process is not None:
            return process, None
        cold = ColdProcess(request, descriptors)
        return cold.id, cold

    def _ready_server(self, threads: str) -> ForkServer | None:
        """The server, started when the first job needs it; None where jobs cannot be forked."""
        if not self._warm:
            return None
        if self._server is None:
            self._server = ForkServer.start(self._warm, threads)
            if self._server is None or not self._server.wait_until_ready():
                log.info("Jobs start from nothing: they cannot be forked here.")
                self._warm = []
                self.close()
        elif not self._server.alive and not any(r.cold is None for r in self._running):
            self.close()
            return self._ready_server(threads)
        return self._server if self._server and self._server.alive else None

    def _ended(self) -> list[tuple[Attempt, Exit]]:
        ended: list[tuple[Attempt, Exit]] = []
        for running in list(self._running):
            code = self._exit(running)
            if code is None:
                continue
            kill_all(running.process)
            self._running.remove(running)
            self._slots.give_back(running.slot)
            ended.append((running.attempt, code))
        return ended

    def _exit(self, running: _Running) -> Exit | None:
        code = self._code_of(running.process, running.cold)
        if code is not None:
            return Exit(code)
        lost = running.cold is None and not (self._server and self._server.alive)
        if lost and not is_locked(running.attempt.job.run.lock_file):
            return Exit(None)
        return None

    def _code_of(self, process: int, cold: ColdProcess | None) -> int | None:
        if cold is not None:
            return cold.ended()
        if self._server is not None:
            self._codes |= self._server.ended()
        return self._codes.pop(process, None)
