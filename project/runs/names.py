"""Names of runs that say what was changed."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_MAX_BYTES = 240  # file systems take 255 bytes a name; Hangul needs three a letter
_DIGEST_DIGITS = 6
_NOISE = re.compile(r"(paths|hydra|logger|headline|tags|trainer\.enable_progress_bar)(\.|$)")
_SAFE = frozenset("_.=,+-")
_LEFT_OUT = frozenset("[]{}()'\" ")
_SAYS_TOO_LITTLE = frozenset({"_target_", "name", "seed"})  # `name=vgg11`: whose name?


def run_name(overrides: Sequence[str], limit: int = 80) -> str:
    """Names a run after what was overridden, fit to be a folder on every file system.

    Keys lose what they do not need to be told apart, values that are paths all but their last
    part. A value that lost something ends in a short digest, so that two values which differ
    only there give two names. (Keys that end alike give one: `model.dropout=0`, `head.dropout=0`.)
    The ``=`` in it keeps clear of the names that Windows reserves for devices.

    Args:
        overrides: As on the command line. Places and displays (paths, logger, ...) are left out.
        limit: Longest name, in characters. A longer one is cut and ends in a digest of the whole.

    Returns:
        The name; ``default`` when nothing of interest was overridden.

    Example:
        >>> run_name(["oversampling=outer_copy_x4", "data.batch_size=8", "logger=wandb", "seed=1"])
        'oversampling=outer_copy_x4,batch_size=8,seed=1'
    """
    pairs = [_parsed(override) for override in overrides]
    pairs = [(key, value) for key, value in pairs if not _NOISE.match(_dotted(key))]
    short = _short_keys([key for key, _ in pairs])
    parts = [_part(short[key], value) for key, value in pairs]
    whole = unicodedata.normalize("NFC", ",".join(parts)) or "default"
    if len(whole) <= limit and len(whole.encode()) <= _MAX_BYTES:
        return whole
    return _cut(whole, limit, _digest(repr(pairs)))


def _parsed(override: str) -> tuple[str, str | None]:
    """Key and value; the value of a deleted key (``~key``) is None."""
    if override.startswith("~"):
        return override[1:].partition("=")[0], None
    key, _, value = override.lstrip("+").partition("=")
    return key, value


def _dotted(key: str) -> str:
    return re.sub(r"[/@]", ".", key)


def _short_keys(keys: Sequence[str]) -> dict[str, str]:
    """The shortest endings of the keys that no two of them share."""
    short = {}
    endings = Counter(ending for key in dict.fromkeys(keys) for ending in _endings(key))
    for key in keys:
        unique = (end for end in _endings(key) if endings[end] == 1 and end not in _SAYS_TOO_LITTLE)
        short[key] = next(unique, _dotted(key))
    return short


def _endings(key: str) -> list[str]:
    components = _dotted(key).split(".")
    return [".".join(components[start:]) for start in reversed(range(len(components)))]


def _part(key: str, value: str | None) -> str:
    if value is None:
        return _legal(f"no_{key}")
    shown = re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    shown = _legal(shown).rstrip(".")  # Windows drops dots at the end of a name
    # A comma reads like the start of the next part.
    lossless = shown == unicodedata.normalize("NFC", value) and "," not in shown
    return f"{_legal(key)}={shown}" if lossless else f"{_legal(key)}={shown}-{_digest(value)}"


def _legal(text: str) -> str:
    kept = (letter for letter in unicodedata.normalize("NFC", text) if letter not in _LEFT_OUT)
    return "".join(letter if _is_legal(letter) else "_" for letter in kept)


def _is_legal(letter: str) -> bool:
    # Letters, the marks that belong to them (vowel signs) and digits, of any script.
    return letter in _SAFE or unicodedata.category(letter) in {
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd",
    }  # fmt: skip


def _cut(whole: str, limit: int, digest: str) -> str:
    room = limit - _DIGEST_DIGITS - 1
    head = whole[:room].encode()[: _MAX_BYTES - _DIGEST_DIGITS - 1].decode(errors="ignore")
    return f"{head.rstrip('.,=-_')}-{digest}"


def _digest(text: str) -> str:
    data = text.encode("utf-8", errors="surrogatepass")
    return hashlib.sha256(data).hexdigest()[:_DIGEST_DIGITS]
