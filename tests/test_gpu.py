"""What only a CUDA device can show; skipped where there is none."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from project import evaluate, train
from project.callbacks.progress import FirstBatch
from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from tests.conftest import TINY, TINY_MODEL, Command, Compose

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

ON_GPU = ("trainer=gpu", "trainer.max_epochs=8", "sampler=balanced", "optimizer.lr=0.01")


@pytest.mark.parametrize(
    "options",
    [
        ["trainer.precision=32-true"],
        ["trainer.precision=16-mixed"],
        ["trainer.precision=bf16-mixed", "model.memory_format=contiguous"],
        ["trainer.precision=bf16-mixed", "model.compile=true"],
        ["trainer=fsdp", "trainer.devices=1", "trainer.precision=bf16-mixed"],
        ["trainer=ddp", "trainer.devices=1", "trainer.precision=16-mixed"],
        ["trainer.precision=16-mixed", "callbacks=[default,ema]", "mixing=cutmix"],
    ],
    ids=" ".join,
)
def test_model_learns_on_the_gpu(tiny: Compose, options: list[str]) -> None:
    record = train.run(tiny(*ON_GPU, *options))
    assert record.state == "finished"
    if "mixing=cutmix" not in options:
        assert record.metrics["test/macro_recall"] > 0.6


@pytest.mark.parametrize("precision", ["32-true", "16-mixed", "bf16-mixed"])
def test_numbers_come_out_again_exactly(
    tiny: Compose, compose_config: Compose, tmp_path: Path, precision: str
) -> None:
    first, second = (
        train.run(tiny(*ON_GPU, f"trainer.precision={precision}", f"paths.run={tmp_path}/{name}"))
        for name in ("a", "b")
    )
    logits = [read_predictions(RunDirectory(tmp_path / n), "test").logits for n in ("a", "b")]
    np.testing.assert_array_equal(logits[0], logits[1])
    again = evaluate.run(compose_config("evaluate", f"run={tmp_path}/a"))
    assert again.metrics["test/loss"] == first.metrics["test/loss"] == second.metrics["test/loss"]


def test_batches_arrive_as_uint8_and_are_mixed_on_the_device(tiny: Compose) -> None:
    record = train.run(tiny(*ON_GPU, "mixing=mixup_cutmix", "data.num_workers=2"))
    assert record.state == "finished"


def test_two_forked_jobs_share_a_device(command: Command, photos: Path, tmp_path: Path) -> None:
    on_gpu = [word for word in TINY if word != "trainer=cpu"]
    done = command(
        "train",
        "--multirun",
        *on_gpu,
        *TINY_MODEL,
        f"data.root={photos}",
        "trainer=gpu",
        "trainer.max_epochs=5",
        "seed=1,2",
        "hydra.launcher.gpus=[0]",
        "hydra.launcher.jobs_per_gpu=2",
        f"hydra.sweep.dir={tmp_path}/sweep",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "cannot be forked" not in done.stdout + done.stderr
    lines = (tmp_path / "sweep" / "sweep.log").read_text(encoding="utf-8")
    assert "on GPU 0.0" in lines
    assert "on GPU 0.1" in lines
    assert lines.rindex("started") < lines.index("finished")  # side by side


@pytest.mark.parametrize("stop", [1, 3])
def test_stopped_run_goes_on_in_the_same_bits(tiny: Compose, tmp_path: Path, stop: int) -> None:
    def stopping(self: FirstBatch, trainer: pl.Trainer, *_: object) -> None:
        self._done = True
        if trainer.global_step == stop:
            os.kill(os.getpid(), signal.SIGTERM)

    options = ("trainer=gpu", "trainer.max_epochs=2", "trainer.precision=16-mixed")
    whole = train.run(tiny(*options, f"paths.run={tmp_path}/whole"))
    place = f"paths.run={tmp_path}/stopped"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FirstBatch, "on_train_batch_end", stopping)
        with pytest.raises(SystemExit):
            train.run(tiny(*options, place))
    again = train.run(tiny(*options, place, f"resume={tmp_path}/stopped"))
    assert again.metrics == whole.metrics
    logits = [
        read_predictions(RunDirectory(tmp_path / n), "test").logits for n in ("whole", "stopped")
    ]
    np.testing.assert_array_equal(logits[0], logits[1])
