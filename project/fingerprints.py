"""``python -m project.fingerprints``: what the data of configurations are, for launchers.

Reads a JSON list of configurations from standard input; the last line that it prints is the JSON
list of their fingerprints, null for data that cannot be read.
"""

import json
import sys

from omegaconf import DictConfig, OmegaConf


def main() -> None:
    """Answers one question."""
    configs = [OmegaConf.create(config) for config in json.load(sys.stdin)]
    print(json.dumps([fingerprint(config) for config in configs]))


def fingerprint(cfg: DictConfig) -> str | None:
    """Scans the photos of a configuration, or reads what an earlier scan found.

    Args:
        cfg: A composed ``train`` configuration.

    Returns:
        The fingerprint of photos, labels and split; None if they cannot be used, which the run
        itself will explain.
    """
    from project import build  # noqa: PLC0415 - heavy
    from project.errors import EvenhandError  # noqa: PLC0415

    try:
        return build.datamodule(cfg).catalog.fingerprint
    except EvenhandError:
        return None


if __name__ == "__main__":
    main()
