import csv
import io

from project.report.search.trials import Searched, as_csv


def test_table_has_a_row_for_every_trial(searched: Searched) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(searched))))
    assert [row["trial"] for row in rows] == list("012345")
    assert rows[2] == {
        "trial": "2", "state": "complete", "val/macro_recall": "0.75", "lr": "0.01",
        "sampler": "balanced", "directory": "trial=0002,lr=0.01", "error": "",
    }  # fmt: skip
    assert (rows[3]["val/macro_recall"], rows[3]["error"]) == ("", "ValueError: no, not so")
    assert (rows[5]["state"], rows[5]["lr"]) == ("running", "")


def test_table_of_two_goals_has_both(two_goals: Searched) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(two_goals))))
    assert [row["milliseconds_per_image"] for row in rows] == ["3.0", "1.0", "2.0"]


def test_keys_stand_in_the_order_of_the_trials(searched: Searched) -> None:
    assert searched.keys == ["lr", "sampler"]
    assert [trial.number for trial in searched.complete] == [0, 2, 4]
