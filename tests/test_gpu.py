"""What only a CUDA device can show; skipped where there is none."""

from pathlib import Path

import numpy as np
import pytest
import torch

from project import evaluate, train
from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from tests.conftest import Compose

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
