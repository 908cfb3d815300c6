import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from project import build, choosing
from project.checking import check
from project.choosing import choose
from project.commands import fastest
from project.commands.fastest import with_fastest
from project.commands.resuming import continued
from project.errors import ConfigError, RunError
from project.models.timing import Way
from project.runs.directory import RunDirectory
from project.runs.lock import Lock
from project.runs.record import read_record
from project.runs.saved_config import read_config
from project.train import run
from tests.conftest import TINY, TINY_MODEL, Command, Compose

HALF = Way("bf16-mixed", "contiguous")
TAKEN = {Way("32-true", "channels_last"): 4.0, HALF: 2.0}


def test_machine_is_asked_once_and_answers_alike(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    def measure() -> dict[Way, float]:
        asked.append(1)
        return TAKEN if len(asked) == 1 else {HALF: 9.0}

    with caplog.at_level("INFO"):
        answers = [choose(tmp_path, {"model": "a"}, measure) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0] == (HALF, {"32-true channels_last": 4.0, "bf16-mixed contiguous": 2.0})
    assert len(asked) == 1
    assert "32-true channels_last 4.0, bf16-mixed contiguous 2.0. Takes bf16-mixed" in caplog.text
    choose(tmp_path, {"model": "b"}, measure)
    assert len(asked) == 2


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_damaged_answers_are_found_again(tmp_path: Path, content: str) -> None:
    (tmp_path / "fastest.json").write_text(content)
    assert choose(tmp_path, {}, lambda: TAKEN)[0] == HALF
    assert len(json.loads((tmp_path / "fastest.json").read_text())) == 1


def test_process_that_measures_for_ever_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "_PATIENCE_SECONDS", 0.0)
    lock = Lock.take(tmp_path / "fastest.lock")
    assert lock is not None
    with pytest.raises(RunError, match=r"got another process that has been doing so .* End it, or"):
        choose(tmp_path, {}, lambda: TAKEN)
    lock.release()


@pytest.mark.slow
def test_choice_is_kept_and_trains_as_if_it_had_been_given(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def measured(*given: Any, **_: Any) -> dict[Way, float]:
        asked.append(given)
        torch.rand(3)  # must not move what is drawn afterwards
        return TAKEN

    monkeypatch.setattr(fastest, "milliseconds_per_step", measured)
    auto = ["trainer.precision=auto", "model.memory_format=auto", "optimizer.fused=auto"]
    fixed = ["trainer.precision=bf16-mixed", "model.memory_format=contiguous"]
    chosen = run(tiny(*auto, f"paths.run={tmp_path}/auto"))
    given = run(tiny(*fixed, "optimizer.fused=true", f"paths.run={tmp_path}/given"))
    assert chosen.metrics == given.metrics
    assert chosen.recipe_fingerprint == given.recipe_fingerprint
    record = read_record(RunDirectory(tmp_path / "auto"))
    assert record.step_milliseconds == {"32-true channels_last": 4.0, "bf16-mixed contiguous": 2.0}
    config = read_config(RunDirectory(tmp_path / "auto"))
    assert config["trainer"]["precision"] == "bf16-mixed"
    assert config["model"]["memory_format"] == "contiguous"
    assert config["optimizer"]["fused"] is True
    (_, tried, size, batch_size, device) = asked[0]
    assert (size, batch_size, device.type, len(tried)) == ((24, 24), 16, "cpu", 4)
    again = run(tiny(*auto, "seed=2", f"paths.run={tmp_path}/other"))
    assert again.step_milliseconds == record.step_milliseconds
    assert len(asked) == 1


@pytest.mark.slow
def test_run_is_trained_again_with_what_it_chose(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    first, cache = tmp_path / "first", tmp_path / "cache"
    words = [*TINY, *TINY_MODEL, f"data.root={photos}", f"paths.run={first}"]
    words += ["trainer.precision=auto", "model.memory_format=auto", f"paths.cache={cache}"]
    done = command("train", *words)
    assert done.returncode == 0, done.stderr
    then = read_config(RunDirectory(first))
    known = json.loads((cache / "fastest.json").read_text())
    (answers,) = known.values()
    turned = dict(zip(answers, [9.0 - rank for rank in _ranks(answers.values())], strict=True))
    (cache / "fastest.json").write_text(json.dumps(dict.fromkeys(known, turned)))
    done = command("rerun", f"run={first}", f"paths.run={tmp_path}/again")
    assert done.returncode == 0, done.stderr
    again = RunDirectory(tmp_path / "again")
    now = read_config(again)
    assert now["trainer"]["precision"] == then["trainer"]["precision"]
    assert now["model"]["memory_format"] == then["model"]["memory_format"]
    assert read_record(again).metrics == read_record(RunDirectory(first)).metrics


def _ranks(values: Iterable[float]) -> list[int]:
    """0 for the smallest."""
    given = list(values)
    return [sorted(given).index(value) for value in given]


def test_run_goes_on_with_what_it_chose() -> None:
    then = {"trainer": {"precision": "bf16-mixed"}, "paths": {}, "seed": 1}
    auto = {"trainer": {"precision": "auto"}, "paths": {}, "seed": 1}
    config = continued(then, auto, ["trainer.precision=auto"])
    assert config["trainer"]["precision"] == "bf16-mixed"
    other = {"trainer": {"precision": "32-true"}, "paths": {}, "seed": 1}
    with pytest.raises(ConfigError, match=r"precision: bf16-mixed, now 32-true"):
        continued(then, other, ["trainer.precision=32-true"])


def settings() -> tuple[Any, ...]:
    """What torch is to compute like."""
    return (
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ("highest", False, False, True, True, False, ":4096:8")),
        (
            ["trainer.matmul_precision=high", "trainer.benchmark=true"],
            ("high", True, True, True, True, False, ":4096:8"),
        ),
        (["trainer.deterministic=true"], ("highest", False, False, True, False, False, ":4096:8")),
        (["trainer.deterministic=false"], ("highest", False, False, False, False, False, None)),
    ],
    ids=["default", "fast", "exact", "free"],
)
def test_ways_are_timed_as_the_run_will_train(
    tiny: Compose,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: tuple[Any, ...],
) -> None:
    seen: list[tuple[Any, ...]] = []

    def measured(*_: Any, compiled: bool | str) -> dict[Way, float]:
        seen.append((*settings(), compiled))
        return TAKEN

    monkeypatch.setattr(fastest, "milliseconds_per_step", measured)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    before = settings()
    with_fastest(tiny("trainer.precision=auto", "model.compile=true", *words), 3)
    assert seen == [(*expected, True)]
    assert settings() == before


@pytest.mark.parametrize(
    "word",
    [
        "trainer.matmul_precision=high",
        "trainer.benchmark=true",
        "trainer.deterministic=false",
        "model.compile=true",
    ],
)
def test_answer_for_other_settings_is_not_taken(
    tiny: Compose, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    asked: list[int] = []

    def measured(*_: Any, **__: Any) -> dict[Way, float]:
        asked.append(1)
        return TAKEN

    monkeypatch.setattr(fastest, "milliseconds_per_step", measured)
    for words in ([], [word], [word]):
        with_fastest(tiny("trainer.precision=auto", *words), 3)
    assert len(asked) == 2


@pytest.mark.parametrize(("given", "tf32"), [("highest", False), ("high", True), ("medium", True)])
def test_precision_of_products_is_that_of_convolutions_too(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, tf32: bool
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", not tf32)
    before = torch.get_float32_matmul_precision()
    cfg = tiny(f"trainer.matmul_precision={given}")
    try:
        build.trainer(cfg, RunDirectory(tmp_path), build.datamodule(cfg))
        assert torch.get_float32_matmul_precision() == given
        assert torch.backends.cuda.matmul.allow_tf32 is tf32
        assert torch.backends.cudnn.allow_tf32 is tf32
    finally:
        torch.set_float32_matmul_precision(before)


def test_fused_optimizer_gives_way_to_clipping_of_scaled_gradients(tiny: Compose) -> None:
    clipped = tiny(
        "optimizer.fused=auto", "trainer.gradient_clip_val=1.0", "trainer.precision=16-mixed"
    )
    assert with_fastest(clipped, 3)[0].optimizer.fused is False
    assert with_fastest(tiny("optimizer.fused=auto"), 3)[0].optimizer.fused is True


def test_machines_of_one_run_do_not_choose_for_themselves(tiny: Compose) -> None:
    cfg = tiny("trainer.precision=auto")
    check(cfg)
    OmegaConf.update(cfg, "trainer.num_nodes", 2)
    with pytest.raises(ConfigError, match=r"expected fixed values for trainer\.num_nodes=2"):
        check(cfg)


def test_unknown_precision_of_products_is_refused(tiny: Compose) -> None:
    with pytest.raises(ConfigError, match=r"matmul_precision: expected highest, .* got 'hi'"):
        check(tiny("trainer.matmul_precision=hi"))
