import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, recall_score

from project.stats.comparison import compare
from project.stats.metrics import Ints
from project.stats.results import About, Comparison, Verdict

CLASSES = ["hat", "outer", "top"]
SIZES = [12, 40, 150]
LABELS = np.repeat([0, 1, 2], SIZES)


def runs(count: int, accuracy: list[float], seed: int) -> Ints:
    """Predictions whose recalls are about as told; the same images are hard for everyone."""
    hard = np.random.default_rng(0).random(len(LABELS))
    rng = np.random.default_rng(seed)
    wobble = rng.normal(0, 0.1, (count, len(LABELS)))
    right = hard + wobble < np.array(accuracy)[LABELS]
    wrong = (LABELS + rng.integers(1, 3, right.shape)) % 3
    return np.where(right, LABELS, wrong)


def compared(count: int, variant: list[float], others: int | None = None) -> Comparison:
    groups = {
        "variant": runs(count, variant, 1),
        "baseline": runs(others or count, [0.8, 0.6, 0.8], 2),
    }
    return compare(groups, LABELS, CLASSES, "baseline", resamples=300)


@pytest.fixture(scope="module")
def five_runs() -> Comparison:
    return compared(5, [0.8, 0.9, 0.6])


def test_baseline_comes_first_and_every_metric_of_every_variant_is_there(
    five_runs: Comparison,
) -> None:
    assert five_runs.groups == ("baseline", "variant")
    assert five_runs.variants == ("variant",)
    assert five_runs.metrics == (
        "accuracy", "macro_recall", "macro_f1",
        "recall/hat", "recall/outer", "recall/top",
        "precision/hat", "precision/outer", "precision/top",
    )  # fmt: skip
    assert [d.metric for d in five_runs.differences] == list(five_runs.metrics)
    assert five_runs.images == (12, 40, 150)


def test_means_and_spreads_are_those_of_the_runs(five_runs: Comparison) -> None:
    predicted = runs(5, [0.8, 0.9, 0.6], 1)
    scores = [f1_score(LABELS, run, average="macro") for run in predicted]
    found = five_runs.estimate("variant", "macro_f1")
    assert found.mean == pytest.approx(np.mean(scores))
    assert found.spread == pytest.approx(np.std(scores, ddof=1))
    assert (found.runs, found.images, found.correct) == (5, 202, None)
    recalls = [recall_score(LABELS, run, average=None)[1] for run in predicted]
    found = five_runs.estimate("variant", "recall/outer")
    assert found.mean == pytest.approx(np.mean(recalls))
    assert found.images == 40
    assert found.interval.low < found.mean < found.interval.high


def test_large_changes_are_found_in_their_direction_and_nothing_else(
    five_runs: Comparison,
) -> None:
    verdicts = {d.metric: d.verdict for d in five_runs.differences}
    assert verdicts["recall/outer"] is Verdict.BETTER
    assert verdicts["recall/top"] is Verdict.WORSE
    assert verdicts["recall/hat"] is Verdict.NOT_SHOWN
    outer = five_runs.difference("variant", "recall/outer")
    assert outer.about is About.RECIPES
    assert outer.beats > 0.99
    assert outer.interval.low > 0
    assert outer.needed is None


def test_p_values_are_adjusted_over_all_metrics_and_variants() -> None:
    groups = {name: runs(3, [0.8, 0.7, 0.8], seed) for seed, name in enumerate("abc")}
    found = compare(groups, LABELS, CLASSES, "a", resamples=50).differences
    assert len(found) == 2 * 9
    smallest = min(found, key=lambda d: d.p_value)
    assert smallest.p_adjusted == pytest.approx(min(1, 18 * smallest.p_value))


def test_open_question_comes_with_what_would_settle_it(five_runs: Comparison) -> None:
    hat = five_runs.difference("variant", "recall/hat")
    assert hat.needed is not None
    assert hat.needed.images is not None
    assert hat.needed.images > 12
    answered = [d for d in five_runs.differences if d.verdict is not Verdict.NOT_SHOWN]
    assert answered
    assert all(difference.needed is None for difference in answered)


def test_two_models_are_told_apart_by_mcnemar_and_nothing_is_said_of_recipes() -> None:
    found = compared(1, [0.8, 0.9, 0.8])
    outer = found.difference("variant", "recall/outer")
    ours, theirs = runs(1, [0.8, 0.9, 0.8], 1)[0], runs(1, [0.8, 0.6, 0.8], 2)[0]
    rows = LABELS == 1
    only_ours = int(((ours == LABELS) & (theirs != LABELS) & rows).sum())
    only_theirs = int(((ours != LABELS) & (theirs == LABELS) & rows).sum())
    oracle = stats.binomtest(only_ours, only_ours + only_theirs)
    assert outer.p_value == pytest.approx(oracle.pvalue)
    assert outer.method == "exact McNemar"
    assert {d.about for d in found.differences} == {About.MODELS}
    assert found.difference("variant", "macro_f1").method == "t test, paired stratified bootstrap"
    estimate = found.estimate("variant", "recall/outer")
    assert estimate.correct == int(((ours == LABELS) & rows).sum())
    assert np.isnan(estimate.spread)


def test_bootstrap_of_two_models_agrees_with_scipy() -> None:
    found = compared(1, [0.8, 0.9, 0.8]).difference("variant", "macro_f1")
    ours, theirs = runs(1, [0.8, 0.9, 0.8], 1)[0], runs(1, [0.8, 0.6, 0.8], 2)[0]
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(500):
        rows = np.concatenate(
            [rng.choice(np.flatnonzero(c == LABELS), n) for c, n in enumerate(SIZES)]
        )
        f1 = [f1_score(LABELS[rows], run[rows], average="macro") for run in (ours, theirs)]
        gaps.append(f1[0] - f1[1])
    half = (found.interval.high - found.interval.low) / 2
    # Wider than the plain bootstrap, because of the images that are imagined.
    assert 1.96 * np.std(gaps) < half < 1.5 * 1.96 * np.std(gaps)


def test_same_predictions_are_never_called_different() -> None:
    same = runs(4, [0.8, 0.6, 0.8], 1)
    found = compare({"a": same, "b": same}, LABELS, CLASSES, "a", resamples=50)
    for difference in found.differences:
        assert difference.difference == 0
        assert difference.p_value == 1
        assert difference.beats == 0.5
        assert difference.verdict in (Verdict.NOT_SHOWN, Verdict.EQUIVALENT)


def test_negligible_difference_on_many_images_is_called_equivalent() -> None:
    labels = np.zeros(20_000, np.int64)
    rng = np.random.default_rng(0)
    hard = rng.random(20_000) < 0.1
    groups = {name: (hard ^ (rng.random((3, 20_000)) < 0.001)).astype(int) for name in "ab"}
    found = compare(groups, labels, ["only", "other"], "a", margin=0.02, resamples=20)
    assert found.difference("b", "recall/only").verdict is Verdict.EQUIVALENT


def test_single_run_against_several_borrows_their_spread() -> None:
    found = compared(1, [0.8, 0.6, 0.8], others=4)
    assert {d.about for d in found.differences} == {About.RECIPES}
    assert found.estimate("variant", "accuracy").runs == 1


def test_class_without_images_is_left_out_and_its_predictions_are_errors() -> None:
    predicted = runs(2, [0.8, 0.6, 0.8], 1)
    few = LABELS > 0
    found = compare(
        {"a": predicted[:, few], "b": predicted[:, few]}, LABELS[few], CLASSES, "a", resamples=20
    )
    assert found.classes == ("outer", "top")
    expected = [
        recall_score(LABELS[few], run[few], labels=[1, 2], average="macro") for run in predicted
    ]
    assert found.estimate("a", "macro_recall").mean == pytest.approx(np.mean(expected))


def test_prediction_of_a_class_that_is_not_compared_is_an_error() -> None:
    elsewhere = runs(2, [0.8, 0.6, 0.8], 1)
    elsewhere[elsewhere != LABELS] = 3
    found = compare({"a": elsewhere, "b": elsewhere}, LABELS, CLASSES, "a", resamples=20)
    assert found.estimate("a", "accuracy").mean == pytest.approx((elsewhere == LABELS).mean())
    assert found.estimate("a", "precision/top").mean == 1


def test_images_of_one_person_show_less_than_as_many_persons() -> None:
    groups = {"a": runs(3, [0.8, 0.6, 0.8], 1), "b": runs(3, [0.8, 0.9, 0.8], 2)}
    four_times = {name: np.repeat(predicted, 4, axis=1) for name, predicted in groups.items()}
    labels, persons = np.repeat(LABELS, 4), np.repeat(np.arange(len(LABELS)), 4)
    alone = compare(groups, LABELS, CLASSES, "a", resamples=20).differences
    together = compare(four_times, labels, CLASSES, "a", units=persons, resamples=20).differences
    as_if = compare(four_times, labels, CLASSES, "a", resamples=20).differences
    for one, other, wrong in zip(alone, together, as_if, strict=True):
        assert wrong.p_value <= other.p_value
        assert other.p_value == pytest.approx(one.p_value, rel=0.5, abs=0.02)


def test_models_are_not_told_apart_by_mcnemar_where_images_belong_together() -> None:
    groups = {"a": runs(1, [0.8, 0.6, 0.8], 1), "b": runs(1, [0.8, 0.9, 0.8], 2)}
    persons = np.arange(len(LABELS)) // 2
    found = compare(groups, LABELS, CLASSES, "a", units=persons, resamples=20)
    assert found.difference("b", "recall/outer").method != "exact McNemar"


def test_order_of_images_does_not_matter() -> None:
    shuffled = np.random.default_rng(5).permutation(len(LABELS))
    groups = {"a": runs(3, [0.8, 0.6, 0.8], 1), "b": runs(3, [0.8, 0.9, 0.8], 2)}
    one = compare(groups, LABELS, CLASSES, "a", resamples=20)
    other = compare(
        {n: p[:, shuffled] for n, p in groups.items()}, LABELS[shuffled], CLASSES, "a", resamples=20
    )
    for before, after in zip(one.differences, other.differences, strict=True):
        assert after.difference == pytest.approx(before.difference)
        assert after.p_value == pytest.approx(before.p_value)
