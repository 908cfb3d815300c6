"""What the benchmarks share: times taken in turn, the machine, and tables."""

import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "pytorch-lightning",
    "albumentations",
    "pillow",
    "numpy",
)
_WIDTH = 120  # columns


@dataclass(frozen=True)
class Times:
    """What repeating a measurement has given.

    Attributes:
        values: One of each repetition, in order.
    """

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def shown(self, digits: int = 2) -> str:
        """The median, then the smallest and the largest in brackets.

        Args:
            digits: Behind the point.
        """
        low, high = min(self.values), max(self.values)
        return f"{self.median:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def interleaved(cases: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, Times]:
    """Measures cases in turn, so that whatever else the machine does meets all of them.

    Args:
        cases: Each returns what it has measured, such as seconds.
        repeats: Rounds.

    Returns:
        By the names of the cases.
    """
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            taken[name].append(case())
    return {name: Times(tuple(values)) for name, values in taken.items()}


def seconds(action: Callable[[], object]) -> float:
    """Times one call.

    Args:
        action: What is called.
    """
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def wide_console() -> Console:
    """A terminal, or a file that is wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def print_setting(console: Console, also: Sequence[str] = ()) -> None:
    """Says when and on what the numbers below were measured.

    Args:
        console: Where to.
        also: Distributions whose versions count beside the usual ones.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    versions = ", ".join(f"{name} {version(name)}" for name in (*PACKAGES, *also))
    console.print(f"{now}; {_processor()}; load {os.getloadavg()[0]:.1f} before")
    console.print(f"Python {platform.python_version()}, {versions}", soft_wrap=True)


def print_table(
    console: Console, title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    """Prints a table whose first column is text and whose others are numbers.

    Args:
        console: Where to.
        title: Stands above.
        headings: Of the columns.
        rows: Of cells.
    """
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _processor() -> str:
    """The processor, the cores that may be used and the memory."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")  # not on macOS
    if information.exists():
        named = re.search(r"model name\s*:\s*(.+)", information.read_text("utf-8"))
        name = named[1] if named else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{name}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"
