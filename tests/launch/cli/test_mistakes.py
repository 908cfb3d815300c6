import pytest
from hydra.errors import HydraException

from project.launch.cli.mistakes import explain, groups, key_at_fault
from project.launch.cli.resolvers import register_resolvers
from tests.conftest import Compose


def answer(compose_config: Compose, command: str, *words: str) -> str:
    """What a user reads who writes these words."""
    register_resolvers()
    with pytest.raises(HydraException) as caught:
        compose_config(command, *words)
    return explain(caught.value, command, words)


def test_a_group_of_other_commands_has_keys_but_no_options(compose_config: Compose) -> None:
    said = answer(compose_config, "evaluate", "trainer=cpu")
    assert said.startswith("trainer: evaluate has no options of it; only its keys can be set,")
    assert "trainer.accelerator, trainer.devices" in said


@pytest.mark.parametrize(
    ("command", "word"),
    [("evaluate", "model=resnet18"), ("compare", "sampler=natural"), ("evaluate", "trainer=cpu")],
)
def test_the_word_that_was_written_is_no_suggestion(
    compose_config: Compose, command: str, word: str
) -> None:
    assert "Did you mean" not in answer(compose_config, command, word)


def test_only_what_the_command_has_is_listed(compose_config: Compose) -> None:
    said = answer(compose_config, "evaluate", "model=resnet18")
    assert "The top level has checkpoint, data, paths, run, trainer." in said


def test_a_group_without_an_option_is_suggested(compose_config: Compose) -> None:
    assert "Did you mean experiment?" in answer(compose_config, "train", "experimnt=wardrobe")


def test_a_misspelt_key_below_a_chosen_option_gets_a_suggestion(compose_config: Compose) -> None:
    said = answer(compose_config, "train", "scheduler=plateau", "scheduler.patience_epoch=3")
    assert said.endswith("Did you mean scheduler.patience_epochs?")


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ("model.width: expected int", "model.width"),
        ("model=resnet81: expected one of", "model"),
        ("model.sizes[0]: expected int", "model.sizes"),
        ("model.widths: there is no such key. Did you mean model.width?", None),
        ("model.width_mult: expected float", None),
        ("something about model.width: expected", None),
    ],
)
def test_a_message_is_about_the_key_that_it_begins_with(message: str, key: str | None) -> None:
    assert key_at_fault(message, ["model", "model.width", "model.sizes"]) == key


def test_groups_are_the_folders_of_the_configuration() -> None:
    assert {"model", "experiment", "paths"} <= groups()
    assert not {name for name in groups() if name.startswith("_")}
