from pathlib import Path

import pytest

from project.errors import ConfigError
from project.launch.local.slots import Slots, cpu_slots, gpu_slots


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENHAND_SLOTS", str(tmp_path / "slots"))


def test_each_gpu_is_a_place_with_its_share_of_the_cores() -> None:
    slots = gpu_slots(["0", "MIG-abcdefgh"], per_job=1, per_gpu=1, cores=9)
    assert [slot.name for slot in slots] == ["GPU 0", "GPU MIG-abcd"]
    assert slots[1].environment["CUDA_VISIBLE_DEVICES"] == "MIG-abcdefgh"
    assert slots[1].environment["OMP_NUM_THREADS"] == slots[1].environment["EVENHAND_CORES"] == "4"


def test_shared_gpus_get_a_first_job_each_before_a_second_one() -> None:
    slots = gpu_slots(["0", "1"], per_job=1, per_gpu=2, cores=8)
    assert [slot.name for slot in slots] == ["GPU 0.0", "GPU 1.0", "GPU 0.1", "GPU 1.1"]
    assert {slot.cores for slot in slots} == {2}


def test_job_of_several_gpus_gets_neighbours_and_a_rest_is_left() -> None:
    slots = gpu_slots(["0", "1", "2"], per_job=2, per_gpu=1, cores=4)
    assert [slot.gpus for slot in slots] == [("0", "1")]
    assert len(slots[0].parts) == 2


def test_several_gpus_cannot_be_shared() -> None:
    with pytest.raises(ConfigError, match=r"jobs_per_gpu=2: expected 1 .* got gpus_per_job=2"):
        gpu_slots(["0", "1"], per_job=2, per_gpu=2, cores=4)


def test_job_that_needs_more_gpus_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="gpus_per_job=3: expected at most 2"):
        gpu_slots(["0", "1"], per_job=3, per_gpu=1, cores=4)


@pytest.mark.parametrize(
    ("jobs", "per_job", "places", "share"),
    [(None, 1, 6, 1), (None, 4, 1, 6), (2, 1, 2, 3), (8, 1, 8, 1)],
)
def test_cores_are_divided(jobs: int | None, per_job: int, places: int, share: int) -> None:
    slots = cpu_slots(jobs, per_job, cores=6)
    assert (len(slots), slots[0].cores) == (places, share)
    assert slots[0].environment["CUDA_VISIBLE_DEVICES"] == ""


def test_place_is_given_once_until_it_comes_back() -> None:
    slots = Slots(cpu_slots(1, 1, cores=1))
    taken = slots.take()
    assert taken is not None
    assert slots.take() is None
    slots.give_back(taken[0])
    assert slots.take() is None  # its job still holds the lock
    for lock in taken[1]:
        lock.release()
    assert slots.take() is not None


def test_places_of_one_machine_are_shared_by_sweeps() -> None:
    here, there = (Slots(gpu_slots(["0", "1"], 1, 1, cores=2)) for _ in range(2))
    first, second = here.take(), there.take()
    assert first is not None
    assert second is not None
    assert {first[0].name, second[0].name} == {"GPU 0", "GPU 1"}
    assert here.take() is None


def test_whole_gpu_is_not_given_while_others_share_it() -> None:
    sharing = Slots(gpu_slots(["0"], 1, 2, cores=2))
    first, second = sharing.take(), sharing.take()
    assert first is not None
    assert second is not None
    for lock in first[1]:
        lock.release()
    whole = Slots(gpu_slots(["0"], 1, 1, cores=2))
    assert whole.take() is None
    for lock in second[1]:
        lock.release()
    assert whole.take() is not None
    assert Slots(gpu_slots(["0"], 1, 2, cores=2)).take() is None


def test_wide_and_narrow_places_on_the_cpu_do_not_overlap() -> None:
    wide = Slots(cpu_slots(2, 1, cores=4))
    taken = wide.take()
    assert taken is not None
    assert taken[0].parts == ("cpu-0", "cpu-1")
    narrow = Slots(cpu_slots(4, 1, cores=4)).take()
    assert narrow is not None
    assert narrow[0].name == "CPU 2"


def test_place_of_two_gpus_needs_both() -> None:
    one = Slots(gpu_slots(["1"], 1, 1, cores=2))
    both = Slots(gpu_slots(["0", "1"], 2, 1, cores=2))
    assert one.take() is not None
    assert both.take() is None
    assert Slots(gpu_slots(["0"], 1, 1, cores=2)).take() is not None  # nothing was kept of the try
