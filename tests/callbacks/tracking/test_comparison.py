import json
from pathlib import Path

import pytest
import wandb
from PIL import Image

from project.callbacks.tracking.comparison import log_comparison
from project.errors import ConfigError
from tests.callbacks.tracking.wandb_server import (
    log_out,
    logged_in,
    offline_parts,
    read_back,
    records,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # wandb's own, which change with every release
]


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which nobody has logged in to W&B."""
    log_out(monkeypatch, tmp_path)
    wandb.teardown()


def compared(directory: Path, **changes: object) -> str | None:
    Image.new("RGB", (8, 8)).save(directory / "intervals.png")
    given: dict[str, object] = {
        "project": "evenhand", "entity": None, "name": "coats", "group": "clothing",
        "tags": ["paper"], "mode": "auto",
        "tables": {"verdicts": (["variant", "difference"], [["x4", 0.02], [Path("a"), None]])},
        "figures": {"intervals": directory / "intervals.png", "none": directory / "none.png"},
        "summary": {"runs": 6, "better": "x4", "where": Path("b")},
    }  # fmt: skip
    return log_comparison(directory, **{**given, **changes})  # type: ignore[arg-type]


def test_comparison_is_kept_offline_with_its_tables_and_pictures(tmp_path: Path) -> None:
    command = compared(tmp_path)
    (part,) = offline_parts(tmp_path)
    assert command == f"wandb sync {part}"
    assert wandb.run is None
    read = read_back(part)
    assert (read["name"], read["state"], read["tags"]) == ("coats", "finished", ["paper"])
    assert (read["summary"]["runs"], read["summary"]["where"]) == (6, "b")
    (opened,) = records(part, "run")
    assert (opened["job_type"], opened["run_group"]) == ("compare", "clothing")
    (file,) = (part / "files" / "media" / "table").glob("verdicts_*.table.json")
    assert json.loads(file.read_text())["data"] == [["x4", 0.02], ["a", None]]
    assert len(list((part / "files" / "media" / "images").glob("intervals_*.png"))) == 1


def test_comparison_arrives_online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with logged_in(monkeypatch) as server:
        assert compared(tmp_path) is None
        assert server.exit_code == 0
        assert json.loads(server.files["wandb-summary.json"])["better"] == "x4"
        assert server.asked("UpsertBucket")[0]["jobType"] == "compare"


def test_comparison_goes_on_when_wandb_takes_no_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = compared(tmp_path, tables={"torn": (["one"], [["a", "b"]])})
    assert command is not None
    assert "W&B: could not send the comparison" in caplog.text
    assert wandb.run is None


def test_comparison_online_without_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody has logged in to W&B here"):
        compared(tmp_path, mode="online")
