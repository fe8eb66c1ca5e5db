"""A document of headings, text, tables and pictures: Markdown, and the HTML page made from it."""

import base64
import html
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from data.files.atomic import write_bytes
from hpo.results.markdown import SPECIAL, fenced, plain

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 52rem; margin: 0 auto;
  padding: 0 1rem 4rem; }
h1, h2, h3 { line-height: 1.2; margin-top: 2.2em; }
h1 { margin-top: 1em; }
table { display: block; overflow-x: auto; margin: 1em 0; border-collapse: collapse;
  font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .7em; border-bottom: 1px solid #8886; white-space: nowrap; }
th:first-child, td:first-child { white-space: normal; min-width: 8rem; }
td.long { white-space: normal; min-width: 12rem; }
figure { margin: 1.5em 0; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
figcaption { font-size: .92rem; }
pre { overflow-x: auto; padding: .6em .8em; border: 1px solid #8886; border-radius: 4px; }
code { font-size: .92em; }
"""

_LONG = 40
"""Characters from which a cell is let break."""


@dataclass(frozen=True)
class Heading:
    """A heading of ``level`` 1 to 3."""

    level: int
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; what stands between back-ticks is code, all else is plain."""

    text: str


@dataclass(frozen=True)
class Command:
    """A command to type."""

    line: str


@dataclass(frozen=True)
class Table:
    """Plain cells under plain headings; ``caption`` is a paragraph like `Text`'s."""

    headings: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row) == len(self.headings), (row, self.headings)


@dataclass(frozen=True)
class Picture:
    """An image file beside the document, and what it shows; ``caption`` is like `Text`'s."""

    file: str
    title: str
    caption: str = ""


Block = Heading | Text | Command | Table | Picture


def write(blocks: Sequence[Block], folder: Path) -> None:
    """Write ``report.md`` and ``report.html`` into the folder that holds the pictures."""
    markdown = "\n\n".join(map(_markdown, blocks)) + "\n"
    write_bytes(folder / "report.md", markdown.encode())
    write_bytes(folder / "report.html", _page(markdown, folder).encode())


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {plain(text)}"
        case Text(text):
            return _marked(text)
        case Command(line):
            return fenced(line, language="sh")
        case Table(headings, rows, caption):
            rules = [":--", *["--:"] * (len(headings) - 1)]
            cells = [map(plain, headings), rules, *(map(plain, row) for row in rows)]
            table = "\n".join(f"| {' | '.join(line)} |" for line in cells)
            return f"{_marked(caption)}\n\n{table}".lstrip()
        case Picture(file, title, caption):
            return f"![{plain(title)}]({file})\n\n*{plain(title)}.* {_marked(caption)}".rstrip()


def _marked(text: str) -> str:
    # Code between back-ticks stays as it is; any other special character is escaped.
    text = re.sub(rf"(`[^`]+`)|({SPECIAL})", lambda m: m[1] or rf"\{m[2]}", " ".join(text.split()))
    return re.sub(r"^(\d*)([-+.)])(?![^\s-])", r"\1\\\2", text)  # else it may begin a list


def _page(markdown: str, folder: Path) -> str:
    """Return the page, its pictures embedded, a table of contents before its first section."""
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = renderer.parse(markdown)
    title, contents = "", ""
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            anchor = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
            token.attrSet("id", anchor)
            title = title or text
            if token.tag == "h2":
                contents += f'<li><a href="#{anchor}">{html.escape(text)}</a></li>'
        elif token.type == "td_open" and len(inline.content) > _LONG:
            token.attrs = {"class": "long"}
        for child in inline.children or ():
            if child.type == "image":
                data = base64.b64encode((folder / str(child.attrs["src"])).read_bytes()).decode()
                child.attrs["src"] = f"data:image/png;base64,{data}"
    body = renderer.renderer.render(tokens, renderer.options, {})
    body = body.replace("<h2 ", f"<nav><ul>{contents}</ul></nav>\n<h2 ", 1)
    # A picture and the paragraph below it are a figure and its caption.
    body = re.sub(
        r"<p>(<img [^>]*>)</p>\n<p>(.*)</p>",
        r"<figure>\1<figcaption>\2</figcaption></figure>",
        body,
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style></head>\n"
        f"<body>\n{body}</body></html>\n"
    )
