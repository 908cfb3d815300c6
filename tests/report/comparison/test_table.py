import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from project.report.comparison.table import print_comparison
from project.report.comparison.text import Compared
from project.stats.results import Comparison, Verdict

VARIANT = "oversampling=outer_copy_x4"


def printed(compared: Compared, width: int) -> str:
    text = io.StringIO()
    print_comparison(compared, Console(file=text, width=width, color_system=None))
    return text.getvalue()


def rows_of(shown: str, metric: str) -> list[str]:
    return [line for line in shown.splitlines() if line.startswith(f"{metric} ")]


def alone(comparison: Comparison) -> Compared:
    return Compared(comparison, (), (), "", "published")


def test_the_answer_comes_before_the_tables(compared: Compared) -> None:
    shown = printed(compared, 120)
    places = [
        shown.index(part)
        for part in (
            "clothing: 3 groups, 9 runs, 2691 test images of 4 classes",
            "baseline oversampling=none  3 runs (seeds 1, 2, 3)",
            f"{VARIANT} against oversampling=none:\n  ▲ better recall of hat (+6.7 points",
            '2 photos of "모자" were left out <everywhere>.',
            "Difference to oversampling=none, percent points",
            f"{VARIANT} (n=3) against oversampling=none (n=3)",
            "To settle macro F1 (+2.7 points): 9 runs a group",
            "p is adjusted over all 22 tests (Holm)",
        )
    ]
    assert places == sorted(places)


def test_a_wide_terminal_shows_every_column(compared: Compared) -> None:
    row = rows_of(printed(compared, 120), "recall hat")[1]
    for part in ("24", "89.0 ± 1.2", "95.7 ± 1.2", "+6.7 [4.0, 9.4]", "0.031", "93 %", "better"):
        assert part in row


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("runs", [1, 3])
def test_no_width_loses_a_verdict_or_a_number(
    make_comparison: Callable[..., Comparison], runs: int, width: int
) -> None:
    comparison = make_comparison(["hat", "outer"], ["base", "variant"], runs)
    shown = printed(alone(comparison), width)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width
    table = shown[shown.index("metric ") : shown.index("To settle")]
    for verdict in ("better", "worse", "equivalent", "shown"):
        assert verdict in table
    for number in ("[-7.6, -2.2]", "-4.9", "0.031"):
        assert number in table


def test_single_runs_show_counts_with_their_intervals(
    make_comparison: Callable[..., Comparison],
) -> None:
    shown = printed(alone(make_comparison(["hat"], ["base", "variant"], 1)), 120)
    (row,) = rows_of(shown, "recall hat")
    assert "21/24 [87.0, 91.0]" in row
    assert "variant (n=1) against base (n=1) - these trained models" in shown
    assert "Train at least 3 seeds each (seed=1,2,3)." in shown


def test_one_variant_needs_no_overview(make_comparison: Callable[..., Comparison]) -> None:
    shown = printed(alone(make_comparison(["hat"], ["base", "variant"])), 100)
    assert "percent points\nmetric" not in shown
    assert len(rows_of(shown, "recall hat")) == 1


def test_many_variants_are_split_over_several_overviews(
    make_comparison: Callable[..., Comparison],
) -> None:
    names = ["base", *(f"variant={number}" for number in range(9))]
    shown = printed(alone(make_comparison(["hat"], names)), 80)
    overview = shown[: shown.index("variant=0 (n=3)")]
    assert overview.count("Difference to base, percent points") == 3
    assert sum(row.count("%") == 0 for row in rows_of(overview, "recall hat")) == 3


def test_every_class_has_its_row_and_many_tables_only_their_answers(
    make_comparison: Callable[..., Comparison],
) -> None:
    names = ["base", "one", "two", "three"]
    comparison = make_comparison([f"sign {number}" for number in range(43)], names)
    few = {"recall/sign 7": Verdict.BETTER, "precision/sign 9": Verdict.WORSE}
    differences = tuple(
        replace(d, verdict=few.get(d.metric, Verdict.NOT_SHOWN)) for d in comparison.differences
    )
    shown = printed(alone(replace(comparison, differences=differences)), 120)
    assert len(shown.splitlines()) < 200
    assert len(rows_of(shown, "recall sign 7")) == 4  # the overview and three tables
    assert len(rows_of(shown, "precision sign 9")) == 4
    assert len(rows_of(shown, "recall sign 8")) == 1
    assert shown.count("84 more metrics are in the files") == 3


def test_names_are_no_markup(make_comparison: Callable[..., Comparison]) -> None:
    shown = printed(alone(make_comparison(["[red]hat[/red]"], ["[b]", "[/b]"])), 120)
    assert "recall [red]hat[/red]" in shown
    assert "[/b] against [b]:" in shown


def test_long_names_are_folded_and_whole(make_comparison: Callable[..., Comparison]) -> None:
    name = "sehr" * 12
    shown = printed(alone(make_comparison([name], ["base", "variant"])), 80)
    assert max(map(len, shown.splitlines())) <= 80
    table = shown[shown.index("metric ") : shown.index("To settle")]
    first_column = "".join(line.split("  ")[0].strip() for line in table.splitlines())
    assert name in first_column


def test_headline_leads_every_table_and_is_never_left_to_the_files(
    make_comparison: Callable[..., Comparison],
) -> None:
    classes = [f"sign {number}" for number in range(43)]
    comparison = make_comparison(classes, ["base", "one", "two", "three"])
    blank = tuple(replace(d, verdict=Verdict.NOT_SHOWN) for d in comparison.differences)
    led = replace(comparison, differences=blank, headline="recall/sign 42")
    shown = printed(alone(led), 120).splitlines()
    heads = [place for place, line in enumerate(shown) if line.startswith("metric ")]
    assert len(heads) == 4
    assert all(shown[place + 2].startswith("recall sign 42 ") for place in heads)
