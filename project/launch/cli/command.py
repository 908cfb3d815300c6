"""The command line of every entry point: Hydra composes, and mistakes get an answer."""

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from project.errors import EvenhandError, Pruned
from project.launch.cli.free_names import addable
from project.launch.cli.hydra_versions import version_options
from project.launch.cli.mistakes import explain
from project.launch.cli.nested_groups import grouped
from project.launch.cli.noise import silence_known_warnings
from project.launch.cli.outcome import failures, report_failure
from project.launch.cli.quoting import quoted
from project.launch.cli.resolvers import register_resolvers
from project.launch.cli.word_lists import worded

INTERRUPTED = 130  # what a shell reports after Ctrl-C

_COMPOSING = (HydraException, OmegaConfBaseException)  # some of them are OSErrors, too
_MARK = "EVENHAND_SHORT_ERRORS"  # tells our own HYDRA_FULL_ERROR from the user's, in ranks too
_DISK_TROUBLE = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST
}  # fmt: skip


def command(
    config_name: str,
    run: Callable[[DictConfig], Any],
    arguments: Callable[[Sequence[str]], list[str]] = list,
) -> None:
    """Composes the configuration from the command line and runs it, once or as a sweep.

    A mistake of the user ends with a message on standard error and exit code 1, Ctrl-C with exit
    code 130. The whole trace is shown with HYDRA_FULL_ERROR=1, and for errors of ours always.

    Args:
        config_name: Root config in ``conf/``, without its ending.
        run: Does the work.
        arguments: Turns the words of the command line into those that Hydra reads, once they are
            quoted.
    """
    register_resolvers()
    silence_known_warnings()
    wants_trace = _catch_errors_ourselves()
    try:
        given = [worded(grouped(addable(word))) for word in sys.argv[1:]]
        sys.argv[1:] = [quoted(argument) for argument in arguments(given)]
    except EvenhandError as error:
        sys.exit(f"\nerror: {error}")
    _print_any_script()

    def task(cfg: DictConfig) -> Any:
        try:
            return run(cfg)
        except Pruned as stop:  # asked for by the search that this run is a trial of
            sys.stderr.write(f"\n{stop}\n")
        except (EvenhandError, OSError) as error:  # of this job; the rest of a sweep goes on
            if wants_trace or not _is_the_users(error):
                raise
            report_failure(str(error))
            sys.stderr.write(f"\nerror: {_words(error)}\n")

    main = hydra.main(config_path="pkg://conf", config_name=config_name, **version_options())(task)
    try:
        with failures() as reported:
            main()
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        sys.exit(INTERRUPTED)
    except (*_COMPOSING, EvenhandError, OSError) as error:
        if wants_trace or not _is_the_users(error):
            raise
        composing = isinstance(error, _COMPOSING)  # Hydra makes the output folder, too
        words = explain(error, config_name, sys.argv[1:]) if composing else _words(error)
        sys.exit(f"\nerror: {words}")
    if reported:
        sys.exit(1)


def _print_any_script() -> None:
    """Class names that a terminal cannot show must not end a run that is otherwise done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _is_the_users(error: Exception) -> bool:
    if isinstance(error, EvenhandError | HydraException | OmegaConfBaseException):
        return True
    return isinstance(error, OSError) and error.errno in _DISK_TROUBLE


def _words(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    place = error.filename or "the output folder"
    return f"{place}: {error.strerror}. Free some space there, or set paths.output=<folder>."


def _catch_errors_ourselves() -> bool:
    """Has Hydra raise instead of print; returns whether the user asked for traces."""
    if _MARK not in os.environ and os.environ.get("HYDRA_FULL_ERROR") == "1":
        return True
    os.environ[_MARK] = os.environ["HYDRA_FULL_ERROR"] = "1"
    return False
