"""A sweep on a terminal, as a table that changes in place; elsewhere as lines."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from project.report.sweeps.lines import Lines, into
from project.report.sweeps.table import jobs_view
from project.report.sweeps.watcher import Everyone
from project.report.sweeps.words import printable
from project.runs.record import HEADLINE
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts, Watcher


def watcher_for(console: Console, sweep: SweepDirectory, facts: SweepFacts) -> Watcher:
    """Chooses how a sweep is shown; its log file gets the lines in any case.

    Args:
        console: Where people look.
        sweep: The sweep.
        facts: What it is.

    Returns:
        A live table on a terminal, plain lines without control characters anywhere else.
    """
    shown: Watcher
    if console.is_terminal and not console.is_dumb_terminal:
        shown = LiveTable(console, sweep.path.name, facts.monitor, facts.headline)
    else:
        shown = Lines(lambda line: console.print(Text(line), soft_wrap=True), facts.headline)
    return Everyone(Lines(into(sweep.log_file), facts.headline), shown)


class LiveTable:
    """A table below whatever else is printed; it goes when it is closed.

    Args:
        console: A terminal.
        name: The sweep's name.
        monitor: Metric that decides which epoch is best.
        headline: Metric that is shown of a job that has finished.
    """

    def __init__(self, console: Console, name: str, monitor: str, headline: str = HEADLINE) -> None:
        self._console = console
        self._name = name
        self._monitor = monitor
        self._headline = headline
        self._held = contextlib.ExitStack()
        self._live: Live | None = None

    def changed(self, jobs: Sequence[JobStatus]) -> None:
        """Draws the table anew."""
        view = jobs_view(self._name, jobs, self._monitor, self._console.height, self._headline)
        if self._live is None:
            self._live = self._held.enter_context(_live(self._console))
        self._live.update(view, refresh=True)

    def said(self, text: str) -> None:
        """Prints above the table."""
        self._console.print(Text(printable(text).rstrip()), soft_wrap=self._live is None)

    def closed(self) -> None:
        """Removes the table and gives back standard output, standard error and log handlers."""
        self._held.close()
        self._live = None


@contextlib.contextmanager
def _live(console: Console) -> Iterator[Live]:
    """A live display through which log records and prints go, too."""
    before = sys.stdout, sys.stderr
    live = Live(
        console=console,
        auto_refresh=False,  # no thread: the launcher says when
        transient=True,
        redirect_stdout=before[0].isatty(),
        redirect_stderr=before[1].isatty(),
    )
    with live, _handlers_redirected(before, lambda: (sys.stdout, sys.stderr)):
        yield live


@contextlib.contextmanager
def _handlers_redirected(
    before: tuple[TextIO, TextIO], now: Callable[[], tuple[TextIO, TextIO]]
) -> Iterator[None]:
    """Log handlers keep the streams that they were made with; these must change, too."""
    pairs = [(old, new) for old, new in zip(before, now(), strict=True) if old is not new]
    changed = []
    for handler in _stream_handlers():
        for old, new in pairs:
            if handler.stream is old:
                handler.setStream(new)
                changed.append((handler, old))
    try:
        yield
    finally:
        for handler, old in changed:
            handler.setStream(old)


def _stream_handlers() -> list["logging.StreamHandler[TextIO]"]:
    known = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    loggers = [logger for logger in known if isinstance(logger, logging.Logger)]
    handlers = dict.fromkeys(handler for logger in loggers for handler in logger.handlers)
    return [handler for handler in handlers if isinstance(handler, logging.StreamHandler)]
