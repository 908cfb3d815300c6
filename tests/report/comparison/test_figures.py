from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from project.report.comparison.figures import MOST_CURVES, forest, learning, recalls
from project.report.comparison.text import Compared
from project.report.figures import png
from project.runs.directory import RunDirectory
from project.stats.results import Comparison, Interval

NAN = float("nan")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def row_names(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def legends(figure: Figure) -> list[list[str]]:
    return [[text.get_text() for text in legend.get_texts()] for legend in figure.legends]


def points(axes: Axes) -> list[tuple[float, float, str, str]]:
    """Place, marker and face of what was drawn as a marker."""
    return [
        (
            float(np.asarray(line.get_xdata())[0]),
            float(np.asarray(line.get_ydata())[0]),
            str(line.get_marker()),
            "none" if line.get_markerfacecolor() == "white" else str(line.get_fillstyle()),
        )
        for line in axes.lines
        if line.get_marker() not in ("None", "")
    ]


def test_the_forest_has_a_row_for_each_metric(make_comparison: Callable[..., Comparison]) -> None:
    figure = forest(make_comparison())
    names = [row_names(axes) for axes in figure.axes]
    assert names == [
        ["accuracy", "macro recall", "macro F1"],
        *[["hat", "outer", "top", "shoes"]] * 2,
    ]
    assert legends(figure) == [
        ["oversampling=outer_copy_x4", "sampler=balanced"],
        ["better or worse", "equivalent", "no difference shown"],
    ]
    assert png(figure).startswith(PNG_SIGNATURE)


def test_headline_is_the_first_row_of_the_first_panel(
    make_comparison: Callable[..., Comparison],
) -> None:
    comparison = make_comparison()
    led = [
        [row_names(axes) for axes in forest(replace(comparison, headline=headline)).axes]
        for headline in ("macro_f1", "recall/top", "precision/top")
    ]
    overall, classes = ["accuracy", "macro recall", "macro F1"], ["top", "hat", "outer", "shoes"]
    usual = ["hat", "outer", "top", "shoes"]
    assert led[0] == [["macro F1", "accuracy", "macro recall"], usual, usual]
    assert led[1] == led[2] == [classes, overall, classes]


def test_rows_of_panels_that_share_their_names_are_the_same_classes(
    make_comparison: Callable[..., Comparison],
) -> None:
    comparison = make_comparison([f"sign {n}" for n in range(20)], ["base", "variant"])
    axes = forest(replace(comparison, headline="recall/sign 7")).axes
    assert row_names(axes[1])[:2] == ["sign 7", "sign 0"]
    for axis, kind in ((axes[1], "recall"), (axes[2], "precision")):
        expected = 100 * comparison.difference("variant", f"{kind}/sign 7").difference
        assert points(axis)[0][0] == pytest.approx(expected)
    assert axes[1].get_shared_y_axes().joined(axes[1], axes[2])


def test_metrics_that_were_not_compared_have_no_rows(
    make_comparison: Callable[..., Comparison],
) -> None:
    comparison = make_comparison(["hat", "top"], ["one", "other"], 1)
    kept = {"accuracy", "recall/hat", "recall/top"}
    published = replace(
        comparison,
        estimates=tuple(e for e in comparison.estimates if e.metric in kept),
        differences=tuple(d for d in comparison.differences if d.metric in kept),
    )
    names = [row_names(axes) for axes in forest(published).axes]
    assert names == [["accuracy"], ["hat", "top"]]


def test_many_classes_stand_in_two_columns_with_all_rows(
    make_comparison: Callable[..., Comparison],
) -> None:
    classes = [f"sign {number}" for number in range(43)]
    figure = forest(make_comparison(classes, ["base", *(f"variant {n}" for n in range(5))]))
    overall, recall, precision = figure.axes
    assert row_names(recall) == classes
    assert len(points(recall)) == len(points(precision)) == 43 * 5
    assert figure.get_size_inches()[1] * 72 / 46 / 5 > 7  # points of height a marker
    assert overall.get_subplotspec() != recall.get_subplotspec()


def test_fill_and_marker_say_what_colour_says(make_comparison: Callable[..., Comparison]) -> None:
    overall = forest(make_comparison()).axes[0]
    shown = sorted((round(y), marker, fill) for _, y, marker, fill in points(overall))
    assert shown == [
        (0, "^", "bottom"), (0, "s", "full"),  # equivalent, worse
        (1, "^", "none"), (1, "s", "bottom"),  # not shown, equivalent
        (2, "^", "full"), (2, "s", "none"),  # better, not shown
    ]  # fmt: skip


def test_differences_are_drawn_in_points_with_their_intervals(
    make_comparison: Callable[..., Comparison],
) -> None:
    axes = forest(make_comparison(["hat"], ["base", "variant"])).axes[0]
    assert points(axes)[0][0] == pytest.approx(-4.9)
    bars = [
        np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_marker() == "None"
    ]
    assert any(bar == pytest.approx([-7.6, -2.2]) for bar in bars)


def test_what_is_not_defined_is_not_drawn(make_comparison: Callable[..., Comparison]) -> None:
    comparison = make_comparison(["hat"], ["base", "variant"])
    differences = tuple(
        replace(d, difference=NAN) if d.metric == "accuracy"
        else replace(d, interval=Interval(NAN, NAN))
        for d in comparison.differences
    )  # fmt: skip
    axes = forest(replace(comparison, differences=differences)).axes[0]
    assert [round(y) for _, y, _, _ in points(axes)] == [1, 2]


def test_markers_of_a_row_stay_within_it(make_comparison: Callable[..., Comparison]) -> None:
    axes = forest(make_comparison(["hat"], ["base", *(f"v{n}" for n in range(9))])).axes[0]
    places = sorted({y for _, y, _, _ in points(axes) if y < 0.5})
    assert len(places) == 9
    assert places[0] > -0.5
    assert all(one < other for one, other in pairwise(places))


def test_recalls_show_every_group_with_its_images(
    make_comparison: Callable[..., Comparison],
) -> None:
    figure = recalls(make_comparison())
    assert figure is not None
    (axes,) = figure.axes
    assert row_names(axes) == ["hat (24)", "outer (889)", "top (1754)", "shoes (24)"]
    assert len(points(axes)) == 4 * 3
    assert legends(figure)[0][0] == "oversampling=none"
    assert "95 % interval" in axes.get_xlabel()


def test_no_two_groups_look_alike(make_comparison: Callable[..., Comparison]) -> None:
    figure = recalls(make_comparison(["hat"], [f"group {number}" for number in range(25)]))
    assert figure is not None
    axes = figure.axes[0]
    looks = {
        (line.get_color(), line.get_marker()) for line in axes.lines if line.get_marker() != "None"
    }
    assert len(looks) == 25


def test_names_may_hold_anything(make_comparison: Callable[..., Comparison]) -> None:
    figure = forest(make_comparison(["_모자", "$x_$"], ["$a$", "_b", "$c"]))
    assert legends(figure)[0] == ["_b", "$c"]
    assert row_names(figure.axes[1]) == ["_모자", "$x_$"]
    assert png(figure).startswith(PNG_SIGNATURE)


def test_names_that_differ_in_the_middle_only_stay_apart(
    make_comparison: Callable[..., Comparison],
) -> None:
    names = [f"oversampling=variant_{number},sampler=balanced,model=vgg11" for number in range(2)]
    shown = legends(forest(make_comparison(["hat"], ["base", *names])))[0]
    assert len(set(shown)) == 2


def test_a_curve_is_the_mean_over_runs_and_a_band_what_they_span(compared: Compared) -> None:
    figure = learning(compared.groups)
    assert figure is not None
    axes = figure.axes[0]
    baseline = axes.lines[0]
    # The first run has four epochs, the others five.
    means = np.asarray(baseline.get_ydata(), dtype=float)
    np.testing.assert_allclose(means, [0.54, 0.59, 0.64, 0.69, 0.75])
    (path,) = axes.collections[0].get_paths()
    heights = np.asarray(path.vertices, dtype=float)[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((0.52, 0.76))
    assert len({line.get_linestyle() for line in axes.lines}) == 3


def test_curves_follow_the_headline_where_it_was_logged(compared: Compared) -> None:
    titles = []
    for headline in ("recall/$hat", "macro_f1"):
        for run in compared.groups[0].runs:
            text = "epoch,val/macro_recall,val/recall/$hat,val/loss,train/loss\n0,0.5,0.25,1,1\n"
            run.metrics_file.write_text(text, encoding="utf-8")
        figure = learning(compared.groups[:1], headline)
        assert figure is not None
        titles.append(figure.axes[0].get_title(loc="left"))
        png(figure)
    assert titles == ["Recall of $hat, val", "Macro recall, val"]


def test_only_so_many_groups_have_curves(compared: Compared) -> None:
    groups = [replace(compared.groups[0], name=f"group {number}") for number in range(12)]
    figure = learning(groups)
    assert figure is not None
    assert len(figure.axes[0].lines) == len(legends(figure)[0]) == MOST_CURVES


def test_runs_without_metrics_have_no_curves(compared: Compared) -> None:
    empty = replace(
        compared.groups[0], runs=(RunDirectory(compared.groups[0].runs[0].path / "no"),)
    )
    assert learning([empty]) is None
    assert learning([]) is None


def test_a_metric_that_was_not_logged_says_so(compared: Compared) -> None:
    group = compared.groups[0]
    for run in group.runs:
        run.metrics_file.write_text("epoch,val/macro_recall\n0,0.5\n", encoding="utf-8")
    figure = learning([group])
    assert figure is not None
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [
        [], ["not logged"], ["not logged"],
    ]  # fmt: skip


def test_equal_comparisons_give_equal_bytes(make_comparison: Callable[..., Comparison]) -> None:
    comparison = make_comparison(["hat"])
    assert png(forest(comparison)) == png(forest(comparison))
