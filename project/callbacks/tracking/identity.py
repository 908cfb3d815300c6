"""What a run of Weights & Biases is called and where it belongs."""

from collections.abc import Sequence
from dataclasses import dataclass

from project.errors import ConfigError

# W&B's limits in characters. Offline it would accept more, and refuse the upload.
_LONGEST = {"project": 128, "name": 128, "group": 128, "job_type": 64}
_LONGEST_TAG = 64
_RESERVED = {"project": "/\\#?%:", "id": "/\\#?%:;,'"}  # they have a meaning in W&B's addresses


@dataclass(frozen=True)
class Identity:
    """What a W&B run is called and where it belongs.

    Attributes:
        project: Name of the W&B project.
        entity: User or team; None takes the default of whoever is logged in.
        name: Name of the run for people.
        group: What the run belongs to.
        job_type: What it does.
        tags: Free words.
        id: The run's own; None goes on with the one of an earlier attempt, or makes one.
    """

    project: str
    entity: str | None
    name: str
    group: str | None
    job_type: str
    tags: Sequence[str] = ()
    id: str | None = None

    def check(self) -> None:
        """Refuses what W&B would refuse once the run begins, or when it is uploaded.

        Raises:
            ConfigError: Naming the key.
        """
        for key, longest in _LONGEST.items():
            _check_length(f"logger.wandb.{key}", getattr(self, key), longest)
        for key, reserved in _RESERVED.items():
            _check_characters(f"logger.wandb.{key}", getattr(self, key), reserved)
        if self.id is not None and (not self.id or self.id != self.id.strip()):
            raise ConfigError(
                f"logger.wandb.id: expected characters without space around them, got {self.id!r}. "
                "Take it away, or leave null."
            )
        for tag in self.tags:
            _check_length("tags", tag, _LONGEST_TAG)


def _check_length(key: str, value: str | None, longest: int) -> None:
    if value is not None and not 1 <= len(value) <= longest:
        raise ConfigError(
            f"{key}: expected 1 to {longest} characters for W&B, got {len(value)} in {value!r}. "
            "Choose another word."
        )


def _check_characters(key: str, value: str | None, reserved: str) -> None:
    found = "".join(character for character in reserved if character in (value or ""))
    if found:
        raise ConfigError(
            f"{key}: expected none of {reserved} for W&B, got {found} in {value!r}. Choose another "
            "word."
        )
