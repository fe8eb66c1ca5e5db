"""A document of headings, text, tables and pictures, written as Markdown and as one HTML page."""

import base64
import html
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 52rem; margin: 0 auto;
  padding: 0 1rem 4rem; }
h1, h2, h3 { line-height: 1.2; margin-top: 2.2em; }
h1 { margin-top: 1em; }
.table { overflow-x: auto; margin: 1em 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .7em; border-bottom: 1px solid #8886; text-align: right;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 8rem; }
td.long { white-space: normal; text-align: left; min-width: 12rem; }
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
    _write(folder / "report.md", markdown)
    _write(folder / "report.html", _page(blocks, folder))


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {_plain(text)}"
        case Text(text):
            return _marked(text)
        case Command(line):
            return f"```sh\n{line}\n```"
        case Table(headings, rows, caption):
            lines = [headings, (":--", *["--:"] * (len(headings) - 1))]
            body = [f"| {' | '.join(lines[0])} |", f"| {' | '.join(lines[1])} |"]
            body += [f"| {' | '.join(map(_plain, row))} |" for row in rows]
            return (f"{_marked(caption)}\n\n" if caption else "") + "\n".join(body)
        case Picture(file, title, caption):
            return f"![{_plain(title)}]({file})\n\n*{_plain(title)}.* {_marked(caption)}".rstrip()


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _marked(text: str) -> str:
    # Every second part stands between back-ticks.
    parts = text.split("`")
    return "`".join(p if i % 2 else _plain_keeping_ends(p) for i, p in enumerate(parts))


def _plain_keeping_ends(text: str) -> str:
    return re.sub(r"([\\*_\[\]<>|#])", r"\\\1", text)


def _page(blocks: Sequence[Block], folder: Path) -> str:
    title = next(b.text for b in blocks if isinstance(b, Heading))
    contents = "".join(
        f'<li><a href="#{_anchor(b.text)}">{html.escape(b.text)}</a></li>'
        for b in blocks
        if isinstance(b, Heading) and b.level == 2
    )
    body: list[str] = []
    for i, block in enumerate(blocks):
        if i and contents and isinstance(block, Heading) and block.level == 2:
            body.append(f"<nav><ul>{contents}</ul></nav>")
            contents = ""
        body.append(_html(block, folder))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _html(block: Block, folder: Path) -> str:
    match block:
        case Heading(level, text):
            return f'<h{level} id="{_anchor(text)}">{html.escape(text)}</h{level}>'
        case Text(text):
            return f"<p>{_html_marked(text)}</p>"
        case Command(line):
            return f"<pre><code>{html.escape(line)}</code></pre>"
        case Table(headings, rows, caption):
            head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
            lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
            above = f"<p>{_html_marked(caption)}</p>\n" if caption else ""
            return (
                f'{above}<div class="table"><table><thead><tr>{head}</tr></thead>\n'
                f"<tbody>{lines}</tbody></table></div>"
            )
        case Picture(file, title, caption):
            data = base64.b64encode((folder / file).read_bytes()).decode()
            return (
                f'<figure><img alt="{html.escape(title)}" src="data:image/png;base64,{data}">'
                f"<figcaption><em>{html.escape(title)}.</em> {_html_marked(caption)}"
                "</figcaption></figure>"
            )


def _cell(text: str) -> str:
    long = ' class="long"' if len(text) > _LONG else ""
    return f"<td{long}>{html.escape(text)}</td>"


def _html_marked(text: str) -> str:
    parts = html.escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
