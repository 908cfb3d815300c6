"""Warnings that no user of ours can do anything about."""

import warnings

_KNOWN = {
    # torch renamed what Lightning 2.6 calls.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated": FutureWarning,
    # We log once an epoch, so the interval in steps does not matter.
    r"The number of training batches .* is smaller than the logging interval": UserWarning,
    # Evaluation wants the weights of a checkpoint and nothing of its callbacks.
    r"Be aware that when using `ckpt_path`, callbacks used": UserWarning,
    # The data module takes all cores that the process may use, unless it is told a number.
    r"The '.*_dataloader' does not have many workers": UserWarning,
    r"This DataLoader will create .* worker processes in total": UserWarning,
}


def silence_known_warnings() -> None:
    """Filters exactly these warnings; all others are shown."""
    for message, category in _KNOWN.items():
        warnings.filterwarnings("ignore", message=message, category=category)
