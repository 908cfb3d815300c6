from pathlib import Path

import pytest

from project.errors import ConfigError
from project.launch.cli.actions import Actions

ACTIONS = Actions(
    "project.garden",
    ("sow", "mow"),
    "mow dir=lawn",
    one="garden",
    keyed=lambda word: f"dir={word}" if Path(word).is_absolute() else None,
)


def test_words_without_keys_get_them_in_any_order() -> None:
    words = ["/lawn", "mow", "deep=true", "~slow", "--cfg", "job"]
    expected = ["dir=/lawn", "action=mow", "deep=true", "~slow", "--cfg", "job"]
    assert ACTIONS.arranged(words) == expected


def test_value_of_a_flag_is_no_action() -> None:
    assert ACTIONS.arranged(["--config-dir", "sow"]) == ["--config-dir", "sow"]


def test_unknown_action_is_answered_with_the_nearest_and_an_example() -> None:
    expected = (
        r"expected one of sow, mow, got 'mwo'\. Did you mean \"mow\"\? For example: python -m "
        r"project\.garden mow dir=lawn"
    )
    with pytest.raises(ConfigError, match=expected):
        ACTIONS.arranged(["mwo"])
    with pytest.raises(ConfigError, match=expected):
        ACTIONS.check("mwo")
    assert ACTIONS.check("sow") == "sow"


@pytest.mark.parametrize("flag", ["-m", "--multirun", "--multi"])
def test_sweep_of_it_is_refused(flag: str) -> None:
    with pytest.raises(ConfigError, match=r"one garden at a time; start project\.garden for each"):
        ACTIONS.arranged(["mow", flag])
