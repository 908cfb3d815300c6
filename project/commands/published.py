"""Reads published counts: what papers and reports give instead of predictions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from project.errors import DataError

_COUNT = re.compile(r"\s*(\d+)\s*/\s*(\d+)\s*")


@dataclass(frozen=True)
class Published:
    """Correct and total of each class, by variant and class.

    Attributes:
        variants: Pairs of correct and all images.
        baseline: The variant that the others are compared with.
        notes: What a reader should know.
    """

    variants: dict[str, dict[str, tuple[int, int]]]
    baseline: str
    notes: list[str]


def read_counts(file: Path) -> Published:
    """Reads counts from a YAML file.

    Args:
        file: Has ``variants``: by name, then by class, ``correct/total`` such as ``23/24``; may
            have ``baseline`` (else the first variant) and ``notes``.

    Raises:
        DataError: The file is not there or not of this form; names the place.
    """
    plain = _loaded(file)
    listed = plain.get("variants")
    if not isinstance(listed, dict) or len(listed) < 2:
        raise DataError(
            f"expected at least two variants under the key variants in {file}, got "
            f"{listed if listed is None else type(listed).__name__}. Give each the counts of its "
            "classes: `hat: 23/24`."
        )
    if unknown := plain.keys() - {"variants", "baseline", "notes"}:
        raise DataError(
            f"expected the keys variants, baseline and notes in {file}, got "
            f"{', '.join(sorted(map(str, unknown)))}, which nothing reads."
        )
    variants = {str(name): _counts(classes, f"{file}: {name}") for name, classes in listed.items()}
    first = next(iter(variants))
    for name, counts in variants.items():
        if counts.keys() != variants[first].keys():
            raise DataError(
                f"expected the classes of {first} ({', '.join(variants[first])}) for every variant "
                f"in {file}, got {', '.join(counts)} for {name}."
            )
    notes = plain.get("notes") or []
    return Published(
        variants=variants,
        baseline=str(plain.get("baseline") or first),
        notes=[notes] if isinstance(notes, str) else [str(note) for note in notes],
    )


def _loaded(file: Path) -> dict[str, Any]:
    try:
        plain = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"expected published counts in {file}, got: {error}") from error
    if not isinstance(plain, dict):
        raise DataError(f"expected the key variants in {file}, got {type(plain).__name__}.")
    return plain


def _counts(classes: object, where: str) -> dict[str, tuple[int, int]]:
    if not isinstance(classes, Mapping) or not classes:
        raise DataError(f"expected counts by class at {where}, got {classes!r}.")
    return {str(name): _count(text, f"{where}: {name}") for name, text in classes.items()}


def _count(text: object, where: str) -> tuple[int, int]:
    match = _COUNT.fullmatch(str(text))
    if match is None:
        raise DataError(f"expected correct/total such as 23/24 at {where}, got {text!r}.")
    correct, total = int(match[1]), int(match[2])
    if not 0 <= correct <= total or total == 0:
        raise DataError(f"expected at most as many correct as there are at {where}, got {text!r}.")
    return correct, total
