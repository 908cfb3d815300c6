"""What the outputs of a network look like, which are meant to be plain logits."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from project.callbacks.diagnoses.seen import percent
from project.runs.record import Diagnosis

_FEW = 10  # photos that show nothing
_ZEROS = 0.01  # share of outputs; of numbers that nothing clamps, none is exactly 0
_TIES = 0.05  # share of photos
_OVER_GRID = 5  # times as many ties as neighbours: half precision ties now and then, too
_ROUNDING = 1e-2
_CLAMPS = {"ReLU", "ReLU6", "Hardtanh", "Threshold", "Hardsigmoid"}
_DROPOUTS = {"Dropout", "Dropout1d", "Dropout2d", "AlphaDropout"}
_POOLS = ("Pool", "Upsample")


def clamped_logits(logits: npt.NDArray[np.floating], tail: Sequence[str]) -> Diagnosis | None:
    """Notices logits that something holds at a bound, or drops, before they reach the loss.

    Args:
        logits: Outputs for the validation photos, ``(N, C)``.
        tail: Classes of the modules after the last layer with weights.
    """
    if len(logits) < _FEW:
        return None
    zeros = _share_of_zeros(logits)
    ties = _share_of_ties(logits)
    seen_in_numbers = zeros >= _ZEROS or ties >= _TIES
    if not (seen_in_numbers or _stands_on_logits(tail)):
        return None
    signs = []
    if ties >= _TIES:
        signs.append(f"for {percent(ties)} of the validation photos classes tie exactly")
    if zeros >= _ZEROS:
        bound = "below" if logits.min() >= 0 else "above"
        signs.append(f"{percent(zeros)} of the outputs are exactly 0 and none is {bound} it")
    if tail:
        signs.append(f"after the last layer with weights come {', '.join(tail)}")
    return Diagnosis(
        "clamped_logits",
        f"In the best epoch the logits are clamped: {'; '.join(signs)}. A class that is held at a "
        "bound gets no gradient, and dropout on logits is noise in the answer itself; ties go to "
        "the first class. Try head=linear, or let the network end in its last linear layer.",
        {
            "share_of_ties": ties,
            "share_of_zeros": zeros,
            "smallest": float(logits.min()),
            "largest": float(logits.max()),
            "after_last_weights": ", ".join(tail) or "nothing known",
        },
    )


def _share_of_zeros(logits: npt.NDArray[np.floating]) -> float:
    """Of all outputs, where 0 is also their smallest or largest value; else 0."""
    if logits.min() < 0 < logits.max() or not logits.any():
        return 0.0
    return float((logits == 0).mean())


def _share_of_ties(logits: npt.NDArray[np.floating]) -> float:
    """Of photos whose largest output is shared, unless outputs are just coarse."""
    second, largest = np.partition(logits, -2, axis=1)[:, -2:].T
    gaps = largest - second
    ties, apart = int((gaps == 0).sum()), gaps[gaps > 0]
    neighbours = int((apart == apart.min()).sum()) if apart.size else 0
    return ties / len(gaps) if ties >= _OVER_GRID * neighbours else 0.0


def _stands_on_logits(tail: Sequence[str]) -> bool:
    """Whether something clamps or drops each logit; what is pooled afterwards is a map."""
    if any(pool in name for name in tail for pool in _POOLS):
        return False
    return bool((_CLAMPS | _DROPOUTS) & set(tail))


def normalized_logits(logits: npt.NDArray[np.floating], tail: Sequence[str]) -> Diagnosis | None:
    """Notices outputs that are probabilities, or their logarithms, already.

    Args:
        logits: Outputs for the validation photos, ``(N, C)``.
        tail: Classes of the modules after the last layer with weights.
    """
    if len(logits) < _FEW:
        return None
    values = logits.astype(np.float64)
    largest = values.max(axis=1, keepdims=True)
    log_sums = (largest[:, 0]) + np.log(np.exp(values - largest).sum(axis=1))
    sums = values.sum(axis=1)
    evidence: dict[str, float | str] = {
        "largest_log_of_summed_exponentials": float(np.abs(log_sums).max()),
        "largest_distance_of_sums_from_1": float(np.abs(sums - 1).max()),
        "after_last_weights": ", ".join(tail) or "nothing known",
    }
    if np.abs(log_sums).max() < _ROUNDING:
        return Diagnosis(
            "normalized_logits",
            "The outputs of the network are logarithms of probabilities already, as a LogSoftmax "
            "gives them. Cross-entropy takes that once more, which changes neither loss nor "
            "gradient; other losses read them wrongly. Leave the LogSoftmax out: head=linear.",
            evidence | {"kind": "log-probabilities"},
        )
    if values.min() >= 0 and np.abs(sums - 1).max() < _ROUNDING:
        return Diagnosis(
            "normalized_logits",
            "The outputs of the network are probabilities already, as a Softmax gives them. The "
            "loss takes the softmax of that again: it cannot fall near 0, and gradients vanish. "
            "Leave the Softmax out: head=linear.",
            evidence | {"kind": "probabilities"},
        )
    return None
