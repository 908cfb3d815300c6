import pytest

from project.data.sources.split_names import SPLIT_NAMES, split_lookup
from project.errors import ConfigError


def test_usual_names_are_known() -> None:
    lookup = split_lookup(SPLIT_NAMES)

    assert [lookup[name] for name in ("training", "dev", "validation", "eval")] == [
        "train",
        "val",
        "val",
        "test",
    ]


def test_unknown_split_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r'got "tst"\. Did you mean "test"\?'):
        split_lookup({"tst": ["x"]})


def test_one_name_for_two_splits_is_refused() -> None:
    with pytest.raises(ConfigError, match='gives "dev" to both train and val'):
        split_lookup({"train": ["dev"], "val": ["DEV"]})
