import pytest

from project.launch.multirun import with_multirun


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
