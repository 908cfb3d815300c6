import pytest

from project.launch.cli.resolvers import job_name, rerun_name, sweep_name


def test_job_is_named_after_what_varies() -> None:
    arguments = ["--multirun", "data=folder", "data.root=/a/b", "seed=1,2", "sampler=a,b"]
    overrides = ["data=folder", "data.root=/a/b", "seed=2", "sampler=a"]
    assert job_name(overrides, {}, arguments) == "seed=2,sampler=a"


def test_ranges_choices_and_added_keys_vary_too() -> None:
    arguments = ["-m", "seed=range(3)", "+model.width=choice(8,16)", "tags=[a,b]"]
    overrides = ["seed=0", "+model.width=8", "tags=[a,b]"]
    assert job_name(overrides, {}, arguments) == "seed=0,width=8"


def test_what_the_configuration_sweeps_over_varies() -> None:
    assert job_name(["seed=3", "data=folder"], {"seed": "1,2,3"}, ["-m"]) == "seed=3"


def test_sweep_of_one_job_is_named_after_all_of_it() -> None:
    assert job_name(["sampler=balanced", "seed=3"], {}, ["-m"]) == "sampler=balanced,seed=3"


def test_repetition_is_named_after_the_run_without_its_time() -> None:
    run = "outputs/runs/2026-01-31_12-00-00_sampler=balanced"
    assert rerun_name(run, []).startswith("rerun=sampler=balanced")
    assert rerun_name("outputs/runs/mine/", ["seed=2"]) == "rerun=mine,seed=2"
    assert rerun_name("2026-01-31_12-00-00", ["paths.output=x"]) == "rerun=2026-01-31_12-00-00"


@pytest.mark.parametrize("run", [None, "", 5, ["a", "b"]], ids=str)
def test_whatever_is_given_as_a_run_has_a_name_until_it_is_refused(run: object) -> None:
    assert rerun_name(run, None).startswith("rerun=")


def test_sweep_is_named_after_its_whole_command() -> None:
    words = ["-m", "seed=1,2", "hydra.launcher.retries=1", "--config-dir=mine"]
    assert sweep_name(words).startswith("seed=1,2")
    assert sweep_name(words) != sweep_name([*words, "~loss.label_smoothing"])
    assert sweep_name(words) == sweep_name([*words, "paths.output=elsewhere"])
