"""Words of a command line as values of a key of another one."""

import re

from project.launch.cli.quoting import in_quotes

_LISTS = re.compile(r"(?P<key>\+{0,2}pretrain)=(?P<lists>.*\[.*)", re.DOTALL)
_QUOTES = "'\""


def worded(word: str) -> str:
    """Quotes the words in a list of words, which Hydra takes for mistakes by their equals signs.

    Args:
        word: Of the command line.

    Returns:
        The word that Hydra is to read.

    Example:
        >>> print(worded("pretrain=[data=wardrobe,data.size=[32,24]],null"))
        pretrain=["data=wardrobe","data.size=[32,24]"],null
    """
    match = _LISTS.fullmatch(word)
    if match is None:
        return word
    return f"{match['key']}={','.join(_in_quotes(item) for item in _split(match['lists']))}"


def _in_quotes(item: str) -> str:
    if not (item.startswith("[") and item.endswith("]")):
        return item
    words = _split(item[1:-1])
    return f"[{','.join(word if word[0] in _QUOTES else in_quotes(word) for word in words)}]"


def _split(text: str) -> list[str]:
    """At the commas that lie outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if letter == "," and depth == 0 and not quote:
            parts.append("")
            continue
        if quote:
            quote = "" if letter == quote else quote
        elif letter in _QUOTES:
            quote = letter
        else:
            depth += (letter in "[{(") - (letter in ")}]")
        parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
