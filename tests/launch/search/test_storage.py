import multiprocessing
import os
import signal
import time
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from project.errors import ConfigError, RunError
from project.launch.search.storage import JournalLock, address_of, open_storage, shown


def test_address_is_the_same_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert address_of(None, Path("sweep")) == f"{tmp_path}/sweep/study.journal"
    assert address_of("own.journal", Path("sweep")) == f"{tmp_path}/own.journal"
    assert address_of("sqlite:///a.db", Path("sweep")) == f"sqlite:///{tmp_path}/a.db"
    assert address_of("sqlite:////x/a.db", Path("sweep")) == "sqlite:////x/a.db"
    assert address_of("mysql://host/db", Path("sweep")) == "mysql://host/db"


def test_journal_is_read_as_others_read_it(tmp_path: Path) -> None:
    study = optuna.create_study(
        storage=open_storage(str(tmp_path / "sweep" / "study.journal")), study_name="s"
    )
    study.tell(study.ask(), 0.5)
    backend = JournalFileBackend(str(tmp_path / "sweep" / "study.journal"))
    other = optuna.load_study(study_name="s", storage=optuna.storages.JournalStorage(backend))
    assert other.best_value == 0.5


def test_dashboard_opens_the_journal(tmp_path: Path) -> None:
    from optuna_dashboard import wsgi  # type: ignore[import-untyped] # noqa: PLC0415 - slow to import
    from optuna_dashboard._cli import get_storage  # type: ignore[import-untyped] # noqa: PLC0415

    file = tmp_path / "study.journal"
    study = optuna.create_study(storage=open_storage(str(file)), study_name="mine")
    study.tell(study.ask(), 0.5)
    storage = get_storage(str(file))
    assert [study.study_name for study in storage.get_all_studies()] == ["mine"]
    assert wsgi(storage) is not None


def test_database_is_opened(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/studies.db")
    assert optuna.create_study(storage=storage, study_name="s").study_name == "s"
    assert (tmp_path / "studies.db").exists()
    storage.remove_session()


@pytest.mark.parametrize("address", ["nothing://host/db", "sqlite:////no/such/folder/a.db"])
def test_database_that_cannot_be_opened_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"storage: expected a database that can be opened, got"):
        open_storage(address)


def test_journal_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="A part of this path is a file"):
        open_storage(str(tmp_path / "file" / "study.journal"))


def test_unfinished_line_is_dropped_before_the_next(tmp_path: Path) -> None:
    file = tmp_path / "study.journal"
    optuna.create_study(storage=open_storage(str(file)), study_name="one")
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: len(whole) // 2])
    optuna.create_study(storage=open_storage(str(file)), study_name="two")
    studies = open_storage(str(file)).get_all_studies()
    assert [study.study_name for study in studies] == ["one", "two"]


def _hold(file: str, held: "multiprocessing.synchronize.Event") -> None:
    JournalLock(Path(file)).acquire()
    held.set()
    time.sleep(60)


def test_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    file = tmp_path / "study.journal"
    file.touch()
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=_hold, args=(str(file), held))
    process.start()
    assert held.wait(30)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    began = time.monotonic()
    lock = JournalLock(file)
    lock.acquire()
    lock.release()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("address", "printed"),
    [
        ("mysql+pymysql://ada:a/b:c@host:33/db", "mysql+pymysql://ada:***@host:33/db"),
        ("redis://:secret@host/0", "redis://:***@host/0"),
        ("mysql://ada@host:33/db", "mysql://ada@host:33/db"),
        ("/a:b@c/study.journal", "/a:b@c/study.journal"),
    ],
)
def test_password_of_a_database_is_not_printed(address: str, printed: str) -> None:
    assert shown(address) == printed


def test_error_of_a_database_holds_no_password() -> None:
    with pytest.raises(ConfigError) as caught:
        open_storage("nothing at all://ada:secret@host/db")
    assert "secret" not in str(caught.value)
