"""Photos whose file names tell the class, such as ``cat.0.jpg``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa

from project.data.sources.grouping import compiled
from project.data.sources.image_files import image_files
from project.data.sources.listing import (
    absolute,
    composed,
    existing_folder,
    first_few,
    listing_table,
)
from project.data.sources.split_names import SPLIT_NAMES, split_lookup
from project.errors import ConfigError, DataError, suggestion


class FileNames:
    """Photos labelled by a regular expression over their paths.

    Args:
        root: Folder that holds the photos, at any depth.
        pattern: Regular expression that is searched in the path below root, with the named part
            ``label`` and, if wanted, ``group`` and ``split``:
            ``(?P<label>cat|dog)[.][0-9]+[.]jpg$``.
        include: Globs on the path below root; see `project.data.sources.image_files.image_files`.
        exclude: Globs of what to leave out.
        unmatched: What to do about images whose path does not match: ``error``, or ``skip``.
        split_names: For each split, what the part ``split`` may be.

    Attributes:
        num_unmatched: How many images the last listing skipped.

    Raises:
        ConfigError: The pattern is broken or lacks ``label``, or split_names is wrong.
    """

    def __init__(
        self,
        root: str | Path,
        pattern: str,
        include: Sequence[str] = ("**/*",),
        exclude: Sequence[str] = (),
        unmatched: Literal["error", "skip"] = "error",
        split_names: Mapping[str, Sequence[str]] = SPLIT_NAMES,
    ) -> None:
        self.root = absolute(root)
        self.num_unmatched = 0
        self._pattern = compiled(pattern, "data.source.pattern")
        self._include = include
        self._exclude = exclude
        self._unmatched = unmatched
        self._split_of = split_lookup(split_names)
        if "label" not in self._pattern.groupindex:
            raise ConfigError(
                f'data.source.pattern="{pattern}" does not say which part is the class; '
                "write that part as (?P<label>...)."
            )

    def listing(self) -> pa.Table:
        """Lists the photos; see `project.data.sources.listing.Source.listing`."""
        paths = image_files(existing_folder(self.root), self._include, self._exclude)
        parts = {
            path: m.groupdict() for path in paths if (m := self._pattern.search(composed(path)))
        }
        matched = [path for path in paths if path in parts and parts[path]["label"]]
        lost = [path for path in paths if path not in parts or not parts[path]["label"]]
        self.num_unmatched = len(lost)
        if lost and (self._unmatched == "error" or not matched):
            raise DataError(
                f'data.source.pattern="{self._pattern.pattern}" finds no class in {len(lost):,} of '
                f'{len(paths):,} images below "{self.root}": {first_few(lost)}. Widen the '
                "pattern, leave the files out with data.source.exclude, or set "
                "data.source.unmatched=skip."
            )
        return listing_table(
            matched,
            [parts[path]["label"] or "" for path in matched],
            [self._split(path, parts[path].get("split")) for path in matched],
            [parts[path].get("group") for path in matched],
        )

    def _split(self, path: str, name: str | None) -> str | None:
        if name is None:
            return None
        if name.casefold() not in self._split_of:
            raise DataError(
                f'Expected one of {", ".join(self._split_of)} as the split in "{path}", got '
                f'"{name}".{suggestion(name, self._split_of)} Name it in data.source.split_names.'
            )
        return self._split_of[name.casefold()]
