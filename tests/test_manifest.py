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
    # What a worker only shares with the others is counted in parts, which grow with the whole.
    assert many.pss < few.pss + MANY * 300 / 2**20
