"""The commonest source: one folder a class, perhaps below one folder a split."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from project.data.sources.grouping import groups_by_level, groups_by_pattern
from project.data.sources.image_files import image_files
from project.data.sources.listing import absolute, existing_folder, first_few, listing_table
from project.data.sources.split_names import SPLIT_NAMES, split_lookup
from project.errors import ConfigError, DataError


class ClassFolders:
    """Photos in class folders: ``root/[split/]class/[anything/]photo``.

    The first level is read as splits if every folder there that holds images has a split's name
    and one of them is train. All that lies below a class folder, however deep, is of that class.

    Args:
        root: Folder that holds the class or split folders.
        include: Globs on the path below root; see `project.data.sources.image_files.image_files`.
        exclude: Globs of what to leave out, such as ``**/masks/**`` or ``*_mask.png``.
        split_names: For each split, the folder names that mean it; ``{}`` to read the first
            level as classes whatever the names are.
        group_level: The folder that names the group, counted below the class folder: 0 is the
            first one (``class/<group>/photo``), 1 the next.
        group_pattern: Instead, a regular expression with the group in parentheses that is
            searched in the path.

    Raises:
        ConfigError: Both ways to tell the group are configured, or split_names is wrong.
    """

    def __init__(
        self,
        root: str | Path,
        include: Sequence[str] = ("**/*",),
        exclude: Sequence[str] = (),
        split_names: Mapping[str, Sequence[str]] = SPLIT_NAMES,
        group_level: int | None = None,
        group_pattern: str | None = None,
    ) -> None:
        if group_level is not None and group_pattern is not None:
            raise ConfigError(
                "data.source.group_level and data.source.group_pattern both say what a group is; "
                "set one of them to null."
            )
        self.root = absolute(root)
        self._include = include
        self._exclude = exclude
        self._split_of = split_lookup(split_names)
        self._group_level = group_level
        self._group_pattern = group_pattern

    def listing(self) -> pa.Table:
        """Lists the photos; see `project.data.sources.listing.Source.listing`."""
        paths = image_files(existing_folder(self.root), self._include, self._exclude)
        splits = self._splits(paths)
        depth = [0 if split is None else 1 for split in splits]
        self._check_class_folders(paths, depth)
        labels = [path.split("/")[level] for path, level in zip(paths, depth, strict=True)]
        return listing_table(paths, labels, splits, self._groups(paths, depth))

    def _splits(self, paths: Sequence[str]) -> list[str | None]:
        folders = sorted({path.split("/")[0] for path in paths if "/" in path})
        splits = {folder: self._split_of.get(folder.casefold()) for folder in folders}
        known = {split for split in splits.values() if split}
        if "train" not in known:
            return [None] * len(paths)
        others = [folder for folder, split in splits.items() if split is None]
        if others and len(known) > 1:
            raise DataError(
                f'"{self.root}" holds split folders '
                f"({first_few([f for f in folders if splits[f]])}) beside folders that are none "
                f"({first_few(others)}). Leave the others out (data.source.exclude="
                f"['{others[0]}/**']), give their names to a split in data.source.split_names, "
                "or set data.source.split_names={} if all of them are classes."
            )
        return [None if others else splits.get(path.split("/")[0]) for path in paths]

    def _check_class_folders(self, paths: Sequence[str], depth: Sequence[int]) -> None:
        loose = [path for path, level in zip(paths, depth, strict=True) if path.count("/") <= level]
        if len(loose) == len(paths):
            raise DataError(
                f'"{self.root}" holds {len(paths):,} images but no class folders. Expected '
                "<class>/<photo> or <split>/<class>/<photo>; put each class into a folder of its "
                "own, or use data=filename or data=table if names or a table tell the class."
            )
        if loose:
            raise DataError(
                f'{len(loose):,} images below "{self.root}" lie in no class folder: '
                f"{first_few(loose)}. Move them into one, or leave them out with "
                "data.source.exclude."
            )

    def _groups(self, paths: Sequence[str], depth: Sequence[int]) -> list[str] | None:
        if self._group_level is not None:
            return groups_by_level(paths, depth, self._group_level)
        if self._group_pattern is not None:
            return groups_by_pattern(paths, self._group_pattern)
        return None
