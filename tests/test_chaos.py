"""The short form of ``benchmarks/chaos.py``."""

from pathlib import Path

import pytest

from benchmarks import chaos


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_killed_sweep_ends_with_the_bytes_of_one_that_was_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENHAND_SLOTS", str(tmp_path / "slots"))
    outcome = chaos.run(tmp_path, jobs=4, kills=5, epochs=400, seed=1, longest_wait=25.0)
    assert sum(outcome.kills.values()) == 5
    assert len(outcome.finished) == 4
    assert not outcome.changed
    assert not outcome.different
