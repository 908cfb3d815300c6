"""Figures of a search: what it reached when, by what, and what mattered."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from project.report.comparison.looks import GREY, Fill
from project.report.figures import shortened
from project.report.fonts import families_for
from project.report.search.trials import Searched, Tried

_BLUE = "#0072B2"  # of Okabe and Ito's palette, as is the other
_ORANGE = "#D55E00"
_WIDTH = 10.5  # inches
_COLUMNS = 3
_MOST_PANELS = 12
_MOST_NAMED = 40  # values of a choice whose names can be read


def figures(searched: Searched) -> dict[str, Figure]:
    """Draws all that there is something to draw for.

    Args:
        searched: The search.

    Returns:
        Figures by name.
    """
    drawn = {
        "history": history(searched),
        "importance": importance(searched),
        "parameters": parameters(searched),
        "epochs": epochs(searched),
        "front": front(searched),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


def history(searched: Searched) -> Figure | None:
    """Draws what every trial reached and the best until then, a panel a goal.

    Args:
        searched: The search.

    Returns:
        The figure; None without a trial that reached something.
    """
    valued = [trial for trial in searched.trials if trial.values]
    if not valued:
        return None
    many = len(searched.goals)
    figure = Figure(figsize=(_WIDTH, 3.2 * many + 0.6), layout="constrained")
    panels = figure.subplots(many, 1, squeeze=False)[:, 0]
    for place, (axes, goal) in enumerate(zip(panels, searched.goals, strict=True)):
        _draw_trials(axes, [t for t in valued if len(t.values) > place], place)
        _draw_best(axes, searched, place)
        _finish(axes, f"{goal.name} of each trial", "trial", goal.name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    best = Line2D([], [], color=_ORANGE, label="best until then")
    _legend(figure, [_dot("full", "complete", _BLUE), *_pruned_key(valued), best])
    return figure


def importance(searched: Searched) -> Figure | None:
    """Draws how much of the first goal's spread each parameter explains.

    Args:
        searched: The search.

    Returns:
        The figure; None where that cannot be told.
    """
    if not searched.importances:
        return None
    names = list(searched.importances)[::-1]
    shares = [100 * searched.importances[name] for name in names]
    figure = Figure(figsize=(_WIDTH, 0.4 * len(names) + 1.4), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(range(len(names)), shares, color=_BLUE, height=0.6)
    axes.bar_label(bars, [f"{share:.0f}" for share in shares], padding=4)
    _name(axes, "y", names)
    axes.set_xlim(0, 105)
    goal = searched.goals[0].name
    _finish(axes, f"What explains {goal}", "share of its spread over trials, %", "")
    axes.grid(visible=False, axis="y")
    return figure


def parameters(searched: Searched) -> Figure | None:
    """Draws the first goal over each parameter; later trials are darker.

    Args:
        searched: The search.

    Returns:
        The figure, with the most important parameters first; None without a complete trial.
    """
    if not searched.complete:
        return None
    ranked = [*searched.importances, *(k for k in searched.keys if k not in searched.importances)]
    keys = ranked[:_MOST_PANELS]
    rows = math.ceil(len(keys) / _COLUMNS)
    figure = Figure(figsize=(_WIDTH, 3.2 * rows + 0.4), layout="constrained")
    columns = min(_COLUMNS, len(keys))
    panels = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    for axes, key in zip(panels, keys, strict=False):
        _draw_parameter(axes, searched, key)
    for axes in panels[len(keys) :]:
        axes.set_visible(False)
    return figure


def epochs(searched: Searched) -> Figure | None:
    """Draws what trials reported after each epoch, and where some were ended.

    Args:
        searched: The search.

    Returns:
        The figure; None where nothing was reported.
    """
    reporting = [trial for trial in searched.trials if trial.reported]
    if not reporting:
        return None
    figure = Figure(figsize=(_WIDTH, 4), layout="constrained")
    axes = figure.subplots()
    for trial in reporting:
        steps = sorted(trial.reported)
        best, pruned = trial.number in searched.best, trial.state == "pruned"
        colour = _ORANGE if best else GREY if pruned else _BLUE
        axes.plot(
            steps, [trial.reported[step] for step in steps], color=colour,
            linestyle=":" if pruned else "-", linewidth=2 if best else 1,
            marker="o" if len(steps) == 1 else "", markersize=3.5,
            alpha=1 if best or pruned else 0.4, zorder=3 if best or pruned else 2,
        )  # fmt: skip
        if pruned:
            last = steps[-1]
            axes.plot([last], [trial.reported[last]], "x", color=GREY, markersize=6, zorder=3)
    _finish(axes, "Trials over epochs", "epoch", searched.goals[0].name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    pruned_key = [Line2D([], [], color=GREY, linestyle=":", marker="x", label="pruned")]
    keys = [Line2D([], [], color=_BLUE, label="trial"), Line2D([], [], color=_ORANGE, label="best")]
    keys += pruned_key if any(trial.state == "pruned" for trial in reporting) else []
    _legend(figure, keys)
    return figure


def front(searched: Searched) -> Figure | None:
    """Draws two goals against each other, and the trials that none beats in both.

    Args:
        searched: The search.

    Returns:
        The figure; None for one goal or more than two, or without a complete trial.
    """
    if len(searched.goals) != 2 or not searched.complete:
        return None
    figure = Figure(figsize=(6.5, 5), layout="constrained")
    axes = figure.subplots()
    rest = [trial for trial in searched.complete if trial.number not in searched.best]
    best = [trial for trial in searched.complete if trial.number in searched.best]
    axes.plot(*_points(rest), "o", color=_BLUE, markersize=5, fillstyle="none")
    axes.plot(*_points(best), "o", color=_ORANGE, markersize=6)
    for trial in best:
        axes.annotate(
            str(trial.number), (trial.values[0], trial.values[1]), xytext=(5, 5),
            textcoords="offset points", fontsize="small",
        )  # fmt: skip
    ways = [f"{goal.name} ({'more' if goal.maximize else 'less'} is better)"
            for goal in searched.goals]  # fmt: skip
    _finish(axes, "Two goals", *ways)
    keys = [_dot("none", "trial", _BLUE), _dot("full", "not beaten", _ORANGE)]
    _legend(figure, keys)
    return figure


def _points(trials: Sequence[Tried]) -> tuple[list[float], list[float]]:
    return [trial.values[0] for trial in trials], [trial.values[1] for trial in trials]


def _draw_trials(axes: Axes, trials: Sequence[Tried], place: int) -> None:
    for state, fill in (("complete", "full"), ("pruned", "none")):
        some = [trial for trial in trials if trial.state == state]
        axes.plot(
            [trial.number for trial in some], [trial.values[place] for trial in some], "o",
            color=_BLUE if state == "complete" else GREY, markersize=5, fillstyle=fill,
        )  # fmt: skip


def _draw_best(axes: Axes, searched: Searched, place: int) -> None:
    choose = max if searched.goals[place].maximize else min
    numbers = [trial.number for trial in searched.complete]
    values = [trial.values[place] for trial in searched.complete]
    best = [choose(values[: count + 1]) for count in range(len(values))]
    axes.plot(numbers, best, color=_ORANGE, drawstyle="steps-post", linewidth=1.4)


def _draw_parameter(axes: Axes, searched: Searched, key: str) -> None:
    trials = [trial for trial in searched.complete if key in trial.parameters]
    values = [trial.parameters[key] for trial in trials]
    numeric = all(isinstance(value, int | float) for value in values)
    names = sorted({str(value) for value in values}, key=_by_number)
    places = values if numeric else [names.index(str(value)) for value in values]
    last = max(trial.number for trial in searched.trials)
    shades = [0.35 + 0.65 * trial.number / max(1, last) for trial in trials]
    reached = [trial.values[0] for trial in trials]
    axes.scatter(places, reached, c=shades, cmap="Blues", vmin=0, vmax=1, s=26)
    if numeric and key in searched.logarithmic:
        axes.set_xscale("log")
    elif not numeric and len(names) <= _MOST_NAMED:
        _name(axes, "x", names)
        axes.set_xlim(-0.5, len(names) - 0.5)
    elif numeric and all(isinstance(value, int) for value in values):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _finish(axes, shortened(key, 36), "", "")
    if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.set_ylabel(searched.goals[0].name, parse_math=False)


def _by_number(text: str) -> tuple[float, str]:
    """Orders choices that are numbers as numbers, before words."""
    try:
        return float(text), text
    except ValueError:
        return math.inf, text


def _name(axes: Axes, side: str, names: Sequence[str]) -> None:
    shown = [shortened(name, 40 if side == "y" else 20) for name in names]
    set_ticks = axes.set_yticks if side == "y" else axes.set_xticks
    set_ticks(range(len(shown)), shown, fontfamily=families_for(shown), parse_math=False)
    if side == "x" and sum(map(len, shown)) > 30:
        for label in axes.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    style: dict[str, Any] = {"fontfamily": families_for([title, x, y]), "parse_math": False}
    axes.set_title(title, loc="left", **style)
    axes.set_xlabel(x, **style)
    axes.set_ylabel(y, **style)
    axes.grid(visible=True, alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    figure.legend(handles=handles, loc="outside upper right", ncols=4, frameon=False,
                  fontsize="small")  # fmt: skip


def _dot(fill: Fill, label: str, colour: str) -> Line2D:
    return Line2D([], [], color=colour, marker="o", linestyle="", fillstyle=fill, label=label)


def _pruned_key(trials: Sequence[Tried]) -> list[Line2D]:
    return (
        [_dot("none", "pruned", GREY)] if any(trial.state == "pruned" for trial in trials) else []
    )
