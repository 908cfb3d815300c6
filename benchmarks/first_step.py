"""Tells when training has made its first step; for ``+callbacks.first_step._target_=...``."""

import sys
from typing import Any

import pytorch_lightning as pl

LINE = "The first step is done."


class FirstStep(pl.Callback):
    """Prints a line after the first batch, and in it which modules are loaded."""

    def on_train_batch_end(self, *_: Any) -> None:
        """Prints, the first time."""
        if not getattr(self, "_told", False):
            self._told = True
            print(LINE, *sorted(sys.modules), flush=True)
