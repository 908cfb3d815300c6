from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from project.errors import ConfigError, RunError
from project.launch.composition.earlier import Earlier
from project.runs.directory import RunDirectory
from project.runs.record import DataFacts, RunRecord

CONFIG: dict[str, Any] = {"seed": 1, "data": {"root": "/photos"}, "paths": {"run": "old"}}


@pytest.fixture
def left(tmp_path: Path) -> Callable[..., Earlier]:
    """``left(state="failed")`` is a run on the photos that tested, with other facts."""

    def made(config: dict[str, Any] = CONFIG, **facts: Any) -> Earlier:
        run = RunDirectory(tmp_path)
        run.predictions("test").parent.mkdir()
        run.predictions("test").touch()
        known = {"state": "finished", "data": DataFacts(fingerprint="photos"), **facts}
        return Earlier(run, RunRecord(**known), config, [])

    return made


def test_a_run_is_read_with_all_that_is_needed(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    RunRecord(seed=1, overrides=["seed=1"]).write(run)
    with pytest.raises(RunError, match=r"config\.yaml, got: No such file"):
        Earlier.open(tmp_path)
    run.config_file.parent.mkdir()
    run.config_file.write_text(yaml.safe_dump({"seed": 1}))
    run.overrides_file.write_text(yaml.safe_dump(["seed=1"]))
    earlier = Earlier.open(tmp_path)
    assert (earlier.config, earlier.overrides, earlier.composed) == ({"seed": 1}, ["seed=1"], True)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"data": None}, r"data: expected keys and values in .*, got null\. .* data=<option>\."),
        ({"data": "x y"}, r"data: expected keys and values in .*, got x y\. Rerun it with"),
        ({"paths": None}, r"paths: .* got null\. Restore the file, or train again with project"),
        ({"paths": {}}, r"paths: expected keys and values in .*config\.yaml, got {}\. Restore"),
    ],
)
def test_what_has_taken_the_place_of_a_node_is_named(
    left: Callable[..., Earlier], broken: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        left({**CONFIG, **broken}).require_nodes(CONFIG, [])


def test_a_node_that_is_missing_is_named_unless_it_is_chosen(
    left: Callable[..., Earlier],
) -> None:
    earlier = left({"seed": 1, "paths": {"run": "old"}})
    with pytest.raises(ConfigError, match=r"data: .* got nothing\. Rerun it with data=<option>"):
        earlier.require_nodes(CONFIG, ["model"])
    earlier.require_nodes(CONFIG, ["data"])


def test_a_whole_configuration_passes(left: Callable[..., Earlier]) -> None:
    left().require_nodes({**CONFIG, "seed": 5}, [])


def test_another_recipe_can_be_compared(left: Callable[..., Earlier]) -> None:
    left().refuse_vain_comparison({**CONFIG, "model": {"width": 8}}, "test")


@pytest.mark.parametrize("state", ["failed", "interrupted", "running"])
def test_a_run_that_has_not_finished_cannot_be_compared(
    left: Callable[..., Earlier], state: str
) -> None:
    with pytest.raises(RunError, match=rf"expected a finished run at .*, got one that is {state}"):
        left(state=state).refuse_vain_comparison({"seed": 1}, "test")


def test_a_run_without_predictions_cannot_be_compared(left: Callable[..., Earlier]) -> None:
    with pytest.raises(RunError, match=r"expected predictions at .*val\.parquet, got no such file"):
        left().refuse_vain_comparison({"seed": 1}, "val")


def test_a_recipe_is_not_compared_with_itself(left: Callable[..., Earlier]) -> None:
    with pytest.raises(ConfigError, match="compare=true: expected an override that makes another"):
        left().refuse_vain_comparison({**CONFIG, "seed": 2}, "test")


def test_the_same_photos_elsewhere_make_no_other_recipe(left: Callable[..., Earlier]) -> None:
    moved = {**CONFIG, "data": {"root": "/moved"}}
    left_run = left()
    left_run.refuse_vain_comparison(moved, "test")  # nobody knows yet
    left_run.refuse_vain_comparison(moved, "test", "other photos")
    with pytest.raises(ConfigError, match="expected an override that makes another recipe"):
        left_run.refuse_vain_comparison(moved, "test", "photos")
