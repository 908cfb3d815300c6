"""Which signals a loader's worker heeds."""

import os
import signal
import threading


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
