import io
import zipfile
from pathlib import Path

import pytest

from project.data.sources.download import DownloadFailed, fetch_archive


def archive(**members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as contents:
        for name, text in members.items():
            contents.writestr(name, text)
    return file.getvalue()


Served = tuple[str, dict[str, bytes]]


def test_archive_is_unpacked_without_its_top_folder(served: Served, tmp_path: Path) -> None:
    address, answers = served
    answers["/a.zip"] = archive(**{"top/": "", "top/train/모자/1.txt": "one", "top/README": "two"})

    fetch_archive(f"{address}/a.zip", tmp_path / "new" / "photos")

    assert (tmp_path / "new/photos/train/모자/1.txt").read_text() == "one"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [".photos.lock", "photos"]


def test_empty_folder_is_filled_and_a_full_one_is_left_alone(
    served: Served, tmp_path: Path
) -> None:
    address, answers = served
    answers["/a.zip"] = archive(**{"top/1": "new"})
    (tmp_path / "photos").mkdir()

    fetch_archive(f"{address}/a.zip", tmp_path / "photos")
    answers.clear()
    fetch_archive(f"{address}/a.zip", tmp_path / "photos")

    assert (tmp_path / "photos" / "1").read_text() == "new"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "404"),
        (b"<html>not a zip file</html>", "not a zip file"),
        (archive(**{"top/1": "x" * 999})[:-30], "not a zip file"),
        (archive(**{"top/../../evil": "x"}), r'unsafe path "top/\.\./\.\./evil"'),
        (archive(**{"/etc/evil": "x"}), 'unsafe path "/etc/evil"'),
        (archive(**{"top/..\\evil": "x"}), "unsafe path"),
    ],
)
def test_what_fails_leaves_nothing_behind(
    served: Served, tmp_path: Path, body: bytes | None, reason: str
) -> None:
    address, answers = served
    if body is not None:
        answers["/a.zip"] = body

    with pytest.raises(DownloadFailed, match=reason):
        fetch_archive(f"{address}/a.zip", tmp_path / "photos")
    assert [path.name for path in tmp_path.iterdir()] == [".photos.lock"]


def test_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="Connection refused"):
        fetch_archive("http://127.0.0.1:9/a.zip", tmp_path / "photos")


def test_local_files_are_no_downloads(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r'expected an address with http.*got "file:///etc'):
        fetch_archive("file:///etc/passwd", tmp_path / "photos")


def test_unwritable_place_is_a_failure(served: Served, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DownloadFailed, match="file"):
        fetch_archive(f"{served[0]}/a.zip", tmp_path / "file" / "photos")
