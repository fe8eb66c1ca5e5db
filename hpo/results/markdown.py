"""Text and commands in Markdown, so that no name, path or description is taken for markup."""

import re

SPECIAL = r"[\\`*_\[\]<>|#&$~]"
"""What Markdown, HTML or a formula may begin with."""


def plain(text: str) -> str:
    """Return a piece of text as a line that is shown as it is."""
    return re.sub(SPECIAL, r"\\\g<0>", " ".join(text.split()))


def fenced(*lines: str, language: str = "") -> str:
    """Return lines of code, whatever is in them, as a block."""
    text = "\n".join(lines)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
