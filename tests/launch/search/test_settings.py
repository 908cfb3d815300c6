from pathlib import Path
from typing import Any

import pytest

from project.errors import ConfigError
from tests.launch.search.conftest import search_of


def test_study_is_a_journal_in_the_sweep_and_named_after_it_by_default(sweep: Path) -> None:
    search = search_of(sweep)
    assert (search.storage, search.study) == (str(sweep / "study.journal"), "sweep")
    assert search.objectives[0].name == "val/macro_recall"
    assert (search.pruner, search.sampler_options) == ("none", {})


def test_search_over_a_grid_has_no_more_trials_than_points(sweep: Path) -> None:
    words = ["a=1,2", "b=range(1,3)"]
    assert search_of(sweep, words, sampler="grid", n_trials=20).n_trials == 6
    assert search_of(sweep, words, sampler="grid", n_trials=4).n_trials == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_trials": 0}, "n_trials: expected a whole number from 1, got 0"),
        ({"n_trials": "many"}, "n_trials: expected a whole number from 1, got 'many'"),
        ({"n_trials": True}, "n_trials: expected a whole number from 1, got True"),
        ({"seed": -1}, "seed: expected a whole number from 0, got -1"),
        ({"sampler": "grid"}, "lr: expected a list or a range"),
        ({"sampler": "best"}, "expected one of tpe"),
        ({"pruner": "best"}, "expected one of none"),
        ({"objective": "test/accuracy"}, "the best of many trials by the test split"),
        (
            {"objective": "milliseconds_per_image", "pruner": "median"},
            "pruner=median: expected one objective that each validation measures",
        ),
        (
            {"objective": ["val/loss", "val/accuracy"], "pruner": "median"},
            "pruner=median: expected one objective .*, got val/loss, val/accuracy",
        ),
        (
            {"objective": ["val/loss", "val/accuracy"], "sampler": "cmaes"},
            "sampler=cmaes: expected one of tpe, random, grid, gp, nsgaii for 2 objectives",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    sweep: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        search_of(sweep, **options)
    assert not sweep.exists()
