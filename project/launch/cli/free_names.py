"""Keys whose names the user makes up, which Hydra takes for mistakes."""

import re

_FREE = re.compile(r"data\.tests\.[^=]+=", re.DOTALL)


def addable(word: str) -> str:
    """Has Hydra add a key where names are free, as it does for words that begin with ``++``.

    Args:
        word: Of the command line.

    Returns:
        The word that Hydra is to read.

    Example:
        >>> addable("data.tests.shifted=photos/outdoors"), addable("data.root=photos")
        ('++data.tests.shifted=photos/outdoors', 'data.root=photos')
    """
    return f"++{word}" if _FREE.match(word) else word
