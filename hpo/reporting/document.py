"""A document of headings, text, tables and pictures: Markdown, and the HTML page made from it."""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, Union

from markdown_it import MarkdownIt

from data.files.atomic import write_bytes
from hpo.results.markdown import CODE, SPECIAL, fenced, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --tint: #0072b214; --accent: #0072b2; }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 66rem; margin: 0 auto;
  padding: 0 1rem 3rem; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.2; margin: 1.3em 0 .5em; }
h1 { font-size: 1.6rem; margin: .8rem 0 .3rem; }
h2 { font-size: 1.25rem; }
h3 { font-size: 1.05rem; }
p { margin: .5em 0; max-width: 60rem; }
blockquote { margin: .7rem 0; padding: .4rem 1rem; border-left: .35rem solid var(--accent);
  background: var(--tint); }
blockquote p:first-child { font-size: 1.25rem; line-height: 1.3; }
table { border-collapse: collapse; margin: .5em 0 1.2em; font-size: .88rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .2em .6em; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:has(> td:first-child > strong) { background: var(--tint); }
div { display: flex; flex-wrap: wrap; gap: 0 2.5rem; align-items: start; }
div div { display: block; }
div > * { min-width: 0; max-width: 100%; }
div table { margin-bottom: .8em; }
div td { padding-top: .1em; padding-bottom: .1em; }
figure { margin: 1em 0 1.5em; max-width: 56rem; overflow-x: auto; }
img { display: block; width: 100%; min-width: 36rem; background: #fff; border-radius: 4px; }
figcaption { font-size: .88rem; max-width: 52rem; margin-top: .4em; position: sticky; left: 0; }
pre { white-space: pre-wrap; padding: .6em .8em; border: 1px solid var(--line);
  border-radius: 4px; font-size: .88rem; }
code { overflow-wrap: anywhere; }
details { border-top: 1px solid var(--line); }
summary { cursor: pointer; padding: .6em 0; }
summary h2 { display: inline; }
@media (prefers-color-scheme: dark) {
  :root { --tint: #56b4e922; --accent: #56b4e9; }
  img { filter: brightness(.86); }
}
td[style*=right] { white-space: nowrap; }
@media (max-width: 40rem) {
  table { display: block; overflow-x: auto; font-size: .75rem; }
  th, td { padding: .2em .25em; }
  td[style*=right] { white-space: normal; }
}
@media print {
  :root { color-scheme: light; --tint: #0072b214; --accent: #0072b2; font-size: 12px; }
  body { padding: 0; }
  figure { max-width: 48rem; }
  img { min-width: 0; width: auto; max-width: 100%; max-height: 19cm; filter: none; }
  details::details-content { content-visibility: visible; height: auto; }
  summary { list-style: none; }
  tr, figure, blockquote, pre { break-inside: avoid; }
  h2, h3, summary, p:has(+ figure) { break-after: avoid; }
}
"""

_SENTENCE = 18
"""Characters from which a cell that begins with a number is text, which is not right-aligned."""

_OPEN = re.compile(r"<div>|<details>\n<summary><h2>[^<>]*</h2></summary>|</div>|</details>")
"""All the markup that a document has; any other stays the text that it is."""


class Strong(str):
    """A cell that stands out, with what follows it in plain type."""

    aside: str

    def __new__(cls, text: str, aside: str = "") -> Self:
        """Return the cell."""
        cell = super().__new__(cls, text)
        cell.aside = aside
        return cell


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
class Verdict:
    """What the document says first: a plain line in large letters, and paragraphs like `Text`'s."""

    line: str
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Commands:
    """Commands to type, each with what it does."""

    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Lines of Python."""

    text: str


@dataclass(frozen=True)
class Files:
    """Links to files beside the document, each with what it holds, like `Text`'s."""

    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Plain cells under plain headings; ``caption`` is a paragraph like `Text`'s.

    A row whose first cell is `Strong` stands out.
    """

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


@dataclass(frozen=True)
class Beside:
    """Blocks beside one another where the page is wide enough."""

    blocks: "Sequence[Block]"


@dataclass(frozen=True)
class Fold:
    """A section under a heading of level 2, folded until it is clicked; print shows it."""

    title: str
    blocks: "Sequence[Block]"


Block = Union[Heading, Text, Verdict, Commands, Code, Files, Table, Picture, Beside, Fold]  # noqa: UP007


class PictureFolder:
    """Writes pictures into a report's folder and removes those of an earlier report."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._files: set[str] = set()

    def add(self, figure: "Figure", name: str, title: str, caption: str = "") -> Picture:
        """Write ``<name>.png`` and return its block of the document."""
        from hpo.results.plots.style import save

        file = f"{name}.png"
        save(figure, self.folder / file)
        self._files.add(file)
        return Picture(file, title, caption)

    def sweep(self) -> None:
        """Remove the pictures that were not added."""
        for path in self.folder.glob("*.png"):
            if path.name not in self._files:
                path.unlink()


def write(blocks: Sequence[Block], folder: Path) -> None:
    """Write ``report.md`` and ``report.html`` into the folder that holds the pictures."""
    text = markdown(blocks)
    write_bytes(folder / "report.md", text.encode())
    write_bytes(folder / "report.html", _page(text, folder).encode())


def markdown(blocks: Sequence[Block]) -> str:
    """Return the document in Markdown."""
    return _joined(blocks) + "\n"


def _joined(blocks: Sequence[Block]) -> str:
    return "\n\n".join(map(_markdown, blocks))


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {plain(text)}"
        case Text(text):
            return _marked(text)
        case Verdict(line, texts):
            return "\n>\n".join((f"> **{plain(line)}**", *(f"> {_marked(text)}" for text in texts)))
        case Commands(lines):
            return fenced("\n".join(f"# {note}\n{line}" for line, note in lines), language="sh")
        case Code(text):
            return fenced(text.strip(), language="python")
        case Files(lines):
            return "\n".join(f"- [{plain(file)}]({file}): {_marked(what)}" for file, what in lines)
        case Table(headings, rows, caption):
            rules = ["--:" if _is_of_numbers(c) else ":--" for c in zip(*rows, strict=True)]
            rules = rules or [":--"] * len(headings)
            cells = [map(plain, headings), rules, *(map(_cell, row) for row in rows)]
            table = "\n".join(f"| {' | '.join(line)} |" for line in cells)
            return f"{_marked(caption)}\n\n{table}".lstrip()
        case Picture(file, title, caption):
            return f"![{plain(title)}]({file})\n\n*{plain(title)}.* {_marked(caption)}".rstrip()
        case Beside(inner):
            return f"<div>\n\n{_joined(inner)}\n\n</div>"
        case Fold(title, inner):
            opened = f"<details>\n<summary><h2>{html.escape(title)}</h2></summary>"
            return f"{opened}\n\n{_joined(inner)}\n\n</details>"


def _is_of_numbers(column: Sequence[str]) -> bool:
    return all(re.match(r"[\d-]|$", cell) and len(cell) < _SENTENCE for cell in column)


def _cell(cell: str) -> str:
    if not isinstance(cell, Strong):
        return plain(cell)
    return f"**{plain(cell)}** {plain(cell.aside)}".rstrip()


def _marked(text: str) -> str:
    # Code between back-ticks stays as it is; any other special character is escaped.
    line = " ".join(text.split())
    text = re.sub(f"{CODE}|{SPECIAL}", lambda m: m[0] if m[1] else rf"\{m[0]}", line)
    return re.sub(r"^(\d*)([-+.)])(?![^\s-])", r"\1\\\2", text)  # else it may begin a list


def _page(markdown: str, folder: Path) -> str:
    """Return the page, its pictures embedded."""
    renderer = MarkdownIt("commonmark").enable("table").disable("html_inline")
    tokens = renderer.parse(markdown)
    title = ""
    for i, token in enumerate(tokens):
        if token.type == "heading_open" and not title:
            title = "".join(child.content for child in tokens[i + 1].children or ())
        elif token.type == "html_block" and not _OPEN.fullmatch(token.content.strip()):
            token.content = html.escape(token.content)
        for child in token.children or ():
            if child.type == "image":
                data = base64.b64encode((folder / str(child.attrs["src"])).read_bytes()).decode()
                child.attrs["src"] = f"data:image/png;base64,{data}"
            elif child.type == "text":
                child.content = re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", child.content)
    body = renderer.renderer.render(tokens, renderer.options, {})
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
