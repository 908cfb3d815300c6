import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console

from project.report.sweeps.lines import Lines
from project.report.sweeps.live import LiveTable, watcher_for
from project.report.sweeps.watcher import Everyone
from project.runs.sweeps import SweepDirectory, SweepFacts
from tests.report.sweeps.conftest import MakeJob

OnTerminal = Callable[[], tuple["Terminal", Console]]


class Terminal(io.StringIO):
    """Takes what goes to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> OnTerminal:
    """Makes standard output and standard error one terminal of 20 lines."""

    def made() -> tuple[Terminal, Console]:
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        return stream, Console(force_terminal=True, width=90, height=20)

    return made


@contextmanager
def logger() -> Iterator[logging.Logger]:
    """A logger that was set up before the table, as Hydra's."""
    found = logging.getLogger("of a launcher")
    handler = logging.StreamHandler(sys.stdout)
    found.addHandler(handler)
    found.setLevel("INFO")
    try:
        yield found
    finally:
        found.removeHandler(handler)


def test_terminal_gets_a_table_that_goes_away(job: MakeJob, on_terminal: OnTerminal) -> None:
    terminal, console = on_terminal()
    live = LiveTable(console, "my sweep", "val/f1")
    live.changed([job(1, "running")])
    assert "3/12" in terminal.getvalue()
    live.changed([job(1, "finished")])
    assert "0.7654" in terminal.getvalue()
    drawn = terminal.getvalue().count("my sweep")
    live.closed()
    live.closed()
    assert terminal.getvalue().count("my sweep") <= drawn + 1  # wiped, not printed for good
    assert terminal.getvalue().rstrip("\r").endswith("\x1b[2K")
    assert sys.stdout is terminal


def test_logs_and_prints_go_above_the_table_in_whole_lines(
    job: MakeJob, on_terminal: OnTerminal
) -> None:
    terminal, console = on_terminal()
    with logger() as log:
        live = LiveTable(console, "my sweep", "")
        live.changed([job(1, "running")])
        before = len(terminal.getvalue())
        log.info("a record with [brackets]")
        print("a print")
        live.said("told [red]to people[/red]\x1b[31m")
        new = terminal.getvalue()[before:]
        for line in ("a record with [brackets]", "a print", "told [red]to people[/red]"):
            # The table is wiped before each, and drawn again after it.
            place = new.index(line)
            assert "\x1b[2K" in new[:place]
            assert "my sweep" in new[place:]
        live.closed()
        before = len(terminal.getvalue())
        log.info("after the table")
        assert terminal.getvalue()[before:] == "after the table\n"


def test_what_is_said_before_the_first_job_needs_no_table(
    on_terminal: OnTerminal,
) -> None:
    terminal, console = on_terminal()
    live = LiveTable(console, "my sweep", "")
    live.said("reading photos")
    live.closed()
    assert terminal.getvalue() == "reading photos\n"


def test_error_stream_that_is_a_file_stays_one(
    job: MakeJob, on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, console = on_terminal()
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    live = LiveTable(console, "my sweep", "")
    live.changed([job(1, "running")])
    sys.stderr.write("an error\n")
    live.closed()
    assert errors.getvalue() == "an error\n"
    assert "an error" not in terminal.getvalue()


def test_without_a_terminal_there_are_lines_alone(
    job: MakeJob, sweep: SweepDirectory, facts: SweepFacts
) -> None:
    text = io.StringIO()
    watcher = watcher_for(Console(file=text, width=40), sweep, facts)
    watcher.changed([job(1, "running", overrides=["x=" + "long" * 30])])
    watcher.said("told [to] people")
    watcher.closed()
    lines = text.getvalue().splitlines()
    assert len(lines) == 2
    assert "started     1/1 seed=1 on GPU 2" in lines[0]
    assert lines[1].endswith("told [to] people")
    assert "\x1b" not in text.getvalue()
    assert sweep.log_file.read_text(encoding="utf-8") == text.getvalue()


def test_terminal_and_log_file_both_hear(
    job: MakeJob, sweep: SweepDirectory, facts: SweepFacts, on_terminal: OnTerminal
) -> None:
    terminal, console = on_terminal()
    watcher = watcher_for(console, sweep, facts)
    watcher.changed([job(1, "running")])
    watcher.closed()
    assert "best: val/macro_recall" in terminal.getvalue()
    assert "started" not in terminal.getvalue()
    assert "started     1/1 seed=1" in sweep.log_file.read_text(encoding="utf-8")


def test_everyone_hears_all() -> None:
    heard: list[str] = []
    everyone = Everyone(Lines(heard.append), Lines(heard.append))
    everyone.said("one")
    everyone.changed([])
    everyone.closed()
    assert len(heard) == 2
