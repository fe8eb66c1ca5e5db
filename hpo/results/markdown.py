"""Text and commands in Markdown, so that no name, path or description is taken for markup."""

import re

SPECIAL = r"[\\`*_\[\]<>|#&$~]"
"""What Markdown, HTML or a formula may begin with."""


def plain(text: str) -> str:
    """Return a piece of text as a line that is shown as it is."""
    return re.sub(SPECIAL, r"\\\g<0>", " ".join(text.split()))


CODE = r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)"
"""What `code` makes; its first group is the mark that begins and ends it."""


def code(text: str) -> str:
    """Return a name, path or command as code in a line, whatever is in it."""
    mark = "`" * _unused(text, least=1)
    pad = " " * (text[:1] == "`" or text[-1:] == "`")
    return f"{mark}{pad}{' '.join(text.split())}{pad}{mark}"


def fenced(*lines: str, language: str = "") -> str:
    """Return lines of code, whatever is in them, as a block."""
    text = "\n".join(lines)
    fence = "`" * _unused(text, least=3)
    return f"{fence}{language}\n{text}\n{fence}"


def _unused(text: str, least: int) -> int:
    """Return a number of backticks, at least so many, that is greater than any run in the text."""
    return max([least, *(len(run) + 1 for run in re.findall("`+", text))])
