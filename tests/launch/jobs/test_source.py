from pathlib import Path

from project.launch.jobs.job import Job
from project.launch.jobs.source import ListedJobs
from project.runs.directory import RunDirectory
from project.runs.sweeps import JobStatus


def test_listed_jobs_come_once_each_in_their_order() -> None:
    jobs = [Job(name, RunDirectory(Path(name)), (), (), {}) for name in ("b", "a", "c")]
    source = ListedJobs(iter(jobs))
    assert source.known() == jobs
    taken = [(source.exhausted, source.take()) for _ in jobs]
    assert taken == [(False, job) for job in jobs]
    assert source.exhausted
    assert source.take() is None
    source.ended(JobStatus("b", jobs[0].run, state="failed"))
    assert source.take() is None
    assert source.known() == jobs
