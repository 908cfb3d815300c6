import json
import sys
from pathlib import Path

import pytest

from project import build, fingerprints
from project.launch.composition.composed import settled
from tests.conftest import Compose


def test_answer_holds_a_fingerprint_for_each_configuration(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = tiny("seed=1")
    asked, answered = tmp_path / "asked", tmp_path / "answered"
    missing = settled(tiny(f"data.root={tmp_path}/nothing"))
    asked.write_text(json.dumps([settled(cfg), missing]), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["", str(asked), str(answered)])
    fingerprints.main()
    catalog = build.datamodule(cfg).catalog
    assert json.loads(answered.read_bytes()) == [catalog.fingerprint, None]
