import io
from pathlib import Path

import pytest
from PIL import Image

from data.images.formats import NO_IMAGE, format_of, formats, missing, why_unread


@pytest.mark.parametrize("form", formats())
def test_every_format_that_is_read_is_told_by_its_first_bytes(form: str) -> None:
    out = io.BytesIO()
    if form == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    Image.new("L", (9, 9), 255).save(out, form)
    assert format_of(out.getvalue()[:32]) == form
    assert missing(form) is None


@pytest.mark.parametrize(
    "head", [b"", b"BM", b"BM and then no header", b"RIFF....WAVE", b"\0\0\0\x18ftypisom", b"%PDF"]
)
def test_other_beginnings_are_of_no_known_format(head: bytes) -> None:
    assert format_of(head) is None


def test_the_suffix_decides_and_then_the_first_bytes(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("L", (9, 9), 255).save(out, "JPEG")
    for name, reason in {
        "a.png": None,
        "a.JFIF": None,  # a JPEG file by another name
        "a": None,
        "a.pdf": "PDF; save as PNG",
        "a.DNG": "camera raw; save as PNG",
    }.items():
        (tmp_path / name).write_bytes(out.getvalue())
        assert why_unread(tmp_path / name) == reason
    (tmp_path / "notes.txt").write_text("no picture")
    assert why_unread(tmp_path / "notes.txt") == NO_IMAGE


def test_what_is_not_read_here_is_named_with_its_cure(tmp_path: Path, without_heif: None) -> None:
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    assert why_unread(tmp_path / "a.heic") == missing("HEIF")
    assert "pip install pillow-heif" in str(missing("HEIF"))
    assert "HEIF" not in formats()
