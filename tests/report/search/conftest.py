"""Searches that have been, with one goal or with two."""

import pytest

from project.report.search.trials import Goal, Searched, Tried


@pytest.fixture
def searched() -> Searched:
    """One goal; a pruned, a failed and a running trial; the third is best."""
    return Searched(
        goals=[Goal("val/macro_recall", maximize=True)],
        trials=[
            Tried(0, "complete", {"lr": 0.1, "sampler": "natural"}, [0.5], {0: 0.25, 1: 0.5}),
            Tried(1, "pruned", {"lr": 0.001, "sampler": "balanced"}, [0.25], {0: 0.25}),
            Tried(
                2, "complete", {"lr": 0.01, "sampler": "balanced"}, [0.75], {0: 0.5, 1: 0.75},
                "trial=0002,lr=0.01", "python -m project.train lr=0.01 sampler=balanced",
            ),
            Tried(3, "failed", {"lr": 0.02, "sampler": "natural"}, error="ValueError: no, not so"),
            Tried(4, "complete", {"lr": 0.03, "sampler": "balanced"}, [0.625], {0: 0.5, 1: 0.625}),
            Tried(5, "running", {}),
        ],
        best=[2],
        importances={"lr": 0.75, "sampler": 0.25},
        logarithmic=frozenset({"lr"}),
    )  # fmt: skip


@pytest.fixture
def two_goals() -> Searched:
    """The second and the third trial are not beaten in both."""
    return Searched(
        goals=[Goal("val/macro_recall", maximize=True), Goal("milliseconds_per_image", False)],
        trials=[
            Tried(0, "complete", {"model": "large"}, [0.5, 3.0], command="python zero"),
            Tried(1, "complete", {"model": "small"}, [0.625, 1.0], command="python one"),
            Tried(2, "complete", {"model": "wide"}, [0.75, 2.0], command="python two"),
        ],
        best=[1, 2],
    )
