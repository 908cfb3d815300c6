"""Benchmarks run to their end and print what they promise; how fast is no test's matter."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import throughput
from tests.conftest import REPOSITORY, command_environment


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("step --repeats=1 --cases 0 2", ["one linear layer", "ResNet-18", "added"]),
        ("diagnoses --repeats=1 --cases 0", ["one linear layer", "% of the training"]),
        ("cache_build --repeats=1 --folder=photos", ["12mp, 25", "decoding alone"]),
        (
            "throughput --device=cpu --model=resnet18 --size=64 --batch=8 --steps=2 --plain",
            ["ours, from the cache", "a batch that stays there", "timm's loader and loop"],
        ),
    ],
)
def test_benchmark_prints_its_table(tmp_path: Path, words: str, said: list[str]) -> None:
    name, *options = words.split()
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *options],
        cwd=tmp_path,
        env={**command_environment(tmp_path), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for promised in said:
        assert promised in done.stdout


def test_images_a_second_are_those_that_were_in_the_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.perf_counter", iter([10.0, 12.0, 13.0, 14.0, 15.0, 16.0]).__next__)
    watch = throughput.Stopwatch(Namespace(device="cpu", batch=8, warmup=1, steps=2))
    batches = [8, 8, 4, 8, 8, 8, 2, 8, 8, 8, 8]  # the first warms up
    more = [watch.step(images) for images in batches]
    assert more == [True] * 10 + [False]
    assert watch.rate().images.values == (6, 16, 10, 16, 16)


def test_one_epoch_is_longer_than_what_is_measured() -> None:
    images = throughput.images_needed(Namespace(batch=64, warmup=20, steps=50))
    assert images % 64 == 0
    assert images > 64 * (20 + 5 * 50)


@pytest.mark.slow
def test_settings_of_a_case_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    words: dict[str, Any] = {"model": "resnet18", "size": 32, "batch": 2, "compiled": False}
    given = Namespace(device="cpu", steps=1, warmup=1, **words)
    rate = throughput.alone(throughput.SYNTHETIC, given)
    assert len(rate.images.values) == throughput.WINDOWS
    assert torch.backends.cudnn.benchmark is False
