import os
import signal
import threading
from pathlib import Path

from project.launch.stopping import StopRequests, Urgency


def test_each_signal_makes_it_more_urgent_until_it_is_at_once(tmp_path: Path) -> None:
    requests = StopRequests(tmp_path / "cancel")
    found = [requests.urgency]
    with requests.heard():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
            found.append(requests.urgency)
    assert found == [Urgency.NONE, Urgency.WITH_CHECKPOINTS, Urgency.AT_ONCE, Urgency.AT_ONCE]


def test_handlers_are_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopRequests(tmp_path / "cancel").heard():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_file_of_now_is_a_request_and_one_of_an_earlier_launch_is_not(tmp_path: Path) -> None:
    file = tmp_path / "cancel"
    file.touch()
    requests = StopRequests(file)  # that was meant for an earlier launch
    with requests.heard():
        found = [requests.urgency]
        file.touch()
        found.append(requests.urgency)
        file.unlink()
        found.append(requests.urgency)
    asked = Urgency.WITH_CHECKPOINTS
    assert found == [Urgency.NONE, asked, asked]  # once asked is asked


def test_outside_the_main_thread_only_the_file_is_looked_at(tmp_path: Path) -> None:
    found = []

    def elsewhere() -> None:
        with StopRequests(tmp_path / "cancel").heard() as _:
            found.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [before]
