"""Networks with their batch normalisation frozen, removed or replaced."""

from typing import Literal, get_args

from timm.layers import BatchNormAct2d, GroupNormAct  # type: ignore[attr-defined]
from torch import Tensor, nn
from torch.nn import functional

from project.errors import ModelError, suggestion

BatchNorm = Literal["keep", "freeze", "remove", "group"]
BATCH_NORMS: tuple[BatchNorm, ...] = get_args(BatchNorm)

_MOST_GROUPS = 32
_KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm
_MEASURED = ("running_mean", "running_var", "num_batches_tracked")
_LEARNED = ("weight", "bias")


class FrozenBatchNorm(nn.Module):
    """A batch norm as it is in evaluation, which training neither moves nor measures by.

    Args:
        norm: What it takes statistics, scales and shifts from, and whatever follows them.
    """

    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None

    def __init__(self, norm: _Norm) -> None:
        super().__init__()
        for name in (*_MEASURED, *_LEARNED):
            value = getattr(norm, name)
            self.register_buffer(name, None if value is None else value.detach().clone())
        self.eps = norm.eps
        self.then = _what_follows(norm)

    def forward(self, features: Tensor) -> Tensor:
        """Normalises ``(B, C, ...)`` by fixed numbers."""
        fixed = (self.running_mean, self.running_var, self.weight, self.bias)
        normalised: Tensor = self.then(functional.batch_norm(features, *fixed, eps=self.eps))
        return normalised


def convert_batch_norm(network: nn.Module, way: BatchNorm) -> int:
    """Replaces the batch norms of a network, in place.

    Args:
        network: Any network.
        way: ``keep``; ``freeze``: statistics, scales and shifts stay as they are; ``remove``: there
            is none, a convolution that left its bias to it has none either, and nothing works in
            place any more; ``group``: group norms with the same scales and shifts, which work at
            any batch size.

    Returns:
        How many were replaced.

    Raises:
        ModelError: There is no such way.

    Source: Wu and He, "Group Normalization", ECCV 2018.
    """
    _check(way)
    if way == "keep":
        return 0
    replacements: dict[int, nn.Module] = {}  # one norm may be in several places
    for path, norm in _norms(network):
        if id(norm) not in replacements:
            replacements[id(norm)] = _replacement(norm, way)
        network.set_submodule(path, replacements[id(norm)])
    if way == "remove" and replacements:
        _leave_inputs_alone(network)
    return len(replacements)


def names_dropped(network: nn.Module, way: BatchNorm) -> frozenset[str]:
    """Names the weights of a network that `convert_batch_norm` would do away with.

    Raises:
        ModelError: There is no such way.
    """
    _check(way)
    dropped = {"remove": (*_MEASURED, *_LEARNED), "group": _MEASURED}.get(way, ())
    return frozenset(f"{path}.{name}" for path, _ in _norms(network) for name in dropped)


def _check(way: str) -> None:
    if way not in BATCH_NORMS:
        raise ModelError(
            f'Expected model.batch_norm to be one of {", ".join(BATCH_NORMS)}, got "{way}".'
            + suggestion(way, BATCH_NORMS)
        )


def _norms(network: nn.Module) -> list[tuple[str, _Norm]]:
    modules = network.named_modules(remove_duplicate=False)
    return [(path, module) for path, module in modules if isinstance(module, _KINDS)]


def _replacement(norm: _Norm, way: BatchNorm) -> nn.Module:
    if way == "freeze":
        return FrozenBatchNorm(norm)
    return _group_norm(norm) if way == "group" else _what_follows(norm)


def _group_norm(norm: _Norm) -> nn.Module:
    channels = norm.num_features
    # Features without places are one number a channel: small groups would leave nothing of them.
    most = 1 if isinstance(norm, nn.BatchNorm1d) else min(_MOST_GROUPS, channels)
    groups = next(n for n in range(most, 0, -1) if channels % n == 0)
    new: nn.GroupNorm
    if isinstance(norm, BatchNormAct2d):
        new = GroupNormAct(channels, groups, norm.eps, affine=norm.affine)
        new.drop, new.act = norm.drop, norm.act
    else:
        new = nn.GroupNorm(groups, channels, norm.eps, affine=norm.affine)
    if norm.affine:
        new.weight, new.bias = norm.weight, norm.bias
    return new


def _what_follows(norm: _Norm) -> nn.Module:
    """Timm's batch norms may drop and activate as well."""
    if isinstance(norm, BatchNormAct2d):
        return nn.Sequential(norm.drop, norm.act)
    return nn.Identity()


def _leave_inputs_alone(network: nn.Module) -> None:
    """An activation in place overwrote what its norm had made; now others may need its input."""
    for module in network.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]
