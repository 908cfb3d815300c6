"""A tree of split photos that is written whole, whatever interrupts it, or refused."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from project.atomic import replace_bytes
from project.data.cores import available_cores
from project.data.preparation.links import Link, bring, explained
from project.data.preparation.placement import Placed
from project.data.progress import with_progress
from project.data.sources.class_folders import ClassFolders
from project.data.sources.image_files import EXTENSIONS
from project.data.sources.listing import first_few
from project.data.store.folder import GIGABYTE
from project.errors import DataError

Settings = Mapping[str, str | int | float | bool | None]

FACTS = "prepared.json"
"""Says what a tree was made of."""
LISTED = "splits.csv"
"""Says which photo is in which split."""

_COMPLETE = "complete"
_LOCK, _PARTIAL = ".lock", ".partial"


class Tree:
    """A folder that is to hold what some settings say, and nothing else.

    Args:
        path: The folder.
        settings: What its contents depend on, plain values.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self._settings = dict(settings)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Has the folder for this process alone, and from the first photo on for these settings.

        Raises:
            DataError: It holds something else, another process works in it, or it cannot be
                written.
        """
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / _LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise DataError(
                    f'Another process works in "{self.path}". Wait until it has ended, or set '
                    "to=<folder> to another place."
                ) from None
        try:
            self._claim()
            yield
        finally:
            lock.release()

    def complete(self) -> None:
        """Says that all is there."""
        self._say(complete=True)
        with explained(self.path):
            shutil.rmtree(self.path / _PARTIAL)

    def write(self, name: str, data: bytes) -> None:
        """Puts a file in place in one step.

        Args:
            name: Of the file.
            data: All of its content.

        Raises:
            DataError: It cannot be written.
        """
        with explained(self.path / name):
            replace_bytes(self.path / name, data, self._partial())

    def fill(self, root: Path, plan: Sequence[Placed], link: Link) -> int:
        """Brings all photos to their places; those that are there are verified.

        Args:
            root: Folder of the photos.
            plan: Where they go.
            link: By which means.

        Returns:
            How many were brought; the others were there.

        Raises:
            DataError: A photo has changed, the file system refused, or the disk is too small.
        """
        self._refuse(self._others(plan))
        if link == "copy":
            self._check_space(root, plan)
        with explained(self.path):
            partial = self._partial()

        def one(number: int) -> bool:
            photo = plan[number]
            source, target = root / photo.source, self.path / photo.target
            return bring(source, target, link, photo.content_hash, partial / str(number))

        with ThreadPoolExecutor(available_cores()) as pool:
            try:
                done = pool.map(one, range(len(plan)))
                return sum(with_progress(done, len(plan), "Preparing photos"))
            finally:
                pool.shutdown(cancel_futures=True)  # of an interruption: drops what waits

    def verify(self, plan: Sequence[Placed]) -> None:
        """Reads the tree as training will, and compares it with the plan.

        Raises:
            DataError: A photo is missing, is one too many, or has another class or split.
        """
        listing = ClassFolders(self.path).listing()
        columns = (listing[name].to_pylist() for name in ("path", "split", "label"))
        found = {path: f"{split}/{label}" for path, split, label in zip(*columns, strict=True)}
        wanted = {photo.target: "/".join(photo.target.split("/")[:2]) for photo in plan}
        self._refuse(sorted(found.keys() - wanted.keys()))
        if lost := sorted(path for path in wanted if found.get(path) != wanted[path]):
            raise DataError(
                f"{len(lost):,} of {len(plan):,} photos are not where they belong in "
                f'"{self.path}": {first_few(lost)}. Start the same command again.'
            )

    def _partial(self) -> Path:
        folder = self.path / _PARTIAL
        folder.mkdir(exist_ok=True)
        return folder

    def _claim(self) -> None:
        facts = self._facts()
        if facts is None:
            self._say(complete=False)
            return
        now = self._settings
        complete = facts.pop(_COMPLETE, None)
        changed = [key for key in dict.fromkeys([*facts, *now]) if facts.get(key) != now.get(key)]
        if changed and not complete and not self._photos():
            self._say(complete=False)  # nothing came of the settings before
        elif changed:
            shown = "".join(f"\n  {key}: {facts.get(key)}, now {now.get(key)}" for key in changed)
            raise DataError(
                f'"{self.path}" was made otherwise:{shown}\nTake the same photos and keys to go on '
                "with it, or set to=<folder> to another place."
            )

    def _facts(self) -> dict[str, object] | None:
        """What was to be written before; None if nothing was."""
        file = self.path / FACTS
        try:
            facts: dict[str, object] = dict(json.loads(file.read_bytes()))
        except FileNotFoundError:
            with explained(self.path):
                others = [f.name for f in self.path.iterdir() if f.name not in (_LOCK, _PARTIAL)]
            if others:
                raise DataError(
                    f'Expected an empty folder or one that was prepared at "{self.path}", got '
                    f"one that holds {first_few(sorted(others))}. Set to=<folder> to another place."
                ) from None
            return None
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f'Expected in "{file}" what the folder was made of, got what cannot be read '
                f"({error}). Set to=<folder> to another place."
            ) from error
        return facts

    def _say(self, *, complete: bool) -> None:
        facts = {**self._settings, _COMPLETE: complete}
        self.write(FACTS, (json.dumps(facts, ensure_ascii=False, indent=2) + "\n").encode())

    def _others(self, plan: Sequence[Placed]) -> list[str]:
        return sorted(self._photos() - {photo.target for photo in plan})

    def _photos(self) -> set[str]:
        """What lies in the tree and would be trained on."""
        with explained(self.path):
            found = [file.relative_to(self.path) for file in self.path.rglob("*")]
        return {
            path.as_posix()
            for path in found
            if path.suffix.lower() in EXTENSIONS
            and not any(part.startswith(".") for part in path.parts)
        }

    def _refuse(self, others: Sequence[str]) -> None:
        """Photos that are not of the plan would be trained on all the same."""
        if others:
            raise DataError(
                f'"{self.path}" holds {len(others):,} photos that do not belong there: '
                f"{first_few(others)}. Remove them, or set to=<folder> to another place."
            )

    def _check_space(self, root: Path, plan: Sequence[Placed]) -> None:
        with explained(self.path):
            free = shutil.disk_usage(self.path).free
        missing = [photo.source for photo in plan if not (self.path / photo.target).exists()]
        needed = sum(_size(root / path) for path in missing)
        if needed > free:
            raise DataError(
                f'The photos take {needed / GIGABYTE:.1f} GB, but "{self.path}" has only '
                f"{free / GIGABYTE:.1f} GB left. Free some space, take link=hard or "
                "link=symbolic, or set to=<folder> to another place."
            )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # gone since the scan, which is told when it is its turn
        return 0
