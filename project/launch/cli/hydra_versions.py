"""What differs between the releases of Hydra and OmegaConf that we support."""

import copyreg
import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import hydra
import omegaconf
from hydra import utils
from omegaconf import DictConfig, OmegaConf

# Hydra 1.4 wants a list of what a configuration may name, which here is anything that can be
# imported: users bring their own networks. Without a list it still refuses what runs code that the
# configuration chooses or removes files, as 1.3 does; told to allow all, it would not.
_WANTS_A_LIST = r"\s*hydra\.utils\.instantiate\(\) resolved _target_="


def version_options() -> dict[str, Any]:
    """Arguments of ``hydra.main`` and ``hydra.initialize_config_module``.

    Hydra 1.3 warns without ``version_base``; 1.4 warns with it.
    """
    return {"version_base": "1.3"} if _release(hydra.__version__) < (1, 4) else {}


def instantiate(node: DictConfig, **options: Any) -> Any:
    """Builds what a node describes, whatever it names.

    Args:
        node: Has a ``_target_``.
        options: Hydra's own, such as ``_convert_``.

    Returns:
        The object. What ``_partial_`` made, here or below, can go to another process.

    Raises:
        InstantiationException: Hydra's; if it cannot be built, or names what no configuration
            should, such as ``os.system``.
    """
    warnings.filterwarnings("ignore", message=_WANTS_A_LIST, category=UserWarning)
    _let_partials_be_pickled()
    return utils.instantiate(node, **options)


def register_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Makes ``${name:...}`` known in configurations, in the place of any earlier one.

    OmegaConf 2.4 warns of the name that 2.3 has for this, and 2.3 means something else by 2.4's.

    Args:
        name: What stands before the colon.
        resolver: Computes the value from what stands behind it.
    """
    of_either: Any = OmegaConf
    old = _release(omegaconf.__version__) < (2, 4)
    register = of_either.register_new_resolver if old else of_either.register_resolver
    register(name, resolver, replace=True)


@cache
def _let_partials_be_pickled() -> None:
    """Hydra 1.4 refuses, but ranks and workers that are spawned need optimizers and the like."""
    made = utils.instantiate({"_target_": "builtins.dict", "_partial_": True})
    copyreg.pickle(
        type(made), lambda made: partial(made.func, *made.args, **made.keywords).__reduce__()
    )


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])
