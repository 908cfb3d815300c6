import pytest

from project.launch.options import without_options


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
