"""A process that has imported what jobs need, and becomes a job by forking.

Its command line is the descriptor of a socket, and the modules to import. It speaks over that
socket, one JSON line a message: it gets a `Request`, accompanied by the descriptors of the locks
that the job inherits, and it says ``["ready"]``, ``["started", process]`` and
``["ended", process, code]``. When the socket closes it ends; its jobs live on.

It must never start a thread or touch CUDA, since neither survives a fork.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from project.launch.leaving import leave_after, prepare_to_leave

MOST_LOCKS = 64
MOST_BYTES = 1 << 20  # of a request: arguments and variables
_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Request:
    """What a job is started with.

    Attributes:
        module: What ``python -m`` would run.
        arguments: The words after it.
        environment: All of its variables.
        folder: Where it starts.
        output: File that what it prints is appended to.
        told: The variable that names the descriptor of its first lock, if the job is to know it.
    """

    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str
    output: str
    told: str


def main() -> None:
    """Imports, serves, and in a child becomes the job."""
    prepare_to_leave()
    channel = socket.socket(fileno=int(sys.argv[1]))
    for module in sys.argv[2:]:
        importlib.import_module(module)
    if _touched_cuda():
        return
    gc.collect()
    gc.freeze()  # else the collector of each child would copy the pages that they share
    job = _Server(channel).serve()
    if job is None:
        os._exit(0)  # there is nothing to tidy up, and a frozen heap cannot be
    leave_after(job)


def _touched_cuda() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized()


class _Server:
    """Starts jobs and tells how they end."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._wakes, self._woken = os.pipe()
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler nothing would be woken
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the launcher

    def serve(self) -> Callable[[], None] | None:
        """Serves until the launcher is gone; returns something else than None only in a child."""
        self._say("ready")
        while True:
            waiting: list[socket.socket | int] = [self._channel, self._wakes]
            ready = select.select(waiting, [], [])[0]
            if self._wakes in ready:
                os.read(self._wakes, 4096)
                self._tell_ended()
            if self._channel in ready:
                received = self._receive()
                if received is None:
                    return None
                request, locks = received
                sys.stdout.flush()
                child = os.fork()
                if child == 0:
                    self._forget()
                    return lambda: _become(request, locks)
                for lock in locks:
                    os.close(lock)
                self._say("started", child)

    def _receive(self) -> tuple[Request, list[int]] | None:
        """The next request; the launcher waits for its answer, so nothing comes after it."""
        data, locks = b"", list[int]()
        while not data.endswith(b"\n"):
            part, descriptors, _, _ = socket.recv_fds(self._channel, MOST_BYTES, MOST_LOCKS)
            if not part:
                return None
            data += part
            locks += descriptors
        return Request(**json.loads(data)), locks

    def _tell_ended(self) -> None:
        with contextlib.suppress(ChildProcessError):  # there is none left
            while True:
                process, status = os.waitpid(-1, os.WNOHANG)
                if process == 0:
                    return
                self._say("ended", process, os.waitstatus_to_exitcode(status))

    def _say(self, *message: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody listens any more: the next read ends us
            self._channel.sendall(json.dumps(message).encode() + b"\n")

    def _forget(self) -> None:
        """Lets go of what a job has no business with."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(self._wakes)
        os.close(self._woken)
        self._channel.close()


def _become(request: Request, locks: list[int]) -> None:
    """Does what a new process with this command line would do."""
    os.setsid()  # signals of the launcher's terminal are for the launcher
    os.environ.clear()
    os.environ.update(request.environment)
    if request.told and locks:
        os.environ[request.told] = str(locks[0])
    os.chdir(request.folder)
    output = os.open(request.output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, stream in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, stream)
    os.close(nothing)
    os.close(output)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    _use_threads(os.environ.get(_THREADS, ""))
    sys.argv[1:] = request.arguments
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def _use_threads(number: str) -> None:
    """Has torch take the number that it would have read when it was imported."""
    if "torch" in sys.modules and number.isdigit():
        sys.modules["torch"].set_num_threads(int(number))


if __name__ == "__main__":
    main()
