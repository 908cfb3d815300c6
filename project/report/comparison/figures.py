"""Figures of a comparison: differences, recalls and learning curves."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from project.report.comparison import cells
from project.report.comparison.looks import GREY, Fill, Look, legend, look_at, told_apart
from project.report.figures import by_epoch, shortened
from project.report.fonts import families_for
from project.report.metrics import heading
from project.runs.groups import Group
from project.runs.record import HEADLINE
from project.stats.results import Comparison, Interval, Verdict

_FILLS: dict[Verdict, Fill] = {
    Verdict.BETTER: "full",
    Verdict.WORSE: "full",
    Verdict.EQUIVALENT: "bottom",
    Verdict.NOT_SHOWN: "none",
}
_FILL_WORDS: dict[Fill, str] = {
    "full": "better or worse", "bottom": "equivalent", "none": "no difference shown",
}  # fmt: skip
_WIDTH = 10.5  # inches: what the page shows without scrolling
_INCHES_A_POINT = 0.13  # between two markers of a row
_INCHES_A_ROW = 0.16  # besides its markers
_MOST_STACKED = 12  # classes; with more, recalls and precisions stand side by side
_TALL = 12  # rows; with more, the scale is needed at the top as well
MOST_CURVES = 8


def forest(comparison: Comparison) -> Figure:
    """Draws every difference with its interval: a row a metric, a marker a variant.

    A full marker is a difference that is shown, a half full one is equivalence, an empty one
    neither. The shaded band is the margin.

    Args:
        comparison: All groups.

    Returns:
        The figure, in percent points. It grows with metrics and variants.
    """
    panels = _rows(comparison)
    figure, axes = _panels(panels, len(comparison.variants), comparison)
    for axis, shown in zip(axes, panels, strict=True):
        _draw_differences(axis, comparison, shown)
    handles = [
        look_at(1 + place).marked([], [], "full") for place in range(len(comparison.variants))
    ]
    legend(figure, handles, comparison.variants)
    _fill_legend(figure)
    return figure


def recalls(comparison: Comparison) -> Figure | None:
    """Draws the recall of each class with its interval, the groups side by side.

    Args:
        comparison: All groups.

    Returns:
        The figure: a row a class, a marker a group; None where recalls were not compared.
    """
    metrics = [m for m in cells.ordered_metrics(comparison) if m.startswith("recall/")]
    if not metrics:
        return None
    height = _rows_height(len(metrics), len(comparison.groups))
    figure = Figure(figsize=(_WIDTH, height + 1.2), layout="constrained")
    axes = figure.subplots()
    estimates = {(e.group, e.metric): e for e in comparison.estimates}
    for place, group in enumerate(comparison.groups):
        look = look_at(place)
        for row, metric in enumerate(metrics):
            found = estimates[group, metric]
            y = row + _offset(place, len(comparison.groups))
            _draw_point(axes, found.mean, found.interval, y, look, "full")
    images = dict(zip(comparison.classes, comparison.images, strict=True))
    names = [cells.class_of(metric) for metric in metrics]
    _finish_rows(axes, [f"{name} ({images[name]})" for name in names])
    axes.set_xlabel(f"recall, % (bars: {100 * comparison.confidence:g} % interval)")
    handles = [look_at(place).marked([], [], "full") for place in range(len(comparison.groups))]
    legend(figure, handles, comparison.groups)
    return figure


def learning(groups: Sequence[Group], headline: str = HEADLINE) -> Figure | None:
    """Overlays the learning curves: a line is the mean over runs, a band all that they span.

    Args:
        groups: Groups of runs, the baseline first. Those after `MOST_CURVES` are not drawn.
        headline: The metric that is drawn beside the losses, if runs have logged it.

    Returns:
        The figure, or None where no run has logged anything.
    """
    frames = {group.name: _frames(group) for group in groups[:MOST_CURVES]}
    if not any(frames.values()):
        return None
    figure = Figure(figsize=(_WIDTH, 4), layout="constrained")
    metric = _logged(frames, headline)
    panels = {
        f"val/{metric}": f"{heading(metric)}, val",
        "train/loss": "Loss, train",
        "val/loss": "Loss, val",
    }
    for axes, (column, title) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for place, runs in enumerate(frames.values()):
            _draw_runs(axes, runs, column, look_at(place))
        _finish_curves(axes, title)
        if column == f"val/{metric}":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    looks = [look_at(place) for place in range(len(frames))]
    handles = [
        Line2D([], [], color=look.colour, linestyle=look.dashes, marker=look.marker, markersize=4)
        for look in looks
    ]
    legend(figure, handles, list(frames))
    return figure


def _rows(comparison: Comparison) -> list[list[str]]:
    """The metrics of each panel: of all images, recalls, precisions; the headline before others.

    Classes come in one order in all panels, because two of them may share the names.
    """
    metrics = cells.ordered_metrics(comparison)
    first = cells.class_of(comparison.headline)
    panels = [
        [metric for metric in metrics if "/" not in metric],
        [metric for metric in metrics if metric.startswith("recall/")],
        [metric for metric in metrics if metric.startswith("precision/")],
    ]
    found = [
        sorted(panel, key=lambda metric: cells.class_of(metric) != first)
        for panel in panels
        if panel
    ]
    if _stand_beside(found, comparison):
        return found
    return sorted(found, key=lambda panel: not cells.is_headline(comparison, panel[0]))


def _stand_beside(panels: Sequence[Sequence[str]], comparison: Comparison) -> bool:
    """Whether recall and precision stand side by side below the rest."""
    return len(panels) == 3 and len(comparison.classes) > _MOST_STACKED


def _panels(
    panels: Sequence[Sequence[str]], variants: int, comparison: Comparison
) -> tuple[Figure, list[Axes]]:
    """One above the other; recall and precision of many classes side by side below the rest."""
    heights = [_rows_height(len(panel), variants) + 0.5 for panel in panels]
    beside = _stand_beside(panels, comparison)
    total = heights[0] + max(heights[1:]) if beside else sum(heights)
    figure = Figure(figsize=(_WIDTH, total + 1.1), layout="constrained")
    if not beside:
        grid = figure.add_gridspec(len(panels), 1, height_ratios=heights)
        first = figure.add_subplot(grid[0])
        rest = [figure.add_subplot(grid[row], sharex=first) for row in range(1, len(panels))]
        return figure, [first, *rest]
    grid = figure.add_gridspec(2, 2, height_ratios=[heights[0], max(heights[1:])])
    top = figure.add_subplot(grid[0, :])
    left = figure.add_subplot(grid[1, 0])
    right = figure.add_subplot(grid[1, 1], sharex=left, sharey=left)
    right.tick_params(labelleft=False)
    return figure, [top, left, right]


def _draw_differences(axes: Axes, comparison: Comparison, metrics: Sequence[str]) -> None:
    found = {(d.variant, d.metric): d for d in comparison.differences}
    margin = 100 * comparison.margin
    axes.axvspan(-margin, margin, color="#000000", alpha=0.08, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=1)
    for place, variant in enumerate(comparison.variants):
        look = look_at(1 + place)
        for row, metric in enumerate(metrics):
            known = found[variant, metric]
            y = row + _offset(place, len(comparison.variants))
            fill = _FILLS[known.verdict]
            _draw_point(axes, known.difference, known.interval, y, look, fill)
    of_class = "/" in metrics[0]
    _finish_rows(axes, [cells.class_of(m) if of_class else cells.title(m) for m in metrics])
    title = metrics[0].partition("/")[0].capitalize() if of_class else "All images"
    axes.set_title(title, loc="left", fontsize="medium")
    label = f"difference to {shortened(comparison.baseline)}, points"
    axes.set_xlabel(label, parse_math=False, fontfamily=families_for([label]))


def _draw_point(axes: Axes, x: float, interval: Interval, y: float, look: Look, fill: Fill) -> None:
    if math.isnan(x):
        return
    if not (math.isnan(interval.low) or math.isnan(interval.high)):
        ends = (100 * interval.low, 100 * interval.high)
        axes.plot(ends, (y, y), color=look.colour, linewidth=1.4, solid_capstyle="butt")
    axes.add_line(look.marked([100 * x], [y], fill)).set_zorder(3)


def _finish_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names the rows, the first on top, with a line between each two."""
    shown = told_apart(names)
    style: dict[str, Any] = {"fontfamily": families_for(shown), "parse_math": False}
    axes.set_yticks(range(len(shown)), shown, **style)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    for row in range(1, len(shown)):
        axes.axhline(row - 0.5, color="#dddddd", linewidth=0.7)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", top=len(shown) > _TALL, labeltop=len(shown) > _TALL)
    axes.grid(visible=True, axis="x", alpha=0.25)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _fill_legend(figure: Figure) -> None:
    handles = [Look(GREY, "o", "-").marked([], [], fill) for fill in _FILL_WORDS]
    legend(figure, handles, list(_FILL_WORDS.values()), "outside lower left")


def _offset(place: int, count: int) -> float:
    """Where a marker stands within its row, in rows from the middle."""
    step = _INCHES_A_POINT / (_INCHES_A_POINT * count + _INCHES_A_ROW)
    return (place - (count - 1) / 2) * step


def _rows_height(rows: int, markers: int) -> float:
    return rows * (_INCHES_A_POINT * markers + _INCHES_A_ROW)


def _logged(frames: Mapping[str, Sequence[pd.DataFrame]], metric: str) -> str:
    """The metric, or the usual one where no run has logged it."""
    found = (len(by_epoch(run, f"val/{metric}")) for runs in frames.values() for run in runs)
    return metric if any(found) else HEADLINE


def _frames(group: Group) -> list[pd.DataFrame]:
    files = [run.metrics_file for run in group.runs if _has_content(run.metrics_file)]
    return [pd.read_csv(file).replace([np.inf, -np.inf], np.nan) for file in files]


def _has_content(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _draw_runs(axes: Axes, runs: Sequence[pd.DataFrame], column: str, look: Look) -> None:
    series = [by_epoch(run, column) for run in runs]
    table = pd.concat(series, axis=1).sort_index() if series else pd.DataFrame()
    if table.dropna(how="all").empty:
        return
    epochs, mean = table.index.to_numpy(), table.mean(axis=1).to_numpy()
    axes.plot(
        epochs, mean, look.dashes, color=look.colour, linewidth=1.5, marker=look.marker,
        markersize=4, markevery=max(1, len(epochs) // 8),
    )  # fmt: skip
    if table.shape[1] > 1:
        low, high = table.min(axis=1).to_numpy(), table.max(axis=1).to_numpy()
        axes.fill_between(epochs, low, high, color=look.colour, alpha=0.15, linewidth=0)


def _finish_curves(axes: Axes, title: str) -> None:
    style: dict[str, Any] = {"fontfamily": families_for([title]), "parse_math": False}
    axes.set_title(shortened(title), loc="left", fontsize="medium", **style)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if not axes.lines:
        axes.text(0.5, 0.5, "not logged", transform=axes.transAxes, ha="center", color=GREY)
