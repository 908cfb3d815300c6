"""What a model said about every photo of a split."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from project.atomic import write_bytes
from project.errors import RunError
from project.runs.directory import RunDirectory

_CLASSES = b"classes"
_UNLABELED = -1


@dataclass(frozen=True)
class Predictions:
    """The outputs for N photos and C classes.

    Attributes:
        index: Row of each photo in the catalog, int64 ``(N,)``.
        paths: Path of each photo, relative to the root of the data.
        labels: True class, int64 ``(N,)`` in ``[0, C)``, or -1 where it is not known.
        logits: Outputs of the model, float32 ``(N, C)``.
        classes: Class names; column c of the logits is class c.
    """

    index: npt.NDArray[np.int64]
    paths: Sequence[str]
    labels: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    classes: Sequence[str]

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The class with the largest logit, the first one of equals, int64 ``(N,)``."""
        largest: npt.NDArray[np.int64] = self.logits.argmax(axis=1)
        return largest


def write_predictions(run: RunDirectory, split: str, predictions: Predictions) -> None:
    """Writes the predictions for one split as Parquet, one row a photo in catalog order.

    The same content gives the same bytes, in whatever order it comes.

    Args:
        run: The run that made them.
        split: The split's name.
        predictions: Each photo of the split once.

    Raises:
        RunError: A photo appears twice, or the file cannot be written.
    """
    order = np.argsort(predictions.index, kind="stable")
    index = np.asarray(predictions.index, dtype=np.int64)[order]
    _require_once(index, split)
    names = np.array([*predictions.classes, None], dtype=object)  # -1 finds the None at the end
    logits = np.asarray(predictions.logits, dtype=np.float32)[order]
    columns = {
        "index": pa.array(index),
        "path": pa.array([predictions.paths[row] for row in order], type=pa.string()),
        "label": pa.array(names[predictions.labels[order]], type=pa.string()),
        "predicted": pa.array(names[predictions.predicted[order]], type=pa.string()),
    }
    for column, name in enumerate(predictions.classes):
        columns[_logit(name)] = pa.array(np.ascontiguousarray(logits[:, column]))
    listed = json.dumps(list(predictions.classes), ensure_ascii=False).encode()
    table = pa.table(columns).replace_schema_metadata({_CLASSES: listed})
    stream = io.BytesIO()
    pq.write_table(table, stream)
    write_bytes(run.predictions(split), stream.getvalue())


def read_predictions(run: RunDirectory, split: str) -> Predictions:
    """Reads the predictions for one split.

    Args:
        run: The run that made them.
        split: The split's name.

    Returns:
        The predictions in catalog order.

    Raises:
        RunError: There are none, or the file has been damaged.
    """
    path = run.predictions(split)
    if not path.is_file():
        there = ", ".join(run.predicted_splits) or "none"
        raise RunError(
            f'expected predictions for split "{split}" at {path}, got no such file; there are '
            f"predictions for: {there}. Make them with "
            f"`python -m project.evaluate run={run.path} data.split={split}`."
        )
    try:
        table = pq.read_table(path, partitioning=None)
        classes: list[str] = json.loads(table.schema.metadata[_CLASSES])
        return _from_table(table, classes)
    except (pa.ArrowInvalid, OSError, TypeError, KeyError) as error:
        raise RunError(
            f"expected predictions in {path}, got a file that holds none ({error}). Make them "
            f"again with `python -m project.evaluate run={run.path} data.split={split}`."
        ) from error


def _require_once(index: npt.NDArray[np.int64], split: str) -> None:
    twice = index[1:][index[1:] == index[:-1]]
    if twice.size:
        raise RunError(
            f'expected each photo of split "{split}" once, got photo {twice[0]} (row of the '
            f"catalog) and {twice.size - 1} others again. Leave out what only pads a batch."
        )


def _from_table(table: pa.Table, classes: list[str]) -> Predictions:
    number = {name: position for position, name in enumerate(classes)}
    labels = [number.get(name, _UNLABELED) for name in table["label"].to_pylist()]
    logits = [table[_logit(name)].to_numpy() for name in classes]
    return Predictions(
        index=table["index"].to_numpy(),
        paths=table["path"].to_pylist(),
        labels=np.array(labels, dtype=np.int64),
        logits=np.stack(logits, axis=1),
        classes=classes,
    )


def _logit(name: str) -> str:
    return f"logit/{name}"
