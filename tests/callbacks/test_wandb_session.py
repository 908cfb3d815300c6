import shlex
from pathlib import Path

import pytest
import wandb

from project.callbacks.loggers import closing_wandb
from project.callbacks.wandb_mode import Mode
from project.callbacks.wandb_session import Identity, close_run, harmless, open_run
from tests.callbacks.wandb_server import (
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


def attempt(folder: Path, identity: Identity = IDENTITY, mode: Mode = "offline") -> str:
    with closing_wandb(folder):
        run = open_run(folder, identity, mode, upload_timeout_seconds=5)
        run.log({"val/loss": 1.0, "epoch": 0})
        return run.id


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
    assert attempt(folder) == attempt(folder)
    first, second = offline_parts(folder)
    command = shlex.join(["wandb", "sync", str(first), str(second)])
    assert caplog.messages[-1].endswith(command)
    with serving() as server:
        wandb_command(*shlex.split(command)[1:], WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
        assert server.run_ids == {(folder / "wandb" / "id.txt").read_text().strip()}
    attempt(folder)
    assert str(first) not in caplog.messages[-1]  # W&B has it


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


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_run_is_marked_failed_when_the_block_raises(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def failing() -> None:
        open_run(tmp_path, IDENTITY, "offline", upload_timeout_seconds=5)
        raise error

    with pytest.raises(error), closing_wandb(tmp_path):
        failing()
    assert wandb.run is None
    (part,) = offline_parts(tmp_path)
    assert read_back(part)["state"] == "failed"


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


def test_whatever_fails_is_a_warning_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    def failing() -> None:
        raise RuntimeError("pipe closed")

    with harmless("the figures"):
        failing()
    assert caplog.messages == ["W&B: could not send the figures (RuntimeError: pipe closed)."]
