"""Where a study is kept: a journal in the sweep's directory, or any database that Optuna knows."""

import fcntl
import os
import re
from pathlib import Path

from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.exc import SQLAlchemyError

from project.atomic import explained
from project.errors import ConfigError

_SQLITE = "sqlite:///"
_PASSWORD = re.compile(r"(?<=://)(?P<user>[^:/@]*):[^@]*@")


class JournalLock(JournalFileOpenLock):
    """Guards a journal while it is written, and gives it back however its holder ends.

    Optuna's own is a file that a killed process leaves behind, for which all others then wait half
    a minute.

    Args:
        journal: The file that is written.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal
        self._guard = journal.with_name(f".{journal.name}.guard")
        self._descriptor = -1

    def acquire(self) -> bool:
        """Waits until nobody else writes."""
        self._descriptor = os.open(self._guard, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self._mend()
        return True

    def release(self) -> None:
        """Lets others write."""
        os.close(self._descriptor)
        self._descriptor = -1

    def _mend(self) -> None:
        """Drops a last line that a full disk or a power cut left unfinished.

        The next line would be appended to it, and then nothing could be read any more.
        """
        with self._journal.open("rb+") as stream:
            end = stream.seek(0, os.SEEK_END)
            if end == 0:
                return
            stream.seek(end - 1)
            if stream.read(1) != b"\n":
                stream.seek(0)
                stream.truncate(stream.read().rfind(b"\n") + 1)


def address_of(storage: str | None, sweep: Path) -> str:
    """Says where a study is kept, so that every process of the sweep finds it.

    Args:
        storage: ``hydra.sweeper.storage``: a URL, the path of a journal, or None for the default.
        sweep: Directory of the sweep.

    Returns:
        A URL or the path of a journal, absolute.
    """
    if storage is None:
        return str(sweep.absolute() / "study.journal")
    if "://" not in storage:
        return str(Path(storage).absolute())
    place = storage.removeprefix(_SQLITE)
    if storage.startswith(_SQLITE) and place and not place.startswith(":"):
        return f"{_SQLITE}{Path(place).absolute()}"
    return storage


def shown(address: str) -> str:
    """An address as it may be printed.

    Args:
        address: May hold a password.

    Example:
        >>> shown("postgresql://ada:secret@host/studies")
        'postgresql://ada:***@host/studies'
    """
    return _PASSWORD.sub(r"\g<user>:***@", address)


def open_storage(address: str) -> BaseStorage:
    """Opens the storage of a study, and makes it if need be.

    Args:
        address: As `address_of` gives it.

    Raises:
        ConfigError: If there is no such database, or its driver is not installed.
        RunError: If the journal cannot be written.
    """
    if "://" not in address:
        journal = Path(address)
        with explained(journal):
            journal.parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(address, lock_obj=JournalLock(journal)))
    try:
        return get_storage(address)
    except (ImportError, ValueError, SQLAlchemyError, OptunaError) as error:
        raise ConfigError(
            "hydra.sweeper.storage: expected a database that can be opened, got "
            f"{shown(str(error))}. Leave it away to keep the study in the sweep's directory."
        ) from error
