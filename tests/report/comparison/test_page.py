import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from project.errors import RunError
from project.report.comparison.page import Compared, write_comparison
from project.stats.results import Comparison


class Page(HTMLParser):
    """The text of a page, and everything that it refers to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.references: list[str] = []
        self.source = file.read_text(encoding="utf-8")
        self.feed(self.source)
        self.words = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def written(compared: Compared, directory: Path) -> Page:
    write_comparison(compared, directory)
    return Page(directory / "comparison.html")


def test_all_files_are_written_the_page_last(compared: Compared, tmp_path: Path) -> None:
    directory = tmp_path / "comparisons" / "clothing"
    files = write_comparison(compared, directory)
    assert [file.relative_to(directory).as_posix() for file in files] == [
        "figures/forest.png", "figures/recall.png", "figures/curves.png",
        "comparison.csv", "comparison.json", "comparison.md", "comparison.html",
    ]  # fmt: skip
    assert {file for file in directory.rglob("*") if file.is_file()} == set(files)


def test_the_page_opens_with_the_answer(compared: Compared, tmp_path: Path) -> None:
    words = written(compared, tmp_path / "out").words
    places = [
        words.index(part)
        for part in (
            "clothing 3 groups, 9 runs, 2691 test images of 4 classes · baseline oversampling=none",
            "oversampling=outer_copy_x4 against oversampling=none: ▲ better recall of hat (+6.7",
            '2 photos of "모자" were left out <everywhere>.',
            "accuracy ▼ -4.9 worse ≈ +0.4 equivalent",
            "recall hat 24 89.0 ± 1.2 [87.0, 91.0] 95.7 ± 1.2 [93.7, 97.7] +6.7 [4.0, 9.4] 0.031",
            "93 % ▲ better",
            "To settle macro F1 (+2.7 points): 9 runs a group instead of 3",
            "oversampling=outer_copy_x4 3 runs (seeds 1, 2, 3) oversampling.factors=1",
            str(compared.groups[2].runs[1].path),
            "p is adjusted over all 22 tests (Holm)",
            compared.command,
        )
    ]
    assert places == sorted(places)


def test_the_page_needs_nothing_else(compared: Compared, tmp_path: Path) -> None:
    page = written(compared, tmp_path / "out")
    assert page.references[0] == "data:,"  # no icon is asked for
    assert len(page.references) == 4
    assert all(item.startswith("data:image/png;base64,") for item in page.references[1:])
    assert not {"script", "iframe"} & set(page.tags)
    for request in ("http", "@import", "url("):
        assert request not in page.source


def test_names_cannot_become_markup(
    make_comparison: Callable[..., Comparison], tmp_path: Path
) -> None:
    comparison = make_comparison(["<b>hat</b>"], ["<script>1</script>", "a|b", "[red]"])
    page = written(
        Compared(comparison, (), ["<i>"], "<command>", "<h1>"), tmp_path
    )  # fmt: skip
    assert not {"script", "i", "command"} & set(page.tags)
    assert "recall <b>hat</b>" in page.words
    assert page.tags.count("h1") == 1


def test_published_counts_have_a_page_without_curves(
    make_comparison: Callable[..., Comparison], tmp_path: Path
) -> None:
    published = Compared(make_comparison(["hat"], ["one", "other"], 1), (), (), "", "published")
    page = written(published, tmp_path)
    assert "other against one (these trained models):" in page.words
    assert "One run a side: this is about these two trained networks" in page.words
    assert "recall hat 24 89.0 21/24 [87.0, 91.0]" in page.words
    assert "Directories of the runs" not in page.words
    assert not (tmp_path / "figures" / "curves.png").exists()


def test_an_earlier_comparison_of_the_same_name_leaves_nothing(
    compared: Compared, make_comparison: Callable[..., Comparison], tmp_path: Path
) -> None:
    small = replace(compared, comparison=make_comparison(["hat"]))
    write_comparison(small, tmp_path / "out")
    write_comparison(replace(small, groups=()), tmp_path / "out")
    assert not (tmp_path / "out" / "figures" / "curves.png").exists()
    assert "curves.png" not in (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")


def test_names_that_are_no_valid_text_survive(
    make_comparison: Callable[..., Comparison], tmp_path: Path
) -> None:
    compared = Compared(make_comparison(["hat"]), (), ["photo \udcff was left out"], "", "name")
    assert "photo \\udcff was left out" in written(compared, tmp_path).words


def test_tables_of_large_comparisons_wait_to_be_opened(
    make_comparison: Callable[..., Comparison], tmp_path: Path
) -> None:
    compared = Compared(make_comparison([f"sign {n}" for n in range(20)]), (), (), "", "signs")
    assert "<details open>" not in written(compared, tmp_path).source


def test_curves_that_are_left_out_are_counted(compared: Compared, tmp_path: Path) -> None:
    groups = [replace(compared.groups[0], name=f"group {number}") for number in range(12)]
    words = written(replace(compared, groups=groups), tmp_path / "out").words
    assert "(the first 8 of 12 groups)" in words


@pytest.mark.slow
def test_forty_three_classes_and_six_variants_take_seconds(
    make_comparison: Callable[..., Comparison], tmp_path: Path
) -> None:
    classes = [f"sign {number}" for number in range(43)]
    comparison = make_comparison(classes, [f"variant={number}" for number in range(7)])
    begin = time.perf_counter()
    write_comparison(Compared(comparison, (), (), "", "signs"), tmp_path)
    assert time.perf_counter() - begin < 60


def test_a_place_that_cannot_be_written_is_named(compared: Compared, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match=r"cannot write .*A part of this path is a file"):
        write_comparison(compared, tmp_path / "file" / "out")
