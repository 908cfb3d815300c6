"""What a search may choose: the words of the command line as distributions of Optuna's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    RangeSweep,
    Sweep,
)
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from project.errors import ConfigError

_DIGITS = 6


@dataclass(frozen=True)
class Space:
    """What a search may choose, and what it leaves alone.

    Attributes:
        fixed: Overrides that all trials share, in the order of the command line.
        parameters: What may be chosen, by key. Choices are kept as they stand in an override.
    """

    fixed: tuple[str, ...]
    parameters: Mapping[str, BaseDistribution]

    def overrides(self, chosen: Mapping[str, Any]) -> list[str]:
        """Writes a choice as overrides, after those that all trials share.

        Args:
            chosen: Value by key, for every parameter.
        """
        return [*self.fixed, *(f"{key}={value}" for key, value in self.used(chosen).items())]

    def used(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """What is trained with: numbers as chosen, to six digits, so that names can be read.

        Args:
            chosen: Value by key, for every parameter.
        """
        return {key: _shortened(chosen[key]) for key in self.parameters}

    def described(self) -> dict[str, str]:
        """What may be chosen for each key, in words that change when the space does."""
        return {key: _words(kind) for key, kind in self.parameters.items()}


def read_space(
    params: Mapping[str, Any], arguments: Sequence[str], config_loader: ConfigLoader | None = None
) -> Space:
    """Reads a search space in the syntax of Hydra's plugin for Optuna.

    Lists and ``choice`` are choices, as is ``glob`` of a group's options; ``range`` has steps and
    includes both of its ends; ``interval`` is continuous, ``int(interval(...))`` of whole numbers.
    ``tag(log, ...)`` spreads trials evenly over powers of ten.

    Args:
        params: ``hydra.sweeper.params``: by key, what would stand behind ``=``.
        arguments: Overrides of the command line; they replace those of the same key.
        config_loader: Knows the options that ``glob`` stands for.

    Returns:
        The space.

    Raises:
        ConfigError: If a key cannot be searched as it is written, or nothing is to be searched.
    """
    words = [*(f"{key}={value}" for key, value in params.items()), *arguments]
    parsed = OverridesParser.create(config_loader=config_loader).parse_overrides(words)
    by_key = {override.get_key_element(): override for override in parsed}
    searched = {key: one for key, one in by_key.items() if one.is_sweep_override()}
    if not searched:
        raise ConfigError(
            "hydra/sweeper=optuna: expected something to choose, got one value for each key. Give "
            "a key several, such as optimizer.lr='tag(log,interval(1e-4,1e-1))' or "
            "sampler=natural,balanced."
        )
    fixed = tuple(_fixed(one) for key, one in by_key.items() if key not in searched)
    return Space(fixed, {key: _distribution(key, one) for key, one in searched.items()})


def grid(space: Space) -> dict[str, list[Any]]:
    """Lists every value of every parameter.

    Args:
        space: What may be chosen.

    Raises:
        ConfigError: If a parameter is an interval, which has no end of values.
    """
    return {key: _values(key, kind) for key, kind in space.parameters.items()}


def _fixed(override: Override) -> str:
    if override.is_delete() and "=" not in (override.input_line or ""):
        return override.get_key_element()
    return f"{override.get_key_element()}={override.get_value_element_as_str()}"


def _distribution(key: str, override: Override) -> BaseDistribution:
    value = override.value()
    log = _is_logarithmic(key, value)
    try:
        if isinstance(value, IntervalSweep):
            return _interval(value, log=log)
        if isinstance(value, RangeSweep):
            return _range(value, log=log)
    except ValueError as error:  # Optuna's: an end that is not above the other, logarithm of zero
        raise ConfigError(f"{key}: expected something to choose from: {error}") from error
    if log:
        raise ConfigError(f"{key}: expected an interval or a range after tag(log, ...).")
    if isinstance(value, ChoiceSweep):
        value.shuffle = False  # trials come in any order, but the search must know its space again
    return CategoricalDistribution(list(dict.fromkeys(override.sweep_string_iterator())))


def _is_logarithmic(key: str, value: object) -> bool:
    tags = value.tags if isinstance(value, Sweep) else set()
    if unknown := sorted(tags - {"log"}):
        raise ConfigError(f"{key}: expected no tag but log, got {', '.join(unknown)}.")
    return "log" in tags


def _interval(value: IntervalSweep, *, log: bool) -> BaseDistribution:
    assert value.start is not None
    assert value.end is not None
    if isinstance(value.start, int) and isinstance(value.end, int):
        return IntDistribution(value.start, value.end, log=log)
    return FloatDistribution(float(value.start), float(value.end), log=log)


def _range(value: RangeSweep, *, log: bool) -> BaseDistribution:
    assert value.start is not None
    assert value.stop is not None
    numbers = (value.start, value.stop, value.step)
    if all(isinstance(number, int) for number in numbers):
        return IntDistribution(int(value.start), int(value.stop), log=log, step=int(value.step))
    low, high, step = map(float, numbers)
    return FloatDistribution(low, high, log=log, step=step)


def _values(key: str, kind: BaseDistribution) -> list[Any]:
    if isinstance(kind, CategoricalDistribution):
        return list(kind.choices)
    if isinstance(kind, IntDistribution) and not kind.log:
        return list(range(kind.low, kind.high + 1, kind.step))
    if isinstance(kind, FloatDistribution) and kind.step is not None:
        steps = round((kind.high - kind.low) / kind.step)
        return [kind.low + number * kind.step for number in range(steps + 1)]
    raise ConfigError(
        f"{key}: expected a list or a range for hydra.sweeper.sampler=grid, got an interval. Write "
        "range(<first>,<last>,<step>), or take another sampler."
    )


def _shortened(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _words(kind: BaseDistribution) -> str:
    if isinstance(kind, CategoricalDistribution):
        return f"one of {', '.join(map(str, kind.choices))}"
    assert isinstance(kind, IntDistribution | FloatDistribution)
    whole = "whole numbers " if isinstance(kind, IntDistribution) else ""
    plain = 1 if whole else None
    step = "" if kind.step == plain else f" in steps of {kind.step}"
    return f"{whole}{kind.low} to {kind.high}{step}{', logarithmic' if kind.log else ''}"
