import pytest

from project.data.sources.grouping import compiled, groups_by_level, groups_by_pattern
from project.errors import ConfigError, DataError


def test_named_part_is_preferred_to_the_first() -> None:
    paths = ["left/kitchen-anna.jpg"]

    assert groups_by_pattern(paths, r"([a-z]+)-(?P<group>[a-z]+)") == ["anna"]
    assert groups_by_pattern(paths, r"([a-z]+)-[a-z]+") == ["kitchen"]


def test_pattern_and_path_may_differ_in_unicode_form() -> None:
    assert groups_by_pattern(["u\u0308ber_1.jpg"], "(\u00fcber)_") == ["\u00fcber"]


def test_pattern_without_a_part_is_refused() -> None:
    with pytest.raises(ConfigError, match="put that part in parentheses"):
        groups_by_pattern(["a"], "a")


def test_paths_without_a_group_are_listed() -> None:
    with pytest.raises(DataError, match=r'no group in 1 of 2 paths: "b/y.jpg"\. Widen'):
        groups_by_pattern(["a/1.jpg", "b/y.jpg"], "([0-9])")


def test_broken_expression_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'data\.key="\(" is not a regular expression'):
        compiled("(", "data.key")


def test_level_counts_from_below_the_class_folder() -> None:
    paths = ["train/hat/anna/day 1/1.jpg", "hat/berta/day 2/2.jpg"]

    assert groups_by_level(paths, [1, 0], 0) == ["anna", "berta"]
    assert groups_by_level(paths, [1, 0], 1) == ["day 1", "day 2"]


def test_files_above_the_level_are_listed() -> None:
    with pytest.raises(DataError, match=r"at least 2 folders below .* 1 files are not: \"hat/a/1"):
        groups_by_level(["hat/a/1.jpg", "hat/a/b/2.jpg"], [0, 0], 1)


def test_negative_level_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"group_level to be 0 .* got -1"):
        groups_by_level(["hat/a/1.jpg"], [0], -1)
