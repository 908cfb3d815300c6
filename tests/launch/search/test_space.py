import re

import pytest
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from project.errors import ConfigError
from project.launch.cli.hydra_versions import version_options
from project.launch.search.space import grid, read_space


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("x=a,b", CategoricalDistribution(["a", "b"])),
        ("x=choice(16,32)", CategoricalDistribution(["16", "32"])),
        ("x=choice(a)", CategoricalDistribution(["a"])),
        ("x=a,b,a", CategoricalDistribution(["a", "b"])),
        ("x=1,1.0", CategoricalDistribution(["1", "1.0"])),
        ("x=[1,2],[3]", CategoricalDistribution(["[1,2]", "[3]"])),
        ("x='a b',null", CategoricalDistribution(["'a b'", "null"])),
        ("x=range(1,4)", IntDistribution(1, 4)),
        ("x=range(3)", IntDistribution(0, 3)),
        ("x=range(16,64,16)", IntDistribution(16, 64, step=16)),
        ("x=range(0,1,0.25)", FloatDistribution(0, 1, step=0.25)),
        ("x=tag(log,range(1,8))", IntDistribution(1, 8, log=True)),
        ("x=interval(0,1.5)", FloatDistribution(0, 1.5)),
        ("x=interval(1,5)", FloatDistribution(1, 5)),
        ("x=float(interval(1,5))", FloatDistribution(1, 5)),
        ("x=int(interval(1.0,5.0))", IntDistribution(1, 5)),
        ("x=tag(log,interval(1e-4,1e-1))", FloatDistribution(1e-4, 1e-1, log=True)),
        ("x=tag(log,int(interval(1,100)))", IntDistribution(1, 100, log=True)),
    ],
)
def test_syntax_is_that_of_hydras_plugin(word: str, expected: BaseDistribution) -> None:
    assert read_space({}, [word]).parameters == {"x": expected}


def test_glob_chooses_among_the_options_of_a_group() -> None:
    with initialize_config_module("conf", **version_options()):
        loader = GlobalHydra.instance().config_loader()
        space = read_space({}, ["sampler=glob(*,exclude=p*)"], loader)
    options = ["balanced", "effective_number", "natural", "square_root"]
    assert space.parameters == {"sampler": CategoricalDistribution(options)}


def test_order_of_a_shuffle_does_not_matter() -> None:
    words = ["x=shuffle(range(0,3))", "y=shuffle(a,b,c,d,e,f,g)"]
    expected = {"x": IntDistribution(0, 3), "y": CategoricalDistribution([*"abcdefg"])}
    assert read_space({}, words).parameters == expected


def test_one_value_for_a_key_is_shared_by_all_trials() -> None:
    words = ["seed=3", "+a='x y'", "~logger", "++b.c=[1,2]", "x=1,2", "~d=3"]
    space = read_space({}, words)
    assert space.fixed == ("seed=3", "+a='x y'", "~logger", "++b.c=[1,2]", "~d=3")
    assert space.overrides({"x": "2"}) == [*space.fixed, "x=2"]


def test_command_line_replaces_what_the_configuration_searches() -> None:
    params = {"lr": "interval(0.1,1.0)", "+x": "1,2", "depth": 3}
    space = read_space(params, ["lr=0.5", "depth=3,4"])
    assert space.fixed == ("lr=0.5",)
    assert list(space.parameters) == ["+x", "depth"]


def test_numbers_are_used_to_six_digits() -> None:
    space = read_space({}, ["lr=interval(0.0,1.0)", "step=range(0,1,0.1)", "n=range(1,9)", "s=a,b"])
    chosen = {"lr": 0.00123456789, "step": 0.1 * 3, "n": 7, "s": "a"}
    assert space.overrides(chosen) == ["lr=0.00123457", "step=0.3", "n=7", "s=a"]
    assert space.used(chosen)["lr"] == 0.00123457


def test_words_of_a_space_tell_every_difference() -> None:
    words = [
        "x=1,2", "x=1,3", "x=range(1,2)", "x=range(1,3)", "x=range(1,3,2)", "x=range(1.0,3)",
        "x=interval(1.0,3.0)", "x=tag(log,interval(1.0,3.0))", "x=interval(1,2.5)",
    ]  # fmt: skip
    described = [read_space({}, [word]).described()["x"] for word in words]
    assert len(set(described)) == len(words)
    assert described[-2] == "1.0 to 3.0, logarithmic"


def test_grid_has_both_ends() -> None:
    space = read_space({}, ["a=x,y", "b=range(1,7,2)", "c=range(0,1,0.25)"])
    assert grid(space) == {"a": ["x", "y"], "b": [1, 3, 5, 7], "c": [0, 0.25, 0.5, 0.75, 1]}


@pytest.mark.parametrize("word", ["x=interval(0.0,1.0)", "x=tag(log,range(1,8))"])
def test_grid_of_an_interval_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match=r"x: expected a list or a range for .*sampler=grid"):
        grid(read_space({}, [word]))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("x=1", "expected something to choose, got one value for each key"),
        ("x=tag(log,interval(0.0,1.0))", "x: expected something to choose from: .*low"),
        ("x=interval(2.0,1.0)", "x: expected something to choose from: .*low"),
        ("x=tag(log,choice(1,2))", "x: expected an interval or a range after tag"),
        ("x=tag(lg,interval(1,2))", "x: expected no tag but log, got lg"),
    ],
)
def test_space_that_cannot_be_searched_is_refused(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        read_space({}, [word])


def test_message_for_nothing_to_search_shows_how() -> None:
    with pytest.raises(ConfigError, match=re.escape("tag(log,interval(1e-4,1e-1))")):
        read_space({}, [])
