import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from project.callbacks.resumption import find_restart
from project.errors import RunError
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
        assert remarks[0].startswith(("last.ckpt is damaged and", "last.ckpt cannot be used and"))
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


def of_an_earlier_version(run: RunDirectory) -> None:
    write(run, "last", 2, at_rest=False)


def with_an_object(run: RunDirectory) -> None:
    torch.save({"loops": Path("here")}, write(run, "last", 2))


def of_something_else(run: RunDirectory) -> None:
    torch.save([1, 2], write(run, "last", 2))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (of_an_earlier_version, "an earlier version wrote it"),
        (with_an_object, "Weights only load failed"),
        (of_something_else, "list indices"),
    ],
)
def test_whole_checkpoint_that_cannot_be_gone_on_from_is_put_aside(
    tmp_path: Path, make: Callable[[RunDirectory], None], why: str
) -> None:
    run = RunDirectory(tmp_path)
    make(run)
    write(run, "previous", 1)
    found, remarks = find_restart(run, mend=False)
    assert run.checkpoint("last").exists()
    assert find_restart(run, mend=True) == (found, remarks)
    assert found is not None
    assert found.data["batch"] == 1
    assert remarks[0].startswith("last.ckpt cannot be used and is kept as last.ckpt.unusable (")
    assert why in remarks[0]
    assert not run.checkpoint("last").exists()
    run.clear()
    assert [file.name for file in run.checkpoints.iterdir()] == ["last.ckpt.unusable"]


def test_file_whose_parts_lie_before_its_beginning_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seek(_: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    run = RunDirectory(tmp_path)
    write(run, "last", 2)
    monkeypatch.setattr("zipfile.ZipFile.testzip", seek)
    found, remarks = find_restart(run, mend=True)
    assert found is None
    assert "said to lie outside" in remarks[0]
    assert run.unusable(run.checkpoint("last")).exists()


def test_checkpoint_that_cannot_be_read_now_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(_: object) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    run = RunDirectory(tmp_path)
    write(run, "previous", 1)
    write(run, "last", 2)
    monkeypatch.setattr("zipfile.ZipFile.testzip", stale)
    with pytest.raises(
        RunError, match=r"read the checkpoint .*last\.ckpt, got: Stale .* Go on when"
    ):
        find_restart(run, mend=True)
    assert len(list(run.checkpoints.iterdir())) == 2


def test_checkpoint_that_another_process_has_just_removed_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(tmp_path)
    write(run, "previous", 1)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    found, remarks = find_restart(run, mend=False)
    assert found is not None
    assert remarks == []
