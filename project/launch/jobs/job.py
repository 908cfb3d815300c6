"""One job of a sweep: the command line of a single run, and where it leaves its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from project.launch.cli.quoting import quoted
from project.runs.directory import RunDirectory
from project.runs.fingerprint import config_fingerprint

MODULE = "project.train"


@dataclass(frozen=True)
class Job:
    """A job of a sweep, as plain values that can be sent to another machine.

    Attributes:
        name: Of its directory below the sweep's.
        run: Its directory, absolute.
        overrides: What the sweeper chose for it, with what all jobs share.
        words: The words of its command line, without those that place or resume it.
        config: Its whole configuration, as the run will record it.
        module: What runs it, as ``python -m`` knows it.
        environment: Variables that are its own, such as which trial of a search it is.
    """

    name: str
    run: RunDirectory
    overrides: tuple[str, ...]
    words: tuple[str, ...]
    config: Mapping[str, Any]
    module: str = MODULE
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Equal for jobs that must give equal results."""
        return config_fingerprint(self.config)

    def arguments(self, *, resume: bool) -> list[str]:
        """The words after ``python -m <module>``.

        Args:
            resume: Whether to go on from the last checkpoint of its directory.
        """
        place = str(self.run.path)
        # An experiment may ask for a sweep; this job is one run of it.
        placed = ["hydra.mode=RUN", quoted(f"hydra.run.dir={place}")]
        return [*self.words, *placed, *([quoted(f"resume={place}")] if resume else [])]

    @property
    def devices(self) -> int:
        """GPUs, or processes on a CPU, that the job's trainer asks for."""
        return devices_of(self.config)


def devices_of(config: Mapping[str, Any]) -> int:
    """Counts the GPUs, or processes on a CPU, that the trainer of a configuration asks for.

    Args:
        config: Plain values; without a trainer it is one.
    """
    asked = (config.get("trainer") or {}).get("devices", 1)
    if isinstance(asked, Sequence) and not isinstance(asked, str):
        return max(1, len(asked))
    return max(1, int(asked)) if str(asked).lstrip("-").isdigit() else 1
