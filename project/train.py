"""``python -m project.train``: trains a classifier and leaves a run directory."""

from typing import TYPE_CHECKING

from project.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from project.runs.record import RunRecord


def main() -> None:
    """Reads the command line."""
    command("train", run)


def run(cfg: "DictConfig") -> "RunRecord":
    """Trains, tests and reports; see `project.training.train`."""
    from project.training import train  # noqa: PLC0415 - heavy, and not needed for --help

    return train(cfg)


if __name__ == "__main__":
    main()
