"""What a search makes large or small: numbers of a run's record."""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from project.errors import ConfigError, suggestion
from project.runs.metric_names import SMALL_IS_GOOD
from project.runs.record import RunRecord

Direction = Literal["maximize", "minimize"]

SPEED = "milliseconds_per_image"
OVERALL = ("loss", "accuracy", "macro_recall", "macro_f1", "auroc", "calibration_error")
_MEASURED = re.compile(r"(?P<split>val|(worst_)?test(_\w+)?)/(?P<metric>.+)", re.DOTALL)
_PER_CLASS = re.compile(r"(recall|precision|f1)/.+", re.DOTALL)


@dataclass(frozen=True)
class Objective:
    """A number that a search makes large or small.

    Attributes:
        name: A metric of ``run.json``, or `SPEED`.
        direction: Which way is better.
    """

    name: str
    direction: Direction

    @property
    def is_validated(self) -> bool:
        """Whether every validation of a run measures it."""
        return self.name.startswith("val/")

    def value(self, record: RunRecord) -> float:
        """What a run reached.

        Args:
            record: Of a finished run.

        Returns:
            The number; NaN if the run has none, or measured none.
        """
        if self.name == SPEED:
            speed = record.milliseconds_per_image
            return math.nan if speed is None else speed
        return record.metrics.get(self.name, math.nan)


def read_objectives(
    names: Any, directions: Any, default: Objective, *, allow_test: bool
) -> list[Objective]:
    """Reads what is to be searched for.

    Args:
        names: ``hydra.sweeper.objective``: a name, several, or None for the default.
        directions: ``hydra.sweeper.direction``: as many, or None for what is known of the metrics.
        default: What a run monitors.
        allow_test: Whether metrics of the test split, or of a named test set, may be chosen by.

    Returns:
        The objectives.

    Raises:
        ConfigError: If a name is no metric, a direction is none or contradicts its metric, or the
            choice would be made by the test split.
    """
    names = default.name if names is None else names
    asked = [names] if isinstance(names, str) else list(names)
    if not asked or len(set(asked)) < len(asked):
        raise ConfigError(f"hydra.sweeper.objective: expected different metrics, got {asked}.")
    for name in asked:
        _check_name(str(name), allow_test=allow_test)
    given = [None] * len(asked) if directions is None else directions
    given = [given] if isinstance(given, str) else list(given)
    if len(given) != len(asked):
        raise ConfigError(
            f"hydra.sweeper.direction: expected one for each of {', '.join(asked)}, got {given}."
        )
    return [_objective(name, way, default) for name, way in zip(asked, given, strict=True)]


def _check_name(name: str, *, allow_test: bool) -> None:
    match = _MEASURED.fullmatch(name)
    known = [f"val/{metric}" for metric in OVERALL] + [SPEED]
    if name != SPEED and (
        match is None or not (match["metric"] in OVERALL or _PER_CLASS.fullmatch(match["metric"]))
    ):
        advice = suggestion(name, known) or f" There are {', '.join(known)} and val/recall/<class>."
        raise ConfigError(f"hydra.sweeper.objective: expected a metric, got {name!r}.{advice}")
    if match is not None and match["split"] != "val" and not allow_test:
        raise ConfigError(
            f"hydra.sweeper.objective={name}: the best of many trials by the test split is better "
            "there than on new photos, so nothing would be left to measure it by. Choose by "
            f"val/{match['metric']}; or add hydra.sweeper.allow_test=true if other photos are "
            "kept for that."
        )


def _objective(name: str, direction: str | None, default: Objective) -> Objective:
    metric = name.partition("/")[2]
    small = name == SPEED or metric in SMALL_IS_GOOD
    known: Direction = "minimize" if small else "maximize"
    if direction is None:
        return default if name == default.name else Objective(name, known)
    if direction not in get_args(Direction):
        raise ConfigError(
            f"hydra.sweeper.direction: expected maximize or minimize, got {direction!r}."
        )
    if direction != known:
        raise ConfigError(
            f"hydra.sweeper.direction={direction}: the best {name} is the {known[:5]}um. Leave the "
            "direction away."
        )
    return Objective(name, known)
