import csv
import io
import json
from typing import Any

from project.report.sweeps.files import FORMAT, as_csv, as_json, as_markdown
from project.report.sweeps.recipes import recipe_results
from project.runs.sweeps import SweepDirectory, SweepFacts
from tests.report.sweeps.conftest import MakeJob


def test_markdown_holds_jobs_repeats_and_failures(
    folded: Any, job: MakeJob, sweep: SweepDirectory, facts: SweepFacts
) -> None:
    results = recipe_results([folded(str(fold), fold=fold) for fold in (0, 1, 2)])
    jobs = [job(1, "finished"), job(2, "failed")]
    lines = as_markdown(sweep, facts, jobs, results).splitlines()
    assert lines[0] == "# sampler=natural,balanced [1]"
    assert lines[2] == "2 jobs: 1 finished, 0 running, 0 waiting, 1 failed."
    row = next(line for line in lines if line.startswith("| sampler=natural "))
    assert row.startswith("| sampler=natural | 3 folds | – | 100.0 ± 0.0 | – | 6/6 [61.0, 100")
    assert "| seed=1 | finished | 81.2 % | 0.7654 | 1 min 30 s | seed=1 |" in lines
    assert "ValueError: no [bold]such[/bold] layer more" in lines
    words = lines[lines.index("~~~text") + 1 :]
    assert words == ["epoch 1", "too [red]wide", "~~~"]


def test_cells_cannot_break_the_table(
    job: MakeJob, sweep: SweepDirectory, facts: SweepFacts
) -> None:
    odd = job(1, "finished", overrides=["a=x|y", "b=<i>"])
    text = as_markdown(sweep, facts, [odd, job(2)], [])
    assert r"a=x\|y b=\<i\>" in text


def test_csv_has_a_row_for_each_recipe_and_metric(folded: Any, facts: SweepFacts) -> None:
    runs = [folded(f"{s}{f}", s, fold=f, wrong=(0,)) for s in ("a", "b") for f in (0, 1, 2)]
    text = as_csv(facts, recipe_results(runs))
    rows = {(row["recipe"], row["metric"]): row for row in csv.DictReader(io.StringIO(text))}
    assert len(rows) == 12
    accuracy = rows["sampler=a", "accuracy"]
    assert float(accuracy["mean"]) == (0.75 + 1 + 1) / 3
    assert accuracy["correct"] == ""
    hat = rows["sampler=b", "recall/hat"]
    assert (hat["correct"], hat["tested"], hat["images"], hat["runs"]) == ("5", "6", "6", "3")
    assert float(hat["mean"]) == 5 / 6
    assert 0.43 < float(hat["low"]) < 0.44
    assert rows["sampler=a", "macro_f1"]["mean"] == ""


def test_json_holds_everything(folded: Any, job: MakeJob, facts: SweepFacts) -> None:
    results = recipe_results([folded(str(fold), fold=fold) for fold in (0, 1)])
    failed = job(2, "failed")
    assert failed.record is not None
    failed.record.metrics = {"val/loss": float("nan")}
    plain = json.loads(as_json(facts, [job(1, "finished"), failed, job(3)], results))
    assert plain["format"] == FORMAT
    assert plain["command"] == ["python", "-m", "project.train"]
    assert [entry["state"] for entry in plain["jobs"]] == ["finished", "failed", "waiting"]
    assert plain["jobs"][0]["metrics"] == {"test/macro_recall": 0.812}
    assert plain["jobs"][1]["metrics"] == {"val/loss": None}
    assert plain["jobs"][1]["error"]["type"] == "ValueError"
    (recipe,) = plain["recipes"]
    assert recipe["name"] == "sampler=natural"
    assert [run["fold"] for run in recipe["runs"]] == [0, 1]
    assert recipe["metrics"]["macro_f1"]["mean"] is None
    assert "1 of 3 folds are missing" in recipe["remarks"][0]
