import shlex
from pathlib import Path
from typing import Literal

import pytest
import wandb
from wandb.errors import UsageError

from project.callbacks.loggers import closing_wandb
from project.callbacks.tracking import session
from project.callbacks.tracking.identity import Identity
from project.callbacks.tracking.mode import Mode
from project.callbacks.tracking.session import check_variables, close_run, harmless, open_run
from project.errors import ConfigError, Pruned
from tests.callbacks.tracking.wandb_server import (
    KEY,
    log_out,
    logged_in,
    offline_parts,
    read_back,
    serving,
    wandb_command,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # wandb's own, which change with every release
]

IDENTITY = Identity("evenhand", None, "model=vgg11", "clothing", "train", ["first"])


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which nobody has logged in to W&B."""
    log_out(monkeypatch, tmp_path)
    wandb.teardown()


def attempt(
    folder: Path, identity: Identity = IDENTITY, mode: Mode = "offline", loss: float = 1.0
) -> str:
    with closing_wandb(folder):
        run = open_run(folder, identity, mode, upload_timeout_seconds=5)
        assert run is not None
        run.log({"val/loss": loss, "epoch": 0})
        return run.id


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What we have said, without W&B's own messages."""
    return [record.getMessage() for record in caplog.records if "project" in record.name]


def test_run_keeps_who_it_is(tmp_path: Path) -> None:
    attempt(tmp_path)
    (part,) = offline_parts(tmp_path)
    read = read_back(part)
    assert (read["name"], read["project"], read["tags"]) == ("model=vgg11", "evenhand", ["first"])
    assert (read["state"], read["exit_code"]) == ("finished", 0)


def test_attempts_in_one_directory_are_one_run_and_are_synced_together(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = tmp_path / "it's a run"
    assert attempt(folder, loss=1.0) == attempt(folder, loss=0.5)
    first, second = offline_parts(folder)
    command = shlex.join(["wandb", "sync", str(first), str(second)])
    assert caplog.messages[-1].endswith(command)
    with serving() as server:
        wandb_command(*shlex.split(command)[1:], WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
        assert server.run_ids == {(folder / "wandb" / "id.txt").read_text().strip()}
        assert [line["val/loss"] for line in server.lines("wandb-history.jsonl")] == [1.0, 0.5]
    attempt(folder)
    third = offline_parts(folder)[-1]
    told = caplog.messages[-1].splitlines()[-1]
    assert shlex.split(told) == ["wandb", "sync", str(third)]  # W&B has the others


def test_other_directories_are_other_runs(tmp_path: Path) -> None:
    assert attempt(tmp_path / "a") != attempt(tmp_path / "b")


def test_configured_id_is_taken_and_that_of_an_agent_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = Identity("p", None, "n", None, "train", id="mine")
    assert attempt(tmp_path, identity) == "mine"
    monkeypatch.setenv("WANDB_RUN_ID", "agents")
    wandb.teardown()  # it has read the variables
    assert attempt(tmp_path, identity) == "agents"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ValueError(), "failed"),
        (KeyboardInterrupt(), "failed"),
        (SystemExit(3), "failed"),
        (SystemExit(143), "finished"),
        (Pruned("Trial 3 falls behind."), "finished"),
    ],
    ids=repr,
)
def test_run_is_marked_failed_when_the_block_fails(
    tmp_path: Path, error: BaseException, state: str
) -> None:
    def ending() -> None:
        open_run(tmp_path, IDENTITY, "offline", upload_timeout_seconds=5)
        raise error

    with pytest.raises(type(error)), closing_wandb(tmp_path):
        ending()
    assert wandb.run is None
    (part,) = offline_parts(tmp_path)
    assert read_back(part)["state"] == state


@pytest.mark.parametrize("wrong", ["too short", "1" * 40], ids=["short", "unknown"])
def test_key_that_is_wrong_means_offline_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    with logged_in(monkeypatch) as server:
        server.refuses = True
        monkeypatch.setenv("WANDB_API_KEY", wrong)
        attempt(tmp_path, mode="online")
    assert "W&B: cannot be online" in caplog.text
    assert len(offline_parts(tmp_path)) == 1


def test_disabled_run_writes_nothing_and_has_nothing_to_sync(tmp_path: Path) -> None:
    with closing_wandb(tmp_path):
        open_run(tmp_path, IDENTITY, "disabled", upload_timeout_seconds=5)
        assert close_run(0) is None
    assert not offline_parts(tmp_path)


def test_closing_without_a_run_does_nothing() -> None:
    assert close_run(0) is None


@pytest.mark.parametrize("reinit", [None, "create_new"], ids=["wandb.run", "another"])
def test_run_of_the_caller_is_left_alone(
    tmp_path: Path, reinit: Literal["create_new"] | None
) -> None:
    theirs = opened_by_the_caller(tmp_path / "theirs", reinit)
    before = wandb.run
    attempt(tmp_path / "ours")
    assert wandb.run is before
    theirs.log({"theirs": 1})
    theirs.finish()
    (our_part,) = offline_parts(tmp_path / "ours")
    (their_part,) = offline_parts(tmp_path / "theirs")
    assert read_back(our_part)["project"] == "evenhand"
    assert "theirs" not in read_back(our_part)["summary"]
    read = read_back(their_part)
    assert (read["project"], read["state"]) == ("callers", "finished")
    assert "val/loss" not in read["summary"]


def test_run_of_the_caller_outlives_a_key_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with logged_in(monkeypatch) as server:
        server.refuses = True
        monkeypatch.setenv("WANDB_API_KEY", "too short")
        theirs = opened_by_the_caller(tmp_path / "theirs")
        attempt(tmp_path / "ours", mode="online")
        assert "W&B: cannot be online" in caplog.text
        theirs.log({"theirs": 1})
        theirs.finish()
    assert len(offline_parts(tmp_path / "ours")) == 1
    (their_part,) = offline_parts(tmp_path / "theirs")
    assert read_back(their_part)["summary"]["theirs"] == 1


def opened_by_the_caller(folder: Path, reinit: Literal["create_new"] | None = None) -> wandb.Run:
    folder.mkdir()
    settings = wandb.Settings(silent=True, console="off")
    return wandb.init(
        dir=folder, mode="offline", project="callers", reinit=reinit, settings=settings
    )


def test_closing_leaves_a_run_of_the_caller_open(tmp_path: Path) -> None:
    theirs = opened_by_the_caller(tmp_path / "theirs")
    with closing_wandb(tmp_path):
        pass
    assert wandb.run is theirs
    theirs.finish()


def test_run_that_is_open_is_not_opened_twice(tmp_path: Path) -> None:
    with closing_wandb(tmp_path):
        first = open_run(tmp_path, IDENTITY, "offline", upload_timeout_seconds=5)
        assert open_run(tmp_path, IDENTITY, "offline", upload_timeout_seconds=5) is first
    assert len(offline_parts(tmp_path)) == 1


def test_file_in_place_of_the_folder_means_disabled_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "wandb").write_text("mine")
    with closing_wandb(tmp_path):
        run = open_run(tmp_path, IDENTITY, "offline", upload_timeout_seconds=5)
        assert run is not None
        assert run.disabled
    assert "W&B: cannot be offline" in caplog.text
    assert (tmp_path / "wandb").read_text() == "mine"


def test_there_is_no_run_where_wandb_cannot_begin_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**_: object) -> None:
        raise UsageError("no")

    monkeypatch.setattr(wandb, "init", broken)
    with closing_wandb(tmp_path):
        assert open_run(tmp_path, IDENTITY, "online", upload_timeout_seconds=5) is None
    assert said(caplog) == [
        "W&B: cannot be online (no). Going on offline.",
        "W&B: cannot be offline (no). Going on disabled.",
        "W&B: cannot be disabled (no). Going on without it.",
    ]


def test_command_that_cannot_be_told_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(session, "sync_command", broken)
    attempt(tmp_path)
    assert said(caplog) == ["W&B: cannot tell what waits for its upload (disk full)."]


def test_variable_that_wandb_refuses_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    check_variables()
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "soon")
    with pytest.raises(ConfigError, match=r"W&B refuses one of its variables .* init_timeout"):
        check_variables()


def test_whatever_fails_is_a_warning_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    def failing() -> None:
        raise RuntimeError("pipe closed")

    with harmless("the figures"):
        failing()
    assert caplog.messages == ["W&B: could not send the figures (RuntimeError: pipe closed)."]
