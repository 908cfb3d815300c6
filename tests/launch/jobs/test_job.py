from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from project.launch.jobs.job import Job
from project.runs.directory import RunDirectory


def job(path: str = "/sweeps/seed=1", **config: Any) -> Job:
    return Job(Path(path).name, RunDirectory(Path(path)), ("seed=1",), ("seed=1",), config)


def test_job_is_one_run_in_its_directory() -> None:
    assert job().arguments(resume=False) == [
        "seed=1", "hydra.mode=RUN", 'hydra.run.dir="/sweeps/seed=1"'
    ]  # fmt: skip
    assert job().arguments(resume=True)[-1] == 'resume="/sweeps/seed=1"'


@pytest.mark.parametrize("name", ["lr=1e-3,seed=1", "모자", 'class_map="a b"', "x[1]{2}(3)"])
def test_any_directory_survives_hydras_grammar(name: str) -> None:
    words = job(f"/photos of mine/{name}").arguments(resume=True)[2:]
    parsed = OverridesParser.create().parse_overrides(words)
    assert [override.value() for override in parsed] == [f"/photos of mine/{name}"] * 2


@pytest.mark.parametrize(
    ("devices", "count"), [(1, 1), (2, 2), ("2", 2), ([0, 3], 2), ("auto", 1), (-1, 1), ([], 1)]
)
def test_trainer_says_how_many_devices_a_job_needs(devices: object, count: int) -> None:
    assert job(trainer={"devices": devices}).devices == count
    assert job().devices == 1


def test_fingerprint_knows_what_can_change_a_result() -> None:
    quiet, loud, other = (
        job(seed=seed, trainer={"enable_progress_bar": bar})
        for seed, bar in ((1, False), (1, True), (2, False))
    )
    assert quiet.fingerprint == loud.fingerprint != other.fingerprint
