import itertools
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from project.data.plan import PADDING, EpochPlan, PlannedBatches, SampleKey, natural_order
from project.data.sampling import EffectiveNumberSampler, PowerSampler, Sampler
from project.errors import ConfigError

NATURAL, BALANCED, SQUARE_ROOT = PowerSampler(1.0), PowerSampler(0.0), PowerSampler(0.5)


def plan(
    sampler: Sampler = NATURAL,
    counts: tuple[int, ...] = (4, 30, 10),
    factors: tuple[int, ...] | None = None,
    seed: int = 1,
) -> EpochPlan:
    labels = np.repeat(np.arange(len(counts)), counts)
    indices = np.arange(len(labels)) * 3 + 100  # rows of a larger catalog
    shuffled = np.random.default_rng(0).permutation(len(labels))
    return EpochPlan(
        indices=indices[shuffled],
        labels=labels[shuffled],
        factors=np.array(factors or [1] * len(counts)),
        sampler=sampler,
        seed=seed,
    )


def drawn(plan: EpochPlan, epoch: int = 0) -> list[int]:
    """Draws per class, counted from the order itself."""
    label_of = dict(zip(plan.indices.tolist(), plan.labels.tolist(), strict=True))
    counted = Counter(label_of[index] for index in plan.order(epoch)[:, 0].tolist())
    return [counted[label] for label in range(len(plan.factors))]


def test_natural_order_draws_every_image_once_in_a_new_order_each_epoch() -> None:
    natural = plan(NATURAL)
    first, second = natural.order(0), natural.order(1)
    assert sorted(first[:, 0]) == sorted(natural.indices)
    assert sorted(second[:, 0]) == sorted(natural.indices)
    assert first[:, 0].tolist() != second[:, 0].tolist()
    assert set(first[:, 1]) == {0}


def test_rare_class_is_drawn_as_often_as_the_largest() -> None:
    assert drawn(plan(BALANCED, counts=(4, 30, 11))) == [15, 15, 15]


def test_square_root_lies_between() -> None:
    draws = drawn(plan(SQUARE_ROOT, counts=(100, 400)))
    assert draws == [167, 333]


def test_epoch_has_as_many_draws_as_asked_for() -> None:
    assert drawn(plan(PowerSampler(0.0, draws_per_epoch=9))) == [3, 3, 3]


@pytest.mark.parametrize(
    "sampler",
    [NATURAL, BALANCED, SQUARE_ROOT, PowerSampler(0.25), EffectiveNumberSampler(0.9)],
    ids=["natural", "balanced", "square_root", "power", "effective_number"],
)
@pytest.mark.parametrize("factors", [(1, 1, 1), (4, 1, 2)], ids=["as_is", "oversampled"])
def test_announced_draws_are_the_draws(sampler: Sampler, factors: tuple[int, ...]) -> None:
    planned = plan(sampler, factors=factors)
    for epoch in range(3):
        assert drawn(planned, epoch) == planned.draws.tolist()


def test_no_sample_comes_twice_in_an_epoch() -> None:
    order = plan(BALANCED, counts=(2, 50), factors=(3, 1)).order(5)
    assert len({tuple(row) for row in order.tolist()}) == len(order)


def test_oversampling_multiplies_a_class_under_natural_sampling() -> None:
    planned = plan(NATURAL, counts=(4, 30, 10), factors=(4, 1, 1))
    assert planned.draws.tolist() == [16, 30, 10]
    order = planned.order(0)
    rare = set(planned.indices[planned.labels == 0].tolist())
    pairs = sorted((index, copy) for index, copy in order.tolist() if index in rare)
    assert pairs == sorted(itertools.product(rare, range(4)))


def test_balanced_sampling_of_oversampled_data_shows_every_variant() -> None:
    planned = plan(BALANCED, counts=(5, 35), factors=(4, 1))  # 55 draws: 28 and 27
    order = planned.order(0)
    rare = set(planned.indices[planned.labels == 0].tolist())
    variants = {(index, copy % 4) for index, copy in order.tolist() if index in rare}
    assert variants == set(itertools.product(rare, range(4)))


def test_over_the_epochs_no_image_of_a_class_is_drawn_more_than_once_more_than_another() -> None:
    planned = plan(BALANCED, counts=(7, 50, 23))
    seen = Counter(index for epoch in range(11) for index in planned.order(epoch)[:, 0].tolist())
    for label in range(3):
        times = [seen[index] for index in planned.indices[planned.labels == label].tolist()]
        assert max(times) - min(times) <= 1


def test_order_is_a_function_of_seed_and_epoch_alone() -> None:
    np.testing.assert_array_equal(plan(BALANCED).order(3), plan(BALANCED).order(3))
    assert not np.array_equal(plan(BALANCED, seed=1).order(3), plan(BALANCED, seed=2).order(3))


def order_of(length: int) -> NDArray[np.int64]:
    return np.stack([np.arange(length), np.zeros(length, np.int64)], axis=1)


def batches(
    length: int,
    size: int,
    *,
    ranks: int = 1,
    rank: int = 0,
    training: bool = True,
    start: tuple[int, int] = (0, 0),
) -> PlannedBatches:
    return PlannedBatches(
        lambda epoch: order_of(length) + np.array([100 * epoch, 0]),
        batch_size=size,
        world_size=ranks,
        rank=rank,
        training=training,
        start=start,
    )


def rows(batch: list[SampleKey]) -> list[int]:
    return [key.row for key in batch]


@pytest.mark.parametrize("length", [16, 18, 19, 23])
@pytest.mark.parametrize("training", [True, False])
def test_two_ranks_share_the_global_batches_of_one(length: int, training: bool) -> None:
    alone = [rows(b) for b in batches(length, 8, training=training)]
    both = [list(batches(length, 8, ranks=2, rank=r, training=training)) for r in (0, 1)]
    shared = [
        [k.row for k in (*one, *other) if k.copy != PADDING]
        for one, other in zip(*both, strict=True)
    ]
    if training:  # one draw may be left out to keep the ranks equal
        assert [b[: len(a)] for a, b in zip(shared, alone, strict=False)] == shared
        assert sum(map(len, alone)) - sum(map(len, shared)) == length % 8 % 2
    else:
        assert shared == alone


@pytest.mark.parametrize("length", [1, 2, 3, 8, 9, 15])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_evaluation_counts_every_image_once_and_keeps_ranks_equal(length: int, ranks: int) -> None:
    per_rank = [list(batches(length, 4, ranks=ranks, rank=r, training=False)) for r in range(ranks)]
    assert len({tuple(len(b) for b in mine) for mine in per_rank}) == 1
    keys = [key for mine in per_rank for batch in mine for key in batch]
    assert sorted(k.row for k in keys if k.copy != PADDING) == list(range(length))


def test_last_training_batch_of_one_image_is_left_out_and_reported() -> None:
    one_over = batches(17, 8)
    assert [len(b) for b in one_over] == [8, 8]
    assert one_over.left_out == 1
    assert batches(18, 8).left_out == 0
    assert [len(b) for b in batches(18, 8)] == [8, 8, 2]


def test_length_is_the_number_of_batches() -> None:
    for length, training in itertools.product((8, 9, 10, 16), (True, False)):
        planned = batches(length, 4, ranks=2, training=training)
        assert len(list(planned)) == len(planned)


def test_epoch_is_in_the_keys_and_chooses_the_order() -> None:
    planned = batches(4, 2)
    planned.set_epoch(3)
    assert list(planned) == [
        [SampleKey(3, 300, 0), SampleKey(3, 301, 0)],
        [SampleKey(3, 302, 0), SampleKey(3, 303, 0)],
    ]


def test_an_epoch_can_go_on_at_any_batch_and_only_that_one() -> None:
    planned = batches(10, 2, start=(4, 3))
    whole = batches(10, 2)
    for epoch in (4, 5):
        whole.set_epoch(epoch)
        rest = list(whole)[3 if epoch == 4 else 0 :]
        assert list(planned) == rest  # the first time, before anyone announces the epoch
        planned.set_epoch(epoch + 1)
    assert len(planned) == 5  # of a whole epoch


def test_an_epoch_that_is_done_has_nothing_left() -> None:
    assert list(batches(10, 2, start=(1, 5))) == []


def test_lightning_finds_the_sampler_to_announce_the_epoch_to() -> None:
    planned = batches(4, 2)
    assert planned.sampler is planned


def test_evaluation_order_is_the_catalogs() -> None:
    assert natural_order(np.array([5, 2, 9])).tolist() == [[5, 0], [2, 0], [9, 0]]


def test_batches_that_cannot_be_shared_or_filled_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.batch_size: expected a multiple of the 2 proc"):
        batches(10, 5, ranks=2)
    with pytest.raises(ConfigError, match=r"at least two images a process to train on, got 1 draw"):
        batches(1, 4)
