import pytest

from project.launch.multirun import with_multirun


def test_option_of_a_sweep_starts_one() -> None:
    assert with_multirun(["seed=1,2", "sweep=mine"]) == ["--multirun", "seed=1,2", "sweep=mine"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["seed=1"],
        ["sweep=null"],
        ["sweep=mine", "sweep=null"],
        ["sweep=mine", "-m"],
        ["sweep=mine", "--multirun"],
        ["sweep=mine", "--cfg", "job"],
        ["sweep=mine", "hydra.mode=RUN"],
        ["tags=[sweep=mine]"],
    ],
)
def test_other_command_lines_stay_as_they_are(words: list[str]) -> None:
    assert with_multirun(words) == words
