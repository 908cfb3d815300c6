"""What an epoch will be made of, before it begins."""

import io
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from project.runs.record import RunRecord


def draws_text(record: RunRecord, factors: Sequence[int]) -> str:
    """Tabulates images and draws of each class, as plain text for a log.

    Args:
        record: The run, with its counts and draws.
        factors: Variants of each training image, by class.

    Returns:
        Several lines: images in each split and named test set, variants, draws an epoch and how
        often each training image is drawn.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("class", overflow="fold")
    splits = [split for split in record.counts if split != "train"]
    for heading in ("train", *splits, "variants", "draws/epoch", "draws/image"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, factor in zip(record.classes, factors, strict=True):
        images, draws = record.counts["train"][name], record.draws[name]
        others = (str(record.counts[split].get(name, 0)) for split in splits)
        table.add_row(
            Text(name), str(images), *others, str(factor), str(draws), f"{draws / images:.2f}"
        )
    text = io.StringIO()
    Console(file=text, width=100, color_system=None).print(table)
    return text.getvalue().rstrip()
