"""Options that are named by the key which they fill, instead of by their group."""

import re

_GROUPS = {"model.head": "head"}
_OPTION = re.compile(r"\+{0,2}(?P<key>[\w.]+)=(?P<option>[^{].*)", re.DOTALL)


def grouped(word: str) -> str:
    """Has a word choose from the group whose options fill the key that it names.

    Args:
        word: Of the command line.

    Returns:
        The word that Hydra is to read.

    Example:
        >>> grouped("model.head=linear,gap"), grouped("model.head=null"), grouped("model.width=8")
        ('head=linear,gap', 'model.head=null', 'model.width=8')
    """
    match = _OPTION.fullmatch(word)
    group = _GROUPS.get(match["key"]) if match else None
    if match is None or group is None or match["option"] == "null":
        return word
    return f"{group}={match['option']}"
