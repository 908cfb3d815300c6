"""Fonts that have the letters of the class names."""

import logging
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from matplotlib.font_manager import FontEntry, findSystemFonts, fontManager
from matplotlib.ft2font import FT2Font

_log = logging.getLogger(__name__)

DEFAULT_FAMILY = "DejaVu Sans"  # comes with matplotlib
# Made to be read on screens and wide in coverage, so they are tried before all others.
_PREFERRED = (
    "Noto Sans", "Malgun Gothic", "Apple SD Gothic Neo", "NanumGothic", "Microsoft YaHei",
    "PingFang", "Hiragino Sans", "Yu Gothic", "WenQuanYi", "Arial Unicode MS",
)  # fmt: skip
_UPRIGHT = {400, "normal", "regular", "book"}


def families_for(texts: Iterable[str]) -> list[str]:
    """Chooses installed fonts that together have every letter.

    Logs a warning, once for the same letters, when no installed font has some of them.

    Args:
        texts: What will be drawn.

    Returns:
        Font families in the order in which matplotlib shall look for a letter.
    """
    letters = {ord(letter) for text in texts for letter in text if not letter.isspace()}
    missing = letters - _letters_of(_default_file())
    return [DEFAULT_FAMILY, *_families_with(frozenset(missing))] if missing else [DEFAULT_FAMILY]


@lru_cache
def _families_with(letters: frozenset[int]) -> tuple[str, ...]:
    _look_for_new_fonts()
    families = []
    missing = set(letters)
    while missing:
        font = _best_font(missing)
        if font is None:
            _warn(missing)
            break
        families.append(font.name)
        missing -= _letters_of(font.fname)
    return tuple(families)


def _best_font(letters: set[int]) -> FontEntry | None:
    """The first font that has all of the letters, or else the one that has most of them."""
    best, most = None, 0
    for font in sorted(filter(_is_plain, fontManager.ttflist), key=_preference):
        found = len(letters & _letters_of(font.fname))
        if found == len(letters):
            return font
        if found > most:
            best, most = font, found
    return best


def _is_plain(font: FontEntry) -> bool:
    # Newer matplotlib brings "Last Resort", which has a box for every letter there is.
    upright = font.style == "normal" and font.weight in _UPRIGHT
    return upright and not font.name.startswith("Last Resort")


def _preference(font: FontEntry) -> tuple[int, str, str]:
    ranks = (rank for rank, name in enumerate(_PREFERRED) if font.name.startswith(name))
    return next(ranks, len(_PREFERRED)), font.name, font.fname


def _look_for_new_fonts() -> None:
    """Matplotlib remembers the fonts of its first use; those installed since have to be added."""
    known = {font.fname for font in fontManager.ttflist}
    for file in sorted(set(findSystemFonts()) - known):
        try:
            fontManager.addfont(file)
        except (RuntimeError, NotImplementedError):  # bitmaps only, such as colour emoji
            continue


@lru_cache
def _letters_of(file: str) -> frozenset[int]:
    return frozenset(FT2Font(file).get_charmap())


def _default_file() -> str:
    return str(fontManager.findfont(DEFAULT_FAMILY))


def _warn(letters: set[int]) -> None:
    shown = "".join(chr(letter) for letter in sorted(letters)[:20])
    scripts = sorted({_script(letter) for letter in letters})
    _log.warning(
        'No installed font has the letters "%s" (%s): figures show boxes instead. Install one '
        "that has, such as Noto Sans CJK for Chinese, Japanese and Korean (Debian, Ubuntu: "
        "apt install fonts-noto-cjk) or the Noto Sans of the script (fonts.google.com/noto).",
        shown,
        ", ".join(scripts),
    )


def _script(letter: int) -> str:
    word = unicodedata.name(chr(letter), "unnamed").split()[0].split("-")[0]
    return "Chinese characters" if word == "CJK" else word.capitalize()
