"""``python -m project.fingerprints``: what the data of configurations are, for launchers.

Its command line is a file with a JSON list of configurations, and one for the JSON list of their
fingerprints, null for data that cannot be read.
"""

import json
import sys
from pathlib import Path

from omegaconf import DictConfig


def main() -> None:
    """Answers one question."""
    asked, answered = map(Path, sys.argv[1:])
    configs = [DictConfig(config) for config in json.loads(asked.read_bytes())]
    answered.write_text(json.dumps([fingerprint(config) for config in configs]), encoding="utf-8")


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
        return build.datamodule(cfg).photos.fingerprint
    except EvenhandError:
        return None


if __name__ == "__main__":
    main()
