"""Columns in memory of which a worker is charged for nothing but the pages that it has read.

A forked process begins with all private memory of its parent, and with its part of the charge for
it. Of shared memory it begins with nothing.
"""

import mmap
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_LARGE = 1 << 16  # bytes; less is not worth a mapping

Number = TypeVar("Number", bound=np.generic)


def shared_numbers(column: NDArray[Number]) -> NDArray[Number]:
    """Copies numbers to shared memory, unless they are few.

    Args:
        column: Of any shape.

    Returns:
        The same numbers, in C order; if large, read-only: a change would reach every process.
    """
    if column.nbytes < _LARGE:
        return column
    there: NDArray[Number] = np.frombuffer(
        mmap.mmap(-1, column.nbytes), column.dtype, column.size
    ).reshape(column.shape)
    there[...] = column
    there.flags.writeable = False
    return there


def shared_strings(column: pa.Array) -> pa.Array:
    """Copies strings to shared memory.

    Args:
        column: Without nested types.

    Returns:
        An equal column.
    """
    return pa.Array.from_buffers(
        column.type,
        len(column),
        [None if part is None else _shared(part) for part in column.buffers()],
        column.null_count,
        column.offset,
    )


def release_unused() -> None:
    """Returns to the system what Arrow keeps of tables that nobody holds any more."""
    pa.default_memory_pool().release_unused()


def _shared(part: pa.Buffer) -> pa.Buffer:
    return pa.py_buffer(shared_numbers(np.frombuffer(part, np.uint8)))
