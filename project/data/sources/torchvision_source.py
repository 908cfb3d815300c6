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

from project.data.sources.class_folders import ClassFolders
from project.data.sources.listing import absolute
from project.data.progress import with_progress
from project.errors import ConfigError, DataError, suggestion

if TYPE_CHECKING:
    from torchvision.datasets import VisionDataset

# What torchvision's data sets call their splits, in the order in which we ask.
_SPLIT_ARGUMENTS: Mapping[str, Sequence[str]] = {
    "train": ("train", "trainval"),
    "val": ("val", "valid"),
    "test": ("test",),
}


class TorchvisionDataset:
    """A classification data set of torchvision, written once to ``<root>/<name>-png``.

    From then on it is read like any other folder of photos, so that decoding, scanning and
    splitting are the same code.

    Args:
        root: Folder that torchvision downloads to and reads from.
        name: Class in `torchvision.datasets` that takes ``train`` or ``split``, such as
            ``FashionMNIST``, ``GTSRB`` or ``CIFAR10``.
        download: Whether torchvision may download what is missing.
    """

    def __init__(self, root: str | Path, name: str, download: bool = False) -> None:
        self.root = absolute(root) / f"{name}-png"
        self._name = name
        self._download = download

    def listing(self) -> pa.Table:
        """Lists the photos; see `project.data.sources.listing.Source.listing`."""
        if not self.root.is_dir():
            self._export()
        listing = ClassFolders(self.root).listing()
        labels = pc.dictionary_encode(listing["label"]).combine_chunks()
        names = pa.array([unquote(name) for name in labels.dictionary.to_pylist()])
        column = listing.schema.get_field_index("label")
        return listing.set_column(column, listing.field(column), names.take(labels.indices))

    def _export(self) -> None:
        """Writes all splits to a sibling first, so that a folder in place is complete."""
        constructor = _constructor(self._name)
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.root}.lock"):
                if self.root.is_dir():
                    return
                with tempfile.TemporaryDirectory(dir=self.root.parent) as folder:
                    partial = Path(folder, "png")
                    for split, dataset in self._splits(constructor).items():
                        _write(dataset, partial / split, f"{self._name} {split}")
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
        return (
            f'Reading {self._name} from "{self.root.parent}" {what}. Set data.download=true on a '
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


def _write(dataset: "VisionDataset", folder: Path, title: str) -> None:
    classes: Sequence[str] | None = getattr(dataset, "classes", None)
    for index in with_progress(range(len(dataset)), len(dataset), f"Writing {title}"):
        image, label = dataset[index]
        if not isinstance(image, Image.Image) or not isinstance(label, int):
            raise DataError(
                f"Expected pairs of a PIL image and a whole number from {title}, got "
                f"{type(image).__name__} and {type(label).__name__}."
            )
        name = f"{label:02d}" if classes is None else str(classes[label])
        file = folder / quote(name, safe=" ") / f"{index:06d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        # 1: four times as fast as the default level, and these images are tiny
        image.save(file, compress_level=1)
