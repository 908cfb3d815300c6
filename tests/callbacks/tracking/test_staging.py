import os
from pathlib import Path

import pytest

from project.callbacks.tracking.staging import staged_in


def test_what_waits_for_upload_is_kept_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    with staged_in(tmp_path):
        assert os.environ["WANDB_DATA_DIR"] == str(tmp_path / "wandb" / "data")
    assert "WANDB_DATA_DIR" not in os.environ


def test_place_that_the_user_has_told_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_DATA_DIR", "/elsewhere")
    with staged_in(tmp_path):
        assert os.environ["WANDB_DATA_DIR"] == "/elsewhere"
    assert os.environ["WANDB_DATA_DIR"] == "/elsewhere"
