import base64
from pathlib import Path

import pytest

from hpo.reporting.document import Command, Heading, Picture, Table, Text, write


def test_text_from_outside_is_only_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> | *x* [y](http://z)"
    write([Heading(1, "Title"), Text(evil), Table(("a", "b"), [(evil, "1")])], tmp_path)
    assert "<script>" not in (tmp_path / "report.html").read_text()
    markdown = (tmp_path / "report.md").read_text()
    assert r"\<script\>" in markdown
    assert r"\[y\](http" in markdown
    assert markdown.splitlines()[-1].count(" | ") == 1


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
