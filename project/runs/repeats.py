"""Finished runs that repeat one recipe, with other seeds or folds, and their tests together."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from project.errors import RunError
from project.runs.alignment import Image, split_rows, units_of
from project.runs.directory import RunDirectory
from project.runs.fingerprint import recipe_fingerprint, result_settings
from project.runs.group_names import Recipe, name_all
from project.runs.predictions import Predictions, read_predictions
from project.runs.record import RunRecord, read_record
from project.runs.saved_config import read_config

FOLD = "data.fold"


@dataclass(frozen=True)
class Trained:
    """A finished run of a recipe.

    Attributes:
        run: Its directory.
        record: What it was.
        seed: Of everything random.
        fold: The part of the photos that was held out, from 0; None without cross-validation.
    """

    run: RunDirectory
    record: RunRecord
    seed: int
    fold: int | None


@dataclass(frozen=True)
class Repeats:
    """Finished runs that differ in nothing but seed and fold.

    Attributes:
        name: What sets the recipe apart from the others, as overrides.
        runs: By seed, then by fold.
        folds: How many folds there should be; None without cross-validation.
    """

    name: str
    runs: tuple[Trained, ...]
    folds: int | None

    @property
    def missing_folds(self) -> list[int]:
        """Folds that no seed has, from 0."""
        return sorted(set(range(self.folds or 0)) - {trained.fold for trained in self.runs})


@dataclass(frozen=True)
class Pooled:
    """What all runs of a recipe said of their N test images.

    Attributes:
        classes: The C class names.
        labels: True classes, int64 ``(N,)`` in ``[0, C)``.
        correct: How often each image was recognised, int64 ``(N,)``.
        tested: How often it was tested, once for each seed, int64 ``(N,)``.
        units: Number of what it belongs to, such as one person or photo, int64 ``(N,)``.
    """

    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    correct: npt.NDArray[np.int64]
    tested: npt.NDArray[np.int64]
    units: npt.NDArray[np.int64]


def group_repeats(runs: Iterable[RunDirectory]) -> list[Repeats]:
    """Groups finished runs by recipe, over seeds and folds.

    The folds of a recipe are made of the same photos, so what is compared is the digest of all
    photos with their labels and groups, whichever split they are in. Without folds the split is
    part of the recipe.

    Args:
        runs: Training runs, in any state; those that have not finished are passed over.

    Returns:
        The recipes, in the order of their first runs. Of runs with one seed and one fold only the
        one that started last is kept.

    Raises:
        RunError: A record or a configuration is missing or damaged.
    """
    members: dict[str, dict[tuple[int, int], Trained]] = {}
    recipes: dict[str, Recipe] = {}
    finished = [(run, record) for run in runs if (record := read_record(run)).state == "finished"]
    for run, record in sorted(finished, key=lambda pair: pair[1].started):
        config = read_config(run)
        recipe = _recipe(run, record, config)
        fold = _folds(config).get("fold")
        seed = record.seed or 0
        recipes.setdefault(recipe.fingerprint, recipe)
        place = (seed, -1 if fold is None else fold)
        members.setdefault(recipe.fingerprint, {})[place] = Trained(run, record, seed, fold)
    # Of one recipe alone the overrides tell nothing that all do not share.
    names = [name for name, _ in name_all(list(recipes.values()))]
    return [
        Repeats(name, tuple(trained for _, trained in sorted(known.items())), _count(recipe.config))
        for name, (recipe, known) in zip(
            names, ((recipes[key], members[key]) for key in recipes), strict=True
        )
    ]


def pool(repeats: Repeats, split: str = "test") -> Pooled:
    """Takes the tests of all runs of a recipe together.

    Args:
        repeats: The recipe.
        split: The split that the runs were measured on.

    Returns:
        Each image once, in the order in which the runs name them.

    Raises:
        RunError: The runs know other classes, or the parts that they were tested on do not make one
            set of images, each of them tested once for each seed; says why. Or predictions are
            missing or damaged.
    """
    said = {trained.run: read_predictions(trained.run, split) for trained in repeats.runs}
    first = repeats.runs[0].run  # knows the photos of all splits, so of all folds
    classes = said[first].classes
    for run, predictions in said.items():
        if list(predictions.classes) != list(classes):
            raise RunError(f"{run.path} knows other classes than {first.path}.")
    seen = {trained.run: dict(_images(trained.run, said[trained.run])) for trained in repeats.runs}
    _require_partition(repeats, seen, split)
    images = list(dict.fromkeys(image for rows in seen.values() for image in rows))
    number = {image: place for place, image in enumerate(images)}
    correct, tested = np.zeros((2, len(images)), np.int64)
    for run, rows in seen.items():
        places = [number[image] for image in rows]
        right = said[run].predicted == said[run].labels
        correct[places] += right[list(rows.values())]
        tested[places] += 1
    labels = np.array([classes.index(image[1]) for image in images], np.int64)
    return Pooled(tuple(classes), labels, correct, tested, units_of(first, images))


def _recipe(run: RunDirectory, record: RunRecord, config: Mapping[str, Any]) -> Recipe:
    data = record.data.fingerprint
    if _folds(config).get("fold") is not None:
        data = _photos_digest(run) or data
        config = {**config, "data": {**config["data"], "fold": "any"}}
    flat = result_settings(config, data)
    return Recipe(
        fingerprint=recipe_fingerprint(config, data),
        settings={key: value for key, value in flat.items() if key not in ("seed", FOLD)},
        config=config,
        overrides=tuple(o for o in record.overrides if o.lstrip("+").partition("=")[0] != FOLD),
        choices=record.choices,
    )


def _folds(config: Mapping[str, Any]) -> Mapping[str, Any]:
    data = config.get("data")
    return data if isinstance(data, Mapping) else {}


def _count(config: Mapping[str, Any]) -> int | None:
    data = _folds(config)
    return int(data.get("folds") or 0) or None if data.get("fold") is not None else None


def _photos_digest(run: RunDirectory) -> str:
    """Of all photos, whichever split they are in; empty where the run did not keep them."""
    parts = ("path", "label", "group", "content_hash")
    rows = sorted([row.get(part) or "" for part in parts] for row in split_rows(run))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16] if rows else ""


def _images(run: RunDirectory, said: Predictions) -> Iterator[tuple[Image, int]]:
    """The labelled images and their rows."""
    contents = {row["path"]: row.get("content_hash") or "" for row in split_rows(run)}
    times: Counter[str] = Counter()
    for row, (path, label) in enumerate(zip(said.paths, said.labels.tolist(), strict=True)):
        if label >= 0:
            yield (path, said.classes[label], contents.get(path, ""), times[path]), row
        times[path] += 1


def _require_partition(
    repeats: Repeats, seen: Mapping[RunDirectory, Mapping[Image, int]], split: str
) -> None:
    """Each image in one fold, and every seed with the same folds."""
    sets = {(t.seed, t.fold): frozenset(seen[t.run]) for t in repeats.runs}
    of_fold: dict[int | None, frozenset[Image]] = {}
    for (seed, fold), images in sets.items():
        if of_fold.setdefault(fold, images) != images:
            place = "" if fold is None else f" in fold {fold}"
            raise RunError(f"Seed {seed} was tested on other {split} images than the rest{place}.")
    if len(of_fold) > 1 and len(set(of_fold.values())) == 1:
        raise RunError(
            f"All folds were tested on the same {split} images: the photos come with a {split} "
            "split of their own, which data.fold leaves as it is. data.resplit=true makes folds of "
            "all photos."
        )
    if shared := _shared(list(of_fold.values())):
        raise RunError(
            f"{len(shared)} images (such as {min(shared)[0]}) are in the {split} split of several "
            "folds."
        )
    counts = {seed: {f for s, f in sets if s == seed} for seed, _ in sets}
    if len(set(map(frozenset, counts.values()))) > 1:
        fewest = min(counts, key=lambda seed: len(counts[seed]))
        raise RunError(
            f"Not every seed has the same folds: seed {fewest} has {len(counts[fewest])} of "
            f"{len(of_fold)}."
        )


def _shared(sets: Sequence[frozenset[Image]]) -> set[Image]:
    often = Counter(image for images in sets for image in images)
    return {image for image, times in often.items() if times > 1}
