import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from project.report.comparison.files import as_csv, as_json, as_markdown, escaped, tables
from project.report.comparison.text import Compared
from project.stats.results import Comparison

VARIANT = "oversampling=outer_copy_x4"


def alone(comparison: Comparison) -> Compared:
    return Compared(comparison, (), (), "", "published")


def cells_of(row: str) -> list[str]:
    """A row of a Markdown table, as GitHub splits it."""
    return [cell.strip() for cell in row.replace("\\|", "\0").strip("|").split("|")]


def test_csv_gives_back_every_number(compared: Compared) -> None:
    comparison = compared.comparison
    rows = list(csv.DictReader(io.StringIO(as_csv(compared))))
    assert len(rows) == len(comparison.estimates)
    for row in rows:
        estimate = comparison.estimate(row["group"], row["metric"])
        assert float(row["mean"]) == estimate.mean
        assert float(row["high"]) == estimate.interval.high
        if row["group"] == comparison.baseline:
            assert row["difference"] == row["verdict"] == ""
            continue
        found = comparison.difference(row["group"], row["metric"])
        assert float(row["difference"]) == found.difference
        assert float(row["p_holm"]) == found.p_adjusted
        assert row["verdict"] == found.verdict
        assert row["needed_runs"] == (str(found.needed.runs) if found.needed else "")


def test_csv_rows_follow_groups_and_metrics(compared: Compared) -> None:
    comparison = compared.comparison
    by_metric = sorted(comparison.estimates, key=lambda estimate: estimate.metric[::-1])
    shuffled = replace(comparison, estimates=tuple(by_metric))
    rows = list(csv.DictReader(io.StringIO(as_csv(replace(compared, comparison=shuffled)))))
    assert [row["group"] for row in rows[::11]] == list(comparison.groups)
    kinds = [row["metric"].partition("/")[0] for row in rows[:11]]
    expected = ["accuracy", "macro_recall", "macro_f1", *["recall"] * 4, *["precision"] * 4]
    assert kinds == expected


def test_headline_leads_in_every_file(compared: Compared) -> None:
    led = replace(compared, comparison=replace(compared.comparison, headline="recall/top"))
    rows = list(csv.DictReader(io.StringIO(as_csv(led))))
    assert [row["metric"] for row in rows[::11]] == ["recall/top"] * 3
    assert [row["metric"] for row in rows[1:3]] == ["accuracy", "macro_recall"]
    tables_shown = [part for part in as_markdown(led, {}).split("\n\n") if "| metric |" in part]
    assert [part.splitlines()[2].split("|")[1] for part in tables_shown] == [" recall top "] * 3
    assert json.loads(as_json(led))["headline"] == "recall/top"
    assert json.loads(as_json(compared))["headline"] is None


def test_csv_leaves_blank_what_is_not_defined(make_comparison: Callable[..., Comparison]) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(alone(make_comparison(runs=1))))))
    assert {row["spread"] for row in rows} == {""}
    assert rows[3]["correct"] == "21"
    assert rows[1]["correct"] == ""


def test_json_gives_back_everything(compared: Compared) -> None:
    read = json.loads(as_json(compared))
    comparison = compared.comparison
    assert read["format"] == 1
    assert (read["name"], read["baseline"], read["margin"]) == (
        "clothing",
        "oversampling=none",
        0.01,
    )
    assert read["classes"] == {"hat": 24, "outer": 889, "top": 1754, "shoes": 24}
    assert [entry["mean"] for entry in read["estimates"]] == [e.mean for e in comparison.estimates]
    assert read["differences"][3]["interval"] == {
        "low": comparison.differences[3].interval.low,
        "high": comparison.differences[3].interval.high,
    }
    assert read["differences"][2]["needed"]["runs"] == 9
    group = read["groups"][1]
    assert (group["name"], group["settings"]) == (VARIANT, {"oversampling.factors": 1})
    assert group["runs"][2] == {"path": str(compared.groups[1].runs[2].path), "seed": 3}
    assert read["findings"][0].startswith(f"{VARIANT} against oversampling=none: better")
    assert read["notes"] == compared.notes


def test_json_has_null_for_what_is_not_a_number(make_comparison: Callable[..., Comparison]) -> None:
    comparison = make_comparison(runs=1)
    first = replace(comparison.differences[0], p_value=math.inf, difference=math.nan)
    read = json.loads(
        as_json(alone(replace(comparison, differences=(first, *comparison.differences[1:])))),
        parse_constant=pytest.fail,
    )
    assert read["estimates"][0]["spread"] is None
    assert read["differences"][0]["p_value"] is read["differences"][0]["difference"] is None
    assert read["groups"][0] == {"name": "oversampling=none"}
    assert read["caution"].startswith("One run a side")


def test_tables_hold_plain_values(compared: Compared) -> None:
    shown = tables(compared)
    headings, rows = shown["comparison"]
    assert all(len(row) == len(headings) for row in rows)
    assert {type(value) for row in rows for value in row} == {str, int, float, bool, type(None)}
    headings, rows = shown["overview"]
    assert headings == ["metric", VARIANT, "sampler=balanced"]
    assert rows[0] == ["accuracy", "-4.9 worse", "+0.4 equivalent"]


def test_markdown_shows_the_same_tables(compared: Compared) -> None:
    text = as_markdown(compared, {"figures/forest.png": "Differences"})
    assert f"- {VARIANT} against oversampling=none: better recall of hat (+6.7 points" in text
    assert "![Differences](figures/forest.png)" in text
    assert "| recall hat | +6.7 better | -4.8 worse |" in text
    assert (
        "| recall hat | 24 | 89.0 ± 1.2 [87.0, 91.0] | 95.7 ± 1.2 [93.7, 97.7] "
        "| +6.7 [4.0, 9.4] | 0.031 | 93 % | better |"
    ) in text
    assert "- To settle macro F1 (+2.7 points): 9 runs a group" in text
    assert compared.command in text
    assert str(compared.groups[0].runs[0].path.name) in text


def test_every_row_of_a_markdown_table_has_as_many_cells_as_its_heading(
    make_comparison: Callable[..., Comparison],
) -> None:
    text = as_markdown(alone(make_comparison(["a|b", "c\\|d\ne"], ["|", "x|y", "`z|`"])), {})
    tables_shown = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables_shown) == 4
    for rows in tables_shown:
        assert len({len(cells_of(row)) for row in rows}) == 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a|b", r"a\|b"),
        ("<b>[x](y)&amp;", r"\<b\>[x\](y)\&amp;"),
        ("[x] task", r"\[x] task"),
        ("*_`~$", r"\*\_\`\~\$"),
        ("t_shirt=outer_copy_x4", "t_shirt=outer_copy_x4"),
        ("two\nlines", "two lines"),
        ("- item", r"\- item"),
    ],
)
def test_markdown_shows_names_as_they_are(name: str, shown: str) -> None:
    assert escaped(name) == shown
