import contextlib
import os
import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from project.callbacks.interruption import Signals, Stopped, Urgency, agreed


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_signals_end_at_once_what_does_not_train_and_handlers_come_back() -> None:
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]
    with pytest.raises(SystemExit) as ended, Signals().heeded():
        send(signal.SIGTERM)
    assert ended.value.code == 143
    after = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]
    assert after == before


def test_request_to_save_waits_and_is_done_once() -> None:
    signals = Signals()
    with signals.heeded():
        send(signal.SIGUSR1)
        asked = [signals.urgency]
        signals.done_saving()
        asked.append(signals.urgency)
    assert asked == [Urgency.SAVE, Urgency.NONE]


def trains(signals: Signals, *numbers: int, speaks: bool = True) -> None:
    with signals.heeded(), signals.training(speaks=speaks):
        signals.wait()
        for number in numbers:
            send(number)
        assert signals.urgency is Urgency.STOP
        signals.done_saving()
        assert signals.urgency is Urgency.STOP
        raise Stopped


def test_training_stops_when_it_has_saved() -> None:
    with pytest.raises(SystemExit) as ended:
        trains(Signals(), signal.SIGUSR1, signal.SIGTERM)
    assert ended.value.code == 143


def test_process_that_does_not_speak_ends_without_complaint() -> None:
    with pytest.raises(SystemExit) as ended:
        trains(Signals(), signal.SIGTERM, speaks=False)
    assert ended.value.code == 0


@pytest.fixture
def _ctrl_c() -> Any:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")
def test_first_ctrl_c_waits_and_the_second_does_not() -> None:
    def reaches_a_rest(*numbers: int) -> bool:
        signals, reached = Signals(), False
        with contextlib.suppress(KeyboardInterrupt), signals.heeded():
            with signals.training(speaks=True):
                signals.wait()
                for number in numbers:
                    send(number)
                reached = True
                raise Stopped
            pytest.fail("Ctrl-C must arrive")
        return reached

    assert reaches_a_rest(signal.SIGINT)
    assert not reaches_a_rest(signal.SIGINT, signal.SIGINT)
    assert not reaches_a_rest(signal.SIGTERM, signal.SIGINT)


def test_ctrl_c_stays_ignored_where_a_shell_has_it_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals().heeded():
            send(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_signal_that_comes_too_late_for_the_training_still_ends_the_run() -> None:
    def ends_by_itself(signals: Signals) -> None:
        with signals.heeded(), signals.training(speaks=True):
            signals.wait()
            send(signal.SIGTERM)

    with pytest.raises(SystemExit):
        ends_by_itself(Signals())


def test_another_thread_gets_no_signals_and_takes_none() -> None:
    handlers: list[Any] = []

    def work() -> None:
        with Signals().heeded():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]


def test_processes_agree_on_the_most_urgent() -> None:
    class Strategy:
        root_device = torch.device("cpu")

        def reduce(self, mine: torch.Tensor, reduce_op: str) -> torch.Tensor:
            assert reduce_op == "max"
            return mine.maximum(torch.tensor(2))

    alone: Any = SimpleNamespace(world_size=1)
    together: Any = SimpleNamespace(world_size=2, strategy=Strategy())
    assert agreed(alone, Urgency.SAVE) == Urgency.SAVE
    assert agreed(together, Urgency.SAVE) == Urgency.STOP
