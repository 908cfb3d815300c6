"""Images decoded from their photos each time they are asked for."""

from project.data.catalog.catalog import Catalog
from project.data.catalog.manifest import digest
from project.data.decode import naming
from project.data.resampling import Pixels
from project.data.store.policy import Policy
from project.errors import DataError


class ChangedError(DataError):
    """A photo is not the one that the scan has seen."""


class DecodingStore:
    """Reads, decodes and shrinks photos.

    Args:
        catalog: What the row numbers refer to.
        policy: How photos become images.
        max_pixels: Limit on the decoded size; see `project.data.decode`.
    """

    def __init__(self, catalog: Catalog, policy: Policy, max_pixels: int) -> None:
        self.catalog = catalog
        self.policy = policy
        self._max_pixels = max_pixels

    def __getitem__(self, row: int) -> Pixels:
        """The image of a catalog row, uint8 RGB (h, w, 3).

        Raises:
            DataError: The photo cannot be read or decoded.
        """
        path = self.catalog.path(row)
        with naming(path):
            return self._decoded(path.read_bytes(), row)

    def unchanged(self, row: int) -> Pixels:
        """The same, of a photo whose bytes are those that the scan has seen.

        Raises:
            ChangedError: They are not.
            DataError: The photo cannot be read or decoded.
        """
        path = self.catalog.path(row)
        with naming(path):
            data = path.read_bytes()
        if digest([data]) != self.catalog.content_hash[row].as_py():
            raise ChangedError(f'"{path}" has changed since the photos were checked; start again.')
        with naming(path):
            return self._decoded(data, row)

    def _decoded(self, data: bytes, row: int) -> Pixels:
        return self.policy.decode(data, self._max_pixels, self.catalog.box(row))
