import shutil
from pathlib import Path

import pytest

from project.errors import RunError
from project.runs.directory import RunDirectory
from project.runs.finding import find_runs
from project.runs.record import RunRecord, read_record
from tests.left_runs import MakeRun


@pytest.fixture
def outputs(make_run: MakeRun, tmp_path: Path) -> Path:
    """Two single runs, a sweep of three and an evaluation."""
    for place in ("runs/one", "runs/two,x=[1]", *(f"sweeps/a/seed={s}" for s in (2, 9, 10))):
        make_run(f"outputs/{place}")
    make_run("outputs/evaluations/one", config={}, kind="evaluation")
    return tmp_path / "outputs"


def found(*inputs: str | Path) -> list[str]:
    return [run.path.name for run in find_runs(inputs)]


def test_a_run_is_found_by_its_folder(outputs: Path) -> None:
    assert found(outputs / "runs" / "one") == ["one"]


def test_runs_of_a_sweep_come_in_the_order_of_their_numbers(outputs: Path) -> None:
    assert found(outputs / "sweeps" / "a") == ["seed=2", "seed=9", "seed=10"]


def test_evaluations_in_a_folder_are_left_out(outputs: Path) -> None:
    assert found(outputs) == ["one", "two,x=[1]", "seed=2", "seed=9", "seed=10"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("sweeps/*/seed=[19]*", ["seed=9", "seed=10"]),
        ("sweeps/*", ["seed=2", "seed=9", "seed=10"]),
        ("**/seed=?", ["seed=2", "seed=9"]),
        ("**", ["one", "two,x=[1]", "seed=2", "seed=9", "seed=10"]),
        ("runs/two,x=[1]", ["two,x=[1]"]),  # exists, so it is no pattern
    ],
)
def test_patterns_find_runs_and_sweeps(outputs: Path, pattern: str, expected: list[str]) -> None:
    assert found(f"{outputs}/{pattern}") == expected


def test_a_folder_with_brackets_may_begin_a_pattern(outputs: Path, tmp_path: Path) -> None:
    shutil.copytree(outputs / "sweeps" / "a", tmp_path / "sweep[1]" / "jobs")
    assert found(f"{tmp_path}/sweep[1]/*") == ["seed=2", "seed=9", "seed=10"]


def test_each_run_comes_once_whatever_names_it(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(outputs)
    (outputs / "latest").symlink_to(outputs / "runs" / "one")
    assert found("runs/one", outputs / "runs", "latest", "**/one") == ["one", "two,x=[1]"]


def test_the_home_folder_is_known(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(outputs))
    assert found("~/runs/o*") == found("~/runs/one") == ["one"]


def test_no_input_is_refused() -> None:
    with pytest.raises(RunError, match="expected at least one run, got none"):
        find_runs([])


def test_a_misspelt_run_gets_a_suggestion(outputs: Path) -> None:
    with pytest.raises(RunError, match=r'nothing there\. Did you mean "one"\?'):
        find_runs([outputs / "runs" / "onne"])


def test_a_pattern_without_runs_names_runs_nearby(outputs: Path) -> None:
    with pytest.raises(
        RunError, match=r"runs at .*runs/three\*, got 0 matches .* There are 2 in .*runs, such as"
    ):
        find_runs([f"{outputs}/runs/three*"])


def test_a_folder_without_runs_is_refused(outputs: Path, tmp_path: Path) -> None:
    (tmp_path / "empty" / "below").mkdir(parents=True)
    with pytest.raises(RunError, match=r"got a folder without any training run\. Name the direct"):
        find_runs([outputs / "runs", tmp_path / "empty" / "below"])


def test_an_evaluation_that_is_named_is_refused(outputs: Path) -> None:
    with pytest.raises(RunError, match=r"expected a training run at .*, got an evaluation"):
        find_runs([outputs / "evaluations" / "one"])


def test_an_evaluation_of_an_earlier_version_is_known_by_having_no_seed(outputs: Path) -> None:
    for name in ("evaluations/one", "runs/one"):
        record = outputs / name / "run.json"
        record.write_text(record.read_text().replace('"kind"', '"formerly"'))
    kinds = [read_record(RunDirectory(outputs / n)).kind for n in ("evaluations/one", "runs/one")]
    assert kinds == ["evaluation", "training"]


def test_a_damaged_record_is_not_passed_over(outputs: Path) -> None:
    (outputs / "runs" / "one" / "run.json").write_text("{")
    with pytest.raises(RunError, match="got content that is none"):
        find_runs([outputs])


def test_unfinished_runs_are_found_too(tmp_path: Path) -> None:
    RunRecord(state="failed", seed=1).write(RunDirectory(tmp_path / "run"))
    assert found(tmp_path) == ["run"]
