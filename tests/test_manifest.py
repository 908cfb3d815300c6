"""The short form of ``benchmarks/manifest.py``."""

import sys

import pytest

from benchmarks.manifest import measured

FEW, MANY = 3_000, 300_000
NOISE = 10.0  # MiB, of two workers together


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts shared pages")
def test_workers_take_no_more_memory_for_more_photos() -> None:
    few, many = measured(FEW), measured(MANY)
    # A list of as many paths is some 30 MiB in each worker that has looked at them.
    assert many.own < few.own + NOISE
    # Of what it shares with the others, a worker is charged its part of what it has looked at.
    assert many.pss < few.pss + MANY * 62 / 2**20 + NOISE  # bytes of path, box and label
