"""The same test images in every run: what makes runs comparable."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from project.errors import RunError
from project.runs.directory import RunDirectory
from project.runs.groups import Group
from project.runs.metric_names import NAMED_TEST
from project.runs.predictions import Predictions, read_predictions
from project.runs.record import RunRecord, read_record

_LISTED_RUNS = 10

T = TypeVar("T")
# Path, label, the digest of the photo (of all data where a run did not keep that), and which of
# the rows of this path it is: one photo may show several things, each in its own crop box.
Image = tuple[str, str, str, int]


@dataclass(frozen=True)
class Alignment:
    """What all runs said of the same N images.

    Attributes:
        groups: Groups with at least one run that can be compared, and only such runs.
        classes: The C class names.
        labels: True classes, int64 ``(N,)`` in ``[0, C)``.
        units: Number of what each image belongs to, such as one person or photo, int64 ``(N,)``.
        predicted: Predicted classes of each group by its name, int64 ``(runs, N)``; C stands for a
            class that not all runs know.
        remarks: What was left out, and how many images are left.
    """

    groups: tuple[Group, ...]
    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    units: npt.NDArray[np.int64]
    predicted: dict[str, npt.NDArray[np.int64]]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Read:
    """A run as far as images are concerned."""

    run: RunDirectory
    record: RunRecord
    predictions: Predictions
    images: dict[Image, int]  # and their rows


def align(groups: Sequence[Group], split: str = "test", *, strict: bool = True) -> Alignment:
    """Reads the predictions of all runs, in one order of images.

    Images are the same where path, label and content are. Contents come from ``splits.csv``, or
    from the file of the named test set.

    Args:
        groups: The groups that are to be compared.
        split: The split that they were measured on.
        strict: Refuse whatever differs. Otherwise unfinished runs are left out, and the images and
            classes that all others have in common are compared.

    Raises:
        RunError: A run is not finished, or knows other classes or images, or nothing is common;
            names the runs and what is wrong with them.
    """
    records = {run: read_record(run) for group in groups for run in group.runs}
    unfinished = {
        run: f"{record.state}, not finished"
        for run, record in records.items()
        if record.state != "finished"
    }
    if strict:
        _refuse(unfinished, len(records))
    finished = {run: record for run, record in records.items() if run not in unfinished}
    contents = _contents_of(finished, split)
    reads = {run: _read(run, records[run], split, contents[run]) for run in finished}
    _require_some(reads, unfinished)
    if strict:
        _refuse(_deviations(list(reads.values())), len(reads))
    classes, images = _common(list(reads.values()))
    remarks = [f"Left out: {run.path} is {why}." for run, why in unfinished.items()]
    remarks += _losses(reads, classes, len(images), split)
    kept = [_kept(group, reads) for group in groups]
    units = units_of(next(iter(reads)), images, split)
    remarks += _grouped(units)
    labels = np.array([classes.index(image[1]) for image in images], dtype=np.int64)
    return Alignment(
        groups=tuple(group for group in kept if group.runs),
        classes=classes,
        labels=labels,
        units=units,
        predicted={
            group.name: np.stack([_predicted(reads[run], classes, images) for run in group.runs])
            for group in kept
            if group.runs
        },
        remarks=tuple(remarks),
    )


def _read(
    run: RunDirectory, record: RunRecord, split: str, contents: Mapping[str, str] | None
) -> _Read:
    said = read_predictions(run, split)
    seen: Counter[str] = Counter()
    images: dict[Image, int] = {}
    for row, (path, label) in enumerate(zip(said.paths, said.labels.tolist(), strict=True)):
        if label >= 0:
            content = contents.get(path, "") if contents else record.data.fingerprint
            images[path, said.classes[label], content, seen[path]] = row
        seen[path] += 1
    return _Read(run, record, said, images)


def _contents_of(
    runs: Iterable[RunDirectory], split: str
) -> dict[RunDirectory, dict[str, str] | None]:
    """Digest of each photo by its path; None for all where one of the runs did not keep them."""
    kept: dict[RunDirectory, dict[str, str] | None] = {}
    for run in runs:
        rows = split_rows(run, split)
        kept[run] = {row["path"]: row["content_hash"] for row in rows if row.get("content_hash")}
    return kept if all(kept.values()) else dict.fromkeys(kept)


def split_rows(run: RunDirectory, split: str = "test") -> list[dict[str, str]]:
    """What a run kept of its photos: path, label, split, group and digest of each, as text.

    Args:
        run: The run.
        split: Any split for the photos of all of them, or a named test set for those of that.
    """
    named = split.startswith(NAMED_TEST)
    listed = run.test_set_file(split) if named else run.splits_file
    if not listed.is_file():
        return []
    with listed.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row.get("path")]


def units_of(
    run: RunDirectory, images: Sequence[Image], split: str = "test"
) -> npt.NDArray[np.int64]:
    """Numbers what belongs together: images of one group, and crops of one photo.

    Args:
        run: One that knows all of the images.
        images: The images.
        split: Where they are from.

    Returns:
        Number of what each image belongs to, int64 ``(N,)``.
    """
    group_of = {row["path"]: row["group"] for row in split_rows(run, split) if row.get("group")}
    names = [(group_of.get(path, ""), "" if path in group_of else path) for path, *_ in images]
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], dtype=np.int64)


def _grouped(units: npt.NDArray[np.int64]) -> list[str]:
    count = len(np.unique(units))
    if count == len(units):
        return []
    remark = (
        f"The {len(units)} images come from {count} groups, such as persons, sessions or photos "
        "with several crops. Images of one group count as one sample together."
    )
    return [remark]


def _require_some(reads: dict[RunDirectory, _Read], unfinished: dict[RunDirectory, str]) -> None:
    if not reads:
        raise RunError(
            f"expected finished runs to compare, got none that is: {_listed(unfinished)}"
        )


def _refuse(problems: dict[RunDirectory, str], number: int) -> None:
    if problems:
        raise RunError(
            f"expected runs on the same images with the same classes, all finished; got "
            f"{len(problems)} of {number} that differ:{_listed(problems)}\n"
            "Leave them out, or compare what all have in common with strict=false."
        )


def _listed(problems: dict[RunDirectory, str]) -> str:
    lines = [f"\n  {run.path}: {why}" for run, why in problems.items()]
    more = len(lines) - _LISTED_RUNS
    return "".join(lines[:_LISTED_RUNS]) + (f"\n  and {more} more" if more > 0 else "")


def _deviations(reads: Sequence[_Read]) -> dict[RunDirectory, str]:
    """What is wrong with the runs that are not like most."""
    usual = _most_common([frozenset(read.predictions.classes) for read in reads])
    problems = {}
    for read in reads:
        known = set(read.predictions.classes)
        if known != usual:
            problems[read.run] = _other("classes", sorted(known - usual), sorted(usual - known))
    images = _most_common([frozenset(r.images) for r in reads if r.run not in problems])
    for read in reads:
        if read.run not in problems and read.images.keys() != images:
            gained = [image[0] for image in read.images.keys() - images]
            lost = [image[0] for image in images - read.images.keys()]
            problems[read.run] = _other("images", sorted(gained), sorted(lost))
    return problems


def _most_common(sets: Sequence[frozenset[T]]) -> frozenset[T]:
    return Counter(sets).most_common(1)[0][0]


def _other(what: str, gained: Sequence[str], lost: Sequence[str]) -> str:
    parts = [
        f"{len(names)} {verb} (such as {names[0]})"
        for names, verb in ((gained, "that others lack"), (lost, "that others have, not"))
        if names
    ]
    changed = sorted(set(gained) & set(lost))
    if changed and len(changed) == len(gained) == len(lost):
        return (
            f"{len(changed)} {what} with another label or content than elsewhere "
            f"(such as {changed[0]})"
        )
    return f"other {what}: {', '.join(parts)}"


def _common(reads: Sequence[_Read]) -> tuple[tuple[str, ...], list[Image]]:
    """Classes that all runs know, and images of these that all were measured on, in order."""
    known = set.intersection(*(set(read.predictions.classes) for read in reads))
    classes = tuple(name for name in reads[0].predictions.classes if name in known)
    everywhere = set.intersection(*(set(read.images) for read in reads))
    images = [image for image in reads[0].images if image in everywhere and image[1] in known]
    if not images:
        raise RunError(
            f"expected images that all {len(reads)} runs were measured on, got none in common. "
            "Compare runs on the same data."
        )
    return classes, images


def _losses(
    reads: dict[RunDirectory, _Read], classes: Sequence[str], images: int, split: str
) -> list[str]:
    most = max(len(read.images) for read in reads.values())
    unknown = sorted({c for r in reads.values() for c in r.predictions.classes} - set(classes))
    remarks = []
    if images < most:
        remarks.append(
            f"Compared are the {images} {split} images that all runs have in common, of up to "
            f"{most}."
        )
    if unknown:
        remarks.append(
            f"Not all runs know these classes, which are left out: {', '.join(unknown)}."
        )
    return remarks


def _kept(group: Group, reads: dict[RunDirectory, _Read]) -> Group:
    kept = [(run, seed) for run, seed in zip(group.runs, group.seeds, strict=True) if run in reads]
    runs, seeds = [run for run, _ in kept], [seed for _, seed in kept]
    return replace(group, runs=tuple(runs), seeds=tuple(seeds))


def _predicted(
    read: _Read, classes: Sequence[str], images: Sequence[Image]
) -> npt.NDArray[np.int64]:
    number = {name: position for position, name in enumerate(classes)}
    names = read.predictions.classes
    renumbered = np.array([number.get(name, len(classes)) for name in names], dtype=np.int64)
    rows = [read.images[image] for image in images]
    predicted: npt.NDArray[np.int64] = renumbered[read.predictions.predicted[rows]]
    return predicted
