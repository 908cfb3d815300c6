"""Curves and confusion matrices, drawn without a display and without global state."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from project.atomic import write_bytes
from project.report.fonts import families_for

# Okabe and Ito's palette, told apart in every kind of colour blindness.
_COLOURS = {"train": "#0072B2", "val": "#D55E00"}
DOTS_PER_INCH = 144  # one and a half dots to each of CSS, for sharp screens
_MOST_CLASSES_WITH_COUNTS = 50


def curves(metrics_csv: Path, best_epoch: int | None = None) -> Figure:
    """Draws loss, macro recall and accuracy over the epochs.

    Args:
        metrics_csv: As Lightning's CSV logger writes it: rows for train and for val, with blanks.
        best_epoch: The epoch to mark, counted from 0.

    Returns:
        The figure. What was not logged, or is not finite, is not drawn.
    """
    frame = pd.read_csv(metrics_csv).replace([np.inf, -np.inf], np.nan)
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw(left, frame, "loss", "-")
    _draw(right, frame, "macro_recall", "-")
    _draw(right, frame, "accuracy", ":")
    right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    _span_at_least(left, 0.1 * max(left.get_ylim()))
    _span_at_least(right, 0.1, largest=1.0)
    for axes, title in ((left, "Loss"), (right, "Macro recall and accuracy")):
        _finish(axes, title, best_epoch)
    return figure


def confusion(matrix: npt.NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Draws a confusion matrix: colour is the share of the true class, numbers are photos.

    Args:
        matrix: Photos by true class (rows) and predicted class (columns), ``(C, C)``.
        classes: Class names, C of them.

    Returns:
        The figure. Rows of classes without photos are grey.
    """
    cell, count_size, name_size = _sizes(len(classes))
    side = max(2.4, cell * len(classes))
    figure = Figure(figsize=(side + 2.6, side + 2), layout="constrained")
    axes = figure.subplots()
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.ma.masked_invalid(matrix / np.where(totals == 0, np.nan, totals))
    # One hue from light to dark, readable in grey too; the root lifts a few percent off zero.
    shades = colormaps["Blues"].with_extremes(bad="#bbbbbb")
    image = axes.imshow(shares, cmap=shades, norm=PowerNorm(0.5, vmin=0, vmax=1))
    _name_classes(axes, classes, name_size)
    if len(classes) <= _MOST_CLASSES_WITH_COUNTS:
        _write_counts(axes, matrix, shares, count_size)
    bar = figure.colorbar(image, ax=axes, format=PercentFormatter(1.0), shrink=0.8, pad=0.02)
    bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1])
    bar.set_label("share of the true class", fontsize=name_size)
    bar.ax.tick_params(labelsize=name_size)
    return figure


def confusion_matrix(
    labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], num_classes: int
) -> npt.NDArray[np.int64]:
    """Counts photos by true and predicted class.

    Args:
        labels: True class ``(N,)`` in ``[0, num_classes)``, or -1 where it is not known.
        predicted: Predicted class ``(N,)`` in ``[0, num_classes)``.
        num_classes: The number of classes C.

    Returns:
        Counts ``(C, C)``, rows are true classes; photos without a label do not count.
    """
    known = labels >= 0
    cells = labels[known] * num_classes + predicted[known]
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def png(figure: Figure) -> bytes:
    """Renders a figure; equal figures give equal bytes.

    Args:
        figure: What to render.

    Returns:
        A PNG file.
    """
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # `families_for` has already said it, once and with a cure.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(
            stream,
            format="png",
            dpi=DOTS_PER_INCH,
            bbox_inches="tight",
            metadata={"Software": None},
        )
    return stream.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, whole or not at all.

    Args:
        figure: What to write.
        path: Where.

    Raises:
        RunError: The disk is full, or the place cannot be written.
    """
    write_bytes(path, png(figure))


def by_epoch(frame: pd.DataFrame, column: str) -> "pd.Series[float]":
    """The last value of each epoch, without what is missing.

    Args:
        frame: What `metrics.csv` holds.
        column: As it was logged; Lightning adds a suffix when it logs the steps as well.

    Returns:
        Values by epoch, empty where the column was not logged.
    """
    for name in (column, f"{column}_epoch"):
        if name in frame:
            return frame.groupby("epoch")[name].last().dropna()
    return pd.Series(dtype=float)


def shortened(name: str, limit: int = 28) -> str:
    """Both ends of a long name: neighbours such as sizes often differ in the last word only.

    Args:
        name: A class or a group.
        limit: Longest text that is shown whole, in characters.

    Example:
        >>> shortened("speed limit of 30", 11)
        'speed…of 30'
    """
    if len(name) <= limit:
        return name
    half = (limit - 1) // 2
    return f"{name[:half].rstrip()}…{name[-half:].lstrip()}"


def _draw(axes: Axes, frame: pd.DataFrame, metric: str, style: str) -> None:
    for split, colour in _COLOURS.items():
        values = by_epoch(frame, f"{split}/{metric}")
        if len(values):
            label = f"{split} {metric.replace('_', ' ')}"
            # A line through one point is invisible: markers, unless they would run together.
            marker = "o" if len(values) <= 40 else ""
            axes.plot(
                values.index, values.to_numpy(), style, color=colour, marker=marker, markersize=3.5,
                label=label,
            )  # fmt: skip


def _span_at_least(axes: Axes, span: float, largest: float = np.inf) -> None:
    """Widens what values are drawn against, so that what hardly changes is nearly a level line.

    Args:
        axes: With its lines.
        span: The least that its height stands for.
        largest: That a value can be.
    """
    low, high = axes.get_ylim()
    if axes.lines and high - low < span:
        top = min((low + high + span) / 2, max(high, largest + 0.05 * span))
        axes.set_ylim(top - span, top)


def _finish(axes: Axes, title: str, best_epoch: int | None) -> None:
    axes.set_title(title, loc="left")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if not axes.lines:
        axes.text(0.5, 0.5, "not logged", transform=axes.transAxes, ha="center", color="#666666")
        return
    if best_epoch is not None:
        axes.axvline(best_epoch, color="#666666", linewidth=1, linestyle="--", label="best epoch")
    axes.legend(frameon=False, fontsize="small")


def _sizes(num_classes: int) -> tuple[float, float, float]:
    """Inches a cell, and points of the counts and of the names: what stays legible."""
    if num_classes <= 6:
        return 0.75, 11, 10
    if num_classes <= 15:
        return 0.55, 9, 9
    return 0.36, 6.5, 8


def _name_classes(axes: Axes, classes: Sequence[str], size: float) -> None:
    names = [shortened(name) for name in classes]
    # parse_math: a dollar sign in a name is no formula.
    style: dict[str, Any] = {
        "fontsize": size, "fontfamily": families_for(names), "parse_math": False,
    }  # fmt: skip
    positions = range(len(names))
    axes.set_xticks(positions, names, rotation=90 if len(names) > 6 else 45, **style)
    if len(names) <= 6:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(positions, names, **style)
    axes.set_xlabel("predicted", fontsize=size + 1)
    axes.set_ylabel("true", fontsize=size + 1)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _write_counts(
    axes: Axes, matrix: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], size: float
) -> None:
    for row, column in np.argwhere((matrix > 0) | np.eye(len(matrix), dtype=bool)):
        colour = "white" if shares[row, column] > 0.4 else "black"
        axes.text(
            column, row, str(matrix[row, column]),
            ha="center", va="center", color=colour, fontsize=size,
            in_layout=False,  # thousands of them, all inside the axes: measuring takes seconds
        )  # fmt: skip
