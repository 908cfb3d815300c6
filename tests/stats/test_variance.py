import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from project.stats.variance import Sample, Strata, Variance, of_difference, of_mean


def sample(right: np.ndarray) -> Sample:
    return Sample(right.mean(1), right / right.shape[1])


def one_class(images: int) -> Strata:
    return Strata(np.zeros(images, np.int64))


def mean_squares(decisions: np.ndarray) -> dict[str, float]:
    """Of images crossed with runs, from a fitted linear model."""
    run, image = np.indices(decisions.shape)
    frame = pd.DataFrame({"run": run.ravel(), "image": image.ravel(), "y": decisions.ravel()})
    table = anova_lm(ols("y ~ C(image) + C(run)", data=frame).fit())
    return dict(zip(("image", "run", "residual"), table["mean_sq"], strict=True))


def test_sources_are_those_of_an_analysis_of_variance() -> None:
    rng = np.random.default_rng(1)
    right = rng.normal(0, 1, (4, 1)) * 2 + rng.normal(0, 1, 30) + rng.normal(0, 1, (4, 30))
    found = of_mean(sample(right), one_class(30), step=0.0)
    squares = mean_squares(right)
    # Expected mean squares of the two-way crossed design with one decision a cell.
    assert found.seeds[0] == pytest.approx(squares["run"] / 120)
    assert found.residual[0] == pytest.approx(squares["residual"] / 120)
    assert found.images == pytest.approx((squares["image"] - squares["residual"]) / 120)


def test_images_that_all_runs_find_hard_cancel_out_of_a_difference() -> None:
    rng = np.random.default_rng(2)
    difficulty = rng.normal(0, 5, 200)
    variant, baseline = (sample(difficulty + rng.normal(0, 1, (5, 200))) for _ in range(2))
    strata = one_class(200)
    alone = of_mean(variant, strata, 0.0).total + of_mean(baseline, strata, 0.0).total
    assert of_difference(variant, baseline, strata, step=0.0).total < alone / 5


def test_difference_of_two_models_has_the_variance_of_paired_samples() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = (rng.random((1, 50)) < share for share in (0.8, 0.7))
    found = of_difference(sample(ours), sample(theirs), one_class(50), step=0.0)
    paired = stats.ttest_rel(ours[0].astype(float), theirs[0].astype(float))
    assert found.total == pytest.approx(paired.statistic**-2 * (ours.mean() - theirs.mean()) ** 2)
    assert found.df == pytest.approx(paired.df)


def test_runs_that_judge_all_images_alike_leave_a_welch_test_over_runs() -> None:
    shares = (np.array([0.5, 0.7, 0.6]), np.array([0.1, 0.5, 0.2]))
    ours, theirs = (np.tile(share[:, None], 40) for share in shares)
    found = of_difference(sample(ours), sample(theirs), one_class(40), step=0.0)
    welch = stats.ttest_ind(ours[:, 0], theirs[:, 0], equal_var=False)
    assert (ours.mean() - theirs.mean()) / np.sqrt(found.total) == pytest.approx(welch.statistic)
    assert found.df == pytest.approx(welch.df)


def test_many_runs_on_one_side_do_not_make_up_for_few_on_the_other() -> None:
    rng = np.random.default_rng(6)
    few, many = (np.tile(rng.random((runs, 1)), 40) for runs in (2, 10))
    assert of_difference(sample(few), sample(many), one_class(40), step=0.0).df <= 2


def test_classes_are_strata_whose_sizes_are_given() -> None:
    strata = Strata(np.repeat([0, 1], [20, 30]))
    right = np.r_[np.ones(20), np.zeros(30)][None]
    certain = of_mean(Sample(right.mean(1), right / 50), strata, 0.0)
    assert certain.total == pytest.approx(
        0
    )  # all of one class, none of the other: no chance within either
    assert of_mean(Sample(right.mean(1), right / 50), one_class(50), 0.0).total > 0


def test_single_run_borrows_the_spread_of_the_other_group_and_no_more_certainty() -> None:
    rng = np.random.default_rng(4)
    several, single = (np.tile(rng.random((runs, 1)), 60) for runs in (4, 1))
    found = of_difference(sample(single), sample(several), one_class(60), step=0.0)
    assert found.seeds[0] == pytest.approx(4 * found.seeds[1])
    assert found.df == pytest.approx(3)  # of the only estimate, though it is used twice


def test_images_on_which_nobody_errs_are_no_certainty() -> None:
    perfect = sample(np.ones((1, 24)))
    found = of_difference(perfect, perfect, one_class(24), step=1 / 24)
    assert found.total == pytest.approx(2 / 24**2)  # Bonett and Price's two discordant images
    several = sample(np.ones((3, 24)))
    found = of_difference(several, several, one_class(24), step=1 / 24)
    assert found.total == pytest.approx(4 / 3 / 24**2)
    assert of_mean(several, one_class(24), step=1 / 24).total == pytest.approx(2 / 3 / 24**2)


def test_more_runs_and_more_images_shrink_their_own_source() -> None:
    now = Variance((3.0, 3.0), (1.0, 1.0), (3, 3), 4.0, images=4.0, images_df=99.0, imagined=6.0)
    runs = now.scaled(runs=6)
    assert runs.seeds == (1.5, 1.5)
    assert runs.images == 4.0
    assert runs.smoothing == 1.0
    assert runs.seed_df == 10
    images = now.scaled(images=2.0)
    assert images.seeds == (2.5, 2.5)  # 2 of the seeds, and half of what is left
    assert images.images == 2.0
    assert images.smoothing == 1.0
    assert images.seed_df == 4


def test_runs_that_are_there_are_not_taken_away() -> None:
    now = Variance((3.0, 0.3), (1.0, 0.1), (1, 10), 9.0, images=4.0, images_df=99.0, imagined=0.0)
    assert now.scaled(runs=9).runs == (9, 10)


def test_images_that_belong_together_count_as_one_sample() -> None:
    rng = np.random.default_rng(7)
    once = rng.random((4, 30))
    five_times = np.repeat(once, 5, axis=1)
    persons = Strata(np.zeros(150, np.int64), np.repeat(np.arange(30), 5))
    together = of_mean(sample(five_times), persons, step=0.0)
    alone = of_mean(sample(once), one_class(30), step=0.0)
    assert together.images == pytest.approx(alone.images)
    assert together.residual == pytest.approx(alone.residual)
    assert together.images_df == pytest.approx(29)


def test_groups_with_several_classes_are_one_stratum() -> None:
    labels = np.repeat([0, 1], 20)
    persons = np.tile(np.arange(20), 2)  # each has one image of either class
    right = np.tile(np.arange(20) < 10, 2)[None].astype(float)  # and is right on both or on none
    found = of_mean(sample(right), Strata(labels, persons), step=0.0)
    share_of_persons = of_mean(sample(right[:, :20]), one_class(20), step=0.0)
    assert found.images == pytest.approx(share_of_persons.images)
    assert found.images > of_mean(sample(right), Strata(labels), step=0.0).images * 1.8
