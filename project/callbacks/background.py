"""Checkpoints that are written while training goes on."""

import logging
import sys
import weakref
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import CheckpointIO
from torch import Tensor

from project.memory import copied, is_on_gpu

log = logging.getLogger(__name__)

_AT_ONCE = 2  # checkpoints in memory beside the model: the best and the last of an epoch


class BackgroundCheckpointIO(CheckpointIO):
    """Copies what is to be saved into memory of the host, and has a thread write it.

    What goes wrong there is raised by the next call of any method; ``teardown``, with which
    training ends, waits for the last file. Lightning's ``AsyncCheckpointIO`` copies tensors alone
    and not what else changes, and keeps any number of copies.

    Args:
        writer: Writes one checkpoint after the other.
    """

    def __init__(self, writer: CheckpointIO) -> None:
        self._writer = writer
        self._thread: ThreadPoolExecutor | None = None
        self._writing: deque[Future[None]] = deque()
        self._copies = _Copies()

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Begins to save a checkpoint; waits if two are being saved already.

        Raises:
            EvenhandError: As the writer does, for an earlier checkpoint.
        """
        self.check()
        while len(self._writing) >= _AT_ONCE:
            self._writing.popleft().result()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        copy, under_way = self._copies.of(checkpoint)
        self._writing.append(
            self._thread.submit(self._write, under_way, copy, path, storage_options)
        )

    def _write(self, under_way: list[torch.cuda.Event], *arguments: Any) -> None:
        for event in under_way:
            event.synchronize()
        self._writer.save_checkpoint(*arguments)

    def check(self) -> None:
        """Raises what went wrong so far; waits for nothing.

        Raises:
            EvenhandError: As the writer does.
        """
        while self._writing and self._writing[0].done():
            self._writing.popleft().result()

    def wait(self) -> None:
        """Waits until everything is safe on disk.

        Raises:
            EvenhandError: As the writer does.
        """
        while self._writing:
            self._writing.popleft().result()

    def load_checkpoint(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Loads a checkpoint, once it is complete."""
        self.wait()
        return self._writer.load_checkpoint(*arguments, **options)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Removes a checkpoint, once it is complete."""
        self.wait()
        self._writer.remove_checkpoint(path)

    def teardown(self) -> None:
        """Waits for the last file; an error that ends training already is not replaced.

        Raises:
            EvenhandError: As the writer does.
        """
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        ended_by = sys.exc_info()[1]
        if ended_by is None:
            self.wait()
        for error in (future.exception() for future in self._writing):
            if error is not None and error is not ended_by:
                log.error("A checkpoint could not be saved either: %s", error)
        self._writing.clear()
        self._copies = _Copies()


def background_of(trainer: pl.Trainer) -> BackgroundCheckpointIO | None:
    """What writes a trainer's checkpoints, if it does so in the background.

    Args:
        trainer: Of any strategy.
    """
    io = trainer.strategy.checkpoint_io
    return io if isinstance(io, BackgroundCheckpointIO) else None


class _Copies:
    """Copies of states that later steps leave alone; those of a GPU's take none of its memory.

    The best and the last checkpoint of an epoch hold the same weights: while the first of them is
    still being written, the second shares its copies of tensors that no step has changed since.
    """

    def __init__(self) -> None:
        self._step: Any = None
        self._made: dict[tuple[Any, ...], tuple[Tensor, weakref.ref[Tensor]]] = {}
        self._gpus: set[torch.device] = set()  # that have been told to copy

    def of(self, checkpoint: dict[str, Any]) -> tuple[dict[str, Any], list[torch.cuda.Event]]:
        """Copies a checkpoint; torch's own deepcopy refuses tensors that have a history.

        Returns:
            The copy, which is complete once all of the events have happened.
        """
        step = checkpoint.get("global_step")
        if step is None or step != self._step:
            self._step, self._made = step, {}
        memo: dict[int, Any] = {}
        self._gpus.clear()
        self._copy_tensors(checkpoint, memo)
        under_way = [torch.cuda.current_stream(gpu).record_event() for gpu in self._gpus]
        return deepcopy(checkpoint, memo), under_way

    def _copy_tensors(self, value: Any, memo: dict[int, Any]) -> None:
        if isinstance(value, dict):
            for part in value.values():
                self._copy_tensors(part, memo)
        elif isinstance(value, list | tuple):
            for part in value:
                self._copy_tensors(part, memo)
        elif type(value) in (Tensor, torch.nn.Parameter):
            memo[id(value)] = self._copy(value)

    def _copy(self, tensor: Tensor) -> Tensor:
        if is_on_gpu(tensor):
            self._gpus.add(tensor.device)
        if tensor.layout != torch.strided or tensor.is_inference():  # these count no changes
            return copied(tensor)
        where = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        key = (*where, tensor._version)  # noqa: SLF001 - torch names its counter so
        if key in self._made and (copy := self._made[key][1]()) is not None:
            return copy
        copy = copied(tensor)
        self._made[key] = tensor, weakref.ref(copy)  # the memory of a living tensor is its own
        return copy
