"""What a search found, on the terminal."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from project.report.search.trials import Searched, Tried

_MOST_ROWS = 20  # of a front; the CSV file has all


def print_search(searched: Searched, console: Console) -> None:
    """Prints how many trials ended how, what was best, and the command that repeats it.

    Args:
        searched: The search.
        console: Where to print.
    """
    console.print()
    console.print(Text(_counts(searched), "bold"))
    best = [trial for trial in searched.trials if trial.number in searched.best]
    if len(searched.goals) > 1 and best:
        console.print(_front(searched, best))
    for trial in best[:_MOST_ROWS]:
        # Soft: a command that is broken into lines cannot be copied.
        console.print(Text(f"\n{_said(searched, trial)}"), soft_wrap=True)
        console.print(Text(f"  {trial.command}"), soft_wrap=True)


def _counts(searched: Searched) -> str:
    states = Counter(trial.state for trial in searched.trials)
    listed = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return f"{len(searched.trials)} trials: {listed or 'none yet'}"


def _said(searched: Searched, trial: Tried) -> str:
    reached = ", ".join(
        f"{goal.name} {value:.4g}" for goal, value in zip(searched.goals, trial.values, strict=True)
    )
    which = "Best trial" if len(searched.goals) == 1 else "Trial"
    return f"{which} {trial.number}: {reached}"


def _front(searched: Searched, best: list[Tried]) -> Table:
    """The trials that no other beats in every goal, from the best in the first to the worst."""
    title = Text("Not beaten in all of them by any other:", "bold")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("trial", justify="right")
    for goal in searched.goals:
        table.add_column(Text(goal.name), justify="right", overflow="fold")
    for name in _short_names(searched.keys):
        table.add_column(Text(name), overflow="fold")
    first = searched.goals[0]
    ordered = sorted(best, key=lambda trial: trial.values[0], reverse=first.maximize)
    for trial in ordered[:_MOST_ROWS]:
        values = [f"{value:.4g}" for value in trial.values]
        chosen = [Text(_short(trial.parameters.get(key))) for key in searched.keys]
        table.add_row(str(trial.number), *values, *chosen)
    return table


def _short_names(keys: Sequence[str]) -> list[str]:
    """The last part of each key, where that tells it from the others."""
    ends = [key.rpartition(".")[2] for key in keys]
    return [end if ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
