"""Which process of a distributed run this is, and how one ends."""

import contextlib
import os
from collections.abc import Iterator

import pytorch_lightning as pl

_RANK_VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # torchrun, Lightning, srun


def first_process() -> bool:
    """Whether this process speaks for the run; the others compute and stay silent."""
    known = [os.environ[name] for name in _RANK_VARIABLES if name in os.environ]
    return not known or known[0] == "0"


@contextlib.contextmanager
def ctrl_c_raises(trainer: pl.Trainer) -> Iterator[None]:
    """Turns Lightning's ``sys.exit(1)`` after Ctrl-C back into what it was.

    Args:
        trainer: What runs inside the block.

    Raises:
        KeyboardInterrupt: If the user interrupted the trainer.
    """
    try:
        yield
    except SystemExit as exit_:
        if trainer.interrupted and exit_.code == 1:
            raise KeyboardInterrupt from None
        raise
