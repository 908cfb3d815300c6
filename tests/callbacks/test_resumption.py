from pathlib import Path
from typing import Any

import pytest
import torch

from project.callbacks.resumption import find_restart
from project.runs.directory import RunDirectory


def write(run: RunDirectory, which: str, batch: int, *, at_rest: bool = True) -> Path:
    file = run.checkpoints / f"{which}.ckpt"
    file.parent.mkdir(exist_ok=True)
    rest = {"data": {"epoch": 1, "batch": batch}, "metrics_csv": "epoch,step\r\n"}
    state = {"at_rest": "batch"} if at_rest else {}
    content: dict[str, Any] = {"loops": {"fit_loop": {"state_dict": state}}}
    torch.save(content | {"evenhand_rest": rest, "weights": torch.ones(5000)}, file)
    return file


def test_newest_whole_checkpoint_is_found(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert find_restart(run, mend=True) == (None, [])
    write(run, "previous", 1)
    file = write(run, "last", 2)
    found, remarks = find_restart(run, mend=True)
    assert found is not None
    assert (found.file, found.data) == (file, {"epoch": 1, "batch": 2})
    assert found.metrics_csv == "epoch,step\r\n"
    assert remarks == []


@pytest.mark.parametrize("place", [0.0, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_no_damage_is_taken_for_a_checkpoint(tmp_path: Path, damage: str, place: float) -> None:
    run = RunDirectory(tmp_path)
    write(run, "previous", 1)
    file = write(run, "last", 2)
    content = bytearray(file.read_bytes())
    at = min(int(place * len(content)), len(content) - 1)
    if damage == "cut":
        content = content[:at]
    else:
        content[at] ^= 0xFF
    file.write_bytes(content)
    found, remarks = find_restart(run, mend=False)
    assert found is not None
    if found.data["batch"] == 1:
        assert remarks[0].startswith("last.ckpt is damaged and cannot be used (")
    else:  # what was hit means nothing
        assert (damage, remarks) == ("flip", [])
        assert torch.equal(torch.load(file, weights_only=True)["weights"], torch.ones(5000))
    assert file.exists()


def test_one_process_removes_what_is_damaged_and_half_written(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    write(run, "previous", 1)
    write(run, "last", 2).write_bytes(b"torn")
    (run.checkpoints / "last.ckpt.unfinished").touch()
    for mend in (False, True):
        found, _ = find_restart(run, mend=mend)
        assert found is not None
        assert found.file.name == "previous.ckpt"
        assert len(list(run.checkpoints.iterdir())) == (1 if mend else 3)


def test_checkpoint_that_was_not_saved_at_rest_is_not_gone_on_from(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    write(run, "last", 2, at_rest=False)
    found, remarks = find_restart(run, mend=False)
    assert found is None
    assert "an earlier version wrote it" in remarks[0]
