"""From the labels that a source gives to the classes that a model learns."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from project.data.sources.listing import composed, first_few
from project.errors import DataError, suggestion


def apply_class_map(
    labels: pa.ChunkedArray, class_map: Mapping[str, str | None], *, every_key: bool = True
) -> pa.ChunkedArray:
    """Renames, merges and drops classes.

    Args:
        labels: Class names, strings, (N,).
        class_map: Old name to new name; two old names with one new name are merged, None drops
            the class, a class that is not named keeps its name.
        every_key: Whether each old name must occur; False for data that may lack some classes.

    Returns:
        New class names, strings, (N,); null where the class is dropped.

    Raises:
        DataError: An old name does not occur, or nothing is left.

    Example:
        >>> labels = pa.chunked_array([["shirt", "dress", "t-shirt", "hat"]])
        >>> new = apply_class_map(labels, {"shirt": "top", "t-shirt": "top", "dress": None})
        >>> new.to_pylist()
        ['top', None, 'top', 'hat']
    """
    mapping = {
        composed(old): new if new is None else composed(new) for old, new in class_map.items()
    }
    present: list[str] = sorted(labels.unique().to_pylist())
    absent = [old for old in mapping if old not in present]
    if absent and every_key:
        raise DataError(
            f"data.class_map names {first_few(absent)}, but the data has the classes "
            f"{first_few(present, 20)}.{suggestion(absent[0], present)}"
        )
    renamed = pa.array([mapping.get(name, name) for name in present], pa.string())
    if renamed.null_count == len(renamed):
        raise DataError(
            f"data.class_map drops every class ({first_few(present, 20)}); leave at least two."
        )
    codes = pc.index_in(labels, value_set=pa.array(present, pa.string()))
    return pc.take(renamed, codes)


def class_list(labels: Iterable[str], classes: Sequence[str] | None = None) -> tuple[str, ...]:
    """Fixes the order of the classes, which is the order of the model's outputs.

    Args:
        labels: Class names that occur, in any number and order.
        classes: The order wanted; None sorts by name.

    Returns:
        Each class once.

    Raises:
        DataError: The order wanted names other classes than occur or one twice, or there is only
            one class.

    Example:
        >>> class_list(["top", "hat", "top"])
        ('hat', 'top')
    """
    present = sorted(set(labels))
    if len(present) == 1:
        raise DataError(
            f'Expected at least two classes, got only "{present[0]}". If that is no class but a '
            "folder of classes, data.root is one level too high; otherwise look at data.class_map."
        )
    if classes is None:
        return tuple(present)
    wanted = tuple(map(composed, classes))
    if len(set(wanted)) < len(wanted):
        raise DataError(f"data.classes={list(wanted)} names a class twice.")
    missing = [name for name in wanted if name not in present]
    if missing:
        raise DataError(
            f"data.classes names {first_few(missing)}, but the data has the classes "
            f"{first_few(present, 20)}.{suggestion(missing[0], present)}"
        )
    check_known(present, wanted)
    return wanted


def check_known(labels: Iterable[str], classes: Sequence[str]) -> None:
    """Makes sure that all labels are classes.

    Args:
        labels: Class names that occur.
        classes: The class list.

    Raises:
        DataError: Some are not.
    """
    unknown = sorted(set(labels) - set(classes))
    if unknown:
        raise DataError(
            f"The data has the classes {first_few(unknown)}, which are not among "
            f"{first_few(classes, 20)}. Rename, merge or drop them with data.class_map, such as "
            f"data.class_map={{{unknown[0]}: null}}."
        )


def class_codes(labels: pa.ChunkedArray, classes: Sequence[str]) -> NDArray[np.int64]:
    """Numbers labels by their place in the class list.

    Args:
        labels: Class names, all in the list, (N,).
        classes: The class list.

    Returns:
        int64 (N,).
    """
    codes: NDArray[np.int32] = pc.index_in(labels, value_set=pa.array(classes)).to_numpy()
    return codes.astype(np.int64)
