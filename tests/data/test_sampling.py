import numpy as np
import pytest

from project.data.sampling import EffectiveNumberSampler, PowerSampler
from project.errors import ConfigError

COUNTS = np.array([210, 4984, 20218, 7304, 454])  # the clothing case


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        (1.0, COUNTS / COUNTS.sum()),
        (0.0, np.full(5, 0.2)),
        (0.5, np.sqrt(COUNTS) / np.sqrt(COUNTS).sum()),
    ],
    ids=["natural", "balanced", "square_root"],
)
def test_power_weighs_classes_by_a_power_of_their_size(q: float, expected: np.ndarray) -> None:
    np.testing.assert_allclose(PowerSampler(q).shares(COUNTS), expected)


def test_effective_number_lies_between_natural_and_balanced() -> None:
    natural = EffectiveNumberSampler(beta=0.0).shares(COUNTS)
    middle = EffectiveNumberSampler(beta=0.999).shares(COUNTS)
    balanced = EffectiveNumberSampler(beta=1 - 1e-9).shares(COUNTS)
    np.testing.assert_allclose(natural, COUNTS / COUNTS.sum())
    np.testing.assert_allclose(balanced, np.full(5, 0.2), atol=1e-4)
    assert natural[0] < middle[0] < balanced[0]


def test_effective_number_matches_the_formula_worked_by_hand() -> None:
    # beta 0.5: E(1) = 1, E(2) = 1.5; weights 1 / 1 and 2 / 1.5
    shares = EffectiveNumberSampler(beta=0.5).shares(np.array([1, 2]))
    np.testing.assert_allclose(shares, [3 / 7, 4 / 7])


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"sampler\.q: expected a power from 0 .* got 1\.5"):
        PowerSampler(q=1.5)
    with pytest.raises(ConfigError, match=r"sampler\.beta: expected 0 <= beta < 1, got 1"):
        EffectiveNumberSampler(beta=1.0)
    with pytest.raises(ConfigError, match=r"draws_per_epoch: expected images above 0, got 0"):
        PowerSampler(q=1.0, draws_per_epoch=0)
