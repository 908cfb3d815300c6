"""The data sets that torchvision knows how to download, as folders of ordinary PNG files."""

import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock
from PIL import Image

from project.data.progress import with_progress
from project.data.sources.class_folders import ClassFolders
from project.data.sources.listing import absolute
from project.errors import ConfigError, DataError, suggestion

if TYPE_CHECKING:
    from torchvision.datasets import VisionDataset

# What torchvision's data sets call their splits, in the order in which we ask.
_SPLIT_ARGUMENTS: Mapping[str, Sequence[str]] = {
    "train": ("train", "trainval"),
    "val": ("val", "valid"),
    "test": ("test",),
}

# Where torchvision's data sets keep pairs of a file and a class, if they read files at all.
_FILES = ("_samples", "samples")

# Says that an export bears the names of torchvision's files; earlier ones were only numbered.
_NAMED = ".named"


class TorchvisionDataset:
    """A classification data set of torchvision, written once to ``<root>/<name>-png``.

    From then on it is read like any other folder of photos, so that decoding, scanning and
    splitting are the same code. A photo keeps the name of its file if torchvision read one, and is
    numbered otherwise.

    Args:
        root: Folder that torchvision downloads to and reads from.
        name: Class in `torchvision.datasets` that takes ``train`` or ``split``, such as
            ``FashionMNIST``, ``GTSRB`` or ``CIFAR10``.
        download: Whether torchvision may download what is missing.
        group_pattern: Regular expression with the group in parentheses that is searched in the path
            ``split/class/photo.png``. An export of before photos kept their names is replaced.
    """

    def __init__(
        self,
        root: str | Path,
        name: str,
        download: bool = False,
        group_pattern: str | None = None,
    ) -> None:
        self.root = absolute(root) / f"{name}-png"
        self._name = name
        self._download = download
        self._group_pattern = group_pattern

    def listing(self) -> pa.Table:
        """Lists the photos; see `project.data.sources.listing.Source.listing`."""
        if not self._is_exported():
            self._export()
        listing = ClassFolders(self.root, group_pattern=self._group_pattern).listing()
        labels = pc.dictionary_encode(listing["label"]).combine_chunks()
        names = pa.array([unquote(name) for name in labels.dictionary.to_pylist()])
        column = listing.schema.get_field_index("label")
        return listing.set_column(column, listing.field(column), names.take(labels.indices))

    def _is_exported(self) -> bool:
        """Whether the folder is there, with names if the groups are to be read from them."""
        return self.root.is_dir() and (
            self._group_pattern is None or (self.root / _NAMED).is_file()
        )

    def _export(self) -> None:
        """Writes all splits to a sibling first, so that a folder in place is complete."""
        constructor = _constructor(self._name)
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.root}.lock"):
                if self._is_exported():  # by another run, while this one waited
                    return
                with tempfile.TemporaryDirectory(dir=self.root.parent) as folder:
                    partial = Path(folder, "png")
                    for split, dataset in self._splits(constructor).items():
                        _write(dataset, partial / split, f"{self._name} {split}")
                    (partial / _NAMED).touch()
                    if self.root.is_dir():
                        self.root.rename(Path(folder, "numbered"))
                    partial.rename(self.root)
        except OSError as error:  # a failed download too: URLError is an OSError
            raise DataError(self._advice(f"failed: {error}")) from error

    def _splits(self, constructor: Callable[..., "VisionDataset"]) -> dict[str, "VisionDataset"]:
        parameters = inspect.signature(constructor).parameters
        common: dict[str, Any] = {"root": str(self.root.parent)}
        if "download" in parameters:
            common["download"] = self._download
        try:
            if "train" in parameters:
                return {
                    "train": constructor(train=True, **common),
                    "test": constructor(train=False, **common),
                }
            found = {split: _first(constructor, common, split) for split in _SPLIT_ARGUMENTS}
        except RuntimeError as error:  # how torchvision says that files are absent or corrupt
            what = "failed" if self._download else "found no complete copy"
            raise DataError(self._advice(f"{what}: {error}")) from error
        return {split: dataset for split, dataset in found.items() if dataset is not None}

    def _advice(self, what: str) -> str:
        why = (
            f'The photos in "{self.root}" are numbered, and data.source.group_pattern needs the '
            "names of torchvision's files, from which they are to be written anew. "
        )
        return (
            f'Reading {self._name} from "{self.root.parent}" {what}. '
            f"{why if self.root.is_dir() else ''}Set data.download=true on a "
            "machine with internet access, or copy torchvision's folder for it there from one "
            f'that has it (`python -c "from torchvision.datasets import {self._name} as d; '
            "d('.', download=True)\"`) and set data.root to the folder that holds it."
        )


def _constructor(name: str) -> Callable[..., "VisionDataset"]:
    from torchvision import datasets  # noqa: PLC0415  # takes seconds, and only this needs it

    if name not in datasets.__all__:
        raise ConfigError(
            f'torchvision has no data set "{name}".{suggestion(name, datasets.__all__)}'
        )
    constructor: Callable[..., VisionDataset] = getattr(datasets, name)
    if not {"train", "split"} & set(inspect.signature(constructor).parameters):
        raise ConfigError(
            f"torchvision's {name} takes neither train nor split; expected a classification data "
            "set such as FashionMNIST, GTSRB or CIFAR10."
        )
    return constructor


def _first(
    constructor: Callable[..., "VisionDataset"], common: Mapping[str, Any], split: str
) -> "VisionDataset | None":
    """Builds the first of a split's names that the data set knows."""
    for name in _SPLIT_ARGUMENTS[split]:
        try:
            return constructor(split=name, **common)
        except ValueError:  # how torchvision refuses the name of a split
            continue
    return None


def _stems(dataset: "VisionDataset") -> list[str]:
    """Names photos after the files that they come from, each in its class once, or numbers them."""
    files: Sequence[Any] = next((getattr(dataset, n) for n in _FILES if hasattr(dataset, n)), ())
    if len(files) != len(dataset) or not all(isinstance(file[0], str | Path) for file in files):
        return [f"{index:06d}" for index in range(len(dataset))]
    stems = [quote(Path(file[0]).stem, safe=" ") for file in files]
    places = {(file[1], stem.casefold()) for file, stem in zip(files, stems, strict=True)}
    if len(places) == len(stems):
        return stems
    return [f"{stem}-{index:06d}" for index, stem in enumerate(stems)]


def _write(dataset: "VisionDataset", folder: Path, title: str) -> None:
    classes: Sequence[str] | None = getattr(dataset, "classes", None)
    stems = _stems(dataset)
    for index in with_progress(range(len(dataset)), len(dataset), f"Writing {title}"):
        image, label = dataset[index]
        if not isinstance(image, Image.Image) or not isinstance(label, int):
            raise DataError(
                f"Expected pairs of a PIL image and a whole number from {title}, got "
                f"{type(image).__name__} and {type(label).__name__}."
            )
        name = f"{label:02d}" if classes is None else str(classes[label])
        file = folder / quote(name, safe=" ") / f"{stems[index]}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        # 1: four times as fast as the default level, and these images are tiny
        image.save(file, compress_level=1)
