import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]
from matplotlib.font_manager import fontManager

from project.report import fonts
from project.report.figures import confusion, png
from project.report.fonts import families_for


def make_font(file: Path, family: str, letters: str, style: str = "Regular") -> str:
    """A font whose letters are all squares."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in [(0, 700), (500, 700), (500, 0)]:
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    names = [".notdef", *(f"u{ord(letter):X}" for letter in letters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): f"u{ord(letter):X}" for letter in letters})
    builder.setupGlyf(dict.fromkeys(names, square))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (600, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": style})
    builder.setupOS2(sTypoAscender=800, usWeightClass=400)
    builder.setupPost()
    builder.save(file)
    return str(file)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A machine with no fonts but matplotlib's own; tests install more by adding files."""
    files: list[str] = []
    own = [font for font in fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(fontManager, "ttflist", own)
    monkeypatch.setattr(fonts, "findSystemFonts", lambda: list(files))
    fonts._families_with.cache_clear()
    yield files
    fonts._families_with.cache_clear()


def test_latin_greek_and_cyrillic_need_no_other_font(installed: list[str]) -> None:
    assert families_for(['t-shirt "old"', "Ωμέγα", "Пальто", "sh$oe$s"]) == ["DejaVu Sans"]


def test_a_font_that_has_the_letters_is_found(installed: list[str], tmp_path: Path) -> None:
    installed.append(make_font(tmp_path / "a.ttf", "Other", "x"))
    installed.append(make_font(tmp_path / "b.ttf", "Hangul", "모자외투"))
    assert families_for(["hat", "모자"]) == ["DejaVu Sans", "Hangul"]


def test_well_known_fonts_come_first(installed: list[str], tmp_path: Path) -> None:
    installed.append(make_font(tmp_path / "a.ttf", "Aardvark", "모자"))
    installed.append(make_font(tmp_path / "b.ttf", "Noto Sans KR", "모자"))
    assert families_for(["모자"])[1:] == ["Noto Sans KR"]


def test_several_fonts_share_what_none_has_alone(installed: list[str], tmp_path: Path) -> None:
    installed.append(make_font(tmp_path / "a.ttf", "Aardvark", "모"))
    installed.append(make_font(tmp_path / "b.ttf", "Hangul", "모자외"))
    installed.append(make_font(tmp_path / "c.ttf", "Kanji", "帽"))
    assert families_for(["모자외", "帽"])[1:] == ["Hangul", "Kanji"]


def test_letters_that_no_font_has_are_named_once_and_matplotlib_is_quiet(
    installed: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    installed.append(str(tmp_path / "broken.ttf"))
    Path(installed[0]).write_bytes(b"no font")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):  # matplotlib's own warnings would be errors here
            png(confusion(np.eye(2, dtype=np.int64), ["모자", "帽子 hat"]))
    messages = [entry.getMessage() for entry in caplog.records]
    assert len(messages) == 1
    assert 'has the letters "子帽모자" (Chinese characters, Hangul)' in messages[0]
    assert "apt install fonts-noto-cjk" in messages[0]


def test_the_letters_are_drawn(installed: list[str], tmp_path: Path) -> None:
    without = png(confusion(np.eye(1, dtype=np.int64), ["모"]))
    installed.append(make_font(tmp_path / "b.ttf", "Hangul", "모"))
    fonts._families_with.cache_clear()
    assert png(confusion(np.eye(1, dtype=np.int64), ["모"])) != without
