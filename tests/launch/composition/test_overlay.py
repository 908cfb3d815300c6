from typing import Any

import pytest

from project.launch.composition.overlay import ABSENT, all_keys, key_of, overlaid, put, value_at

LOSS: dict[str, Any] = {"_target_": "Loss", "weights": None, "smoothing": 0.0}


@pytest.mark.parametrize(
    ("saved", "before", "after", "expected"),
    [
        ({"a": 1}, {"a": 2}, {"a": 2}, {"a": 1}),  # a default that changed since
        ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 3}),
        ({"a": 1}, {"a": 1}, {"a": 1.0}, {"a": 1.0}),
        ({"a": 1, "gone": 1}, {"a": 1}, {"a": 1}, {"a": 1, "gone": 1}),
        ({"a": None}, {"a": None}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}, {"a": {"c": 2}}),
        ({"a": 1}, {"a": 1}, {"a": 1, "d": {"e": 5}}, {"a": 1, "d": {"e": 5}}),
    ],
    ids=["kept", "changed", "type", "gone", "to a mapping", "removed", "added"],
)
def test_changes_are_carried_over(
    saved: dict[str, Any], before: dict[str, Any], after: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = overlaid(saved, before, after, [])
    assert repr(sorted(found.items())) == repr(sorted(expected.items()))


def test_new_arguments_of_the_same_constructor_are_added() -> None:
    today = {"loss": {**LOSS, "since": 1}}
    assert overlaid({"loss": LOSS}, today, today, [])["loss"]["since"] == 1
    other = {"loss": {**LOSS, "_target_": "Focal"}}
    assert "since" not in overlaid(other, today, today, [])["loss"]


def test_nothing_is_added_to_what_is_complete_as_it_is() -> None:
    today = {"factors": {"outer": 4, "hat": 2}}
    assert overlaid({"factors": {"outer": 3}}, today, today, []) == {"factors": {"outer": 3}}


def test_what_is_asked_for_counts_even_where_it_is_the_default() -> None:
    today = {"loss": LOSS, "lr": 0.2}
    saved = {"loss": {**LOSS, "smoothing": 0.5, "old": 1}, "lr": 0.1}
    assert overlaid(saved, today, today, ["loss", "lr", "experiment"]) == today


def test_the_saved_configuration_stays_as_it_is() -> None:
    saved: dict[str, Any] = {"loss": {"weights": None}}
    overlaid(saved, {"loss": {"weights": None}}, {"loss": {"weights": [1]}}, [])
    assert saved == {"loss": {"weights": None}}


def test_keys_are_set_and_removed_at_any_depth() -> None:
    config: dict[str, Any] = {"a": 1}
    put(config, "b.c.d", 2)
    put(config, "a.e", 3)
    assert config == {"b": {"c": {"d": 2}}, "a": {"e": 3}}
    put(config, "b.c", ABSENT)
    put(config, "no.such.key", ABSENT)
    assert config == {"b": {}, "a": {"e": 3}}
    assert value_at(config, "a.e") == 3
    assert value_at(config, "a.e.f") is ABSENT


@pytest.mark.parametrize(
    "override", ["a.b=c=d", "+a.b=1", "++a.b=", "~a.b", "a/b=x", "a@b=x", "~a.b=1"]
)
def test_key_of_an_override_is_dotted(override: str) -> None:
    assert key_of(override) == "a.b"


def test_keys_of_all_depths_are_listed() -> None:
    assert list(all_keys({"a": {"b": {}, "c": [1]}, "d": None})) == ["a", "a.b", "a.c", "d"]
