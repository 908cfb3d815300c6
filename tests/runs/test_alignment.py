from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from project.errors import RunError
from project.runs.alignment import align
from project.runs.directory import RunDirectory
from project.runs.groups import Group, group_runs
from project.runs.predictions import read_predictions, write_predictions
from tests.left_runs import CLASSES, LABELS

RIGHT = list(LABELS)


def groups(*runs: RunDirectory) -> Sequence[Group]:
    return group_runs(runs).groups


def test_predictions_of_a_group_are_stacked_in_the_order_of_its_runs(measured: Any) -> None:
    wrong = [1, *RIGHT[1:]]
    found = align(
        groups(
            measured("a", "natural", 2, wrong),
            measured("b", "natural", 1),
            measured("c", "root", 1),
        )
    )
    assert [group.seeds for group in found.groups] == [(1, 2), (1,)]
    natural, root = (found.predicted[group.name] for group in found.groups)
    assert natural.tolist() == [RIGHT, wrong]
    assert root.tolist() == [RIGHT]
    assert found.labels.tolist() == RIGHT
    assert found.classes == CLASSES
    assert found.remarks == ()


def test_classes_in_another_order_are_matched_by_name(measured: Any) -> None:
    swapped = [2 - label for label in LABELS]
    found = align(
        groups(
            measured("a", "natural", 1),
            measured("b", "root", 1, swapped, classes=CLASSES[::-1], labels=swapped),
        )
    )
    assert [said.tolist() for said in found.predicted.values()] == [[RIGHT], [RIGHT]]


def test_unfinished_runs_are_refused_or_left_out(measured: Any) -> None:
    runs = [
        measured("a", "natural", 1),
        measured("b", "natural", 2, state="interrupted"),
        measured("c", "root", 1),
    ]
    with pytest.raises(RunError, match=r"(?s)1 of 3 that differ.*b: interrupted, not finished"):
        align(groups(*runs))
    found = align(groups(*runs), strict=False)
    assert [len(said) for said in found.predicted.values()] == [1, 1]
    assert [group.seeds for group in found.groups] == [(1,), (1,)]
    assert any("interrupted" in remark for remark in found.remarks)


def test_group_without_a_finished_run_disappears(measured: Any) -> None:
    found = align(
        groups(
            measured("a", "natural", 1),
            measured("b", "root", 1, state="failed"),
            measured("c", "balanced", 1),
        ),
        strict=False,
    )
    assert list(found.predicted) == [group.name for group in found.groups]
    assert len(found.groups) == 2


def test_no_finished_run_at_all_is_an_error(measured: Any) -> None:
    running = groups(measured("a", "natural", 1, state="running"))
    with pytest.raises(RunError, match="expected finished runs to compare, got none"):
        align(running, strict=False)


def test_other_images_are_refused_or_the_common_ones_compared(measured: Any) -> None:
    fewer = groups(
        measured("a", "natural", 1),
        measured("b", "natural", 2),
        measured("c", "root", 1, RIGHT[:6], labels=LABELS[:6]),
    )
    with pytest.raises(RunError, match=r"c: other images: 2 that others have, not .*6\.jpg"):
        align(fewer)
    found = align(fewer, strict=False)
    assert found.labels.tolist() == RIGHT[:6]
    assert {said.shape[1] for said in found.predicted.values()} == {6}
    assert found.remarks == (
        "Compared are the 6 test images that all runs have in common, of up to 8.",
    )


def test_other_photos_under_the_same_names_are_not_the_same_images(measured: Any) -> None:
    changed = [f"content of {number}.jpg" for number in range(7)] + ["another photo"]
    runs = groups(
        measured("a", "natural", 1),
        measured("b", "natural", 2),
        measured("c", "root", 1, contents=changed),
    )
    with pytest.raises(RunError, match=r"1 images with another label or content .*7\.jpg"):
        align(runs)
    assert len(align(runs, strict=False).labels) == 7


def test_other_classes_are_refused_or_left_out(measured: Any) -> None:
    without_top = [min(label, 1) for label in LABELS]
    runs = groups(
        measured("a", "natural", 1),
        measured("b", "natural", 2),
        measured("c", "root", 1, without_top, classes=CLASSES[:2], labels=without_top),
    )
    with pytest.raises(RunError, match=r"c: other classes: 1 that others have, not .*top"):
        align(runs)
    found = align(runs, strict=False)
    assert found.classes == ("hat", "outer")
    assert found.labels.tolist() == [0, 0, 1, 1, 1]
    assert any("top" in remark for remark in found.remarks)


def test_nothing_in_common_is_an_error(measured: Any) -> None:
    other = ["other"] * len(LABELS)
    runs = groups(measured("a", "natural", 1), measured("b", "root", 1, contents=other))
    with pytest.raises(RunError, match="got none in common"):
        align(runs, strict=False)


def test_crops_of_one_photo_are_images_of_their_own(measured: Any) -> None:
    runs = groups(measured("a", "natural", 1), measured("b", "root", 1))
    for run in (group.runs[0] for group in runs):
        said = read_predictions(run, "test")
        paths = ["one.jpg", "one.jpg", *said.paths[2:]]
        write_predictions(run, "test", replace(said, paths=paths))
    found = align(runs)
    assert found.labels.tolist() == RIGHT
    assert found.units.tolist() == [0, 0, 1, 2, 3, 4, 5, 6]
    assert any("8 images come from 7 groups" in remark for remark in found.remarks)


def test_images_of_one_person_belong_together(measured: Any) -> None:
    run, other = measured("a", "natural", 1), measured("b", "root", 1)
    text = run.splits_file.read_text(encoding="utf-8").splitlines()
    persons = ["group", "ann", "ann", "ann", "bob", "", "", "", ""]
    lines = [f"{line},{person}" for line, person in zip(text, persons, strict=True)]
    run.splits_file.write_text("\n".join(lines), encoding="utf-8")
    found = align(groups(run, other))
    assert found.units.tolist() == [0, 0, 0, 1, 2, 3, 4, 5]
    assert any("8 images come from 6 groups" in remark for remark in found.remarks)


@pytest.mark.parametrize("content", ["", "path,label\n", None], ids=["empty", "old", "missing"])
def test_runs_that_did_not_keep_contents_are_told_apart_by_their_data(
    measured: Any, content: str | None
) -> None:
    runs = groups(measured("a", "natural", 1), measured("b", "root", 1, data="other photos"))
    assert len(align(runs).labels) == 8
    if content is None:
        runs[0].runs[0].splits_file.unlink()
    else:
        runs[0].runs[0].splits_file.write_text(content)
    with pytest.raises(RunError, match="another label or content"):
        align(runs)


def test_split_without_predictions_is_named(measured: Any) -> None:
    runs = groups(measured("a", "natural", 1), measured("b", "root", 1))
    with pytest.raises(RunError, match='predictions for split "val"'):
        align(runs, "val")
