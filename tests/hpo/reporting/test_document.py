import base64
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpo.reporting.document import (
    Beside,
    Commands,
    Fold,
    Heading,
    Picture,
    PictureFolder,
    Strong,
    Table,
    Text,
    Verdict,
    write,
)
from hpo.results.markdown import code
from hpo.results.plots.style import axes
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
    strong = Table(("a", "b"), [(Strong(text, text), "")])
    blocks = [Heading(1, text), Text(text), Heading(2, text), table, Picture("x.png", text, text)]
    inner = Fold("x", [Beside([strong]), Verdict(text, [text])])
    write([*blocks, Commands([("ls", "List")]), inner], folder)
    page, shown = Page(folder), " ".join(text.split())
    assert page.texts("title") == page.texts("h1") == [shown]
    assert page.texts("h2") == [shown, "x"]
    assert page.texts("strong") == [shown, shown]
    assert page.texts("p") == [shown, shown, shown, shown]
    assert len(page.texts("summary")) == len(page.texts("details")) == len(page.texts("div")) == 1
    assert page.texts("th") == ["a", shown, "a", "b"]
    assert page.texts("td") == [shown, "1", "b", shown, f"{shown} {shown}", ""]
    assert page.texts("figcaption") == [f"{shown}. {shown}"]
    assert [image["alt"] for image in page.attributes("img")] == [shown]
    assert page.texts("pre") == ["# List\nls"]
    made = {tag for tag, _, _ in page.elements}
    assert not made & {"script", "b", "s", "hr", "ol", "li", "br", "a"}
    assert len(page.texts("em")) == len(page.texts("code")) == len(page.texts("blockquote")) == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_shows_any_text_as_it_is(tmp_path: Path, text: str) -> None:
    shows_as_it_is(text, tmp_path)


def test_code_with_backticks_stays_code(tmp_path: Path) -> None:
    command = "run --out 'a`b <i>``'"
    write([Heading(1, "x"), Text(f"Do {code(command)}, *not* `this`.")], tmp_path)
    page = Page(tmp_path)
    assert page.texts("code") == [command, "this"]
    assert page.texts("p") == [f"Do {command}, *not* this."]


@settings(max_examples=fuzz_examples() // 4, suppress_health_check=list(HealthCheck))
@given(st.text("ab 1.-+)(=:*_~<>[]!|#&;$\\\"'/", min_size=1).filter(str.strip))
def test_fuzz_of_text_in_a_page(tmp_path: Path, text: str) -> None:
    shows_as_it_is(text, tmp_path)


def test_a_page_aligns_numbers_and_keeps_them_whole(tmp_path: Path) -> None:
    rows = [
        ("ours", "92.0 %", "10,000 trials, 3 seeds"),
        ("theirs", Strong("91.0 %", "(90.0 %)"), ""),
    ]
    write([Heading(1, "A study"), Table(("system", "accuracy", "why"), rows)], tmp_path)
    page = Page(tmp_path)
    aligned = [cell["style"] for cell in page.attributes("td")[:3]]
    assert aligned == ["text-align:left", "text-align:right", "text-align:left"]
    # A line may not break before the per cent sign.
    assert page.texts("td")[1] == "92.0\N{NO-BREAK SPACE}%"
    assert page.texts("strong") == ["91.0\N{NO-BREAK SPACE}%"]
    assert "**91.0 %** (90.0 %)" in (tmp_path / "report.md").read_text()


def test_the_page_holds_its_pictures_and_folds(tmp_path: Path) -> None:
    (tmp_path / "plot.png").write_bytes(b"ink")
    picture = Picture("plot.png", "A plot", "of `x`")
    commands = Commands([("python -m hpo.report --study x", "Rebuild")])
    blocks = [Heading(1, "Study x"), Verdict("98 % right", ["Above `x`."]), commands]
    write([*blocks, Fold("The <search>", [picture])], tmp_path)
    page = Page(tmp_path)
    data = f"data:image/png;base64,{base64.b64encode(b'ink').decode()}"
    assert page.attributes("img")[0]["src"] == data
    assert page.texts("title") == ["Study x"]
    assert page.texts("summary") == page.texts("h2") == ["The <search>"]
    assert page.texts("blockquote") == ["98\N{NO-BREAK SPACE}% right\nAbove x."]
    assert page.attributes("details") == [{}]
    markdown = (tmp_path / "report.md").read_text()
    assert "![A plot](plot.png)" in markdown
    assert "\n# Rebuild\npython -m hpo.report --study x\n" in markdown


def test_markup_that_is_not_the_document_s_own_is_shown_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.reporting.document._marked", lambda text: text)
    write([Heading(1, "x"), Text("<div onclick=x>")], tmp_path)
    assert "&lt;div onclick=x&gt;" in (tmp_path / "report.html").read_text()


def test_a_table_s_rows_are_as_wide_as_its_headings() -> None:
    with pytest.raises(AssertionError):
        Table(("a", "b"), [("1",)])


def test_pictures_of_an_earlier_report_are_removed(tmp_path: Path) -> None:
    for name in ("stale.png", "kept.png", "report.md"):
        (tmp_path / name).write_bytes(b"old")
    pictures = PictureFolder(tmp_path)
    figure, _ = axes(height=2)
    block = pictures.add(figure, "kept", "A plot", "of nothing")
    assert (block.file, block.title, block.caption) == ("kept.png", "A plot", "of nothing")
    pictures.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.png", "report.md"]
    assert (tmp_path / "kept.png").read_bytes().startswith(b"\x89PNG")
