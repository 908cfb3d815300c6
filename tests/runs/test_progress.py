import json
import os

import pytest

from project.runs.directory import RunDirectory
from project.runs.progress import Progress, read_progress, write_progress


def test_what_was_said_last_can_be_read(run: RunDirectory) -> None:
    first = Progress(0, 12, 0.05, "val/macro_recall", None, 3.0, 60.0)
    last = Progress(3, None, None, "val/loss", 0.25, 40.0, None)
    for progress in (first, last):
        write_progress(run, progress)
        assert read_progress(run) == progress
    assert last.process == os.getpid()
    assert [file.name for file in run.progress_file.parent.iterdir()] == ["progress.json"]


@pytest.mark.parametrize(
    "content", ["", '{"epoch": 1', "[]", '{"epoch": 1}', '{"unknown": 1}'],
    ids=["empty", "torn", "a list", "too little", "of another version"],
)  # fmt: skip
def test_what_cannot_be_read_is_no_progress(run: RunDirectory, content: str) -> None:
    assert read_progress(run) is None
    run.progress_file.parent.mkdir(parents=True)
    run.progress_file.write_text(content, encoding="utf-8")
    assert read_progress(run) is None


def test_file_is_plain_json(run: RunDirectory) -> None:
    write_progress(run, Progress(1, 2, 0.5, "모자", 0.5, 1.0, 1.0))
    assert json.loads(run.progress_file.read_bytes())["monitor"] == "모자"
