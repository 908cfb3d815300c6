"""Runs that are tested on more than their test split."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_module

from project.commands.recorded import Origin
from project.commands.resuming import resume
from project.commands.training import train
from project.compare import run as compare
from project.errors import ConfigError, DataError, RunError
from project.evaluate import run as evaluate
from project.fingerprints import fingerprint
from project.launch.cli.hydra_versions import version_options
from project.launch.cli.resolvers import register_resolvers
from project.launch.search.objectives import Objective, read_objectives
from project.rerun import run as rerun
from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from project.runs.record import RunRecord, read_record
from tests.conftest import COLORS, TINY, TINY_MODEL, Command, Compose, draw_photo

COUNTS = {"same": {"hat": 4, "outer": 5, "top": 6}, "shifted": {"hat": 7, "top": 9}}

Start = Callable[..., RunRecord]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two more folders of photos; `shifted` has other colours and no `outer`."""
    root = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(1)
    for name, counts in COUNTS.items():
        for label, count in counts.items():
            red, green, blue = COLORS[label]
            color = (blue, red, green) if name == "shifted" else (red, green, blue)
            (root / name / label).mkdir(parents=True)
            for number in range(count):
                draw_photo(color, rng).save(root / name / label / f"{number}.png")
    return root


def words(sets: Path, **places: object) -> list[str]:
    """The two sets as the command line says them to Hydra."""
    known = {name: sets / name for name in COUNTS} | places
    return [f"++data.tests.{name}={place}" for name, place in known.items()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, photos: Path, sets: Path) -> Path:
    """A finished run that was tested three times; not to be changed."""
    register_resolvers()
    outputs = tmp_path_factory.mktemp("outputs")
    overrides = [*TINY, *TINY_MODEL, f"data.root={photos}", *words(sets), "trainer.max_epochs=2"]
    with initialize_config_module("conf", **version_options()):
        cfg = compose("train", [*overrides, f"paths.run={outputs}/run", f"paths.output={outputs}"])
    train(cfg, Origin("training", overrides))
    return outputs / "run"


@pytest.fixture
def start(tiny: Compose, tmp_path: Path) -> Start:
    """``start("name", *overrides)`` trains in this directory."""

    def started(name: str, *overrides: str) -> RunRecord:
        return train(tiny(f"paths.run={tmp_path}/{name}", *overrides))

    return started


def test_best_epoch_is_measured_in_every_test(trained: Path) -> None:
    run, record = RunDirectory(trained), read_record(RunDirectory(trained))
    assert record.counts["test_same"] == COUNTS["same"]
    assert record.counts["test_shifted"] == {"hat": 7, "outer": 0, "top": 9}
    assert record.data.images["test_shifted"] == 16
    assert run.predicted_splits == ["test", "test_same", "test_shifted", "val"]
    for split in ("test", "test_same", "test_shifted"):
        said = read_predictions(run, split)
        right = float((said.predicted == said.labels).mean())
        assert record.metrics[f"{split}/accuracy"] == pytest.approx(right)
    assert record.metrics["test_shifted/support/outer"] == 0
    assert np.isnan(record.metrics["test_shifted/recall/outer"])
    assert record.messages == []


def test_launchers_know_the_data_of_a_run_again(tiny: Compose, trained: Path, sets: Path) -> None:
    known = read_record(RunDirectory(trained)).data.fingerprint
    assert fingerprint(tiny(*words(sets))) == known
    assert fingerprint(tiny()) != known


def test_worst_test_is_named_by_the_monitored_metric(trained: Path) -> None:
    record = read_record(RunDirectory(trained))
    recalls = [record.metrics[f"{s}/macro_recall"] for s in ("test", "test_same", "test_shifted")]
    assert record.metrics["worst_test/macro_recall"] == min(recalls)


def test_each_photo_of_a_set_is_listed_with_its_content(trained: Path) -> None:
    with RunDirectory(trained).test_set_file("test_shifted").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    assert {row["split"] for row in rows} == {"test_shifted"}
    assert {row["label"] for row in rows} == {"hat", "top"}
    assert all(row["content_hash"] for row in rows)
    said = read_predictions(RunDirectory(trained), "test_shifted")
    assert [row["path"] for row in rows] == list(said.paths)


def test_numbers_of_every_test_are_logged_and_shown(trained: Path) -> None:
    run = RunDirectory(trained)
    with run.metrics_file.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    record = read_record(run)
    for split in ("test", "test_same", "test_shifted"):
        logged = [float(row[f"{split}/loss"]) for row in rows if row[f"{split}/loss"]]
        assert logged == [pytest.approx(record.metrics[f"{split}/loss"])]
    page = run.report_file.read_text(encoding="utf-8")
    assert "Test sets side by side" in page
    assert "Confusion matrix of the test_shifted set" in page


def test_named_sets_are_kept_in_the_cache(trained: Path) -> None:
    kept = list((trained.parent / "cache" / "images").glob("*.images"))
    assert len(kept) >= 3


def test_named_sets_are_named_before_training_and_after(
    start: Start, sets: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    start("run", *words(sets))
    heading = next(line for line in caplog.text.splitlines() if "draws/epoch" in line)
    assert heading.split()[:6] == ["class", "train", "val", "test", "test_same", "test_shifted"]
    printed = capsys.readouterr().out
    assert "test_shifted" in printed
    assert "worst test" in printed


@pytest.mark.parametrize("split", ["test_same", "test_shifted"])
def test_evaluation_gives_the_numbers_of_the_run(
    compose_config: Compose, trained: Path, split: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    cfg = compose_config("evaluate", f"run={trained}", f"data.split={split}")
    record = evaluate(cfg)
    of_run = read_record(RunDirectory(trained)).metrics
    assert record.metrics.keys() == {name for name in of_run if name.startswith(f"{split}/")}
    assert "metrics are exactly those of the run" in caplog.text
    assert sum(record.counts[split].values()) == sum(COUNTS[split.removeprefix("test_")].values())
    again = read_predictions(RunDirectory(Path(cfg.paths.run)), split).logits
    np.testing.assert_array_equal(again, read_predictions(RunDirectory(trained), split).logits)


def test_set_may_lie_elsewhere_or_be_new_when_a_run_is_evaluated(
    compose_config: Compose, trained: Path, sets: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(sets / "same", tmp_path / "moved")
    for number, name in enumerate(("same", "new")):
        cfg = compose_config(
            "evaluate", f"run={trained}", f"paths.run={tmp_path}/{number}",
            f"data.split=test_{name}", f"++data.tests.{name}={moved}",
        )  # fmt: skip
        then = read_record(RunDirectory(trained)).metrics["test_same/loss"]
        assert evaluate(cfg).metrics[f"test_{name}/loss"] == then


def test_unknown_set_is_refused_when_a_run_is_evaluated(
    compose_config: Compose, trained: Path
) -> None:
    cfg = compose_config("evaluate", f"run={trained}", "data.split=test_shited")
    with pytest.raises(ConfigError, match=r"test_same, test_shifted, got .* \"test_shifted\"\?"):
        evaluate(cfg)


def test_class_that_training_lacks_is_refused_before_training(
    start: Start, sets: Path, photos: Path, tmp_path: Path
) -> None:
    odd = shutil.copytree(sets / "same", tmp_path / "odd")
    shutil.copytree(odd / "hat", odd / "scarf")
    with pytest.raises(DataError, match=r"data\.tests\.odd: The data has the classes \"scarf\""):
        start("run", f"++data.tests.odd={odd}")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_set_that_is_not_there_is_refused_before_training(start: Start, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.tests\.gone: Expected a folder of photos at"):
        start("run", f"++data.tests.gone={tmp_path}/gone")


def test_photos_that_were_trained_on_are_reported(
    start: Start, sets: Path, photos: Path, tmp_path: Path
) -> None:
    leaky = shutil.copytree(sets / "same", tmp_path / "leaky")
    shutil.copy(photos / "train" / "top" / "3.jpg", leaky / "top" / "copy.jpg")
    record = start("run", f"++data.tests.leaky={leaky}")
    assert record.data.leaks == 1
    said = "1 images of test_leaky are also in train, byte for byte; for example top/copy.jpg of "
    assert record.messages == [f"{said}{leaky} is train/top/3.jpg."]


@pytest.mark.slow
def test_set_with_splits_counts_with_its_test_split(start: Start, photos: Path) -> None:
    record = start("run", f"++data.tests.again={photos}")
    assert record.data.images["test_again"] == record.data.images["test"]
    assert record.metrics["test_again/loss"] == record.metrics["test/loss"]


def test_run_without_a_test_split_is_measured_on_the_named_sets(
    start: Start, sets: Path, photos: Path
) -> None:
    root = f"data.root={photos}/train"
    record = start("run", root, "data.test_fraction=0", f"++data.tests.same={sets}/same")
    assert "test_same/accuracy" in record.metrics
    assert "test/accuracy" not in record.metrics
    assert "worst_test/macro_recall" not in record.metrics  # of one there is no worst


def test_set_may_come_from_a_source_of_its_own(start: Start, sets: Path) -> None:
    source = "_target_: project.data.sources.ClassFolders"
    record = start("run", f"++data.tests.few={{{source}, root: {sets}/shifted, include: [0.png]}}")
    assert record.counts["test_few"] == {"hat": 1, "outer": 0, "top": 1}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("++data.tests.val=photos", "data.tests.val: expected a name of letters"),
        ("++data.tests={a-b: photos}", "data.tests.a-b: expected a name of letters"),
        ("++data.tests.five=5", "data.tests.five: expected a folder of photos, or a complete"),
    ],
)
def test_name_or_place_that_cannot_be_is_refused(start: Start, word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        start("run", word)


def test_box_crops_need_boxes_in_every_set(
    start: Start, sets: Path, photos: Path, tmp_path: Path
) -> None:
    rows = [
        f"{file.relative_to(photos)},{file.parent.name},{file.parent.parent.name},1,1,20,20"
        for file in sorted(photos.rglob("*.jpg"))
    ]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["path,label,split,x,y,w,h", *rows]), encoding="utf-8")
    node = f"{{_target_: project.data.sources.ClassFolders, root: {sets}/same}}"
    with pytest.raises(DataError, match=r"data\.crop=box: .* some images in .*same have none"):
        start(
            "run", "data=table", f"data.source.table={table}", "data.source.path_column=path",
            "data.source.label_column=label", "data.source.split_column=split",
            "data.source.box_columns=[x,y,w,h]", "data.crop=box", f"++data.tests.same={node}",
        )  # fmt: skip


@pytest.mark.slow
def test_compare_pairs_the_photos_of_a_set(
    start: Start, compose_config: Compose, trained: Path, sets: Path, tmp_path: Path
) -> None:
    start("other", *words(sets), "trainer.max_epochs=2", "sampler=balanced")
    cfg = compose_config(
        "compare", f"runs=[{trained},{tmp_path}/other]", "split=test_shifted",
        f"paths.run={tmp_path}/comparison",
    )  # fmt: skip
    assert sum(compare(cfg).images) == 16


@pytest.mark.slow
def test_compare_refuses_sets_of_other_photos_even_under_the_same_paths(
    start: Start, compose_config: Compose, trained: Path, sets: Path, tmp_path: Path
) -> None:
    changed = shutil.copytree(sets / "shifted", tmp_path / "changed")
    shutil.copy(sets / "same" / "hat" / "0.png", changed / "hat" / "0.png")
    start("other", *words(sets, shifted=changed), "trainer.max_epochs=2", "sampler=balanced")
    runs = f"runs=[{trained},{tmp_path}/other]"
    for split, refused in (("test_shifted", True), ("test_same", False)):
        cfg = compose_config("compare", runs, f"split={split}", f"paths.run={tmp_path}/{split}")
        if refused:
            with pytest.raises(RunError, match=r"1 images with another label or content"):
                compare(cfg)
        else:
            compare(cfg)


@pytest.mark.slow
def test_rerun_elsewhere_gives_every_number_again(
    compose_config: Compose, trained: Path, sets: Path, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("INFO")
    moved = shutil.copytree(sets / "shifted", tmp_path / "moved")
    record = rerun(
        compose_config(
            "rerun",
            f"run={trained}",
            f"paths.run={tmp_path}/again",
            f"overrides=['++data.tests.shifted={moved}']",
        )
    )
    then = read_record(RunDirectory(trained))
    assert record.data.fingerprint == then.data.fingerprint
    assert record.recipe_fingerprint != ""
    assert f"All {len(then.metrics)} metrics are exactly those of" in caplog.text


@pytest.mark.slow
def test_resumed_run_refuses_another_set(
    start: Start, compose_config: Compose, sets: Path, tmp_path: Path
) -> None:
    place = shutil.copytree(sets / "same", tmp_path / "same")
    start("run", f"++data.tests.same={place}")
    run = RunDirectory(tmp_path / "run")
    record = read_record(run)
    record.state = "interrupted"
    record.write(run)
    (place / "hat" / "0.png").unlink()
    with pytest.raises(RunError, match=r"(?s)got others in .*test_same images: 15, now 14"):
        resume(compose_config("train", f"resume={run.path}", f"paths.run={run.path}"))


def test_search_does_not_choose_by_a_named_set() -> None:
    monitor = Objective("val/loss", "minimize")
    for name in ("test_shifted/loss", "worst_test/macro_recall"):
        with pytest.raises(ConfigError, match=r"Choose by val/.*allow_test=true"):
            read_objectives(name, None, monitor, allow_test=False)
        read_objectives(name, None, monitor, allow_test=True)


@pytest.mark.slow
def test_command_line_names_sets_without_a_sign(
    command: Command, photos: Path, sets: Path, tmp_path: Path
) -> None:
    place = f"hydra.run.dir={tmp_path}/run"
    named = [f"data.tests.{name}={sets / name}" for name in COUNTS]
    done = command("train", *TINY, *TINY_MODEL, f"data.root={photos}", place, *named)
    assert done.returncode == 0, done.stderr
    assert "test_shifted" in done.stdout
    done = command("evaluate", f"run={tmp_path}/run", "data.split=test_shifted")
    assert done.returncode == 0, done.stderr
    done = command("rerun", f"run={tmp_path}/run", f"data.tests.shifted={sets}/same")
    assert done.returncode == 0, done.stderr
    again: Any = list((tmp_path / "outputs" / "runs").glob("*/test_shifted.csv"))
    assert len(again) == 1
