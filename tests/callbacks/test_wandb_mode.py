import netrc
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.callbacks.wandb_mode import possible_mode, reachable, server, told_mode
from project.errors import ConfigError
from tests.callbacks.wandb_server import KEY, log_out, serving


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine on which nobody has logged in to W&B."""
    log_out(monkeypatch, tmp_path)
    return monkeypatch


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_wandb_is_offline_without_a_key(no_key: pytest.MonkeyPatch) -> None:
    assert told_mode("auto") == "offline"


def test_wandb_is_online_with_a_key_from_the_environment_or_a_login(
    no_key: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password secret\n")
    assert netrc.netrc(tmp_path / "netrc").authenticators("api.wandb.ai")
    assert told_mode("auto") == "online"
    no_key.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    assert told_mode("auto") == "offline"  # no login there
    no_key.setenv("WANDB_API_KEY", KEY)
    assert told_mode("auto") == "online"


def test_login_to_an_own_server_is_remembered(no_key: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings").write_text("[default]\nbase_url = https://wandb.example\n")
    (tmp_path / "netrc").write_text("machine wandb.example login user password secret\n")
    assert server() == "https://wandb.example"
    assert told_mode("auto") == "online"


def test_damaged_settings_of_wandb_are_left_to_wandb(
    no_key: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings").write_text("no section\n")
    (tmp_path / "netrc").write_text("machine\n")
    assert told_mode("auto") == "offline"


def test_mode_that_is_told_wins(no_key: pytest.MonkeyPatch) -> None:
    no_key.setenv("WANDB_API_KEY", KEY)
    assert told_mode("offline") == "offline"
    no_key.setenv("WANDB_MODE", "disabled")
    assert told_mode("auto") == "disabled"
    assert told_mode("online") == "online"


def test_online_without_a_key_is_refused_instead_of_asking(no_key: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"nobody has logged in to W&B here\. Run `wandb login`"):
        told_mode("online")


def test_address_that_is_none_is_refused(no_key: pytest.MonkeyPatch) -> None:
    no_key.setenv("WANDB_API_KEY", KEY)
    no_key.setenv("WANDB_BASE_URL", "wandb.example")
    with pytest.raises(ConfigError, match=r"WANDB_BASE_URL: expected an address .*'wandb.example'"):
        told_mode("auto")


def test_server_that_refuses_connections_means_offline_and_says_so_once(
    no_key: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    no_key.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    assert possible_mode("online") == "offline"
    assert [r.message for r in caplog.records] == [
        "W&B: http://127.0.0.1:1 does not answer. The run is kept here for later."
    ]


def test_name_that_nobody_knows_means_offline(no_key: pytest.MonkeyPatch) -> None:
    no_key.setenv("WANDB_BASE_URL", "http://wandb.invalid")
    assert possible_mode("online") == "offline"


def test_server_that_says_nothing_is_not_waited_for_long(
    no_key: pytest.MonkeyPatch, silent_port: int
) -> None:
    no_key.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent_port}")
    begin = time.monotonic()
    assert not reachable(seconds=0.3)
    assert time.monotonic() - begin < 2


def test_server_that_answers_is_used(no_key: pytest.MonkeyPatch) -> None:
    with serving() as running:
        no_key.setenv("WANDB_BASE_URL", running.url)
        assert possible_mode("online") == "online"


def test_offline_and_disabled_ask_no_server(no_key: pytest.MonkeyPatch) -> None:
    no_key.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    assert possible_mode("offline") == "offline"
    assert possible_mode("disabled") == "disabled"
