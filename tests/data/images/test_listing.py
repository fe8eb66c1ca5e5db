"""Folders as people have them: what is an image, what is left out, and in which order."""

import json
import os
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from data.errors import DataError
from data.images.formats import NO_IMAGE
from data.images.listing import (
    BROKEN,
    EMPTY,
    HIDDEN,
    LOOP,
    NAMED,
    SPECIAL,
    TWICE,
    describe,
    list_folder,
    listed,
    merge,
    name_of,
    shown,
    stem_of,
    walk,
)


def draw(file: Path, form: str | None = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), 255).save(file, form)
    return file


def names(paths: tuple[Path, ...]) -> list[str]:
    return [path.name for path in paths]


def test_what_systems_leave_is_left_out(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    draw(tmp_path / "letters" / "b.png")
    left = [".DS_Store", "._a.png", ".a.png", "Thumbs.db", "desktop.ini", "Icon\r"]
    for name in left:
        (tmp_path / name).write_bytes(b"x")
    folders = ["__MACOSX", "@eaDir", ".ipynb_checkpoints", "$RECYCLE.BIN", "lost+found"]
    for name in folders:
        draw(tmp_path / name / "a.png")
    listing = list_folder(tmp_path)
    assert names(listing.images) == ["a.png"]
    assert names(listing.folders) == ["letters"]
    assert set(names(listing.left_out[HIDDEN])) == {*left, *folders}
    assert describe(listing.left_out) == []  # nobody need be told
    assert walk(tmp_path).images == (tmp_path / "a.png", tmp_path / "letters" / "b.png")


def test_empty_folders_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "emptied" / "within").mkdir(parents=True)
    (tmp_path / "emptied" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("hello")
    listing = list_folder(tmp_path)
    assert names(listing.folders) == ["notes"]  # its reader tells that there is no image in it
    assert names(listing.left_out[EMPTY]) == ["emptied", "empty"]


def test_formats_that_are_not_read_are_counted_with_their_cure(
    tmp_path: Path, without_heif: None
) -> None:
    draw(tmp_path / "a.jpg")
    for i in range(24):
        (tmp_path / f"IMG_{i:02d}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "scan.pdf").write_bytes(b"%PDF")
    (tmp_path / "notes.txt").write_text("hello")
    listing = list_folder(tmp_path)
    assert names(listing.images) == ["a.jpg"]
    told = describe(listing.left_out)
    assert (
        "24 left out, HEIF; pip install pillow-heif, or save as JPEG: "
        "IMG_00.HEIC, IMG_01.HEIC, IMG_02.HEIC and 21 more"
    ) in told
    assert "1 left out, PDF; save as PNG: scan.pdf" in told
    assert f"1 left out, {NO_IMAGE}: notes.txt" in told


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.jfif", "JPEG"),
        ("a.JPG", "JPEG"),
        ("a.jp2", "JPEG2000"),
        ("a.avif", "AVIF"),
        ("without", "PNG"),
        ("a.jpg_large", "JPEG"),
        ("a.heic", "JPEG"),  # as messengers save it
        ("a.download", "WEBP"),
        ("20240305.120000", "BMP"),
        ("a.scan", "TIFF"),
        ("a.anim", "GIF"),
    ],
)
def test_suffix_or_content_tells_an_image(
    tmp_path: Path, name: str, form: str, without_heif: None
) -> None:
    try:
        draw(tmp_path / name, form)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {form}")
    assert names(list_folder(tmp_path).images) == [name]


@pytest.mark.parametrize("content", [b"", b"BM, a diary", b"hello", b"\0" * 64, b"RIFF....WAVE"])
def test_other_files_are_no_images(tmp_path: Path, content: bytes) -> None:
    for name in ("without", "a.dat", "a.txt"):
        (tmp_path / name).write_bytes(content)
    assert len(list_folder(tmp_path).left_out[NO_IMAGE]) == 3


def test_links_to_elsewhere_are_followed(tmp_path: Path) -> None:
    store, root = tmp_path / "store", tmp_path / "set"
    for i in range(3):
        draw(store / f"{i}" / f"sha-{i}", "PNG")
    (root / "a").mkdir(parents=True)
    for i in range(2):
        (root / "a" / f"{i}.png").symlink_to(store / f"{i}" / f"sha-{i}")
    (root / "b").symlink_to(store / "2")
    listing = walk(root)
    assert [path.relative_to(root) for path in listing.images] == [
        Path("a/0.png"),
        Path("a/1.png"),
        Path("b/sha-2"),
    ]
    assert not listing.left_out


@pytest.mark.timeout(20)
def test_links_in_a_circle_are_named(tmp_path: Path) -> None:
    root = tmp_path / "set"
    draw(root / "a" / "1.png")
    draw(root / "b" / "2.png")
    (root / "self").symlink_to(root / "self")
    (root / "up").symlink_to(root)
    (root / "over").symlink_to(tmp_path)
    (root / "a" / "to b").symlink_to(root / "b")
    (root / "b" / "to a").symlink_to(root / "a")
    assert names(list_folder(root).folders) == ["a", "b"]
    assert names(list_folder(root).left_out[LOOP]) == ["over", "self", "up"]
    listing = walk(root)
    assert sorted(names(listing.images)) == ["1.png", "2.png"]
    assert set(names(listing.left_out[TWICE])) == {"to a", "b"}
    assert any("in a circle: over, self, up" in line for line in describe(listing.left_out))


def test_links_to_nothing_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / ".git" / "annex" / "gone")
    assert names(list_folder(tmp_path).left_out[BROKEN]) == ["a.png"]
    assert "git annex get" in describe(list_folder(tmp_path).left_out)[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.timeout(20)
def test_pipes_and_devices_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    os.mkfifo(tmp_path / "without")
    (tmp_path / "b.png").symlink_to("/dev/zero")
    assert names(list_folder(tmp_path).left_out[SPECIAL]) == ["a.png", "b.png", "without"]


NFC, NFD = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")


@pytest.mark.parametrize("form", [NFC, NFD])
def test_order_and_names_do_not_hang_on_the_normal_form(tmp_path: Path, form: str) -> None:
    for name in ("f", "e", "ez", form, "z"):
        draw(tmp_path / f"{name}.png")
    images = list_folder(tmp_path).images
    assert [stem_of(image) for image in images] == ["e", "ez", "f", "z", NFC]
    assert all(image.is_file() for image in images)  # the path itself is as it was
    assert name_of(images[-1]) == f"{NFC}.png"


def test_any_bytes_are_a_name(tmp_path: Path) -> None:
    odd = [b"caf\xe9.png", b"\xff.png", b"line\nbreak.png", b"\x1b[2J.png"]
    for name in odd:
        try:
            draw(tmp_path / os.fsdecode(name))
        except OSError:
            pytest.skip("this file system takes no such names")
    images = list_folder(tmp_path).images
    assert {os.fsencode(image.name) for image in images} == set(odd)
    told = {name_of(image) for image in images}
    assert told == {r"caf\xe9.png", r"\xff.png", r"line\x0abreak.png", r"\x1b[2J.png"}
    assert json.dumps(sorted(told), ensure_ascii=False).encode()
    assert all(shown(image).encode() for image in images)


@pytest.mark.parametrize("name", ["a b", "日本", "ക്ഷ", "a\u200db", "\\x41", "👩‍🔬"])
def test_names_that_can_be_printed_stay(name: str) -> None:
    assert shown(name) == name


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: cannot be read: No such file"):
        list_folder(tmp_path / "gone")


def test_what_was_left_out_together(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    assert merge([{BROKEN: (a,)}, {LOOP: (b,)}, {BROKEN: (c,)}]) == {BROKEN: (a, c), LOOP: (b,)}


def test_long_lists_are_cut_with_their_number() -> None:
    assert listed(["a", "b"]) == "a, b"
    text = listed(map(str, range(NAMED + 5)))
    assert text.endswith(f", {NAMED - 1}, and 5 more")
