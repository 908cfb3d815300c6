from argparse import Action

import pytest
from hydra._internal.utils import get_args_parser

from project.launch.cli.options import flags_of, with_multirun, without_options

PLACES = ("--config-path", "--config-name", "--config-dir")
HYDRA_KNOWS = [action for action in get_args_parser()._actions if action.option_strings]


@pytest.mark.parametrize("action", HYDRA_KNOWS, ids=lambda action: action.dest)
def test_every_flag_of_hydra_is_known(action: Action) -> None:
    long = next(name for name in action.option_strings if name.startswith("--"))
    has_value = action.nargs is None
    places = long in PLACES
    for name in action.option_strings:
        assert without_options([name, "a"]) == ([] if has_value else ["a"])
        assert flags_of([name, "a"]) == ([long, "a"] if places else [])
        assert (with_multirun(["sweep=mine", name])[0] == "--multirun") is places


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        ([], []),
        (["a=1", "b"], ["a=1", "b"]),
        (["--cfg", "job", "a=1"], ["a=1"]),
        (["a=1", "-c", "job", "--resolve", "b"], ["a=1", "b"]),
        (["--config-dir", "/folder", "--help"], []),
        (["~a", "+b=1"], ["~a", "+b=1"]),
    ],
)
def test_options_of_hydra_and_their_values_are_left_out(words: list[str], ours: list[str]) -> None:
    assert without_options(words) == ours


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (["-m", "--cfg", "job", "seed=1"], []),
        (["-cd", "mine", "seed=1"], ["--config-dir", "mine"]),
        (
            ["--config-name=other", "-cp=/folder"],
            ["--config-name", "other", "--config-path", "/folder"],
        ),
        (["-cd"], ["--config-dir", ""]),
    ],
)
def test_flags_that_say_where_configurations_are_are_found(
    words: list[str], flags: list[str]
) -> None:
    assert flags_of(words) == flags


def test_option_of_a_sweep_starts_one() -> None:
    assert with_multirun(["seed=1,2", "sweep=mine"]) == ["--multirun", "seed=1,2", "sweep=mine"]


@pytest.mark.parametrize(
    "flag",
    ["--config-dir mine", "-cd=mine", "--config-name mine", "-cn mine", "--config-path=mine"],
)
def test_flag_that_says_where_configurations_are_holds_nothing_back(flag: str) -> None:
    words = [*flag.split(), "sweep=mine"]
    assert with_multirun(words) == ["--multirun", *words]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["seed=1"],
        ["sweep=null"],
        ["sweep=mine", "sweep=null"],
        ["sweep=mine", "-m"],
        ["sweep=mine", "--multirun"],
        ["sweep=mine", "--multi"],
        ["sweep=mine", "--cfg", "job"],
        ["sweep=mine", "--cfg=job", "--resolve"],
        ["sweep=mine", "-c", "job", "-p", "model"],
        ["sweep=mine", "--run"],
        ["sweep=mine", "-r"],
        ["sweep=mine", "--help"],
        ["sweep=mine", "-h"],
        ["sweep=mine", "--hydra-help"],
        ["sweep=mine", "--info", "config"],
        ["sweep=mine", "-i"],
        ["sweep=mine", "--version"],
        ["sweep=mine", "-sc", "install=bash"],
        ["sweep=mine", "--shell-completion"],
        ["sweep=mine", "hydra.mode=RUN"],
        ["tags=[sweep=mine]"],
    ],
)
def test_other_command_lines_stay_as_they_are(words: list[str]) -> None:
    assert with_multirun(words) == words
