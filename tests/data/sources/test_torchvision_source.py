import pickle
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torchvision import datasets
from torchvision.datasets import CIFAR10, FashionMNIST, cifar, mnist

from project.data.sources.torchvision_source import TorchvisionDataset
from project.errors import ConfigError, DataError


def idx(values: NDArray[np.uint8]) -> bytes:
    """The format of MNIST: type 8 (uint8), number of dimensions, their sizes, then values."""
    return (
        bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes() + values.tobytes()
    )


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    """A FashionMNIST of 4 training and 2 test images, as torchvision keeps it."""
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, labels in (("train", [0, 9, 0, 3]), ("t10k", [9, 3])):
        images = rng.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.array(labels, np.uint8)))
    return tmp_path


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    """A GTSRB of two classes, as torchvision keeps it."""
    training = tmp_path / "gtsrb" / "GTSRB" / "Training"
    test = tmp_path / "gtsrb" / "GTSRB" / "Final_Test" / "Images"
    for folder in (training / "00000", training / "00001", test):
        folder.mkdir(parents=True)
        Image.new("RGB", (9, 7), "red").save(folder / "00000.ppm")
    (tmp_path / "gtsrb" / "GT-final_test.csv").write_text("Filename;ClassId\n00000.ppm;1\n")
    return tmp_path


def test_fashion_mnist_becomes_class_folders_of_the_same_pixels(fashion: Path) -> None:
    source = TorchvisionDataset(fashion, "FashionMNIST")
    rows = source.listing().to_pylist()

    assert [(row["path"], row["label"], row["split"]) for row in rows] == [
        ("test/Ankle boot/000000.png", "Ankle boot", "test"),
        ("test/Dress/000001.png", "Dress", "test"),
        ("train/Ankle boot/000001.png", "Ankle boot", "train"),
        ("train/Dress/000003.png", "Dress", "train"),
        ("train/T-shirt%2Ftop/000000.png", "T-shirt/top", "train"),
        ("train/T-shirt%2Ftop/000002.png", "T-shirt/top", "train"),
    ]
    original, _ = FashionMNIST(str(fashion), train=True)[3]
    written = Image.open(source.root / "train/Dress/000003.png")
    assert np.array_equal(np.asarray(written), np.asarray(original))


def test_export_happens_once(fashion: Path) -> None:
    first = TorchvisionDataset(fashion, "FashionMNIST").listing()
    for file in (fashion / "FashionMNIST" / "raw").iterdir():
        file.unlink()

    assert TorchvisionDataset(fashion, "FashionMNIST").listing().equals(first)


def test_gtsrb_has_numbers_for_class_names(signs: Path) -> None:
    listing = TorchvisionDataset(signs, "GTSRB").listing()

    assert listing["path"].to_pylist() == [
        "test/01/000000.png",
        "train/00/000000.png",
        "train/01/000001.png",
    ]
    assert listing["split"].to_pylist() == ["test", "train", "train"]


def test_cifar10_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "check_integrity", lambda *_: True)
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    for number, (name, _) in enumerate(CIFAR10.train_list + CIFAR10.test_list):
        batch = {"data": np.full((1, 3072), number, np.uint8), "labels": [number % 2]}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["airplane", "cat"]}))

    listing = TorchvisionDataset(tmp_path, "CIFAR10").listing()

    assert listing["label"].to_pylist() == ["cat", *["airplane"] * 3, *["cat"] * 2]
    assert listing["split"].to_pylist() == ["test", *["train"] * 5]


@pytest.mark.parametrize("name", ["FashionMNIST", "GTSRB", "CIFAR10"])
def test_absent_data_say_how_to_get_them(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        DataError, match=rf"Reading {name} from .* no complete copy: .*Set data\.download=true"
    ):
        TorchvisionDataset(tmp_path / "new", name).listing()


def test_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setattr(mnist, "download_and_extract_archive", offline)

    with pytest.raises(DataError, match=r"FashionMNIST .* failed: .*(resolution|downloading)"):
        TorchvisionDataset(tmp_path, "FashionMNIST", download=True).listing()


def test_interrupted_export_leaves_no_folder(
    fashion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "save", full)
        with pytest.raises(DataError, match="No space left on device"):
            TorchvisionDataset(fashion, "FashionMNIST").listing()
    assert [path.name for path in fashion.iterdir() if path.is_dir()] == ["FashionMNIST"]
    assert len(TorchvisionDataset(fashion, "FashionMNIST").listing()) == 6


def test_split_names_of_other_data_sets_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pets:
        classes = ("cat", "dog")

        def __init__(self, root: str, split: str) -> None:
            assert Path(root).is_absolute()
            if split not in {"trainval", "valid"}:
                raise ValueError(f"Unknown value '{split}'")

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            return Image.new("L", (3, 3)), index

    monkeypatch.setattr(datasets, "OxfordIIITPet", Pets)
    listing = TorchvisionDataset(tmp_path, "OxfordIIITPet").listing()

    assert listing["split"].to_pylist() == ["train", "train", "val", "val"]


def test_data_sets_that_are_no_classification_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Boxes:
        def __init__(self, root: str, train: bool) -> None:
            assert Path(root).is_absolute()
            assert train in {True, False}

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            return Image.new("L", (3, 3)), {"boxes": []}

    monkeypatch.setattr(datasets, "USPS", Boxes)
    with pytest.raises(DataError, match=r"a PIL image and a whole number .* got Image and dict"):
        TorchvisionDataset(tmp_path, "USPS").listing()
    with pytest.raises(ConfigError, match="FakeData takes neither train nor split"):
        TorchvisionDataset(tmp_path, "FakeData").listing()


def test_unknown_name_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'"FashionMnist"\. Did you mean "FashionMNIST"\?'):
        TorchvisionDataset(tmp_path, "FashionMnist").listing()
