import pytest

from project.errors import RunError
from project.runs.directory import RunDirectory
from project.runs.saved_config import read_config, read_overrides
from tests.left_runs import MakeRun


def test_configuration_and_overrides_come_back(make_run: MakeRun) -> None:
    config = {"seed": 1, "optimizer": {"lr": 1e-8, "betas": [0.9, 0.999]}, "logger": {}}
    run = make_run("run", config, ["data.root='/a b'", "seed=1"])
    assert read_config(run) == config
    assert read_overrides(run) == ["data.root='/a b'", "seed=1"]


def test_a_run_without_configuration_is_named(run: RunDirectory) -> None:
    with pytest.raises(RunError, match=r"configuration of a run at .*config\.yaml, got: No such"):
        read_config(run)


@pytest.mark.parametrize("content", ["- a\n- b", "a: [", "text"])
def test_a_damaged_configuration_is_named(make_run: MakeRun, content: str) -> None:
    run = make_run("run")
    run.config_file.write_text(content)
    with pytest.raises(RunError, match=r"config\.yaml, got content that is none"):
        read_config(run)


@pytest.mark.parametrize("content", ["a: b", "- 1", "[", ""])
def test_damaged_overrides_are_named(make_run: MakeRun, content: str) -> None:
    run = make_run("run")
    run.overrides_file.write_text(content)
    with pytest.raises(RunError, match=r"overrides\.yaml, got content that is none"):
        read_overrides(run)
