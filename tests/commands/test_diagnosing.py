"""What is said about trainings that are ill, and about those that are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from project.commands.diagnosing import curves_of, drops
from project.runs.directory import RunDirectory
from project.runs.record import RunRecord, read_record
from project.train import run
from tests.conftest import TINY, Command, Compose, draw_photo

COLORS = {"cat": (220, 60, 60), "dog": (60, 200, 60)}
ILL = "model=custom model._target_=tests.ill_networks."
CALM = ("augmentation=none", "scheduler=none", "data.cache=ram")

Train = Callable[..., RunRecord]


def draw(root: Path, unlike: float = 0.0, **photos: tuple[int, int]) -> Path:
    """Photos of two classes; a share of them is of the other class than their folder says."""
    rng = np.random.default_rng(0)
    for split, counts in photos.items():
        for name, count in zip(COLORS, counts, strict=True):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                shown = str(rng.choice(list(COLORS))) if rng.random() < unlike else name
                draw_photo(COLORS[shown], rng).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of equal size that are easy to tell apart."""
    folder = tmp_path_factory.mktemp("balanced")
    return draw(folder, train=(48, 48), val=(24, 24), test=(24, 24))


@pytest.fixture(scope="module")
def mislabeled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few photos to learn from, a sixth of which are in the wrong folder."""
    folder = tmp_path_factory.mktemp("mislabeled")
    return draw(folder, 0.35, train=(24, 24), val=(60, 60), test=(60, 60))


@pytest.fixture(scope="module")
def imbalanced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class that is rare where it is learned, and not quite as rare elsewhere."""
    return draw(tmp_path_factory.mktemp("imbalanced"), train=(4, 96), val=(8, 80), test=(8, 80))


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a test split in which colours tell next to nothing."""
    folder = tmp_path_factory.mktemp("shifted")
    draw(folder, train=(48, 48), val=(24, 24))
    return draw(folder, 0.8, test=(24, 24))


@pytest.fixture
def train(compose_config: Compose) -> Train:
    """``train(photos, *overrides)`` trains for six epochs and gives the record."""

    def trained(root: Path, *overrides: str) -> RunRecord:
        words = [word for override in overrides for word in override.split()]
        return run(
            compose_config(
                "train", *TINY, *CALM, f"data.root={root}", "trainer.max_epochs=6", *words
            )
        )

    return trained


def names(record: RunRecord) -> list[str]:
    return [diagnosis.name for diagnosis in record.diagnoses]


def sentence(record: RunRecord, name: str) -> str:
    return next(found.sentence for found in record.diagnoses if found.name == name)


def test_a_healthy_training_is_told_nothing(train: Train, balanced: Path) -> None:
    record = train(balanced, f"{ILL}plain")
    assert record.metrics["test/macro_recall"] > 0.9
    assert record.diagnoses == []


def test_the_published_head_collapses_and_its_clamped_logits_are_named(
    train: Train, balanced: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = train(balanced, f"{ILL}clamped", "seed=3")
    assert names(record)[:2] == ["collapse", "clamped_logits"]
    assert '48 of 48 validation photos are taken for "cat"' in sentence(record, "collapse")
    assert "Its logits are clamped" in sentence(record, "collapse")
    assert "come ReLU, Dropout, LogSoftmax" in sentence(record, "clamped_logits")
    printed = capsys.readouterr().out
    assert "diagnosis" in printed
    assert sentence(record, "collapse") in printed


@pytest.mark.slow
def test_the_published_head_is_named_whether_it_collapses_or_not(
    train: Train, balanced: Path, tmp_path: Path
) -> None:
    for seed in range(1, 6):
        place = f"paths.run={tmp_path}/{seed}"
        record = train(balanced, f"{ILL}clamped", f"seed={seed}", place)
        assert "clamped_logits" in names(record)
        recall = record.metrics["val/macro_recall"]
        assert ("collapse" in names(record)) == (recall == 0.5)


def test_record_and_page_hold_what_was_found(train: Train, balanced: Path, tmp_path: Path) -> None:
    record = train(balanced, f"{ILL}dead")
    directory = RunDirectory(tmp_path / "outputs" / "run")
    assert read_record(directory).diagnoses == record.diagnoses
    assert "32 of 32 are 0 for every validation photo" in directory.report_file.read_text()


# The illness, and what is said of it. Neither more nor less.
TRAININGS = {
    "dead units": ("balanced", f"{ILL}dead", ["collapse", "dead_units"]),
    "clamped by a function": (
        "balanced",
        f"{ILL}functional optimizer.lr=0.01",
        ["collapse", "clamped_logits"],
    ),
    "log-softmax": ("balanced", f"{ILL}log_softmax", ["normalized_logits"]),
    "softmax": ("balanced", f"{ILL}softmax", ["normalized_logits"]),
    "a hundred times the rate": (
        "balanced", f"{ILL}plain optimizer.lr=0.1", ["learning_rate_too_high"],
    ),
    "a hundredth of the rate": (
        "balanced", f"{ILL}plain optimizer.lr=1e-5", ["collapse", "learning_rate_too_low"],
    ),
    "no rate at all": ("balanced", f"{ILL}plain optimizer.lr=0", ["collapse", "loss_at_chance"]),
    "a class too rare": ("imbalanced", f"{ILL}plain", ["class_never_predicted"]),
    "another test": ("shifted", f"{ILL}plain", ["test_far_below_validation"]),
    "photos known by heart": (
        "mislabeled",
        "model.width=16 model.depth=3 trainer.max_epochs=40 optimizer.lr=0.003",
        ["overfitting"],
    ),
    "auxiliary heads": (
        "balanced", f"{ILL}many_headed +model.aux_logits=true", [],
    ),
    "few epochs": ("balanced", f"{ILL}plain trainer.max_epochs=1", []),
    "few epochs of an ill one": ("balanced", f"{ILL}dead trainer.max_epochs=2", []),
    "mixup": ("balanced", "mixing=mixup optimizer.lr=0.01 trainer.max_epochs=12", []),
    "class weights": (
        "imbalanced",
        "loss.class_weights=balanced optimizer.lr=0.01 trainer.max_epochs=12",
        [],
    ),
    "balanced sampling": (
        "imbalanced", "sampler=balanced optimizer.lr=0.01 trainer.max_epochs=12", [],
    ),
    "other losses": (
        "balanced", "loss=focal optimizer.lr=0.01 trainer.max_epochs=12 callbacks=[default,ema]",
        [],
    ),
}  # fmt: skip
SMALL = "model.width=8 model.depth=2"


@pytest.mark.slow
@pytest.mark.parametrize("case", TRAININGS)
def test_an_illness_is_named_and_a_healthy_training_left_alone(
    train: Train, request: pytest.FixtureRequest, case: str
) -> None:
    photos, options, expected = TRAININGS[case]
    small = () if "model" in options else (SMALL,)
    assert names(train(request.getfixturevalue(photos), *small, options)) == expected


@pytest.mark.slow
def test_a_shifted_test_set_is_named_and_one_of_the_same_kind_is_not(
    train: Train, balanced: Path, shifted: Path
) -> None:
    tests = f"+data.tests.away={shifted}/test +data.tests.home={balanced}/val"
    record = train(balanced, f"{ILL}plain", tests)
    assert names(record) == ["shifted_test_set"]
    assert sentence(record, "shifted_test_set").startswith("The test set away is shifted")


def test_diagnoses_are_switched_off_by_one_key(train: Train, balanced: Path) -> None:
    assert train(balanced, f"{ILL}dead", "~callbacks.diagnoses").diagnoses == []


@pytest.mark.slow
def test_command_prints_what_two_processes_have_seen(
    command: Command, balanced: Path, tmp_path: Path
) -> None:
    tiny = [option for option in TINY if not option.startswith("trainer=")]
    place = RunDirectory(tmp_path / "run")
    done = command(
        "train", *tiny, *CALM, "trainer=ddp", "trainer.accelerator=cpu", *f"{ILL}dead".split(),
        f"data.root={balanced}", "trainer.max_epochs=3", f"hydra.run.dir={place.path}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert names(read_record(place)) == ["collapse", "dead_units"]
    assert done.stdout.count("Since epoch 0 the network has collapsed") == 1


# Splits against one another


def measured(**recognised: dict[str, tuple[int, int]]) -> RunRecord:
    """A record of splits, each with recognised and all photos of each class."""
    classes = list(dict.fromkeys(name for counts in recognised.values() for name in counts))
    record = RunRecord(classes=classes)
    for split, counts in recognised.items():
        for name in classes:
            hits, images = counts.get(name, (0, 0))
            record.metrics[f"{split}/support/{name}"] = float(images)
            record.metrics[f"{split}/recall/{name}"] = hits / images if images else np.nan
    return record


def test_splits_are_compared_that_should_be_alike() -> None:
    counts = {"cat": (45, 50), "dog": (45, 50)}
    record = measured(val=counts, test=counts, test_same=counts, test_shifted=counts)
    pairs = [(drop.usual, drop.other) for drop in drops(record, 5)]
    assert pairs == [("val", "test"), ("test", "test_same"), ("test", "test_shifted")]
    pairs = [(d.usual, d.other) for d in drops(measured(val=counts, test_far=counts), 5)]
    assert pairs == [("val", "test_far")]
    assert drops(measured(val=counts), 5) == []


def test_a_drop_has_the_recalls_of_both_splits_and_an_interval_around_their_difference() -> None:
    record = measured(
        val={"cat": (90, 100), "dog": (80, 100)}, test={"cat": (60, 100), "dog": (50, 100)}
    )
    (drop,) = drops(record, 1)
    assert (drop.expected, drop.macro_recall) == pytest.approx((0.85, 0.55))
    assert drop.low < 0.3 < drop.high
    assert drop.images == 200
    # By hand: variances (hits + 1) (misses + 1) / (n + 2)^3 of four shares, a quarter of their sum.
    variance = sum((h + 1) * (101 - h) / 102**3 for h in (90, 80, 60, 50)) / 4
    assert (drop.high - drop.low) / 2 == pytest.approx(1.96 * variance**0.5, rel=1e-3)


def test_the_best_of_many_validations_is_compared_with_more_caution() -> None:
    record = measured(val={"cat": (90, 100)}, test={"cat": (60, 100)})
    (one,), (many,) = drops(record, 1), drops(record, 50)
    assert many.low < one.low


def test_classes_that_one_split_lacks_are_left_out() -> None:
    record = measured(
        val={"cat": (90, 100), "dog": (0, 50)}, test={"cat": (88, 100)}, test_empty={}
    )
    (drop,) = drops(record, 1)
    assert (drop.expected, drop.macro_recall) == pytest.approx((0.9, 0.88))


def test_few_photos_are_seldom_called_shifted() -> None:
    """Splits of the same photos, 24 of each class: of 200 such pairs at most two."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(200):
        best = max(rng.binomial(24, 0.8, (10, 2)).tolist(), key=sum)  # of ten epochs
        hits = rng.binomial(24, 0.8, 2)
        record = measured(
            val={"cat": (best[0], 24), "dog": (best[1], 24)},
            test={"cat": (int(hits[0]), 24), "dog": (int(hits[1]), 24)},
        )
        alarms += drops(record, 10)[0].low > 0.03
    assert alarms <= 2


def test_curves_have_a_place_for_every_epoch_and_the_last_of_several_validations(
    tmp_path: Path,
) -> None:
    directory = RunDirectory(tmp_path)
    directory.metrics_file.write_text(
        "epoch,step,train/loss,train/macro_recall,val/loss,val/macro_recall\n"
        "0,1,,,0.9,0.5\n0,3,,,0.8,0.6\n0,3,1.0,0.5,,\n1,7,0.5,,,\n2,11,,,0.4,0.9\n2,11,inf,,,\n"
    )
    curves = curves_of(directory)
    np.testing.assert_array_equal(curves.train_loss, [1.0, 0.5, np.inf])
    np.testing.assert_array_equal(curves.val_loss, [0.8, np.nan, 0.4])
    np.testing.assert_array_equal(curves.val_recall, [0.6, np.nan, 0.9])
    np.testing.assert_array_equal(curves.train_recall, [0.5, np.nan, np.nan])
