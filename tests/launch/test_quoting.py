from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from project.launch.quoting import quoted


def value_of(argument: str) -> object:
    """What Hydra makes of a word of the command line."""
    return OverridesParser.create().parse_override(quoted(argument)).value()


@pytest.mark.parametrize(
    "path",
    [
        "outputs/sweeps/x/oversampling=none,seed=1",
        "outputs/모자=1",
        "사진/옷 장",
        "it's (mine)",
        'a "quoted" name=1',
        "C:/photos=1",
    ],
)
def test_path_that_the_grammar_would_take_apart_arrives_whole(path: str) -> None:
    assert value_of(f"run={path}") == path


@pytest.mark.parametrize(
    "argument",
    ["seed=1,2", "seed=range(3)", "a={b: 1}", "+a.b=[1,2]", "~a", "--multirun", "-m", 'a="b=c"'],
)
def test_what_can_be_read_stays_as_it_is(argument: str) -> None:
    assert quoted(argument) == argument


def test_folder_with_a_comma_is_one_value(tmp_path: Path) -> None:
    (tmp_path / "hats,coats").mkdir()
    assert value_of(f"data.root={tmp_path}/hats,coats") == f"{tmp_path}/hats,coats"


def test_what_cannot_be_read_even_in_quotes_is_left_to_hydra() -> None:
    assert quoted("a b=1") == "a b=1"
