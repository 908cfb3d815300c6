import netrc
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from project.callbacks.tracking.mode import possible_mode, reachable, server, silence, told_mode
from project.errors import ConfigError
from tests.callbacks.tracking.wandb_server import KEY, log_out, serving


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


@pytest.mark.parametrize(
    ("told", "mode"),
    [("offline", "offline"), ("dryrun", "offline"), ("disabled", "disabled"), ("run", "online")],
)
def test_variable_of_wandb_decides_in_all_its_words(
    no_key: pytest.MonkeyPatch, told: str, mode: str
) -> None:
    no_key.setenv("WANDB_API_KEY", KEY)
    no_key.setenv("WANDB_MODE", told)
    assert told_mode("auto") == mode


@pytest.mark.parametrize("told", ["OFFLINE", "off", "shared", ""])
@pytest.mark.parametrize("mode", ["auto", "offline"])
def test_word_that_wandb_does_not_know_is_refused(
    no_key: pytest.MonkeyPatch, mode: Literal["auto", "offline"], told: str
) -> None:
    no_key.setenv("WANDB_API_KEY", KEY)
    no_key.setenv("WANDB_MODE", told)
    reason = f"WANDB_MODE: expected online, offline or disabled, got '{told}'"
    with pytest.raises(ConfigError, match=reason):
        told_mode(mode)


@pytest.mark.parametrize(
    ("told", "mode"), [("true", "disabled"), ("1", "disabled"), ("", "online")]
)
def test_wandb_can_be_switched_off_as_other_libraries_do(
    no_key: pytest.MonkeyPatch, told: str, mode: str
) -> None:
    no_key.setenv("WANDB_API_KEY", KEY)
    no_key.setenv("WANDB_DISABLED", told)
    assert told_mode("auto") == mode


def write_settings(folder: Path, line: str) -> None:
    folder.mkdir(parents=True)
    (folder / "settings").write_text(f"[default]\n{line}\n")


@pytest.mark.parametrize("folder", ["config", "wandb", ".wandb"])
def test_settings_of_the_user_and_of_the_folder_are_honoured(
    no_key: pytest.MonkeyPatch, tmp_path: Path, folder: str
) -> None:
    no_key.setenv("WANDB_API_KEY", KEY)
    no_key.chdir(tmp_path)
    write_settings(tmp_path / folder, "mode = offline")
    assert told_mode("auto") == "offline"
    assert told_mode("online") == "online"


def test_settings_of_the_folder_come_before_those_of_the_user_and_variables_before_both(
    no_key: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_key.chdir(tmp_path)
    write_settings(tmp_path / "config", "base_url = https://user.example")
    write_settings(tmp_path / "wandb", "base_url = https://folder.example")
    assert server() == "https://folder.example"
    no_key.setenv("WANDB_BASE_URL", "https://variable.example")
    assert server() == "https://variable.example"


def test_settings_with_no_mode_are_named(no_key: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_settings(tmp_path / "config", "mode = never")
    with pytest.raises(ConfigError, match=r"mode in .*settings: expected online.* got 'never'"):
        told_mode("auto")


@pytest.mark.slow
def test_who_has_said_wandb_offline_stays_offline(
    no_key: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_key.setenv("WANDB_API_KEY", KEY)
    no_key.chdir(tmp_path)
    assert told_mode("auto") == "online"
    subprocess.run(
        [sys.executable, "-m", "wandb", "offline"], capture_output=True, timeout=300, check=True
    )
    assert told_mode("auto") == "offline"


def test_mode_that_is_told_wins(no_key: pytest.MonkeyPatch) -> None:
    no_key.setenv("WANDB_API_KEY", KEY)
    assert told_mode("offline") == "offline"
    no_key.setenv("WANDB_MODE", "disabled")
    assert told_mode("auto") == "disabled"
    assert told_mode("online") == "online"


def test_online_without_a_key_is_refused_instead_of_asking(no_key: pytest.MonkeyPatch) -> None:
    told = r"asks for online, but nobody has logged in to W&B here\. Run `wandb login`"
    with pytest.raises(ConfigError, match=rf"^logger\.wandb\.mode {told}"):
        told_mode("online")
    no_key.setenv("WANDB_MODE", "online")
    with pytest.raises(ConfigError, match=f"^WANDB_MODE {told}"):
        told_mode("auto")


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
    (message,) = caplog.messages
    assert re.fullmatch(
        r"W&B: http://127\.0\.0\.1:1 does not answer \(.*refused.*\)\. The run is kept here for "
        r"later\.",
        message,
    )


def test_name_that_nobody_knows_means_offline(no_key: pytest.MonkeyPatch) -> None:
    no_key.setenv("WANDB_BASE_URL", "http://wandb.invalid")
    assert possible_mode("online") == "offline"


def test_server_that_says_nothing_is_not_waited_for_long(
    no_key: pytest.MonkeyPatch, silent_port: int
) -> None:
    no_key.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent_port}")
    begin = time.monotonic()
    reason = silence(seconds=0.3)
    assert reason is not None
    assert re.search("timed out|nothing came within 0.3 seconds", reason)
    assert time.monotonic() - begin < 2


def test_server_that_answers_is_used(no_key: pytest.MonkeyPatch) -> None:
    with serving() as running:
        no_key.setenv("WANDB_BASE_URL", running.url)
        assert possible_mode("online") == "online"
        assert reachable()


def test_offline_and_disabled_ask_no_server(no_key: pytest.MonkeyPatch) -> None:
    no_key.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    assert possible_mode("offline") == "offline"
    assert possible_mode("disabled") == "disabled"
