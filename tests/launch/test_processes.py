from types import SimpleNamespace
from typing import Any

import pytest

from project.launch.processes import ctrl_c_raises, first_process

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
    trainer: Any = SimpleNamespace(interrupted=interrupted)
    with ctrl_c_raises(trainer):
        raise SystemExit(code)


def test_exit_after_ctrl_c_is_an_interrupt_again() -> None:
    with pytest.raises(KeyboardInterrupt):
        exits(1, interrupted=True)


@pytest.mark.parametrize(("code", "interrupted"), [(1, False), (143, True)])
def test_other_exits_stay_what_they_are(code: int, interrupted: bool) -> None:
    with pytest.raises(SystemExit):
        exits(code, interrupted=interrupted)
