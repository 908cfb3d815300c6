from typing import Any, Literal

import pytest
from torch import nn

from project.errors import ConfigError
from project.launch.composition.signatures import check_arguments


def target(
    width: int,
    rate: float = 0.1,
    mode: Literal["a", "b"] = "a",
    on: bool = True,
    name: str | None = None,
    sizes: list[int] | None = None,
    part: nn.Module | None = None,
) -> None:
    """Something that a configuration could build."""


def open_ended(width: int, **rest: object) -> None:
    """Takes anything."""


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 3, "rate": 1, "mode": "b", "on": False, "name": None, "sizes": [1, 2]},
        {"rate": 0.5},
        {"part": {"_target_": "torch.nn.Identity"}},
        {"sizes": [{"_target_": "builtins.int"}]},
    ],
)
def test_arguments_that_fit_pass(arguments: dict[str, Any]) -> None:
    check_arguments(target, arguments, "model")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": "abc"}, r"model\.width: expected int, got 'abc' \(str\)"),
        ({"width": "12"}, r"model\.width: expected int, got '12' \(str\)"),
        ({"width": 1.5}, r"model\.width: expected int, got 1\.5 \(float\)"),
        ({"width": True}, r"model\.width: expected int, got True \(bool\)"),
        ({"mode": "c"}, r"model\.mode: expected Literal\['a', 'b'\], got 'c'"),
        ({"on": "perhaps"}, r"model\.on: expected bool, got 'perhaps'"),
        ({"sizes": ["x"]}, r"model\.sizes: expected list\[int\] | None, got \['x'\]"),
        ({"widht": 3}, r'model\.widht: target has no such argument; .* Did you mean "width"\?'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_arguments_that_do_not_fit_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_arguments(target, arguments, "model")


def test_arguments_of_any_name_pass_where_the_target_takes_them() -> None:
    check_arguments(open_ended, {"width": 3, "anything": "x"}, "model")
    with pytest.raises(ConfigError, match="expected int"):
        check_arguments(open_ended, {"width": "x"}, "model")


def test_classes_are_checked_by_their_constructor() -> None:
    with pytest.raises(ConfigError, match=r'no such argument; .*Did you mean "inplace"'):
        check_arguments(nn.ReLU, {"inplac": True}, "model")
