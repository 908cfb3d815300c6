"""Whether Weights & Biases may and can be reached, and what happens where it cannot."""

import configparser
import http.client
import logging
import netrc
import os
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from project.errors import ConfigError

Mode = Literal["online", "offline", "disabled"]

# W&B's words for them: an older name each for the first two.
_MODES: dict[str, Mode] = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}
_YES = ("1", "true", "yes", "on")
_PUBLIC_SERVER = "https://api.wandb.ai"
_ANSWER_SECONDS = 5.0  # also covers names that no server resolves

log = logging.getLogger(__name__)


def told_mode(mode: Mode | Literal["auto"]) -> Mode:
    """What to aim at, as far as it can be known without the network.

    Args:
        mode: As configured; ``auto`` is what W&B's own variables and settings say, else online
            with a key.

    Raises:
        ConfigError: If W&B is to be online and would have to ask for a key, or its variables or
            settings hold no mode or no address.
    """
    own = _own_mode()  # W&B reads it even where another mode is configured
    if mode != "auto":
        aim, source = mode, "logger.wandb.mode"
    elif own:
        aim, source = own
    else:
        return _checked("online") if _key_known() else "offline"
    if aim == "online" and not _key_known():
        raise ConfigError(
            f"{source} asks for online, but nobody has logged in to W&B here. Run `wandb login`, "
            "set WANDB_API_KEY, or make it offline."
        )
    return _checked(aim)


def possible_mode(mode: Mode) -> Mode:
    """The mode, or offline where it is online and nothing answers; says so in one line."""
    reason = silence() if mode == "online" else None
    if reason is None:
        return mode
    log.warning("W&B: %s does not answer (%s). The run is kept here for later.", server(), reason)
    return "offline"


def server() -> str:
    """The address of W&B, as the environment says or ``wandb login`` has remembered it."""
    told = _told("base_url")
    return told[0] if told else _PUBLIC_SERVER


def reachable(seconds: float = _ANSWER_SECONDS) -> bool:
    """Whether the server answers anything at all.

    Args:
        seconds: How long to wait for it.
    """
    return silence(seconds) is None


def silence(seconds: float = _ANSWER_SECONDS) -> str | None:
    """Why the server does not answer, or None if it does, whatever it says.

    Args:
        seconds: How long to wait for it.
    """
    reasons: list[str | None] = []
    # A thread, because resolving a name cannot be given a time limit.
    asking = threading.Thread(target=lambda: reasons.append(_refusal(seconds)), daemon=True)
    asking.start()
    asking.join(seconds)
    return reasons[0] if reasons else f"nothing came within {seconds:g} seconds"


def _refusal(seconds: float) -> str | None:
    try:
        with urllib.request.urlopen(server(), timeout=seconds):  # noqa: S310 - a checked scheme
            return None
    except urllib.error.HTTPError as error:  # it refuses this page, so it is there
        error.close()
        return None
    except urllib.error.URLError as error:
        return str(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(error) or type(error).__name__


def _checked(mode: Mode) -> Mode:
    """The mode, if what it needs is well-formed."""
    if mode == "online" and urlsplit(server()).scheme not in ("http", "https"):
        told = _told("base_url")
        assert told, "the public server has a scheme"
        raise ConfigError(
            f"{told[1]}: expected an address such as {_PUBLIC_SERVER}, got {told[0]!r}. "
            "Correct or unset it."
        )
    return mode


def _own_mode() -> tuple[Mode, str] | None:
    """The mode that W&B's variables and settings ask for, and which of them does."""
    if os.environ.get("WANDB_DISABLED", "").lower() in _YES:  # W&B has forgotten it, users have not
        return "disabled", "WANDB_DISABLED"
    told = _told("mode")
    if told is None:
        return None
    value, source = told
    if value not in _MODES:
        raise ConfigError(
            f"{source}: expected online, offline or disabled, got {value!r}. Correct or unset it."
        )
    return _MODES[value], source


def _told(setting: str) -> tuple[str, str] | None:
    """The value of one of W&B's settings and where it stands, as W&B itself would find it."""
    variable = f"WANDB_{setting.upper()}"
    if variable in os.environ:
        return os.environ[variable], variable
    for file in _settings_files():
        value = _setting_in(file, setting)
        if value is not None:
            return value, f"{setting} in {file}"
    return None


def _settings_files() -> list[Path]:
    """Where ``wandb offline`` and ``wandb login`` write; what comes first wins."""
    here = Path(".wandb") if Path(".wandb").exists() else Path("wandb")
    home = Path(os.environ.get("WANDB_CONFIG_DIR", "~/.config/wandb")).expanduser()
    return [here / "settings", home / "settings"]


def _setting_in(file: Path, setting: str) -> str | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):  # wandb will say what is wrong with the file
        return None
    return parser.get("default", setting, fallback=None)


def _key_known() -> bool:
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        known = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):  # wandb will say what is wrong with the file
        return False
    return known.authenticators(urlsplit(server()).hostname or "") is not None
