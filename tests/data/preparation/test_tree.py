import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from project.data.catalog.manifest import digest
from project.data.preparation import tree as module
from project.data.preparation.links import bring
from project.data.preparation.placement import Placed
from project.data.preparation.tree import Tree
from project.errors import DataError

SETTINGS = {"source": "photos", "split_seed": 0}


@pytest.fixture
def plan(write_classes: Callable[..., Path]) -> list[Placed]:
    root = write_classes(hat=6, top=8)
    files = sorted(root.glob("*/*"))
    return [
        Placed(
            path := file.relative_to(root).as_posix(),
            f"{'val' if file.stem == '000' else 'train'}/{path}",
            digest([file.read_bytes()]),
        )
        for file in files
    ]


@pytest.fixture
def filled(photo_root: Path, plan: list[Placed], tmp_path: Path) -> Callable[..., Path]:
    """``filled("tree", link="copy", **settings)`` writes a tree."""

    def fill(name: str, link: Any = "copy", **settings: object) -> Path:
        tree = Tree(tmp_path / name, {**SETTINGS, **settings})  # type: ignore[dict-item]
        with tree.claimed():
            tree.fill(photo_root, plan, link)
            tree.verify(plan)
            tree.complete()
        return tree.path

    return fill


def contents(tree: Path) -> dict[str, bytes]:
    return {f.relative_to(tree).as_posix(): f.read_bytes() for f in tree.rglob("*") if f.is_file()}


def test_tree_holds_every_photo_once(
    filled: Callable[..., Path], plan: list[Placed], photo_root: Path
) -> None:
    found = contents(filled("tree"))
    assert found.keys() - {"prepared.json", ".lock"} == {photo.target for photo in plan}
    for photo in plan:
        assert found[photo.target] == (photo_root / photo.source).read_bytes()
    assert json.loads(found["prepared.json"]) == {**SETTINGS, "complete": True}


def interrupted_after(number: int, calls: list[str]) -> Callable[..., bool]:
    """Brings that many photos; counts all that are asked for."""

    def interrupted(source: Path, *rest: Any) -> bool:
        calls.append(source.name)
        if len(calls) > number + 1:
            time.sleep(0.05)  # whoever was interrupted has time to say so
        if len(calls) > number:
            raise KeyboardInterrupt
        return bring(source, *rest)

    return interrupted


def test_interruption_at_any_photo_costs_nothing(
    filled: Callable[..., Path],
    plan: list[Placed],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = contents(filled("whole"))
    monkeypatch.setattr(module, "available_cores", lambda: 1)
    for number in range(len(plan)):
        calls: list[str] = []
        monkeypatch.setattr(module, "bring", interrupted_after(number, calls))
        with pytest.raises(KeyboardInterrupt):
            filled("parts")
        assert json.loads((tmp_path / "parts" / "prepared.json").read_bytes())["complete"] is False
        assert len(calls) < number + 6  # what waited was dropped
    monkeypatch.setattr(module, "bring", bring)
    assert contents(filled("parts")) == whole


@pytest.mark.parametrize("link", ["copy", "hard", "symbolic"])
def test_torn_changed_and_missing_photos_are_mended(
    filled: Callable[..., Path], plan: list[Placed], link: str
) -> None:
    whole = contents(tree := filled("tree", link))
    first, second, third = (tree / photo.target for photo in plan[:3])
    for file in (first, second, third):
        file.unlink()
    first.write_bytes(b"")
    second.write_bytes(whole[plan[1].target][::-1])
    assert contents(filled("tree", link)) == whole
    assert first.is_symlink() == (link == "symbolic")


def test_what_a_killed_process_left_is_removed(filled: Callable[..., Path]) -> None:
    whole = contents(tree := filled("tree"))
    (tree / ".partial").mkdir()
    (tree / ".partial" / "3").write_bytes(b"torn")
    (tree / ".partial" / "99").write_bytes(b"torn")
    assert contents(filled("tree")) == whole


def test_tree_of_other_settings_is_refused_with_what_differs(filled: Callable[..., Path]) -> None:
    whole = contents(tree := filled("tree"))
    with pytest.raises(DataError, match=r"was made otherwise:\n  split_seed: 0, now 1\nTake the"):
        filled("tree", split_seed=1)
    assert contents(tree) == whole


@pytest.fixture
def refusing_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def other_file_system(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", other_file_system)


@pytest.mark.usefixtures("refusing_links")
def test_settings_that_no_photo_came_of_give_way_to_others(
    filled: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"different file systems\. Take link=copy"):
        filled("tree", "hard", way="hard")
    assert json.loads((tmp_path / "tree" / "prepared.json").read_bytes())["way"] == "hard"
    assert contents(filled("tree", way="copy")) == contents(filled("other", way="copy"))


def test_settings_that_a_photo_came_of_are_kept(
    filled: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: 1)
    monkeypatch.setattr(module, "bring", interrupted_after(1, []))
    with pytest.raises(KeyboardInterrupt):
        filled("tree")
    monkeypatch.setattr(module, "bring", bring)
    before = contents(tmp_path / "tree")
    with pytest.raises(DataError, match="split_seed: 0, now 1"):
        filled("tree", split_seed=1)
    assert contents(tmp_path / "tree") == before


def test_complete_tree_without_a_photo_is_kept(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree", {"split_seed": 0})
    with tree.claimed():
        tree.complete()
    refused(Tree(tmp_path / "tree", {"split_seed": 1}), "split_seed: 0, now 1")


def test_folder_of_other_things_is_refused(filled: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "diary.txt").write_text("dear diary", encoding="utf-8")
    with pytest.raises(DataError, match=r'Expected an empty folder .* that holds "diary\.txt"'):
        filled("tree")
    assert (tmp_path / "tree" / "diary.txt").exists()


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_facts_that_cannot_be_read_are_named(filled: Callable[..., Path], text: str) -> None:
    (filled("tree") / "prepared.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r'prepared\.json" what the folder was made of, got what'):
        filled("tree")


@pytest.mark.parametrize("name", ["train/hat/other.png", "test/new/1.jpg"])
def test_photos_that_do_not_belong_there_are_refused(
    filled: Callable[..., Path], name: str
) -> None:
    tree = filled("tree")
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(next(tree.glob("train/hat/*.png")), tree / name)
    with pytest.raises(DataError, match=f'holds 1 photos that do not belong there: "{name}"'):
        filled("tree")


def test_files_that_are_no_photos_are_nobodys_business(filled: Callable[..., Path]) -> None:
    tree = filled("tree")
    (tree / "train" / "notes.txt").write_text("mine", encoding="utf-8")
    (tree / "train" / "hat" / "._000.png").write_bytes(b"")  # as macOS leaves them
    assert filled("tree") == tree


def test_lost_photos_are_noticed_at_the_end(
    filled: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(source: Path, target: Path, *rest: Any) -> bool:
        done = bring(source, target, *rest)
        if target.name == "003.png":
            target.unlink()
        return done

    monkeypatch.setattr(module, "bring", careless)
    with pytest.raises(DataError, match=r'2 of 14 photos are not where .* "train/hat/003\.png"'):
        filled("tree")


def refused(tree: Tree, message: str) -> None:
    with pytest.raises(DataError, match=message), tree.claimed():
        pass


def test_two_processes_do_not_write_one_tree(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree", {})
    again = Tree(tmp_path / "tree", {})
    with tree.claimed():
        refused(again, r'Another process works in ".*tree"')


def test_place_that_cannot_be_written_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    refused(Tree(tmp_path / "file" / "tree", {}), r'file/tree" cannot be written: Not a directory')

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", read_only)
    refused(Tree(tmp_path / "tree", {}), r"Read-only file system\. Allow writing there, or set to=")


def test_full_disk_keeps_what_was_written_and_is_explained(
    filled: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = contents(tree := filled("tree"))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r'prepared\.json" cannot be written: No space left'):
        Tree(tree, {}).write("prepared.json", b"{}")
    assert contents(tree) == whole


def test_disk_that_is_too_small_is_told_before_it_is_full(
    filled: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(DataError, match=r"The photos take 0\.0 GB, but .* has only 0\.0 GB left"):
        filled("tree")
    assert not list((tmp_path / "tree").glob("train"))
    filled("links", "hard")  # take no space


def test_photo_that_went_is_named_by_whoever_needs_it(
    filled: Callable[..., Path], photo_root: Path, plan: list[Placed]
) -> None:
    (photo_root / plan[0].source).unlink()
    with pytest.raises(DataError, match=r'hat/000\.png" cannot be read'):
        filled("tree")
