"""The command line of every entry point: Hydra composes, and mistakes get an answer."""

import errno
import os
import sys
from collections.abc import Callable
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from project.errors import EvenhandError
from project.launch.hydra_versions import register_resolvers, version_options
from project.launch.mistakes import explain

INTERRUPTED = 130  # what a shell reports after Ctrl-C

_MARK = "EVENHAND_SHORT_ERRORS"  # tells our own HYDRA_FULL_ERROR from the user's, in ranks too
_DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def command(config_name: str, run: Callable[[DictConfig], Any]) -> None:
    """Composes the configuration from the command line and runs it, once or as a sweep.

    A mistake of the user ends with a message on standard error and exit code 1, Ctrl-C with exit
    code 130. The whole trace is shown with HYDRA_FULL_ERROR=1, and for errors of ours always.

    Args:
        config_name: Root config in ``conf/``, without its ending.
        run: Does the work.
    """
    register_resolvers()
    wants_trace = _catch_errors_ourselves()

    def task(cfg: DictConfig) -> Any:
        return run(cfg)

    main = hydra.main(config_path="pkg://conf", config_name=config_name, **version_options())(task)
    try:
        main()
    except KeyboardInterrupt:
        _fail("Interrupted.", INTERRUPTED)
    except (EvenhandError, HydraException, OmegaConfBaseException) as error:
        if wants_trace:
            raise
        _fail(explain(error, config_name, sys.argv[1:]), 1)
    except OSError as error:
        if wants_trace or error.errno not in _DISK_TROUBLE:
            raise
        _fail(f"{error.strerror}: {error.filename or 'the output folder'}.", 1)


def _catch_errors_ourselves() -> bool:
    """Has Hydra raise instead of print; returns whether the user asked for traces."""
    if _MARK not in os.environ and os.environ.get("HYDRA_FULL_ERROR") == "1":
        return True
    os.environ[_MARK] = os.environ["HYDRA_FULL_ERROR"] = "1"
    return False


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"\nerror: {message}\n" if code == 1 else f"\n{message}\n")
    sys.exit(code)
