"""A published case: which runs are to show it, and what a person says about it.

Each is a file ``benchmarks/published/<case>.md``: keys in YAML between two lines of dashes, then
the headings ``## Published`` and ``## Different`` with a text each.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from project.errors import ConfigError, suggestion

FOLDER = Path(__file__).parent / "published"
EVERY = "*"  # any variant
_SCALE, _PHOTOS = "{scale}", "{photos}"
_TEXTS = ("published", "different")


@dataclass(frozen=True)
class Case:
    """What is run, compared and said.

    Attributes:
        name: Of the file.
        title: Of its section.
        question: What the runs are to answer, in one line.
        place: Sections come in this order.
        sweeps: Words of ``project.train --multirun`` by name, where ``{scale}`` and ``{photos}``
            stand for what the command line says. A single one needs no name of its own.
        published: What its source says.
        different: Where the source and what was measured part, and why.
        baseline: What the variants are compared with; None: nothing is compared.
        splits: The splits or named test sets, each with a comparison of its own.
        compare: Further words of ``project.compare``.
        seeds: How many, from 1 on, unless the command line says otherwise.
        scores: Metrics of the runs that stand side by side, such as ``test_same/accuracy``.
        expected: Diagnoses that a variant is about, by its name on the page or by overrides, as in
            ``sampler=natural``; `EVERY` for all.
        remarks: Diagnoses that a person has found to be true without being the point, each with the
            reason, by variant likewise. Whatever else is said counts as a false alarm.
    """

    name: str
    title: str
    question: str
    place: int
    sweeps: Mapping[str, Sequence[str]]
    published: str
    different: str
    baseline: str | None = None
    splits: Sequence[str] = ("test",)
    compare: Sequence[str] = ()
    seeds: int = 3
    scores: Sequence[str] = ()
    expected: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remarks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def needs_photos(self) -> bool:
        """Whether it is about photos that the reader has to bring."""
        return any(_PHOTOS in word for words in self.sweeps.values() for word in words)

    def words(self, sweep: str, scale: str, photos: str) -> list[str]:
        """The words of a sweep.

        Args:
            sweep: One of `sweeps`.
            scale: Of the experiments.
            photos: Folder of the photos that the reader brings.
        """
        return [w.replace(_SCALE, scale).replace(_PHOTOS, photos) for w in self.sweeps[sweep]]


def read_cases(folder: Path = FOLDER) -> list[Case]:
    """Reads all cases of a folder, in the order of their places.

    Args:
        folder: Of the files.

    Raises:
        ConfigError: There is none, or a file does not hold a case.
    """
    files = sorted(folder.glob("*.md"))
    if not files:
        raise ConfigError(f"expected files <case>.md in {folder}, got none.")
    return sorted((_read(file) for file in files), key=lambda case: case.place)


def _read(file: Path) -> Case:
    head, _, body = file.read_text(encoding="utf-8").removeprefix("---\n").partition("\n---\n")
    try:
        keys: Any = yaml.safe_load(head)
    except yaml.YAMLError as error:
        raise ConfigError(f"expected YAML between lines of dashes in {file}: {error}") from error
    texts = _texts(body)
    if not isinstance(keys, dict) or set(texts) != set(_TEXTS):
        raise ConfigError(
            f"expected keys between lines of dashes, then the headings ## Published and "
            f"## Different in {file}, got {', '.join(texts) or 'no heading'}."
        )
    _check_keys(keys, file)
    return Case(**{"name": file.stem, **keys, **texts})


def _texts(body: str) -> dict[str, str]:
    """What stands under each heading, by its name in small letters."""
    parts = re.split(r"^## (.+)$", body, flags=re.MULTILINE)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {heading.strip().lower(): text.strip() for heading, text in pairs}


def _check_keys(keys: Mapping[str, Any], file: Path) -> None:
    own = [item for item in fields(Case) if item.name not in ("name", *_TEXTS)]
    names = [item.name for item in own]
    if unknown := [key for key in keys if key not in names]:
        raise ConfigError(
            f"expected the keys {', '.join(names)} in {file}, got {unknown[0]}."
            f"{suggestion(str(unknown[0]), names)}"
        )
    optional = {
        item.name
        for item in own
        if item.default is not MISSING or item.default_factory is not MISSING
    }
    if missing := [name for name in names if name not in keys and name not in optional]:
        raise ConfigError(f"expected the key {missing[0]} in {file}, got none.")
