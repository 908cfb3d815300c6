"""Raw photos to split folders, by the command and in the process of the test."""

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from project.commands import preparing
from project.commands.training import train
from project.data.catalog.catalog import Catalog
from project.data.preparation import tree
from project.data.preparation.links import bring
from project.errors import ConfigError, DataError
from project.prepare import one, run
from project.runs.directory import RunDirectory
from project.runs.record import read_record
from tests.conftest import REPOSITORY, TINY, TINY_MODEL, Command, Compose, command_environment

COUNTS = {"hat": 8, "outer": 16, "top": 32}
KILLS = 10

Prepare = Callable[..., Catalog]


@pytest.fixture
def raw(photos: Path) -> Path:
    """Class folders without splits."""
    return photos / "train"


@pytest.fixture
def prepare(compose_config: Compose, raw: Path, tmp_path: Path) -> Prepare:
    """``prepare("write=split_file", ...)`` writes to the folder `to` unless told otherwise."""

    def prepared(*words: str) -> Catalog:
        places = [f"source={raw}", f"to={tmp_path}/to", "progress=false"]
        return run(compose_config("prepare", *places, *words))

    return prepared


def contents(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != ".lock"]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def splits_of(folder: Path) -> dict[bytes, str]:
    """Content of each photo to its split and class."""
    found = {name: data for name, data in contents(folder).items() if name.count("/") > 1}
    assert len(set(found.values())) == len(found)
    return {data: name.rpartition("/")[0] for name, data in found.items()}


@pytest.mark.parametrize("link", ["copy", "hard", "symbolic"])
def test_every_photo_is_written_once_and_in_the_shares_asked_for(
    prepare: Prepare, raw: Path, tmp_path: Path, link: str
) -> None:
    prepare(f"link={link}", "data.val_fraction=0.25", "data.test_fraction=0.25")
    found = splits_of(tmp_path / "to")
    assert found.keys() == set(contents(raw).values())
    shares = Counter(found.values())
    for name, count in COUNTS.items():
        assert shares[f"train/{name}"] == count // 2
        assert shares[f"val/{name}"] == shares[f"test/{name}"] == count // 4


def test_result_is_a_table_of_classes_and_splits(
    prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare("data.val_fraction=0.25", "data.test_fraction=0.25")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["class", "train", "val", "test", "all"] in lines
    assert ["hat", "4", "2", "2", "8"] in lines
    assert ["all", "28", "14", "14", "56"] in lines
    assert lines[-1][-1] == f"data.root={tmp_path}/to"


def test_printed_words_are_read_as_the_places_whatever_their_names(
    prepare: Prepare, compose_config: Compose, raw: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    root = shutil.copytree(raw, tmp_path / "my hats, coats")
    of, place = f"source='{root}'", tmp_path / "split, by 'seed'"
    for way, to in (("folders", place / "a=1"), ("split_file", place / "b")):
        prepare(of, f"write={way}", f'to="{to}"')
        line = capsys.readouterr().out.splitlines()[-1]
        words = [word for word in shlex.split(line) if word.startswith("data.")]
        data = compose_config("train", "data=folder", *words).data
        assert data.root == str(to if way == "folders" else root)
        assert data.split_file == (None if way == "folders" else f"{to}/splits.csv")


@pytest.mark.slow
@pytest.mark.parametrize("write", ["folders", "split_file"])
def test_run_on_what_was_prepared_uses_exactly_these_splits(
    prepare: Prepare, tiny: Compose, raw: Path, tmp_path: Path, write: str
) -> None:
    prepare(f"write={write}", "data.split_seed=7")
    direct = train(tiny(f"paths.run={tmp_path}/direct", f"data.root={raw}", "data.split_seed=7"))
    words = [f"data.root={tmp_path}/to"]
    if write == "split_file":
        words = [f"data.root={raw}", f"data.split_file={tmp_path}/to/splits.csv"]
    through = train(tiny(f"paths.run={tmp_path}/through", *words))
    assert through.counts == direct.counts
    assert photos_of(tmp_path / "through") == photos_of(tmp_path / "direct")
    if write == "split_file":
        assert through.data.fingerprint == direct.data.fingerprint
        assert through.metrics == direct.metrics


def photos_of(run_directory: Path) -> list[tuple[str, str]]:
    lines = (run_directory / "splits.csv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split(",") for line in lines]
    return sorted((row[2], row[4]) for row in rows)


def test_split_file_alone_leaves_the_photos_where_they_are(
    prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare("write=split_file")
    assert contents(tmp_path / "to").keys() == {"splits.csv", "prepared.json"}
    again = contents(tmp_path / "to")
    prepare("write=split_file")
    assert contents(tmp_path / "to") == again
    assert f"data.split_file={tmp_path}/to/splits.csv" in capsys.readouterr().out


@pytest.mark.slow
def test_file_of_the_tree_fixes_the_split_as_well(
    prepare: Prepare, tiny: Compose, tmp_path: Path
) -> None:
    prepare()
    place = f"data.root={tmp_path}/to"
    file = f"data.split_file={tmp_path}/to/splits.csv"
    record = train(tiny(f"paths.run={tmp_path}/run", place, file))
    assert sum(record.data.images.values()) == sum(COUNTS.values())


def test_groups_are_kept_whole(prepare: Prepare, tmp_path: Path, raw: Path) -> None:
    root = tmp_path / "grouped"
    for file in sorted(raw.glob("*/*.jpg")):
        place = root / file.parent.name / f"person{int(file.stem) % 7}"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place / file.name)
    prepare(f"source={root}", "data.source.group_level=0", "data.val_fraction=0.2")
    parts = [path.split("/") for path in contents(tmp_path / "to") if path.count("/") == 3]
    assert len(parts) == sum(COUNTS.values())
    of_person = {(person, split) for split, _, person, _ in parts}
    assert len(of_person) == len({person for person, _ in of_person}) == 7


def test_classes_are_mapped_and_unusable_photos_left_out_as_in_training(
    prepare: Prepare, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shutil.copytree(raw, tmp_path / "raw")
    (root / "hat" / "torn.jpg").write_bytes(b"no photo")
    with pytest.raises(DataError, match=r"hat/torn\.jpg"):
        prepare(f"source={root}")
    prepare(f"source={root}", "data.on_bad_image=skip", "data.class_map={outer: top}")
    shares = Counter(place.split("/")[1] for place in splits_of(tmp_path / "to").values())
    assert shares == {"hat": 8, "top": 48}
    assert 'Left out: 1 unusable photos, "hat/torn.jpg".' in capsys.readouterr().out


def test_photos_that_leak_into_another_split_are_told(
    prepare: Prepare, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shutil.copytree(raw, tmp_path / "raw")
    for file in sorted((root / "top").glob("*.jpg")):
        shutil.copy(file, file.with_name(f"copy of {file.name}"))
    prepare(f"source={root}")
    assert "images of val or test are also in train, byte for byte" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "difference"),
    [
        (["data.split_seed=1"], r"split_seed: 0, now 1\n  fingerprint"),
        (["data.test_fraction=0.3"], r"test_fraction: 0\.15, now 0\.3"),
        (["link=hard"], r"link: copy, now hard"),
        (["write=split_file"], r"write: folders, now split_file"),
        (["data.class_map={hat: cap}"], r"class_map: None, now \{'hat': 'cap'\}"),
    ],
)
def test_tree_that_was_made_otherwise_is_refused(
    prepare: Prepare, tmp_path: Path, words: list[str], difference: str
) -> None:
    prepare()
    before = contents(tmp_path / "to")
    with pytest.raises(DataError, match=rf"(?s)was made otherwise:.*{difference}"):
        prepare(*words)
    assert contents(tmp_path / "to") == before


def test_tree_of_photos_that_have_changed_is_refused(
    prepare: Prepare, raw: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(raw, tmp_path / "raw")
    prepare(f"source={root}")
    shutil.copy(root / "hat" / "1.jpg", root / "hat" / "new.jpg")
    with pytest.raises(DataError, match=r"(?s)images: 56, now 57.*fingerprint"):
        prepare(f"source={root}")


def test_ctrl_c_is_gone_on_from_with_the_same_command(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    calls: list[Path] = []

    def interrupted(source: Path, *rest: Any) -> bool:
        calls.append(source)
        if len(calls) > 20:
            raise KeyboardInterrupt
        return bring(source, *rest)

    monkeypatch.setattr(tree, "bring", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare()
    assert "The same command goes on" in caplog.text
    monkeypatch.setattr(tree, "bring", bring)
    prepare()
    prepare(f"to={tmp_path}/whole")
    assert contents(tmp_path / "to") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["write=folder"], r"write: expected one of folders, split_file, .* Did you mean \"folder"),
        (["link=soft"], "link: expected one of copy, hard, symbolic, got 'soft'"),
        (["write=split_file", "link=hard"], "link=hard: no photo is copied or linked for write="),
        (["source=null"], r"source: a value is needed and none was given\. Add source="),
        (["data.source.inclde=[]"], r"(?s)data\.source.*inclde"),
    ],
)
def test_mistakes_get_an_answer(prepare: Prepare, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(*(f"+{w}" if "inclde" in w else w for w in words))


@pytest.mark.parametrize("place", ["inside", ".", ".."])
def test_photos_and_their_split_do_not_lie_in_one_another(
    prepare: Prepare, raw: Path, tmp_path: Path, place: str
) -> None:
    root = shutil.copytree(raw, tmp_path / "some" / "raw")
    with pytest.raises(ConfigError, match="to: expected a folder apart from the photos in"):
        prepare(f"source={root}", f"to={root}/{place}")


def test_drawn_photos_are_prepared_with_the_keys_that_draw_them(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["data=faces", f"data.root={tmp_path}/faces", "data.background=varied"]
    monkeypatch.setattr(preparing, "task_overrides", lambda: words)
    place = [f"to={tmp_path}/to", "data.source.scale=0.05", "progress=false"]
    catalog = run(compose_config("prepare", *words, *place))
    assert len(splits_of(tmp_path / "to")) == len(catalog)
    assert "Drawing" not in capsys.readouterr().err


def test_keys_of_training_alone_are_not_swallowed(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "task_overrides", lambda: ["data.size=32", "data=folder"])
    with pytest.raises(ConfigError, match=r"data\.size: not used when photos are prepared.*split"):
        prepare("data.size=32")


def test_split_file_that_was_not_written_as_meant_is_noticed(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "splits_from_file", lambda *_: np.zeros(56, np.int8))
    with pytest.raises(DataError, match=r"splits\.csv\" is not what was written"):
        prepare("write=split_file")


def test_sweeps_are_refused() -> None:
    assert one(["to=x"]) == ["to=x"]
    with pytest.raises(ConfigError, match="--multirun: expected one folder at a time"):
        one(["-m", "link=copy,hard"])


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Enough photos that a kill finds some of them copied."""
    rng = np.random.default_rng(0)
    for name in ("negative", "positive"):
        (tmp_path / "many" / name).mkdir(parents=True)
        for number in range(500):
            pixels = rng.integers(0, 256, (160, 160, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "many" / name / f"{number}.bmp")
    return tmp_path / "many"


def count_photos(folder: Path) -> int:
    return len(list(folder.glob("*/*/*.bmp")))


@pytest.mark.slow
def test_command_that_is_killed_ten_times_ends_with_the_same_tree(
    many: Path, tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "project.prepare", f"source={many}", "progress=false"]
    environment = command_environment(tmp_path)
    rng = random.Random(0)
    seen = [0]
    for number in range(KILLS):
        process = subprocess.Popen(
            [*words, f"to={tmp_path}/killed"], cwd=REPOSITORY, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        moment = rng.uniform(0, 8) if number % 3 == 2 else 120  # at any time, or while it copies
        begin = time.monotonic()
        while time.monotonic() - begin < moment and process.poll() is None:
            if count_photos(tmp_path / "killed") > seen[-1] and moment > 8:
                break
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen.append(count_photos(tmp_path / "killed"))
    for place in ("killed", "whole"):
        done = subprocess.run(
            [*words, f"to={tmp_path}/{place}"], cwd=REPOSITORY, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert len(splits_of(tmp_path / "killed")) == 1000
    assert seen == sorted(seen)
    assert len(set(seen)) > 4, seen  # most kills found it copying
    facts = json.loads((tmp_path / "killed" / "prepared.json").read_bytes())
    assert facts["complete"] is True


@pytest.mark.slow
def test_command_prepares_and_the_next_trains(command: Command, raw: Path, tmp_path: Path) -> None:
    done = command("prepare", f"source={raw}", f"to={tmp_path}/to", "link=hard")
    assert done.returncode == 0, done.stderr
    assert "Preparing photos: 100%" in done.stderr
    found = re.search(r"Train on them: python -m project\.train (.*)", done.stdout)
    assert found is not None
    place = f"hydra.run.dir={tmp_path}/run"
    words = shlex.split(found[1])
    done = command("train", *TINY, *TINY_MODEL, place, *words)
    assert done.returncode == 0, done.stderr
    record = read_record(RunDirectory(tmp_path / "run"))
    assert sum(record.data.images.values()) == sum(COUNTS.values())
    done = command("prepare", f"source={raw}", f"to={tmp_path}/to", "link=hard", "data.size=3")
    assert done.returncode == 1
    assert "data.size: not used when photos are prepared" in done.stderr
    assert not (Path(os.environ.get("PWD", ".")) / ".hydra").exists()
