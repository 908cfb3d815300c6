"""Opens every listed photo once, in parallel, and remembers what it found."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from project.data.catalog.manifest import MANIFEST_SCHEMA, OK, Manifest, digest
from project.data.catalog.scan_cache import UNKNOWN, Checked, ScanCache, Status
from project.data.cores import available_cores
from project.data.decode import probe
from project.data.progress import with_progress
from project.errors import DataError


def scan(
    root: Path,
    listing: pa.Table,
    cache_dir: str | Path,
    *,
    max_pixels: int,
    workers: int | None = None,
    progress: bool = True,
) -> Manifest:
    """Verifies and hashes photos, reading only those that no earlier scan has seen.

    A file whose size, times of change and number are as they were is not opened; one whose contents
    are known from elsewhere is not decoded. An interrupted scan goes on where it stopped.

    Args:
        root: Folder that the paths are relative to.
        listing: Table of `project.data.sources.listing.LISTING_SCHEMA`.
        cache_dir: Where results are kept; made if missing. Where it cannot be written, what it
            holds is used, and what is new is not kept.
        max_pixels: Larger images are unusable.
        workers: Threads; None for one a core. Pillow works without Python's lock, so that
            threads scale, and unlike processes they start at once.
        progress: Whether to show a bar, if any file must be opened.

    Returns:
        The listing with what was found; unusable photos are rows with another state than ok.
    """
    paths = listing["path"].unique()
    names: list[str] = paths.to_pylist()
    cache = ScanCache(Path(cache_dir), root, max_pixels)
    with cache.locked():
        known = cache.load()
        found, stale = _unchanged(root, names, known)
        if stale:
            by_content = {row.content_hash: row for row in known.values()}
            check = _checker(root, by_content, max_pixels)
            try:
                checks = with_progress(
                    _in_threads(check, stale, workers),
                    len(stale),
                    "Checking photos",
                    shown=progress,
                )
                for checked, path in zip(checks, stale, strict=True):
                    found[path] = checked
            finally:
                cache.save({**known, **found})
    return Manifest(root, _joined(listing, paths, [found[name] for name in names]))


def _unchanged(
    root: Path, paths: Sequence[str], known: Mapping[str, Checked]
) -> tuple[dict[str, Checked], list[str]]:
    """Parts the files into what is known of some, and the names of the others."""
    found, stale = {}, []
    for path in paths:
        row = known.get(path)
        if row is not None and row.status == _status(root / path) != UNKNOWN:
            found[path] = row
        else:
            stale.append(path)
    return found, stale


def _status(file: Path) -> Status:
    try:
        found = file.stat()
    except OSError:
        return UNKNOWN
    return Status(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _checker(
    root: Path, by_content: Mapping[str | None, Checked], max_pixels: int
) -> Callable[[str], Checked]:
    def check(path: str) -> Checked:
        file = root / path
        status = _status(file)  # before reading: a later change shows next time
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return Checked(status, None, None, None, None, "missing file")
        except OSError as error:
            state = f"cannot be read ({error.strerror})"
            return Checked(status, None, None, None, None, state)
        content_hash = digest([data])
        known = by_content.get(content_hash)
        if known is not None:
            return known._replace(status=status)
        try:
            found = probe(data, max_pixels)
        except DataError as error:
            return Checked(status, content_hash, None, None, None, str(error))
        return Checked(status, content_hash, *found, OK)

    return check


def _in_threads(
    check: Callable[[str], Checked], paths: Iterable[str], workers: int | None
) -> Iterator[Checked]:
    """Yields results in order; an interruption cancels what has not begun."""
    with ThreadPoolExecutor(workers or available_cores()) as pool:
        yield from pool.map(check, paths)


def _joined(listing: pa.Table, paths: pa.Array, checked: Sequence[Checked]) -> pa.Table:
    rows = pc.index_in(listing["path"], value_set=paths)
    table = listing
    for name in ("width", "height", "content_hash", "perceptual_hash", "state"):
        field = MANIFEST_SCHEMA.field(name)
        values = pa.array([getattr(row, name) for row in checked], field.type)
        table = table.append_column(field, values.take(rows.combine_chunks()))
    return _with_boxes_checked(table)


def _with_boxes_checked(table: pa.Table) -> pa.Table:
    """Marks rows whose crop box reaches beyond the photo."""
    beyond = pc.or_(
        pc.greater(pc.add(table["x"], table["w"]), table["width"]),
        pc.greater(pc.add(table["y"], table["h"]), table["height"]),
    )
    reason = pc.binary_join_element_wise(
        "crop box reaches beyond the photo of ",
        pc.cast(table["width"], pa.string()),
        "x",
        pc.cast(table["height"], pa.string()),
        " pixels",
        "",
    )
    state = pc.if_else(pc.fill_null(beyond, False), reason, table["state"])
    column = table.schema.get_field_index("state")
    return table.set_column(column, MANIFEST_SCHEMA.field("state"), state)
