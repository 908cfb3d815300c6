"""``python -m project.evaluate``: measures a finished run again, here or on other photos."""

from typing import TYPE_CHECKING

from project.launch.cli.command import command
from project.launch.leaving import leave_after

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from project.runs.record import RunRecord


def main() -> None:
    """Reads the command line."""
    command("evaluate", run)


def run(cfg: "DictConfig") -> "RunRecord":
    """Evaluates and reports; see `project.commands.evaluation.evaluate`."""
    from project.commands.evaluation import evaluate  # noqa: PLC0415 - heavy, and not needed for --help

    return evaluate(cfg)


if __name__ == "__main__":
    leave_after(main)
