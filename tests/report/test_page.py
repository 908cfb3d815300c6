from html.parser import HTMLParser

import pytest

from project.errors import RunError
from project.report.page import write_report
from project.runs.directory import RunDirectory
from project.runs.record import Diagnosis, Failure, RunRecord


class Page(HTMLParser):
    """The text of a page, and everything that it refers to."""

    def __init__(self, run: RunDirectory) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.references: list[str] = []
        self.source = run.report_file.read_text(encoding="utf-8")
        self.feed(self.source)
        self.words = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def reported(run: RunDirectory, record: RunRecord) -> Page:
    record.write(run)
    assert write_report(run) == run.report_file
    return Page(run)


def test_tests_stand_side_by_side_and_the_worst_is_named(
    run: RunDirectory, record: RunRecord
) -> None:
    assert "side by side" not in reported(run, record).words
    record.metrics |= {"test_b/macro_recall": 0.5, "test_b/recall/모자": 0.25}
    words = reported(run, record).words
    assert "Worst test: test_b (macro recall 50.0 %) test test_b images 114 0" in words
    assert "recall 모자 79.2 % 25.0 %" in words


def test_the_page_says_it_all(run: RunDirectory, record: RunRecord) -> None:
    words = reported(run, record).words
    for part in (
        "oversampling=outer_copy_x4, seed=1 finished · started 2024-05-01 10:00:00 UTC",
        "took 2 min 5 s · seed 1 python -m project.train oversampling=outer_copy_x4 'data.root=",
        '2 photos of "모자" were <seen> in train.',
        "Macro recall 79.7 % Accuracy 79.8 %",
        "Best epoch 1 val/macro_recall 0.5000",
        "모자 79.2 % 19/24 100.0 % 88.4 % 24 210 210",
        "<b>[red]sh$oe$s[/red]</b> – – 0.0 % 0.0 % 0 7 7",
        "photos from /my photos train images 25419",
        "모자/0.jpg zero",
        "test/calibration_error –",
        "class_map: {모자: <hat>}",
        "c0ffee , with changes",
        "a processor, 2 cores, 8.0 GiB, a GPU",
        "torch 2.6.0",
    ):
        assert part in words


def test_headline_is_the_first_tile(run: RunDirectory, record: RunRecord) -> None:
    record.headline = f"precision/{record.classes[3]}"
    page = reported(run, record)
    assert "Precision of <b>[red]sh$oe$s[/red]</b> 0.0 % Macro recall 79.7 %" in page.words
    record.headline = "macro_f1"
    assert "split Macro F1 63.5 % Macro recall 79.7 % Accuracy" in reported(run, record).words


def test_names_cannot_become_markup(run: RunDirectory, record: RunRecord) -> None:
    record.name = "<script>alert(1)</script>"
    page = reported(run, record)
    assert "script" not in page.tags
    assert "&lt;b&gt;[red]sh$oe$s[/red]&lt;/b&gt;" in page.source
    assert "&lt;hat&gt;" in page.source


def test_the_page_needs_nothing_else(run: RunDirectory, record: RunRecord) -> None:
    page = reported(run, record)
    assert len(page.references) == 2  # curves and confusion matrix
    assert all(item.startswith("data:image/png;base64,") for item in page.references)
    assert not {"link", "iframe"} & set(page.tags)
    assert "@import" not in page.source
    assert "url(" not in page.source


def test_diagnoses_stand_there_with_their_evidence(run: RunDirectory, record: RunRecord) -> None:
    assert "Diagnoses" not in reported(run, record).words
    evidence: dict[str, float | str] = {"class": "<hat>", "share_of_answers": 0.98765}
    record.diagnoses = [Diagnosis("class_never_predicted", "No photo is a <hat>.", evidence)]
    page = reported(run, record)
    assert "Diagnoses class never predicted No photo is a <hat>. Evidence" in page.words
    assert "class <hat> share of answers 0.9877" in page.words
    assert "hat" not in page.tags


def test_figures_lie_in_the_run_directory_too(run: RunDirectory, record: RunRecord) -> None:
    reported(run, record)
    assert run.figure("curves").is_file()
    assert run.figure("confusion_test").is_file()


def test_the_same_run_gives_the_same_page(run: RunDirectory, record: RunRecord) -> None:
    assert reported(run, record).source == reported(run, record).source


def test_a_failed_run_has_a_page_that_says_why(tmp_run: RunDirectory) -> None:
    error = Failure("DataError", "no photos in <here>", "Traceback: line 1")
    page = reported(tmp_run, RunRecord(state="failed", error=error))
    assert "What ended the run DataError no photos in <here> Traceback" in page.words
    assert "Class by class" not in page.words
    assert page.references == []


@pytest.fixture
def tmp_run(run: RunDirectory) -> RunDirectory:
    """A run that left nothing but its record."""
    return RunDirectory(run.path.with_name("empty"))


def test_no_page_without_a_run(tmp_run: RunDirectory) -> None:
    with pytest.raises(RunError, match="expected the record of a run"):
        write_report(tmp_run)
