"""Which words of a command line are Hydra's options, and which are our own."""

from collections.abc import Sequence

# Hydra's options that take the next word for their value.
_WITH_VALUE = {"--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn"}
_WITH_VALUE |= {"--config-dir", "-cd", "--experimental-rerun"}


def without_options(arguments: Sequence[str]) -> list[str]:
    """Leaves out Hydra's options and their values.

    Args:
        arguments: The words of the command line.

    Returns:
        The others, in their order.

    Example:
        >>> without_options(["--cfg", "job", "outputs/sweeps/one", "margin=0.02", "--resolve"])
        ['outputs/sweeps/one', 'margin=0.02']
    """
    before = ["", *arguments]
    return [
        argument
        for argument, option in zip(arguments, before, strict=False)
        if option not in _WITH_VALUE and not argument.startswith("-")
    ]
