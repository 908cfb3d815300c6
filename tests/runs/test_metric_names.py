from project.data.named_tests import PREFIX
from project.models.metrics import metric_names
from project.runs.metric_names import NAMED_TEST, SMALL_IS_GOOD


def test_named_test_sets_begin_alike_in_data_and_records() -> None:
    assert NAMED_TEST == PREFIX


def test_metrics_whose_smallest_is_best_are_measured() -> None:
    assert set(SMALL_IS_GOOD) <= {"loss", *metric_names([])}
