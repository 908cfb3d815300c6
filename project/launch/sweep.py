"""The loop of a sweep: which job begins when, what becomes of those that end."""

import time
from collections import deque
from dataclasses import dataclass, replace

from project.errors import EvenhandError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.jobs.checkpoints import short_of_space, tidy
from project.launch.jobs.decision import DataFingerprint, Step, decide
from project.launch.jobs.executor import Executor
from project.launch.jobs.job import Job
from project.launch.jobs.source import Source
from project.launch.policy import Policy
from project.launch.stopping import StopRequests, Urgency
from project.runs.lock import Lock, is_locked
from project.runs.progress import read_progress
from project.runs.record import read_record
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts, Watcher

_TICK_SECONDS = 0.5
_MISTAKE = 1  # exit code of a command that ended with a message
_CHILDREN_SECONDS = 2.0  # that children of a process may keep its lock after its end
_GRACE_SECONDS = 120.0  # for a checkpoint after a timeout, before the job is killed


class Sweep:
    """Runs the jobs of a sweep, whatever becomes of any of them.

    Args:
        directory: Of the sweep.
        facts: What it is; its list of jobs is kept up to date.
        executor: Runs attempts.
        source: Gives the jobs.
        policy: What to do about failures, time and disk.
        watcher: Is told.
        data: Fingerprint of a job's data as they are now.
    """

    def __init__(
        self,
        directory: SweepDirectory,
        facts: SweepFacts,
        executor: Executor,
        source: Source,
        policy: Policy,
        watcher: Watcher,
        data: DataFingerprint = lambda _: None,
    ) -> None:
        self._directory = directory
        self._facts = facts
        self._executor = executor
        self._source = source
        self._policy = policy
        self._watcher = watcher
        self._data = data
        self._statuses: dict[str, JobStatus] = {}
        self._queue: deque[Job] = deque()  # to be begun, or tried again
        self._busy: list[Job] = []  # others work on them
        self._running: dict[str, _Started] = {}
        self._requests = StopRequests(directory.cancel_file)
        self._stopping = Urgency.NONE
        self._short = ""  # of disk
        self._waits = False  # for places, and has said so

    def run(self) -> list[JobStatus]:
        """Runs all jobs that have not ended yet.

        Returns:
            How each job is, in the order of the sweep. If the disk is full, some are still
            ``waiting``.

        Raises:
            RunError: Before any job starts, if a directory holds a run of another configuration or
                of other data.
            KeyboardInterrupt: After Ctrl-C or a request to cancel, when all jobs have stopped.
        """
        self._look_at_what_is_there()
        try:
            with self._requests.heard():
                while not self._over():
                    self._fill()
                    for attempt, ended in self._executor.wait(_TICK_SECONDS):
                        self._conclude(attempt, ended)
                    self._look_around()
        finally:
            self._executor.close()
            self._changed()
        if self._stopping:
            raise KeyboardInterrupt
        return list(self._statuses.values())

    @property
    def statuses(self) -> list[JobStatus]:
        """How each job is."""
        return list(self._statuses.values())

    def _over(self) -> bool:
        if self._running:
            return False
        if self._stopping or self._short:
            return True
        return self._source.exhausted and not self._queue and not self._busy

    def _look_at_what_is_there(self) -> None:
        """Refuses what cannot go on, before anything starts, and lists what has ended already."""
        for job in self._source.known():
            status = self._status(job)
            if not is_locked(job.run.lock_file) and decide(job, self._data) is Step.SKIP:
                status.skipped = True
                self._end_as_recorded(status)
            else:
                self._queue.append(job)
        self._write_facts()
        self._tidy()
        self._changed()

    def _fill(self) -> None:
        """Begins jobs as long as there is room for them."""
        while not self._stopping and not self._short and self._may_have_more():
            if not self._executor.has_room():
                self._say_that_it_waits()
                return
            job = self._next()
            if job is None:
                return
            self._try(job)
            self._changed()

    def _may_have_more(self) -> bool:
        return bool(self._queue or self._busy) or not self._source.exhausted

    def _say_that_it_waits(self) -> None:
        if not self._running and not self._waits:
            self._waits = True
            self._watcher.said("Waiting: other sweeps have taken all places of this machine.")

    def _next(self) -> Job | None:
        """A job to look at: one that waits, or a new one, or one that others have left."""
        if self._queue:
            return self._queue.popleft()
        job = self._source.take()
        if job is not None:
            return job
        for job in self._busy:
            if not is_locked(job.run.lock_file):
                self._busy.remove(job)
                return job
        return None

    def _try(self, job: Job) -> None:
        """Begins a job, unless it has ended, or others work on it, or the disk is full."""
        status = self._status(job)
        if job.name not in self._facts.overrides:
            self._write_facts()
        try:
            lock = Lock.take(job.run.lock_file)
            if lock is None:
                self._leave_to_others(job)
                return
            try:
                self._begin(job, status, lock)
            finally:
                lock.release()
        except (EvenhandError, OSError) as error:  # of this job; the rest goes on
            status.state, status.note = "failed", str(error)
            self._source.ended(status)

    def _leave_to_others(self, job: Job) -> None:
        status = self._status(job)
        status.state, status.note = "running", "by another launcher, or one that is gone"
        self._busy.append(job)

    def _begin(self, job: Job, status: JobStatus, lock: Lock) -> None:
        step = decide(job, self._data)
        status.note = ""
        if step is Step.SKIP:
            self._end_as_recorded(status)
            return
        reserve = self._policy.reserve_bytes
        self._short = short_of_space(self._directory, self.statuses, reserve) or ""
        if self._short:
            self._queue.appendleft(job)
            self._watcher.said(self._short)
            return
        resume = step is Step.CONTINUE
        attempt = Attempt(
            job, resume, status.attempts + 1, lock if self._executor.holds_locks else None
        )
        if not self._executor.holds_locks:
            lock.release()  # the process takes it, over there
        job.run.progress_file.unlink(missing_ok=True)  # of the attempt before
        self._executor.begin(attempt)
        status.attempts, status.state, status.place = attempt.number, "running", attempt.place
        status.progress = status.record = None
        status.note = "goes on from its last checkpoint" if resume else ""
        self._running[job.name] = _Started(attempt, time.monotonic())

    def _conclude(self, attempt: Attempt, ended: Exit) -> None:
        started = self._running.pop(attempt.job.name)
        self._short = ""  # there may be room again
        status = self._status(attempt.job)
        status.note = ""
        if ended.busy:
            status.state = "waiting"
            self._busy.append(attempt.job)
            return
        timed_out = ended.timed_out or (started.told is not None and not self._stopping)
        ended = replace(ended, timed_out=timed_out, stopped=bool(self._stopping))
        lock = Lock.take(attempt.job.run.lock_file, seconds=_CHILDREN_SECONDS)
        if lock is None:  # another launcher was quicker: the record is its job's
            self._leave_to_others(attempt.job)
            return
        try:
            status.record = attempt.concluded(ended)
            status.state = status.record.state
            if status.state == "interrupted" and ended.code == _MISTAKE:
                # It could not even go on: what it had reached before stays as it was.
                status.state, status.note = "failed", " ".join(status.record.messages[-1:])
        except EvenhandError as error:  # a full disk, say
            status.state, status.note = "failed", str(error)
        finally:
            lock.release()
        self._go_on_after(attempt, status, ended)
        self._changed()

    def _go_on_after(self, attempt: Attempt, status: JobStatus, ended: Exit) -> None:
        again = attempt.number <= self._policy.retries and not self._stopping
        # Where its place was lost it could still write a checkpoint, which nobody had asked for.
        lost = status.state == "interrupted" and ended.code is None
        if again and (status.state == "failed" or lost):
            what = "its place is gone" if lost else "failed"
            status.state = "waiting"
            status.note = f"{what}, is tried again ({attempt.number} of {self._policy.retries})"
            self._queue.append(attempt.job)
        elif status.state != "interrupted" or not self._stopping:
            self._source.ended(status)
        if status.state == "finished":
            self._tidy()

    def _end_as_recorded(self, status: JobStatus) -> None:
        status.record = read_record(status.run)
        status.state = status.record.state
        self._source.ended(status)

    def _tidy(self) -> None:
        tidy(self.statuses, self._policy.keep_checkpoints, self._facts.monitor_mode)

    def _look_around(self) -> None:
        """What comes with time: progress, timeouts, requests to stop."""
        for started in self._running.values():
            attempt = started.attempt
            status = self._statuses[attempt.job.name]
            status.progress, status.place = read_progress(attempt.job.run), attempt.place
            self._watch_time(started)
        self._stop(self._requests.urgency)
        self._changed()

    def _watch_time(self, started: "_Started") -> None:
        limit = self._policy.timeout_minutes
        now = time.monotonic()
        if limit is None or self._stopping:
            return
        if started.told is None and now - started.since > limit * 60:
            started.told = now
            self._executor.stop(started.attempt, at_once=False)
        elif started.told is not None and now - started.told > _GRACE_SECONDS:
            self._executor.stop(started.attempt, at_once=True)

    def _stop(self, urgency: Urgency) -> None:
        """Tells running jobs to stop, once for each degree of urgency."""
        if urgency <= self._stopping:
            return
        self._stopping = urgency
        at_once = urgency is Urgency.AT_ONCE
        if self._running:
            gently = "Stopping: running jobs write a checkpoint. Once more stops them at once."
            self._watcher.said("Stopping at once." if at_once else gently)
        for started in self._running.values():
            self._executor.stop(started.attempt, at_once=at_once)

    def _status(self, job: Job) -> JobStatus:
        if job.name not in self._statuses:
            self._statuses[job.name] = JobStatus(job.name, job.run, job.overrides)
        return self._statuses[job.name]

    def _write_facts(self) -> None:
        for status in self._statuses.values():
            self._facts.overrides[status.name] = list(status.overrides)
        try:
            self._facts.write(self._directory)
        except EvenhandError as error:
            self._watcher.said(str(error))

    def _changed(self) -> None:
        self._watcher.changed(self.statuses)


@dataclass
class _Started:
    attempt: Attempt
    since: float
    told: float | None = None  # when it was told to stop, because its time is over
