import pickle
import shutil
import urllib.error
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from omegaconf import OmegaConf
from PIL import Image
from torchvision import datasets
from torchvision.datasets import CIFAR10, FashionMNIST, cifar, mnist

from project.data.catalog.catalog import build_catalog
from project.data.sources.class_folders import ClassFolders
from project.data.sources.listing import SPLITS
from project.data.sources.torchvision_source import TorchvisionDataset
from project.errors import ConfigError, DataError
from tests.conftest import REPOSITORY


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


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    """A GTSRB of 3 classes x 4 tracks x 5 frames, and 6 photos for the test."""
    rng = np.random.default_rng(0)
    base = tmp_path / "gtsrb"
    test = base / "GTSRB" / "Final_Test" / "Images"
    test.mkdir(parents=True)

    def photo(file: Path) -> None:
        Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(file)

    for label in range(3):
        folder = base / "GTSRB" / "Training" / f"{label:05d}"
        folder.mkdir(parents=True)
        for number in range(20):
            photo(folder / f"{number // 5:05d}_{number % 5:05d}.ppm")
    rows = [f"{number:05d}.ppm;{number % 3}" for number in range(6)]
    for row in rows:
        photo(test / row.partition(";")[0])
    (base / "GT-final_test.csv").write_text("\n".join(["Filename;ClassId", *rows]))
    return tmp_path


@pytest.fixture
def gtsrb() -> Callable[..., TorchvisionDataset]:
    """``gtsrb(root)`` is what ``data=gtsrb`` reads photos by."""
    source = OmegaConf.load(REPOSITORY / "conf" / "data" / "gtsrb.yaml").source
    return partial(TorchvisionDataset, name=source.name, group_pattern=source.group_pattern)


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


def test_photos_of_one_sign_are_not_torn_apart(
    tracks: Path, tmp_path: Path, gtsrb: Callable[..., TorchvisionDataset]
) -> None:
    catalog = build_catalog(gtsrb(tracks), cache_dir=tmp_path / "cache", seed=0, val_fraction=0.25)
    tracks_in: dict[str, set[str]] = {split: set() for split in SPLITS}
    for path, code in zip(catalog.paths.to_pylist(), catalog.splits, strict=True):
        tracks_in[SPLITS[code]].add(path.rpartition("_")[0])
    assert not tracks_in["train"] & tracks_in["val"]
    assert sorted(tracks_in["train"] | tracks_in["val"]) == [
        f"train/{label:02d}/{track:05d}" for label in range(3) for track in range(4)
    ]
    assert len(tracks_in["val"]) == 3  # one of the four of each class
    listing = gtsrb(tracks).listing().to_pylist()
    of_test = [row["group"] for row in listing if row["split"] == "test"]
    assert len(set(of_test)) == len(of_test) == 6


def test_export_of_before_photos_kept_their_names_is_replaced(
    tracks: Path, gtsrb: Callable[..., TorchvisionDataset]
) -> None:
    old = tracks / "GTSRB-png" / "train" / "00" / "000000.png"
    old.parent.mkdir(parents=True)
    Image.new("RGB", (9, 7)).save(old)
    ungrouped = TorchvisionDataset(tracks, "GTSRB")
    assert ungrouped.listing()["path"].to_pylist() == ["train/00/000000.png"]
    raw = (tracks / "gtsrb").rename(tracks / "away")
    with pytest.raises(DataError, match=r"group_pattern needs the names .*data\.download=true"):
        gtsrb(tracks).listing()
    assert old.is_file()
    raw.rename(tracks / "gtsrb")
    paths = gtsrb(tracks).listing()["path"].to_pylist()
    assert len(paths) == 66
    assert paths[:2] == ["test/00/00000.png", "test/00/00003.png"]
    shutil.rmtree(tracks / "gtsrb")
    assert gtsrb(tracks).listing()["path"].to_pylist() == paths
    assert sorted(file.name for file in tracks.iterdir() if file.is_dir()) == ["GTSRB-png"]


def test_raw_frames_are_photos_too(tracks: Path) -> None:
    pattern = r"^(\d+/\d+)_"
    source = ClassFolders(tracks / "gtsrb" / "GTSRB" / "Training", group_pattern=pattern)
    assert len(source.listing()) == 60


def test_files_of_one_name_in_a_class_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nested:
        def __init__(self, root: str, split: str) -> None:
            self.samples = [(f"{root}/{split}/{n}/A%.jpg", 0) for n in range(2)]

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            return Image.new("L", (3, 3)), self.samples[index][1]

    monkeypatch.setattr(datasets, "Country211", Nested)
    paths = TorchvisionDataset(tmp_path, "Country211").listing()["path"].to_pylist()
    assert paths[:2] == ["test/00/A%25-000000.png", "test/00/A%25-000001.png"]


def test_gtsrb_has_numbers_for_class_names(signs: Path) -> None:
    listing = TorchvisionDataset(signs, "GTSRB").listing()

    assert listing["path"].to_pylist() == [
        "test/01/00000.png",
        "train/00/00000.png",
        "train/01/00000.png",
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
