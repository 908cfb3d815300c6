import io
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console

from project.report.tables import print_result
from project.runs.directory import RunDirectory
from project.runs.record import Diagnosis, RunRecord


def printed(record: RunRecord, run: RunDirectory, width: int = 80) -> list[str]:
    stream = io.StringIO()
    print_result(record, run, Console(file=stream, width=width))
    return stream.getvalue().splitlines()


def test_the_whole_result_reads_well(record: RunRecord, run: RunDirectory) -> None:
    record.state = "interrupted"
    text = printed(record, RunDirectory(Path("outputs/a")))
    assert (
        [line.rstrip() for line in text]
        == """\
                            train    test
class                      images  images  recall  correct  precision      F1
─────────────────────────────────────────────────────────────────────────────
모자                          210      24  79.2 %    19/24    100.0 %  88.4 %
외투                         4984      30  80.0 %    24/30     82.8 %  81.4 %
t-shirt "old"               20218      60  80.0 %    48/60     88.9 %  84.2 %
<b>[red]sh$oe$s[/red]</b>       7       0       –        –      0.0 %   0.0 %

macro recall   79.7 %
accuracy       79.8 %
macro F1       63.5 %
best epoch     1 (val/macro_recall 0.5000)
skipped        1 unusable photo, named in run.json
warning        2 photos of "모자" were <seen> in train.
state          interrupted: what is above may be incomplete
run directory  outputs/a""".splitlines()
    )


def test_headline_stands_first_and_aligned(record: RunRecord, run: RunDirectory) -> None:
    record.headline = "recall/모자"
    lines = printed(record, run)
    place = next(n for n, line in enumerate(lines) if line.startswith("recall of 모자"))
    assert lines[place - 1] == ""
    assert [line.split("  ")[0] for line in lines[place : place + 4]] == [
        "recall of 모자", "macro recall", "accuracy", "macro F1"
    ]  # fmt: skip
    starts = {cell_len(line[: line.index("%")]) for line in lines[place : place + 4]}
    assert len(starts) == 1


def test_a_table_with_long_and_wide_names_keeps_to_80_columns_and_aligns(
    record: RunRecord, run: RunDirectory
) -> None:
    names = [
        "외투와 모자 그리고 아주 긴 이름을 가진 모든 종류의 옷",
        "No vehicles over 3.5 t permitted here",
    ]
    record.classes = names
    record.counts = {"train": dict.fromkeys(names, 20218), "test": dict.fromkeys(names, 4176)}
    record.metrics = {
        f"test/{metric}/{name}": 1.0 for metric in ("recall", "precision", "f1") for name in names
    }
    lines = printed(record, run)
    table = lines[: lines.index("")]
    assert len({cell_len(line) for line in table}) == 1
    assert cell_len(table[0]) <= 80
    assert sum("4176/4176    100.0 %  100.0 %" in line for line in table) == 2
    assert any(line.startswith("No vehicles over ") for line in table)


def test_diagnoses_stand_below_the_table(record: RunRecord, run: RunDirectory) -> None:
    record.diagnoses = [Diagnosis("collapse", "All [photos] are one class.")]
    lines = printed(record, run)
    assert "diagnosis      All [photos] are one class." in [line.rstrip() for line in lines]


def test_tests_stand_side_by_side(record: RunRecord, run: RunDirectory) -> None:
    record.metrics |= {"test_[b]/macro_recall": 0.5, "test_[b]/recall/모자": 0.25}
    record.counts["test_[b]"] = {"모자": 4}
    lines = [line.split() for line in printed(record, run)]
    assert ["test", "set", "test", "test_[b]"] in lines
    assert ["images", "114", "4"] in lines
    assert ["macro", "recall", "79.7", "%", "50.0", "%"] in lines
    assert ["recall", "모자", "79.2", "%", "25.0", "%"] in lines
    assert ["worst", "test", "test_[b]", "(macro", "recall", "50.0", "%)"] in lines


def test_many_tests_keep_to_the_width_of_the_terminal(record: RunRecord, run: RunDirectory) -> None:
    for number in range(9):
        record.metrics[f"test_of_the_month_{number}/macro_recall"] = 0.5
    lines = printed(record, run)
    end = next(n for n, line in enumerate(lines) if line.startswith("macro recall   79.7"))
    assert all(cell_len(line) <= 80 for line in lines[:end])


def test_a_narrow_terminal_still_shows_names(record: RunRecord, run: RunDirectory) -> None:
    assert any(line.startswith("t-shirt") for line in printed(record, run, width=60))


def test_the_path_of_the_run_is_never_broken(record: RunRecord) -> None:
    path = Path("/photos") / ("x" * 100) / "run"
    assert printed(record, RunDirectory(path))[-1].endswith(str(path))


def test_a_run_that_measured_nothing_has_a_result_too(run: RunDirectory) -> None:
    lines = printed(RunRecord(state="failed"), run)
    assert "macro recall   –" in lines
    assert "state          failed: what is above may be incomplete" in lines
