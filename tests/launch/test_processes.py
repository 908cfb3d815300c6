import signal
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.types import RunMode
from omegaconf import OmegaConf

from project.errors import ConfigError
from project.launch import membership, processes
from project.launch.processes import check_own_ids, check_processes, ctrl_c_raises, first_process

VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")


@pytest.mark.parametrize("name", VARIABLES)
def test_only_rank_0_speaks(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assert first_process()
    monkeypatch.setenv(name, "0")
    assert first_process()
    monkeypatch.setenv(name, "1")
    assert not first_process()


def exits(code: int, interrupted: bool) -> None:
    strategy = SimpleNamespace(launcher=None)
    trainer: Any = SimpleNamespace(interrupted=interrupted, strategy=strategy)
    with ctrl_c_raises(trainer):
        raise SystemExit(code)


def test_exit_after_ctrl_c_is_an_interrupt_again() -> None:
    with pytest.raises(KeyboardInterrupt):
        exits(1, interrupted=True)


@pytest.mark.parametrize(("code", "interrupted"), [(1, False), (143, True)])
def test_other_exits_stay_what_they_are(code: int, interrupted: bool) -> None:
    with pytest.raises(SystemExit):
        exits(code, interrupted=interrupted)


def test_processes_of_a_run_that_ends_are_ended() -> None:
    killed: list[int] = []
    strategy = SimpleNamespace(launcher=SimpleNamespace(kill=killed.append))
    trainer: Any = SimpleNamespace(interrupted=True, strategy=strategy)
    with pytest.raises(SystemExit), ctrl_c_raises(trainer):
        raise SystemExit(143)
    assert killed == [signal.SIGKILL]


class Hydra:
    """What Hydra would say of a command."""

    def __init__(self, mode: RunMode, overrides: tuple[str, ...] = ()) -> None:
        self.mode = mode
        self.sweep = SimpleNamespace(dir="outputs/sweeps/one")
        self.overrides = SimpleNamespace(hydra=list(overrides))

    def initialized(self) -> bool:
        return True

    def get(self) -> "Hydra":
        return self


def test_sweep_over_jobs_of_several_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "HydraConfig", Hydra(RunMode.MULTIRUN))
    check_processes(OmegaConf.create({"strategy": "auto"}))
    with pytest.raises(ConfigError, match="would start the sweep again in each of them"):
        check_processes(OmegaConf.create({"strategy": {"_target_": "DDPStrategy"}}))


def test_job_of_several_processes_is_let_through_where_each_job_is_a_command_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "HydraConfig", Hydra(RunMode.RUN))
    monkeypatch.setenv("EVENHAND_SWEEP", "outputs/sweeps/one")
    check_processes(OmegaConf.create({"strategy": {"_target_": "DDPStrategy"}}))


LOGGERS = OmegaConf.create({"wandb": {"id": None}, "tensorboard": {"run_dir": "here"}})


def test_one_id_for_all_jobs_of_a_sweep_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_RUN_ID", raising=False)
    given = OmegaConf.create({"wandb": {"id": "same"}})
    monkeypatch.setattr(membership, "HydraConfig", Hydra(RunMode.RUN))
    check_own_ids(given)
    monkeypatch.setattr(membership, "HydraConfig", Hydra(RunMode.MULTIRUN))
    check_own_ids(LOGGERS)
    with pytest.raises(ConfigError, match=r"logger\.wandb\.id: each job of --multirun is a run of"):
        check_own_ids(given)


def test_id_of_the_environment_is_for_agents_and_single_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)
    monkeypatch.setenv("WANDB_RUN_ID", "same")
    monkeypatch.setattr(membership, "HydraConfig", Hydra(RunMode.RUN))
    check_own_ids(LOGGERS)
    monkeypatch.setattr(membership, "HydraConfig", Hydra(RunMode.MULTIRUN))
    check_own_ids(OmegaConf.create({}))  # nobody reads it
    with pytest.raises(ConfigError, match="WANDB_RUN_ID: each job of --multirun is a run of its"):
        check_own_ids(LOGGERS)
    monkeypatch.setenv("WANDB_SWEEP_ID", "swept")
    check_own_ids(LOGGERS)


def test_processes_that_torchrun_starts_need_one_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = OmegaConf.create({"strategy": "auto"})
    monkeypatch.setattr(processes, "HydraConfig", Hydra(RunMode.RUN))
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "1")
    check_processes(alone)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with pytest.raises(ConfigError, match=r"Name one for all of them: hydra\.run\.dir=<folder>"):
        check_processes(alone)
    monkeypatch.setattr(processes, "HydraConfig", Hydra(RunMode.RUN, ("hydra.run.dir=here",)))
    check_processes(alone)
