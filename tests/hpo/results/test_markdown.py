import pytest
from markdown_it import MarkdownIt

from hpo.results.markdown import code, fenced, plain

HOSTILE = ["$\\frac{$50", "[/x]", "`", "<img src=x onerror=y>", "a|b", "*a* _b_", "&lt;", "![x](y)"]


def shown(markdown: str) -> tuple[str, set[str]]:
    """Return the text that a reader sees, and the kinds of markup in it."""
    tokens = [
        child
        for token in MarkdownIt("commonmark").enable("table").parse(markdown)
        for child in token.children or [token]
    ]
    return "".join(token.content for token in tokens), {token.type for token in tokens}


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_no_markup(text: str) -> None:
    seen, kinds = shown(f"It is {plain(text)}.")
    assert seen == f"It is {text}."
    assert kinds <= {"paragraph_open", "text", "text_special", "paragraph_close"}


@pytest.mark.parametrize("line", ["ls '```'", "a\n```\n# b", "````"])
def test_a_command_stays_one_block(line: str) -> None:
    seen, kinds = shown(fenced(line, language="sh"))
    assert (seen, kinds) == (f"{line}\n", {"fence"})


@pytest.mark.parametrize("text", [*HOSTILE, "a `b`", "`a`", "--out 'a``b'", "a`b``c```d"])
def test_a_name_or_command_stays_code(text: str) -> None:
    seen, kinds = shown(f"It is {code(text)}, not {code(text)}.")
    assert seen == f"It is {text}, not {text}."
    assert kinds == {"paragraph_open", "text", "code_inline", "paragraph_close"}
