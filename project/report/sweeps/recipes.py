"""Repeats of a recipe, by seed and fold, in one row."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from project.errors import RunError
from project.report.comparison import cells
from project.report.metrics import led
from project.report.scores import NOT_DEFINED, measured_split
from project.runs.directory import RunDirectory
from project.runs.record import HEADLINE
from project.runs.repeats import Pooled, Repeats, group_repeats, pool
from project.stats.pooling import pooled_interval
from project.stats.results import Interval

METRICS = ("accuracy", "macro_recall", "macro_f1")
_RECALL = "recall/"  # begins the name of a metric, before that of a class


@dataclass(frozen=True)
class Spread:
    """A metric over the runs of a recipe: mean and standard deviation, NaN where there is none."""

    mean: float
    deviation: float

    def __str__(self) -> str:
        """In percent, as in ``62.3 ± 1.5``."""
        mean = cells.number(self.mean)
        return mean if math.isnan(self.deviation) else f"{mean} ± {cells.number(self.deviation)}"


@dataclass(frozen=True)
class ClassRecall:
    """The recall of a class over all runs of a recipe.

    Attributes:
        name: The class.
        correct: Tests in which an image of the class was recognised.
        tested: Tests of its images: each once for each seed.
        images: Its images; the interval knows of no more.
        interval: Confidence interval of 95 %, as far as images are a sample.
    """

    name: str
    correct: int
    tested: int
    images: int
    interval: Interval

    def __str__(self) -> str:
        """As in ``23/24 [79.8, 99.3]``."""
        return f"{self.correct}/{self.tested} {cells.between(self.interval)}".rstrip()


@dataclass(frozen=True)
class RecipeResult:
    """All finished runs of a recipe.

    Attributes:
        repeats: The runs.
        split: The split that they were measured on.
        metrics: By name without the split, without those that `recalls` tell.
        recalls: One a class; empty where the tests cannot be taken together.
        remarks: What a reader must know: why there are no recalls, or which folds are missing.
    """

    repeats: Repeats
    split: str
    metrics: dict[str, Spread]
    recalls: tuple[ClassRecall, ...]
    remarks: tuple[str, ...]

    @property
    def runs(self) -> str:
        """How many, as in ``5 folds`` or ``10 (5 folds, 2 seeds)``."""
        folds = {trained.fold for trained in self.repeats.runs} - {None}
        seeds = {trained.seed for trained in self.repeats.runs}
        parts = [
            f"{count} {noun}"
            for count, noun in ((len(folds), "folds"), (len(seeds), "seeds"))
            if count > 1
        ]
        if len(parts) == 1:
            return parts[0]
        count = len(self.repeats.runs)
        return f"{count} ({', '.join(parts)})" if parts else str(count)


def recipe_results(runs: Iterable[RunDirectory], headline: str = HEADLINE) -> list[RecipeResult]:
    """Aggregates the finished ones among some runs.

    Args:
        runs: Training runs.
        headline: A metric that is wanted besides `METRICS`, such as ``precision/<class>``.

    Returns:
        One result a recipe; none where no recipe was repeated.

    Raises:
        RunError: A record or a configuration is missing or damaged.
    """
    recipes = group_repeats(runs)
    if all(len(recipe.runs) == 1 for recipe in recipes):
        return []
    return [_result(recipe, headline) for recipe in recipes]


def _result(repeats: Repeats, headline: str) -> RecipeResult:
    split = measured_split(repeats.runs[0].record)
    remarks: list[str] = []
    recalls: tuple[ClassRecall, ...] = ()
    if missing := repeats.missing_folds:
        listed = ", ".join(map(str, missing))
        remarks.append(
            f"{repeats.name}: {len(missing)} of {repeats.folds} folds are missing ({listed}), and "
            "so are their images."
        )
    try:
        recalls = _recalls(pool(repeats, split))
    except RunError as error:
        remarks.append(f"{repeats.name}: recalls of classes are not pooled. {error}")
    pooled = [f"{_RECALL}{recall.name}" for recall in recalls]
    wanted = METRICS if headline in pooled else led(headline, METRICS)
    metrics = {name: _spread(repeats, f"{split}/{name}") for name in wanted}
    return RecipeResult(repeats, split, metrics, recalls, tuple(remarks))


def _spread(repeats: Repeats, metric: str) -> Spread:
    values = [trained.record.metrics.get(metric, math.nan) for trained in repeats.runs]
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return Spread(float(np.mean(values)), deviation)


def _recalls(pooled: Pooled) -> tuple[ClassRecall, ...]:
    return tuple(_recall(pooled, number, name) for number, name in enumerate(pooled.classes))


def _recall(pooled: Pooled, number: int, name: str) -> ClassRecall:
    of_class = pooled.labels == number
    correct, tested = pooled.correct[of_class], pooled.tested[of_class]
    none = Interval(math.nan, math.nan)
    interval = pooled_interval(correct / tested, pooled.units[of_class]) if len(tested) else none
    return ClassRecall(name, int(correct.sum()), int(tested.sum()), len(tested), interval)


def recall_names(results: Sequence[RecipeResult]) -> list[str]:
    """The classes that some recipe has a recall of, in the order in which they come."""
    return list(dict.fromkeys(recall.name for result in results for recall in result.recalls))


def recall_of(result: RecipeResult, name: str) -> ClassRecall | None:
    """The recall of a class, or None where the recipe has none."""
    return next((recall for recall in result.recalls if recall.name == name), None)


def metric_names(results: Sequence[RecipeResult], headline: str) -> list[str]:
    """The metrics of all recipes, one a column: the headline first, recalls last."""
    recalls = [f"{_RECALL}{name}" for name in recall_names(results)]
    return led(headline, [*METRICS, *recalls])


def counted(result: RecipeResult, metric: str) -> ClassRecall | None:
    """The recall that a metric is, where the recipe's tests were taken together."""
    is_recall = metric.startswith(_RECALL)
    return recall_of(result, metric.removeprefix(_RECALL)) if is_recall else None


def shown(result: RecipeResult, metric: str) -> str:
    """A metric of a recipe for people: recalls as counts, the others as mean and deviation."""
    recall = counted(result, metric)
    return str(result.metrics.get(metric, NOT_DEFINED) if recall is None else recall)
