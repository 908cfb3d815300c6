import random
import re
import unicodedata
from itertools import product
from pathlib import Path

import pytest

from project.runs.names import run_name

KEYS = ["seed", "data", "data.root", "model.name", "head.name", "loss.gamma", "모자", "a.b.c"]
LETTERS = "ab1_-+=,. /\\[]{}()'\":*?<>|$~#%é모외子สวัส्ह\U0001d49c\n\udc80"


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "default"),
        (["oversampling=outer_copy_x4", "seed=1"], "oversampling=outer_copy_x4,seed=1"),
        (["seed=1", "data.batch_size=8"], "seed=1,batch_size=8"),
        (["++trainer.max_epochs=2", "+experiment=clothing"], "max_epochs=2,experiment=clothing"),
        (["model.name=vgg11"], "model.name=vgg11"),
        (["model.dropout=0.1", "head.dropout=0.5"], "model.dropout=0.1,head.dropout=0.5"),
        (["data/augmentation=light", "loss@aux=focal"], "augmentation=light,aux=focal"),
        (["optimizer.lr=1e-3", "fold=-1"], "lr=1e-3,fold=-1"),
        (["~callbacks.early_stopping"], "no_early_stopping"),
        (["data.include=모자"], "include=모자"),
    ],
)
def test_names_say_what_was_changed(overrides: list[str], name: str) -> None:
    assert run_name(overrides) == name


def test_places_and_displays_are_left_out() -> None:
    noise = [
        "paths.output=/tmp/x", "logger=wandb", "+logger.project=a", "hydra.run.dir=b",
        "hydra/launcher=slots", "trainer.enable_progress_bar=false", "headline=recall/hat",
    ]  # fmt: skip
    assert run_name([*noise, "seed=2"]) == "seed=2"
    assert run_name(noise) == "default"


def test_a_path_keeps_its_last_part_and_is_told_from_others() -> None:
    here, there = run_name(["data.root=/a/photos/"]), run_name(["data.root=../b/photos"])
    assert re.fullmatch(r"root=photos-[0-9a-f]{6}", here)
    assert re.fullmatch(r"root=photos-[0-9a-f]{6}", there)
    assert here != there


def test_what_no_file_system_takes_is_replaced_and_told_from_others() -> None:
    assert re.fullmatch(r"betas=0\.9,0\.99-[0-9a-f]{6}", run_name(["optimizer.betas=[0.9, 0.99]"]))
    assert re.fullmatch(r"crop=a_b-[0-9a-f]{6}", run_name(["data.crop=a:b"]))
    assert run_name(["data.crop=a:b"]) != run_name(["data.crop=a*b"])


def test_a_trailing_dot_is_dropped_but_not_forgotten() -> None:
    assert run_name(["a=1."]) != run_name(["a=1"])
    assert not run_name(["a=1."]).endswith(".")


def test_two_spellings_of_one_letter_give_one_name() -> None:
    composed, decomposed = (unicodedata.normalize(form, "é모") for form in ("NFC", "NFD"))
    assert run_name([f"a={composed}"]) == run_name([f"a={decomposed}"]) == f"a={composed}"


def test_a_long_name_is_cut_and_told_from_others() -> None:
    common = [f"a.key{number}={number}" for number in range(20)]
    one, other = run_name([*common, "seed=1"]), run_name([*common, "seed=2"])
    assert re.fullmatch(r"key0=0,key1=1,.*-[0-9a-f]{6}", one)
    assert len(one) <= 80
    assert one != other
    assert len(run_name(common, limit=30)) <= 30


def random_overrides(generator: random.Random) -> tuple[str, ...]:
    def value() -> str:
        return "".join(generator.choices(LETTERS, k=generator.randint(0, 40)))

    keys = generator.sample(KEYS, generator.randint(1, 5))
    return tuple(f"{key}={value()}" for key in keys)


def test_random_overrides_give_legal_names_that_never_collide() -> None:
    generator = random.Random(0)
    lists = {
        tuple(unicodedata.normalize("NFC", text) for text in random_overrides(generator))
        for _ in range(5000)
    }
    names = {run_name(overrides) for overrides in lists}
    assert len(names) == len(lists)
    for name in names:
        assert 0 < len(name) <= 80
        assert len(name.encode()) <= 240
        assert not name.endswith((".", " "))
        assert not set(name) & set("/\\:*?\"<>|'[]{}() \n\0")


def test_sweeps_over_near_values_never_collide() -> None:
    values = ["1", "1.", "1,", "[1]", "'1'", "/1", "a/1", "1/", "1 ", "_1", "*1", "-1", "1.0", ""]
    names = [
        run_name([f"data.size={size}", f"seed={seed}"]) for size, seed in product(values, values)
    ]
    assert len(set(names)) == len(values) ** 2


def test_the_file_system_takes_the_worst_names(tmp_path: Path) -> None:
    generator = random.Random(1)
    for _ in range(50):
        (tmp_path / run_name(random_overrides(generator))).mkdir(exist_ok=True)
    (tmp_path / run_name(["a=" + "\U0001d49c" * 200])).mkdir()


@pytest.mark.parametrize("override", ["~con", "nul=", "com1=.", "lpt9={}", "aux=/"])
def test_a_device_of_windows_is_no_name(override: str) -> None:
    device = r"(con|nul|com1|lpt9|aux)(\..*)?"
    assert not re.fullmatch(device, run_name([override]), re.IGNORECASE)
