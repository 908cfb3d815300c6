from copy import deepcopy
from typing import Any

import pytest

from project.runs.fingerprint import (
    CANNOT_CHANGE_A_RESULT,
    config_fingerprint,
    places_data,
    recipe_fingerprint,
)

CONFIG: dict[str, Any] = {
    "seed": 1,
    "name": "baseline",
    "paths": {"output": "/here"},
    "data": {"root": "/photos", "num_workers": 0, "batch_size": 8, "class_map": {"모자": "hat"}},
    "trainer": {"max_epochs": 3, "limit_train_batches": 1.0, "enable_progress_bar": True},
    "augmentation": [{"p": 0.5}, {"p": 0.1}],
}


def changed(key: str, value: object) -> dict[str, Any]:
    config = deepcopy(CONFIG)
    *parents, last = key.split(".")
    node = config
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    return config


def test_the_fingerprint_is_the_same_on_every_machine() -> None:
    # Golden: fingerprints stored with runs must mean the same after an upgrade.
    assert config_fingerprint({"seed": 1, "model": {"name": "모자"}}) == "ccddce12b9a24a2f"


@pytest.mark.parametrize("path", CANNOT_CHANGE_A_RESULT)
def test_what_cannot_change_a_result_does_not_change_the_fingerprint(path: str) -> None:
    key = path.replace("*", "best")
    assert config_fingerprint(changed(key, "x")) == config_fingerprint(changed(key, "y"))
    assert config_fingerprint(changed(key, {"below": 1})) == config_fingerprint(changed(key, "y"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 2),
        ("data.root", "/other"),
        ("data.batch_size", 16),
        ("data.class_map", {"모자": "cap"}),
        ("trainer.precision", "16-mixed"),
        ("trainer.limit_train_batches", 1),  # one batch, not all of them
        ("augmentation", [{"p": 0.1}, {"p": 0.5}]),
        ("pathsology", 1),
        ("callbacks.best.monitor", "val/loss"),
    ],
)
def test_what_can_change_a_result_changes_the_fingerprint(key: str, value: object) -> None:
    assert config_fingerprint(changed(key, value)) != config_fingerprint(CONFIG)


def test_order_of_keys_does_not_matter() -> None:
    assert config_fingerprint(dict(reversed(CONFIG.items()))) == config_fingerprint(CONFIG)


def test_repeats_of_one_recipe_differ_in_their_seed_alone() -> None:
    assert recipe_fingerprint(changed("seed", 2)) == recipe_fingerprint(CONFIG)
    assert recipe_fingerprint(changed("data.seed", 2)) != recipe_fingerprint(CONFIG)
    assert recipe_fingerprint(changed("data.batch_size", 2)) != recipe_fingerprint(CONFIG)


def test_a_key_that_only_begins_like_one_left_out_counts() -> None:
    assert config_fingerprint(changed("pathsology", 1)) != config_fingerprint(
        changed("pathsology", 2)
    )


def test_test_sets_are_told_by_their_contents_where_these_are_known() -> None:
    here, there = ({"data": {"tests": {"a": place}, "size": 8}} for place in ("here", "there"))
    assert config_fingerprint(here) != config_fingerprint(there)
    assert recipe_fingerprint(here, "photos") == recipe_fingerprint(there, "photos")
    assert places_data("data.tests.a")
    assert places_data("data.root")
    assert not places_data("data.size")
