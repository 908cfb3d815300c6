from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from project.report.figures import png
from project.report.search.figures import epochs, figures, front, history, importance, parameters
from project.report.search.trials import Goal, Searched, Tried

NOTHING = Searched([Goal("val/loss", maximize=False)], [Tried(0, "running", {})])


def lines(figure: Figure | None, panel: int = 0) -> list[list[tuple[float, float]]]:
    assert figure is not None
    drawn = figure.axes[panel].lines
    return [list(zip(*np.asarray(line.get_data()).tolist(), strict=True)) for line in drawn]


def test_history_shows_trials_and_the_best_until_then(searched: Searched) -> None:
    complete, pruned, best = lines(history(searched))
    assert complete == [(0, 0.5), (2, 0.75), (4, 0.625)]
    assert pruned == [(1, 0.25)]
    assert best == [(0, 0.5), (2, 0.75), (4, 0.75)]


def test_history_has_a_panel_for_each_goal_and_knows_its_direction(two_goals: Searched) -> None:
    figure = history(two_goals)
    assert lines(figure, 0)[2] == [(0, 0.5), (1, 0.625), (2, 0.75)]
    assert lines(figure, 1)[2] == [(0, 3.0), (1, 1.0), (2, 1.0)]


def test_importances_are_bars_with_the_largest_on_top(searched: Searched) -> None:
    figure = importance(searched)
    assert figure is not None
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sampler", "lr"]
    assert [bar.get_width() for bar in axes.patches] == [25, 75]  # type: ignore[attr-defined]


def test_parameters_are_panels_with_the_most_important_first(searched: Searched) -> None:
    swapped = replace(searched, importances={"sampler": 0.75, "lr": 0.25})
    figure = parameters(swapped)
    assert figure is not None
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["sampler", "lr"]
    choices, rates = figure.axes
    assert [label.get_text() for label in choices.get_xticklabels()] == ["balanced", "natural"]
    assert (choices.get_xscale(), rates.get_xscale()) == ("linear", "log")
    points = rates.collections[0].get_offsets()
    assert np.asarray(points).tolist() == [[0.1, 0.5], [0.01, 0.75], [0.03, 0.625]]


def test_choices_that_are_numbers_stand_in_their_order() -> None:
    trials = [Tried(n, "complete", {"w": w}, [0.5]) for n, w in enumerate(["8", "64", "16", "no"])]
    figure = parameters(Searched([Goal("val/loss", maximize=False)], trials))
    assert figure is not None
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names == ["8", "16", "64", "no"]


def test_panels_that_are_left_over_are_not_shown(searched: Searched) -> None:
    many = [
        replace(trial, parameters={f"k{n}": 0.5 for n in range(4)}) for trial in searched.complete
    ]
    figure = parameters(replace(searched, trials=many, importances={}))
    assert figure is not None
    assert [axes.get_visible() for axes in figure.axes] == [True] * 4 + [False] * 2


def test_epochs_show_what_was_reported_and_where_a_trial_was_pruned(searched: Searched) -> None:
    drawn = lines(epochs(searched))
    assert [(0, 0.25), (1, 0.5)] in drawn
    assert [(0, 0.25)] in drawn  # the pruned one, and its cross
    assert drawn.count([(0, 0.25)]) == 2


def test_front_shows_which_trials_are_not_beaten(two_goals: Searched) -> None:
    rest, best = lines(front(two_goals))
    assert rest == [(0.5, 3.0)]
    assert best == [(0.625, 1.0), (0.75, 2.0)]


def test_front_is_for_two_goals_only(searched: Searched) -> None:
    assert front(searched) is None


def test_nothing_to_draw_gives_no_figure() -> None:
    assert figures(NOTHING) == {}


@pytest.mark.parametrize("name", ["one", "two"])
def test_every_figure_is_rendered(name: str, searched: Searched, two_goals: Searched) -> None:
    shown = figures(searched if name == "one" else two_goals)
    expected = {"one": ["history", "importance", "parameters", "epochs"],
                "two": ["history", "parameters", "front"]}[name]  # fmt: skip
    assert list(shown) == expected
    assert all(png(figure).startswith(b"\x89PNG") for figure in shown.values())


def test_names_in_any_script_are_drawn() -> None:
    trials = [Tried(n, "complete", {"a$b$": "모자", "외투": n}, [0.5 + n]) for n in range(2)]
    goal = Goal("val/recall/모자", maximize=True)
    shown = figures(Searched([goal], trials, [1], {"외투": 0.5, "a$b$": 0.5}))
    assert all(png(figure) for figure in shown.values())
