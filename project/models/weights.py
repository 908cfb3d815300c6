"""Weights for a backbone: fetched from where they are published, or read from a local file."""

import logging
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import timm
from huggingface_hub import constants
from safetensors import SafetensorError
from torch import Tensor, nn

from project.errors import ModelError
from project.models.auxiliary import AUXILIARY_HEADS

logger = logging.getLogger(__name__)

FETCH_TIMEOUT_SECONDS = 10.0
HEAD = "classification_head"
"""What a head is called in a network that has been given one."""


def refuse_two_sources(pretrained: bool, checkpoint_path: str | Path | None) -> None:
    """Lets weights come from one place only.

    Raises:
        ModelError: They are asked for from two.
    """
    if pretrained and checkpoint_path is not None:
        raise ModelError(
            "Expected one source of weights, got both model.pretrained=true and "
            f"model.checkpoint_path={checkpoint_path}. Leave one of them out."
        )


@contextmanager
def fetching(name: str) -> Iterator[None]:
    """Turns whatever goes wrong while pretrained weights are fetched into one clear error.

    A hub that cannot be reached is asked once, not retried for a minute; weights that lie in the
    cache are then still found.

    Args:
        name: The model whose weights are fetched, for the message.

    Raises:
        ModelError: The weights could not be fetched, or there are none.
    """
    hub_was_offline, timeout = constants.HF_HUB_OFFLINE, socket.getdefaulttimeout()
    constants.HF_HUB_OFFLINE = hub_was_offline or not _answers(constants.ENDPOINT)
    socket.setdefaulttimeout(FETCH_TIMEOUT_SECONDS)  # torch.hub opens addresses without a timeout
    try:
        yield
    # Network, cache and HTTP errors are OSErrors; timm raises RuntimeError where a model has no
    # published weights.
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f'Expected pretrained weights for "{name}", but they could not be fetched '
            f"({type(error).__name__}: {_first_line(error)}). Connect to the network, pass "
            "model.checkpoint_path=<file> with locally downloaded weights, or train from scratch "
            "with model.pretrained=false."
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = hub_was_offline
        socket.setdefaulttimeout(timeout)


def load_weights(
    backbone: nn.Module,
    checkpoint_path: str | Path,
    num_classes: int,
    *,
    former_head: Callable[[], Collection[str]] = frozenset,
    may_lack: Collection[str] = (),
) -> None:
    """Loads a local file into a backbone, in place.

    Takes bare state dictionaries, safetensors, and checkpoints that hold one, those of our own runs
    included. A head made for another number of classes, or of another kind, stays as initialised,
    with a warning; anything else that does not fit is an error.

    Args:
        backbone: The network, with a head for ``num_classes``.
        checkpoint_path: A ``.pth``, ``.pt``, ``.ckpt`` or ``.safetensors`` file.
        num_classes: Length of the backbone's logits.
        former_head: Gives the names of the weights in the head that the backbone has by itself;
            called only where it has been given another, or the file's network had.
        may_lack: Names of weights that the file need not hold.

    Raises:
        ModelError: The file is missing, cannot be read, or holds another network.
    """
    own = backbone.state_dict()
    saved = _fitted_names(read_weights(Path(checkpoint_path)), own)
    saved |= {key: own[key] for key in may_lack if key in own and key not in saved}
    another = _keys_of_another_head(own, saved, num_classes, former_head)
    if another:
        fresh = [key for key in own if key in another]
        logger.warning(
            "%s was saved with another head: %s keep their fresh initialisation.",
            checkpoint_path,
            ", ".join(fresh),
        )
        saved = {key: saved[key] for key in saved if key not in another}
        saved |= {key: own[key] for key in fresh}
    head = [
        key for key in own if key in saved and _is_other_head(own[key], saved[key], num_classes)
    ]
    wrong = _mismatches(own, saved, head)
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ModelError(
            f"Expected weights of this {type(backbone).__name__} in {checkpoint_path}, but "
            f"{'; '.join(wrong[:3])}{more}. Pass the file that belongs to the configured model, or "
            "configure the model that the file was saved from."
        )
    if head:
        logger.warning(
            "%s was made for %d classes, not %d: %s keep their fresh initialisation.",
            checkpoint_path,
            len(saved[head[0]]),
            num_classes,
            ", ".join(head),
        )
    backbone.load_state_dict({**saved, **{key: own[key] for key in head}})


def _answers(address: str) -> bool:
    request = Request(address, method="HEAD")  # noqa: S310  the hub's own address
    try:
        urlopen(request, timeout=FETCH_TIMEOUT_SECONDS).close()  # noqa: S310
    except HTTPError:  # an unfriendly answer is an answer
        return True
    except OSError:
        return False
    return True


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads the weights in a file, of whatever network.

    Args:
        path: A file that `load_weights` takes.

    Returns:
        Tensor by name.

    Raises:
        ModelError: The file is missing, or cannot be read.
    """
    if not path.is_file():
        raise ModelError(
            f"Expected a file with weights at {path.resolve()}, but there is none. Check "
            "model.checkpoint_path."
        )
    try:
        content = timm.models.load_state_dict(str(path))
    except (RuntimeError, SafetensorError, EOFError, OSError, ValueError, AttributeError) as error:
        raise ModelError(
            f"Expected weights in {path}, but the file cannot be read as such "
            f"({_first_line(error)}). Pass a .pth, .pt, .ckpt or .safetensors file that holds "
            "tensors only."
        ) from error
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}


def _fitted_names(saved: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names as the backbone knows them: without what a run's checkpoint holds besides."""
    prefix = "backbone."
    from_run = any(key.startswith(prefix) for key in saved)
    if from_run and not any(key.startswith(prefix) for key in own):
        saved = {key.removeprefix(prefix): saved[key] for key in saved if key.startswith(prefix)}
    unneeded = tuple(f"{head}." for head in AUXILIARY_HEADS)
    return {key: saved[key] for key in saved if key in own or not key.startswith(unneeded)}


def _keys_of_another_head(
    own: dict[str, Tensor],
    saved: dict[str, Tensor],
    num_classes: int,
    former_head: Callable[[], Collection[str]],
) -> set[str]:
    """Names of what does not fit, where heads differ in more than the number of classes."""
    ours, theirs = ({key for key in names if key.startswith(f"{HEAD}.")} for names in (own, saved))
    if not (ours or theirs):
        return set()
    alike = ours == theirs and all(
        own[key].shape == saved[key].shape or _is_other_head(own[key], saved[key], num_classes)
        for key in ours
    )
    if alike:
        return set()
    return {*ours, *theirs, *(key for key in former_head() if not _fits(key, own, saved))}


def _fits(key: str, own: dict[str, Tensor], saved: dict[str, Tensor]) -> bool:
    return key in own and key in saved and own[key].shape == saved[key].shape


def _is_other_head(own: Tensor, saved: Tensor, num_classes: int) -> bool:
    return (
        own.ndim > 0
        and own.shape != saved.shape
        and own.shape[0] == num_classes
        and own.shape[1:] == saved.shape[1:]
    )


def _mismatches(own: dict[str, Tensor], saved: dict[str, Tensor], head: list[str]) -> list[str]:
    shapes = [
        f"{key} has shape {tuple(saved[key].shape)} in the file and {tuple(own[key].shape)} here"
        for key in own
        if key in saved and key not in head and saved[key].shape != own[key].shape
    ]
    # Counters of batch norms are absent from files saved before PyTorch had them.
    missing = [
        f"{key} is missing"
        for key in own
        if key not in saved and not key.endswith("num_batches_tracked")
    ]
    return shapes + missing + [f"{key} is not part of the model" for key in saved if key not in own]


def _first_line(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0]
