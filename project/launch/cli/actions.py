"""Commands that do one of several things, whose name stands first and without a key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from project.errors import ConfigError, suggestion
from project.launch.cli.options import asks_for, without_options


@dataclass(frozen=True)
class Actions:
    """What a command can do.

    Attributes:
        command: Its name, such as ``project.sweep``.
        names: Of the actions.
        example: Words that may follow its name.
        one: What it is about, of which it takes one at a time.
        keyed: Gives other words without a key theirs, or None where they have none.
    """

    command: str
    names: tuple[str, ...]
    example: str
    one: str
    keyed: Callable[[str], str | None] = lambda _: None

    def check(self, action: str) -> str:
        """Gives the action, if there is such a one.

        Raises:
            ConfigError: If there is not.
        """
        if action in self.names:
            return action
        raise ConfigError(
            f"expected one of {', '.join(self.names)}, got {action!r}."
            f"{suggestion(action, self.names)} For example: python -m {self.command} {self.example}"
        )

    def arranged(self, arguments: Sequence[str]) -> list[str]:
        """Gives words without a key theirs.

        Args:
            arguments: The words of the command line.

        Returns:
            The words that Hydra is to read.

        Raises:
            ConfigError: If there is no such action, or a sweep is asked for.

        Example:
            >>> cache = Actions("project.cache", ("list", "prune"), "list", "folder")
            >>> cache.arranged(["prune", "keep_gb=20", "--cfg", "job"])
            ['action=prune', 'keep_gb=20', '--cfg', 'job']
        """
        if asks_for("--multirun", arguments):
            raise ConfigError(
                f"--multirun: expected one {self.one} at a time; start {self.command} for each."
            )
        own = set(without_options(arguments))
        return [self._keyed(word) if word in own else word for word in arguments]

    def _keyed(self, word: str) -> str:
        if word in self.names:
            return f"action={word}"
        keyed = self.keyed(word)
        if keyed is None and "=" not in word and not word.startswith("~"):
            self.check(word)
        return word if keyed is None else keyed
