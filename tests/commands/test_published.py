from pathlib import Path

import pytest

from project.commands.published import read_counts
from project.errors import DataError
from tests.conftest import REPOSITORY


def test_shipped_counts_are_the_published_totals() -> None:
    published = read_counts(REPOSITORY / "conf" / "published" / "clothing.yaml")
    totals = [
        tuple(sum(pair[part] for pair in counts.values()) for part in (0, 1))
        for counts in published.variants.values()
    ]
    assert totals == [(7704, 7904), (7738, 7904)]
    assert published.baseline == next(iter(published.variants))


def test_first_variant_is_the_baseline_unless_told(tmp_path: Path) -> None:
    file = tmp_path / "counts.yaml"
    file.write_text("variants: {a: {hat: 1/2}, b: {hat: 2 / 2}}")
    assert read_counts(file).baseline == "a"
    assert read_counts(file).variants["b"] == {"hat": (2, 2)}
    file.write_text("baseline: b\nvariants: {a: {hat: 1/2}, b: {hat: 2/2}}")
    assert read_counts(file).baseline == "b"


@pytest.mark.parametrize("notes", ["one note", "[one note]"])
def test_notes_may_be_one_text_or_several(tmp_path: Path, notes: str) -> None:
    file = tmp_path / "counts.yaml"
    file.write_text(f"baseline:\nnotes: {notes}\nvariants: {{a: {{hat: 1/2}}, b: {{hat: 2/2}}}}")
    assert read_counts(file).notes == ["one note"]
    assert read_counts(file).baseline == "a"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("basline: b\nvariants: {a: {x: 1/2}, b: {x: 1/2}}", "got basline, which nothing reads"),
        ("- a list", "expected the key variants in .*got list"),
        ("variants: {a: {hat: 1/2}}", "expected at least two variants"),
        (
            "variants: {a: {hat: 1/2}, b: {cap: 1/2}}",
            r"expected the classes of a \(hat\).*cap for b",
        ),
        ("variants: {a: {hat: 1/2}, b: {hat: 0.5}}", "expected correct/total .*b: hat, got 0.5"),
        ("variants: {a: {hat: 1/2}, b: {hat: 3/2}}", "at most as many correct .*got '3/2'"),
        ("variants: {a: {hat: 1/2}, b: {hat: 0/0}}", "at most as many correct .*got '0/0'"),
        ("variants: {a: {hat: 1/2}, b: 7}", "expected counts by class at .*b, got 7"),
        ("variants: {a: [", "expected published counts in .*got: while parsing"),
    ],
)
def test_file_of_another_form_is_explained(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "counts.yaml"
    file.write_text(text)
    with pytest.raises(DataError, match=match):
        read_counts(file)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected published counts in .*nothing\.yaml"):
        read_counts(tmp_path / "nothing.yaml")
