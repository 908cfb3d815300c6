from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from project.errors import RunError
from project.report.figures import confusion, confusion_matrix, curves, png, save
from project.runs.directory import RunDirectory

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def drawn(figure: Figure, axes: int) -> dict[str, list[tuple[float, float]]]:
    lines = figure.axes[axes].lines
    return {
        str(line.get_label()): list(zip(*np.asarray(line.get_data()).tolist(), strict=True))
        for line in lines
    }


def test_curves_show_what_was_logged_and_skip_what_is_not_finite(run: RunDirectory) -> None:
    figure = curves(run.metrics_file, best_epoch=1)
    assert drawn(figure, 0) == {
        "train loss": [(0, 1.5), (1, 1.0)],
        "val loss": [(0, 1.25), (1, 0.75)],
        "best epoch": [(1, 0), (1, 1)],
    }
    assert drawn(figure, 1) == {
        "train macro recall": [(0, 0.5), (1, 0.75), (2, 0.75)],
        "val macro recall": [(0, 0.25), (1, 0.5), (2, 0.375)],
        "train accuracy": [(0, 0.625), (1, 0.875), (2, 0.875)],
        "val accuracy": [(0, 0.5), (1, 0.75), (2, 0.625)],
        "best epoch": [(1, 0), (1, 1)],
    }
    assert png(figure).startswith(PNG_SIGNATURE)


def test_the_mean_of_an_epoch_is_shown_when_its_steps_were_logged_as_well(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text("epoch,step,train/loss_epoch,train/loss_step\n0,1,,3.0\n0,2,,1.0\n0,2,2.0,\n")
    assert drawn(curves(file), 0) == {"train loss": [(0, 2.0)]}


def test_a_single_epoch_is_a_visible_point(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text("epoch,step,val/loss\n0,1,3.0\n")
    line = curves(file).axes[0].lines[0]
    assert line.get_marker() == "o"


def height(figure: Figure, axes: int) -> tuple[float, float]:
    low, high = figure.axes[axes].get_ylim()
    return low, high


def test_what_hardly_changes_is_drawn_as_such(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text("epoch,step,val/loss,val/accuracy\n0,1,0.6935,0.49\n1,2,0.6931,0.50\n")
    low, high = height(curves(file), 0)
    assert low < 0.6931
    assert high > 0.6935
    assert high - low == pytest.approx(0.07, abs=0.001)
    low, high = height(curves(file), 1)
    assert (low, high) == pytest.approx((0.445, 0.545), abs=0.001)


def test_no_rate_above_one_is_marked(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text("epoch,step,val/accuracy\n0,1,0.99\n1,2,1.0\n")
    assert height(curves(file), 1) == pytest.approx((0.905, 1.005))


def test_what_changes_is_drawn_as_large_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text("epoch,step,val/loss,val/accuracy\n0,1,2.0,0.2\n1,2,0.1,0.9\n")
    assert height(curves(file), 0) == pytest.approx((0.005, 2.095))
    assert height(curves(file), 1) == pytest.approx((0.165, 0.935))


@pytest.mark.parametrize(
    "content", ["epoch,step\n", "epoch,step,val/loss\n0,1,nan\n"], ids=["no rows", "only nan"]
)
def test_nothing_logged_says_so(tmp_path: Path, content: str) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text(content)
    figure = curves(file, best_epoch=0)
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["not logged", "not logged"]
    assert png(figure).startswith(PNG_SIGNATURE)


def test_the_confusion_matrix_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    labels, predicted = generator.integers(0, 5, (2, 200))
    expected = sklearn_confusion_matrix(labels, predicted, labels=range(7))
    np.testing.assert_array_equal(confusion_matrix(labels, predicted, 7), expected)


def test_photos_without_a_label_do_not_count() -> None:
    matrix = confusion_matrix(np.array([0, -1, 1]), np.array([1, 1, 1]), 2)
    assert matrix.tolist() == [[0, 1], [0, 1]]


def test_colour_is_the_share_of_the_true_class_and_numbers_are_photos() -> None:
    figure = confusion(np.array([[3, 1, 0], [0, 5, 0], [0, 0, 0]]), ["모자", "외투", "a$b$"])
    axes = figure.axes[0]
    shares = axes.images[0].get_array()
    assert shares is not None
    expected = np.array([[0.75, 0.25, 0], [0, 1, 0], [np.nan, np.nan, np.nan]])
    np.testing.assert_allclose(np.ma.filled(shares, np.nan), expected)
    cells = {text.get_position(): text.get_text() for text in axes.texts}  # (column, row)
    assert cells == {(0, 0): "3", (1, 0): "1", (1, 1): "5", (2, 2): "0"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["모자", "외투", "a$b$"]
    assert png(figure).startswith(PNG_SIGNATURE)


def test_numbers_contrast_with_their_cells() -> None:
    texts = confusion(np.array([[9, 1], [4, 6]]), ["a", "b"]).axes[0].texts
    assert [text.get_color() for text in texts] == ["white", "black", "black", "white"]


@pytest.mark.parametrize(
    ("num_classes", "counts"), [(2, True), (15, True), (50, True), (51, False)]
)
def test_counts_are_written_while_they_are_legible(num_classes: int, counts: bool) -> None:
    matrix = 4176 * np.eye(num_classes, dtype=np.int64)
    figure = confusion(matrix, [f"class {number}" for number in range(num_classes)])
    axes = figure.axes[0]
    assert bool(axes.texts) == counts
    if counts:
        figure.draw_without_rendering()
        cell = axes.get_window_extent().width / num_classes
        assert max(text.get_window_extent().width for text in axes.texts) < cell


def test_long_names_keep_both_ends() -> None:
    names = ["End of no passing by vehicles over 3.5 t", "short"]
    labels = confusion(np.eye(2, dtype=np.int64), names).axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["End of no pas…es over 3.5 t", "short"]


def test_the_same_figure_gives_the_same_bytes(run: RunDirectory) -> None:
    assert png(curves(run.metrics_file)) == png(curves(run.metrics_file))


def test_a_figure_is_saved_or_says_why_not(run: RunDirectory) -> None:
    figure = Figure(figsize=(1, 1))
    save(figure, run.figure("curves"))
    assert run.figure("curves").read_bytes() == png(figure)
    with pytest.raises(RunError, match=r"A part of this path is a file"):
        save(figure, run.metrics_file / "curves.png")
