"""What differs between the releases of Hydra that we support."""

from typing import Any

import hydra


def version_options() -> dict[str, Any]:
    """Arguments of ``hydra.main`` and ``hydra.initialize_config_module``.

    Hydra 1.3 warns without ``version_base``; 1.4 dropped it.
    """
    release = tuple(int(part) for part in hydra.__version__.split(".")[:2])
    return {"version_base": "1.3"} if release < (1, 4) else {}
