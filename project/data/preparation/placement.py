"""Where each photo of a catalog goes in a tree of split and class folders."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow as pa

from project.data.catalog.catalog import Catalog
from project.data.catalog.manifest import digest
from project.data.catalog.split_file import split_csv
from project.data.sources.image_files import EXTENSIONS
from project.data.sources.listing import SPLITS, composed, first_few
from project.data.sources.split_names import SPLIT_NAMES, split_lookup
from project.errors import DataError

_DIGITS = 8  # of a digest that tells photos of one name apart
_NOT_READ = (".", "__MACOSX")  # how folders begin that nothing looks into


class Placed(NamedTuple):
    """One photo of the plan.

    Attributes:
        source: Path below the root of the photos.
        target: Path below the tree: ``<split>/<class>/<rest>``.
        content_hash: Of the bytes.
    """

    source: str
    target: str
    content_hash: str


def placed(catalog: Catalog) -> list[Placed]:
    """Plans a tree that ``data=folder`` reads as the same classes and splits.

    What lies between the class folder and the photo stays, so that groups can still be told.
    Photos that would have one name, as those of merged classes may, get a digest of their path.

    Args:
        catalog: Photos with class and split.

    Returns:
        One entry a photo, in the order of the catalog; no two with the same target, whether or not
        the file system tells upper from lower case.

    Raises:
        DataError: A photo has crop boxes or several labels, or a class or a file has a name that no
            folder of photos can have.
    """
    paths: list[str] = catalog.paths.to_pylist()
    _check_classes(catalog.classes)
    _check_files(paths)
    if (catalog.boxes >= 0).any() or len(set(paths)) < len(paths):
        raise DataError(
            f'Photos in "{catalog.root}" have crop boxes or several labels, which folders cannot '
            "tell. Take write=split_file."
        )
    folders = [
        f"{SPLITS[split]}/{catalog.classes[label]}"
        for split, label in zip(catalog.splits.tolist(), catalog.labels.tolist(), strict=True)
    ]
    targets = list(_distinct([_target(*both) for both in zip(folders, paths, strict=True)], paths))
    return [
        Placed(*row) for row in zip(paths, targets, catalog.content_hash.to_pylist(), strict=True)
    ]


def placed_csv(catalog: Catalog, plan: Sequence[Placed]) -> bytes:
    """The plan as a file that ``data.split_file`` accepts, with each photo's new path.

    Args:
        catalog: Photos with class and split.
        plan: Where they go.

    Returns:
        Contents of a CSV file.
    """
    columns = {
        "path": pa.array([photo.target for photo in plan], pa.string()),
        "label": pa.array(catalog.classes).take(pa.array(catalog.labels)),
        "split": pa.array(SPLITS).take(pa.array(catalog.splits)),
        "group": catalog.groups,
        "content_hash": catalog.content_hash,
    }
    return split_csv(pa.table(columns))


def _target(folder: str, path: str) -> str:
    """Without the folders that said split and class before."""
    rest, label = path.split("/"), folder.partition("/")[2]
    if len(rest) > 1 and rest[0].casefold() in split_lookup(SPLIT_NAMES):
        rest = rest[1:]
    if len(rest) > 1 and composed(rest[0]) == label:
        rest = rest[1:]
    return "/".join([folder, *rest])


def _distinct(targets: Sequence[str], paths: Sequence[str]) -> Iterator[str]:
    keys = [composed(target).casefold() for target in targets]
    often = Counter(keys)
    for key, target, path in zip(keys, targets, paths, strict=True):
        if often[key] == 1:
            yield target
        else:
            name = PurePosixPath(target)
            yield str(name.with_stem(f"{name.stem}-{digest([path.encode()])[:_DIGITS]}"))


def _check_classes(classes: Sequence[str]) -> None:
    bad = [name for name in classes if not name or "/" in name or name.startswith(_NOT_READ)]
    if bad:
        raise DataError(
            f"Expected class names that folders can have, got {first_few(bad)}. Rename them with "
            "data.class_map, or take write=split_file."
        )


def _check_files(paths: Sequence[str]) -> None:
    bad = [path for path in paths if PurePosixPath(path).suffix.lower() not in EXTENSIONS]
    if bad:
        raise DataError(
            f"Expected names of photos to end in {', '.join(sorted(EXTENSIONS))}, as only such "
            f"files in folders are read, got {first_few(bad)}. Rename them, or take "
            "write=split_file."
        )
