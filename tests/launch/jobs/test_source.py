from pathlib import Path

from project.launch.jobs.job import Job
from project.launch.jobs.source import ListedJobs
from project.runs.directory import RunDirectory
from project.runs.sweeps import JobStatus


def test_listed_jobs_are_known_in_their_order_and_there_are_no_others() -> None:
    jobs = [Job(name, RunDirectory(Path(name)), (), (), {}) for name in ("b", "a", "c")]
    source = ListedJobs(iter(jobs))
    assert source.known() == jobs
    assert source.exhausted
    source.ended(JobStatus("b", jobs[0].run, state="failed"))
    assert source.known() == jobs
