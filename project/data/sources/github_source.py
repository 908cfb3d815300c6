"""Class folders that a public GitHub repository holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from project.data.sources.class_folders import ClassFolders
from project.data.sources.download import DownloadFailed, fetch_archive
from project.data.sources.listing import absolute
from project.data.sources.split_names import SPLIT_NAMES
from project.errors import DataError


class GithubClassFolders:
    """Class folders out of a repository, downloaded on request.

    Args:
        root: Where the repository's files are or shall be.
        repository: ``owner/name`` on GitHub.
        branch: Branch to download.
        download: Whether to download the repository if root is missing or empty.
        base_url: Server to download from.
        include: As for `project.data.sources.class_folders.ClassFolders`, like all that follow.
        exclude: Globs of what to leave out.
        split_names: For each split, the folder names that mean it.
        group_level: The folder that names the group, counted below the class folder.
        group_pattern: Regular expression for the group.
    """

    def __init__(
        self,
        root: str | Path,
        repository: str,
        branch: str = "master",
        download: bool = False,
        base_url: str = "https://github.com",
        include: Sequence[str] = ("**/*",),
        exclude: Sequence[str] = (),
        split_names: Mapping[str, Sequence[str]] = SPLIT_NAMES,
        group_level: int | None = None,
        group_pattern: str | None = None,
    ) -> None:
        self.root = absolute(root)
        self._address = f"{base_url}/{repository}"
        self._branch = branch
        self._download = download
        self._folders = ClassFolders(
            root, include, exclude, split_names, group_level, group_pattern
        )

    def listing(self) -> pa.Table:
        """Lists the photos; see `project.data.sources.listing.Source.listing`."""
        if not self.root.is_dir() or not any(self.root.iterdir()):
            self._fetch()
        return self._folders.listing()

    def _fetch(self) -> None:
        if not self._download:
            raise DataError(
                f'There are no photos at "{self.root}". Set data.download=true to fetch them, or '
                f"{self._by_hand()}"
            )
        url = f"{self._address}/archive/refs/heads/{self._branch}.zip"
        try:
            fetch_archive(url, self.root)
        except DownloadFailed as error:
            raise DataError(
                f"Downloading {url} failed: {error}. Try again with internet access, or "
                f"{self._by_hand()}"
            ) from error

    def _by_hand(self) -> str:
        return f"run `git clone {self._address}` and set data.root=<the folder that it makes>."
