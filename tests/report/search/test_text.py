import io
from dataclasses import replace

from rich.console import Console

from project.report.search.text import print_search
from project.report.search.trials import Goal, Searched


def printed(searched: Searched, width: int = 60) -> str:
    stream = io.StringIO()
    print_search(searched, Console(file=stream, width=width))
    return stream.getvalue()


def test_best_trial_is_told_with_a_command_in_one_line(searched: Searched) -> None:
    lines = printed(searched, width=30).splitlines()
    assert "6 trials: 3 complete, 1 pruned, 1 failed, 1 running" in "".join(lines[:4])
    best = lines.index("Best trial 2: val/macro_recall 0.75")
    assert lines[best + 1] == "  python -m project.train lr=0.01 sampler=balanced"


def test_front_is_a_table_from_the_best_in_the_first_goal(two_goals: Searched) -> None:
    text = printed(two_goals)
    rows = [line.split() for line in text.splitlines() if "wide" in line or "small" in line]
    assert rows == [["2", "0.75", "2", "wide"], ["1", "0.625", "1", "small"]]
    assert "large" not in text
    assert "python one" in text
    assert "python two" in text
    assert "python zero" not in text


def test_names_of_a_narrow_front_are_broken_and_not_lost(two_goals: Searched) -> None:
    letters = "".join(printed(two_goals, width=40).split())
    assert "…" not in letters


def test_keys_of_a_front_are_as_short_as_they_can_be_told_apart(two_goals: Searched) -> None:
    chosen = {"optimizer.lr": 0.1, "model.width": 8, "head.width": 8}
    trials = [replace(trial, parameters=chosen) for trial in two_goals.trials]
    text = printed(replace(two_goals, trials=trials), width=120)
    heads = next(line.split() for line in text.splitlines() if "milliseconds" in line)
    assert heads[3:] == ["lr", "model.width", "head.width"]


def test_search_without_a_complete_trial_has_no_best() -> None:
    assert printed(Searched([Goal("val/loss", maximize=False)], [])).split() == [
        "0", "trials:", "none", "yet",
    ]  # fmt: skip
