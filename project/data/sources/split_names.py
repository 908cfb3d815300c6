"""The many names under which people keep their train, val and test photos."""

from collections.abc import Mapping, Sequence

from project.data.sources.listing import SPLITS
from project.errors import ConfigError, suggestion

SPLIT_NAMES: Mapping[str, Sequence[str]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval"),
}
"""Names that are understood unless others are configured; case does not matter."""


def split_lookup(split_names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Turns configured split names round.

    Args:
        split_names: For each split, what it may be called.

    Returns:
        Lower-case name to split.

    Raises:
        ConfigError: A key is not a split, or a name is given to two splits.

    Example:
        >>> split_lookup({"train": ["Training"], "test": ["eval"]})
        {'training': 'train', 'eval': 'test'}
    """
    lookup: dict[str, str] = {}
    for split, names in split_names.items():
        if split not in SPLITS:
            raise ConfigError(
                f'Expected the keys of split_names among {", ".join(SPLITS)}, got "{split}".'
                + suggestion(split, SPLITS)
            )
        for name in map(str.casefold, names):
            if lookup.setdefault(name, split) != split:
                raise ConfigError(
                    f'split_names gives "{name}" to both {lookup[name]} and {split}; leave it '
                    "in one of them."
                )
    return lookup
