from typing import Any

import pytest

from project.errors import ConfigError
from project.launch.policy import make_policy


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"retries": -1}, "retries: expected 0 or more times, got -1"),
        ({"retries": "abc"}, "retries: expected 0 or more times, got abc"),
        ({"retries": True}, "retries: expected 0 or more times, got True"),
        ({"reserve_gb": float("inf")}, "reserve_gb: expected 0 or more, got inf"),
        ({"timeout_minutes": "soon"}, "timeout_minutes: expected more than 0, or null, got soon"),
        ({"reserve_gb": -1}, "reserve_gb: expected 0 or more"),
        ({"timeout_minutes": 0}, "timeout_minutes: expected more than 0"),
        ({"keep_checkpoints": "bets"}, "keep_checkpoints: expected one of all, .*best"),
    ],
)
def test_policies_that_make_no_sense_are_refused(given: dict[str, Any], message: str) -> None:
    known: dict[str, Any] = {
        "retries": 0, "timeout_minutes": None, "keep_checkpoints": "all", "reserve_gb": 1,
    }  # fmt: skip
    with pytest.raises(ConfigError, match=message):
        make_policy(**known | given)
