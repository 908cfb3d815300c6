import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from project.launch.cli.quoting import as_list, path_override, quoted


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


@pytest.mark.parametrize(
    "path",
    [
        "/photos/a-b_1.x",
        "/my photos/hats, coats",
        "/사진/a=b",
        "/it's (mine) $HOME `ls`;",
        '/a "quoted" name\\',
        "/{a: b}/[1]/${seed}/ends in a space ",
    ],
)
def test_path_pasted_into_a_shell_arrives_whole(path: str) -> None:
    (word,) = shlex.split(path_override("data.root", Path(path)))
    cfg = OmegaConf.create({"root": value_of(word)})
    assert cfg.root == path


def test_list_too_long_for_a_file_name_is_a_list() -> None:
    numbers = list(range(500))
    assert value_of(f"data.classes={numbers}") == numbers


def test_what_cannot_be_read_even_in_quotes_is_left_to_hydra() -> None:
    assert quoted("a b=1") == "a b=1"


def test_words_arrive_in_a_list_as_they_are() -> None:
    words = [
        'data.root="/a b"',
        "x=[1,{a: b}]",
        "y='it\\'s'",
        "root=C:\\photos\\",
        "모자=${seed}",
        "",
    ]
    cfg = OmegaConf.create({"words": value_of(f"words={as_list(words)}")})
    assert list(cfg.words) == words
