"""Where W&B keeps what waits for its upload."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def staged_in(folder: Path) -> Iterator[None]:
    """Has W&B keep files in a run's directory, unless the user has told it another place.

    Its own choice is the home folder, which may be small, or another one on the day of the upload.

    Args:
        folder: The run's directory.
    """
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str((folder / "wandb" / "data").absolute())
    try:
        yield
    finally:
        os.environ.pop("WANDB_DATA_DIR", None)
