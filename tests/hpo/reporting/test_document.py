import base64
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpo.reporting.document import Command, Heading, Picture, Table, Text, write
from tests.data.conftest import fuzz_examples


def test_text_from_outside_is_only_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> | *x* [y](http://z)"
    write([Heading(1, "Title"), Text(evil), Table(("a", "b"), [(evil, "1")])], tmp_path)
    assert "<script>" not in (tmp_path / "report.html").read_text()
    markdown = (tmp_path / "report.md").read_text()
    assert r"\<script\>" in markdown
    assert r"\[y\](http" in markdown
    assert markdown.splitlines()[-1].count(" | ") == 1


class Page(HTMLParser):
    """Collects a page's elements, each as its tag, its attributes and the text inside it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[list[str]] = []
        self.feed((folder / "report.html").read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        text: list[str] = []
        self.elements.append((tag, dict(attributes), text))
        if tag not in ("meta", "img"):
            self._open.append(text)

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for text in self._open:
            text.append(data)

    def texts(self, tag: str) -> list[str]:
        return ["".join(text).strip() for found, _, text in self.elements if found == tag]

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes, _ in self.elements if found == tag]


HOSTILE = (
    "<script>alert(1)</script>",
    r"$\frac{",
    "[/x] [y](http://z) ![y](z.png) <http://z>",
    "a | b \\| c",
    "&lt;b&gt; &amp; &#60;",
    "*x* _y_ **z** ~~a~~",
    "# x",
    "- x",
    "1. x",
    "+",
    "---",
    "> x",
    "``` x",
    "one ` alone",
    "a\n\n- b\n# c",
)


def shows_as_it_is(text: str, folder: Path) -> None:
    """Check that a page shows ``text`` wherever a document can have text, and nothing else."""
    (folder / "x.png").write_bytes(b"png")
    table = Table(("a", text), [(text, "1"), ("b", text)], text)
    blocks = [Heading(1, text), Text(text), Heading(2, text), table, Picture("x.png", text, text)]
    write([*blocks, Command("ls")], folder)
    page, shown = Page(folder), " ".join(text.split())
    assert page.texts("title") == page.texts("h1") == page.texts("h2") == [shown]
    assert page.texts("a") == [shown]
    assert page.texts("p") == [shown, shown]
    assert page.texts("th") == ["a", shown]
    assert page.texts("td") == [shown, "1", "b", shown]
    assert page.texts("figcaption") == [f"{shown}. {shown}"]
    assert [image["alt"] for image in page.attributes("img")] == [shown]
    assert page.texts("pre") == ["ls"]
    made = {tag for tag, _, _ in page.elements}
    assert not made & {"script", "b", "strong", "s", "hr", "ol", "blockquote", "br"}
    assert len(page.texts("li")) == len(page.texts("em")) == len(page.texts("code")) == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_shows_any_text_as_it_is(tmp_path: Path, text: str) -> None:
    shows_as_it_is(text, tmp_path)


@settings(max_examples=fuzz_examples() // 4, suppress_health_check=list(HealthCheck))
@given(st.text("ab 1.-+)(=:*_~<>[]!|#&;$\\\"'/", min_size=1).filter(str.strip))
def test_fuzz_of_text_in_a_page(tmp_path: Path, text: str) -> None:
    shows_as_it_is(text, tmp_path)


def test_a_page_has_contents_anchors_and_aligned_cells(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"png")
    table = Table(("system", "accuracy"), [("ours", "92.0 %"), ("theirs", "long " * 20)])
    blocks = [Heading(1, "A study"), Text("With `code` in it."), Heading(2, "The net's answers")]
    write([*blocks, table, Picture("x.png", "Title"), Heading(2, "B")], tmp_path)
    page = Page(tmp_path)
    assert page.attributes("a") == [{"href": "#the-net-s-answers"}, {"href": "#b"}]
    assert [found["id"] for found in page.attributes("h2")] == ["the-net-s-answers", "b"]
    assert page.texts("code") == ["code"]
    assert page.attributes("img")[0]["src"] == "data:image/png;base64,cG5n"
    first, number, _, long = page.attributes("td")
    assert first == {"style": "text-align:left"}
    assert number == {"style": "text-align:right"}
    assert long == {"class": "long"}


def test_the_page_holds_its_pictures_and_lists_its_sections(tmp_path: Path) -> None:
    (tmp_path / "plot.png").write_bytes(b"ink")
    blocks = [
        Heading(1, "Study x"),
        Heading(2, "The search"),
        Picture("plot.png", "A plot", "of `x`"),
        Command("python -m hpo.report --study x"),
    ]
    write(blocks, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert f"data:image/png;base64,{base64.b64encode(b'ink').decode()}" in page
    assert '<a href="#the-search">The search</a>' in page
    assert 'id="the-search"' in page
    assert "<title>Study x</title>" in page
    markdown = (tmp_path / "report.md").read_text()
    assert "![A plot](plot.png)" in markdown
    assert "python -m hpo.report --study x\n" in markdown


def test_a_table_s_rows_are_as_wide_as_its_headings() -> None:
    with pytest.raises(AssertionError):
        Table(("a", "b"), [("1",)])
