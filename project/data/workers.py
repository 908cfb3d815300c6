"""A loader's workers: how many there are, and how each of them begins."""

import gc
import logging
import os
import shutil
import signal
import statistics
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch

from project.data.plan import SampleKey
from project.data.store.folder import gigabytes

log = logging.getLogger(__name__)

HANDING_OVER = 0.005
"""Seconds for a batch below which a worker saves nothing: handing one over takes as long."""

ONE_WORKER = 0.015
"""Seconds for a batch up to which one worker keeps ahead of most models."""

_FEW = 4  # images that tell slow ones apart, in a moment even at 12 megapixels
_SLOW = 0.1  # seconds for a batch; nothing is left to be measured then
_TIMES = 3

AHEAD = 2
"""Batches that each worker has ready."""

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only its size is asked for
_LOADERS = 2  # training's workers stay, with what they have ready, while validation's load


class Batched(Protocol):
    """What makes whole batches."""

    def __getitems__(self, keys: Sequence[SampleKey], /) -> Any:
        """Makes the batch of some keys."""


def chosen_workers(dataset: Batched, batches: Iterable[Sequence[SampleKey]], cores: int) -> int:
    """Chooses how many workers load by timing a few batches in this process.

    Cached images come in microseconds, so that workers would cost more than they save; decoding
    takes all cores. A batch is the same whoever makes it: only the speed depends on the choice.

    Args:
        dataset: Makes the batches. The first few are made and forgotten.
        batches: Their keys.
        cores: As many as there may be.

    Returns:
        From 0 to ``cores``.
    """
    first = list(islice(batches, _TIMES))
    seconds = _seconds(dataset, first) if first else 0.0
    workers = 0 if seconds < HANDING_OVER else 1 if seconds < ONE_WORKER else cores
    log.info(
        "A batch of %d takes %.1f ms to load: %s.",
        max(map(len, first), default=0),
        1000 * seconds,
        f"{workers} worker{'s' if workers > 1 else ''}" if workers else "no workers",
    )
    return workers


def workers_with_room(workers: int, batch: int, processes: int, *, told: bool = False) -> int:
    """Limits workers to as many as find room for their batches in shared memory.

    They hand batches over in files there, and a worker that finds no room neither goes on nor ends.

    Args:
        workers: As many as there may be.
        batch: Bytes of a batch.
        processes: How many processes of this run do the same on this machine.
        told: Whether it was said already that there is too little.

    Returns:
        From 0 to ``workers``.
    """
    try:
        total, _, free = shutil.disk_usage(_SHARED_MEMORY)
    except OSError:  # macOS has no such folder, and no such limit
        return workers
    room = free // (processes * _LOADERS) // batch
    fitting = min(workers, max(0, (room - 1) // AHEAD)) if total else workers  # 0: no limit is set
    if fitting < workers and not told:
        needed = (workers * AHEAD + 1) * batch * processes * _LOADERS
        log.warning(
            "Workers of each loader: %d instead of %d, which need %s of %s together, and %s are "
            "free there. Give it more, as `docker run --shm-size=%dg` does, or set "
            "data.num_workers=%d.",
            fitting,
            workers,
            gigabytes(needed),
            _SHARED_MEMORY,
            gigabytes(free),
            needed // 2**30 + 1,
            fitting,
        )
    return fitting


def _seconds(dataset: Batched, batches: Sequence[Sequence[SampleKey]]) -> float:
    """For a batch; the first images do not count, they bring imports with them."""
    few = batches[0][:_FEW]
    _timed(dataset, few)
    seconds = _timed(dataset, few) / len(few) * len(batches[0])
    if seconds > _SLOW:
        return seconds
    return statistics.median(_timed(dataset, batch) for batch in batches)


def _timed(dataset: Batched, keys: Sequence[SampleKey]) -> float:
    begin = time.perf_counter()
    dataset.__getitems__(keys)
    return time.perf_counter() - begin


def start_worker(worker: int) -> None:
    """Has a worker keep to one core, to its own memory and to its parent.

    Args:
        worker: Its number, as ``DataLoader(worker_init_fn=...)`` gives it.
    """
    torch.set_num_threads(1)
    if (cv2 := sys.modules.get("cv2")) is not None:
        cv2.setNumThreads(0)  # in each worker it would take all cores
    gc.freeze()  # collecting would write to, and so copy, all that is shared with the parent
    heed_the_parent_alone(worker)


def heed_the_parent_alone(worker: int) -> None:
    """Keeps a worker alive when signals for the run come to all of its processes.

    SLURM and service managers send SIGTERM to every process, and a terminal sends Ctrl-C. Workers
    would die of it, and the run of their death, before it has written the checkpoint that the
    signal asks for. It is for the run to end its workers.

    Args:
        worker: Its number, as ``DataLoader(worker_init_fn=...)`` gives it.
    """
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """The parent ends workers by SIGTERM, too; only its own counts."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
