"""Starts the processes of jobs: warm, forked from one that has imported everything, or cold."""

import contextlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Self

from project.launch.local.devices import VISIBLE
from project.launch.local.fork_server import Request

log = logging.getLogger(__name__)

_SERVER = "project.launch.local.fork_server"
_READY_SECONDS = 180.0  # importing torch from a cold network disk takes its time
_ANSWER_SECONDS = 300.0  # a machine that swaps


class ForkServer:
    """The process that jobs are forked from.

    Args:
        server: Its process.
        channel: To it.
    """

    def __init__(self, server: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._server = server
        self._channel = channel
        self._unread = b""
        self._ended: list[tuple[int, int]] = []
        self._closed = False  # by the server

    @classmethod
    def start(cls, modules: Sequence[str], threads: str) -> Self | None:
        """Starts the server; it imports while the launcher goes on.

        Args:
            modules: What it imports.
            threads: Threads of numerical libraries that are set up by the import, of each job.

        Returns:
            The server, or None where jobs cannot be forked.
        """
        if sys.platform != "linux":  # macOS: its own libraries do not survive a fork
            return None
        ours, theirs = socket.socketpair()
        # The CUDA driver must not be woken here: what is visible is each job's own affair.
        quiet = {VISIBLE: "", "PYTORCH_NVML_BASED_CUDA_CHECK": "1", "OMP_NUM_THREADS": threads}
        with theirs:
            server = subprocess.Popen(
                [sys.executable, "-m", _SERVER, str(theirs.fileno()), *modules],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **quiet},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is the launcher's
            )
        return cls(server, ours)

    def wait_until_ready(self) -> bool:
        """Waits for the imports; returns whether jobs can be forked."""
        return self._next(_READY_SECONDS, "ready") is not None

    def fork(self, request: Request, locks: Sequence[int]) -> int | None:
        """Starts a job.

        Args:
            request: What with.
            locks: Descriptors that it inherits.

        Returns:
            Its process id, which is that of its session, too; None if the server is gone.

        Raises:
            TimeoutError: The server does not answer. It may have started the job or not, so nobody
                else should; the server is killed.
        """
        message = json.dumps(asdict(request)).encode() + b"\n"
        try:
            sent = socket.send_fds(self._channel, [message], list(locks))
            self._channel.sendall(message[sent:])
        except OSError:
            return None
        answer = self._next(_ANSWER_SECONDS, "started")
        if answer is None and self.alive and not self._closed:
            self._server.kill()
            raise TimeoutError(f"no answer for {_ANSWER_SECONDS:.0f} s")
        return None if answer is None else int(answer[0])

    def ended(self) -> list[tuple[int, int]]:
        """Processes that have ended since the last call, with exit code or minus the signal."""
        while self._next(0.0, "nothing that it says") is not None:
            pass
        ended, self._ended = self._ended, []
        return ended

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        return self._server.poll() is None

    def close(self) -> None:
        """Has the server end; its jobs live on."""
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.wait(timeout=5)
            return
        self._server.kill()
        self._server.wait()

    def _next(self, seconds: float, kind: str) -> list[Any] | None:
        """The next message of one kind; None if there is none in time. Endings are kept aside."""
        while True:
            line, found, rest = self._unread.partition(b"\n")
            if found:
                self._unread = rest
                message: list[Any] = json.loads(line)
                said, values = message[0], message[1:]
                if said == kind:
                    return values
                if said == "ended":
                    self._ended.append((values[0], values[1]))
                continue
            ready, _, _ = select.select([self._channel], [], [], seconds)
            if not ready:
                return None
            try:
                data = self._channel.recv(1 << 16)
            except ConnectionError:  # it died with a request unread
                data = b""
            if not data:
                self._closed = True
                return None
            self._unread += data


class ColdProcess:
    """A job in a process that imports everything itself.

    Args:
        request: What it is started with.
        locks: Descriptors that it inherits.
    """

    def __init__(self, request: Request, locks: Sequence[int]) -> None:
        told = {request.told: str(locks[0])} if request.told and locks else {}
        with open(request.output, "ab") as output:  # noqa: PTH123 - a text that came by the socket
            self._process = subprocess.Popen(
                [sys.executable, "-m", request.module, *request.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**request.environment, **told},
                cwd=request.folder,
                pass_fds=list(locks),
                start_new_session=True,
            )
        self.id = self._process.pid

    def ended(self) -> int | None:
        """Exit code or minus the signal, once it has ended."""
        return self._process.poll()


def tell(process: int, number: signal.Signals) -> None:
    """Sends a signal to the main process of a job, not to its workers."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def kill_all(process: int) -> None:
    """Kills whatever is left of a job: its loader workers, its other ranks."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)
