"""Which image formats are read, how they are told apart, and what to do about the others."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import features

NO_IMAGE = "no images"

# Named as Pillow names its decoders.
_SUFFIXES = {
    "PNG": ".png .apng",
    "JPEG": ".jpg .jpeg .jpe .jfif",
    "BMP": ".bmp .dib",
    "GIF": ".gif",
    "WEBP": ".webp",
    "TIFF": ".tif .tiff",
    "JPEG2000": ".jp2 .j2k .jpx .jpf .j2c .jpc",
    "AVIF": ".avif .avifs",
    "HEIF": ".heic .heif .hif .heics .heifs",
}
# Read by some installations only; what to do on the others.
_CURES = {
    **dict.fromkeys(("JPEG2000", "AVIF"), "pip install --upgrade pillow, or save as JPEG"),
    "HEIF": "pip install pillow-heif, or save as JPEG",
}
_NEVER = {
    "camera raw": ".dng .cr2 .cr3 .nef .arw .raf .orf .rw2 .pef .srw",
    "SVG": ".svg .svgz",
    "PDF": ".pdf",
    "Photoshop": ".psd .psb",
    "JPEG XL": ".jxl",
    "PNM": ".ppm .pgm .pbm .pnm",
    "icon": ".ico .icns",
}
_FORMAT_OF = {s: name for name, suffixes in _SUFFIXES.items() for s in suffixes.split()}
WRITTEN = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
"""Formats that every installation writes."""
_NEVER_OF = {s: name for name, suffixes in _NEVER.items() for s in suffixes.split()}
# Kinds of ISO media files, by the brands in their first bytes.
_BRANDS = {
    "AVIF": (b"avif", b"avis"),
    "HEIF": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
}
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes


@cache
def formats() -> tuple[str, ...]:
    """Return the formats read here, as Pillow names them; no other decoder is ever started."""
    able = {
        "JPEG2000": features.check("jpg_2000"),
        "AVIF": features.check("avif"),
        "HEIF": find_spec("pillow_heif") is not None,
    }
    return tuple(name for name in _SUFFIXES if able.get(name, True))


def format_of(head: bytes) -> str | None:
    """Return the format of a file that begins with ``head`` (32 bytes suffice), if it is known."""
    for name, magic in (
        ("PNG", b"\x89PNG\r\n\x1a\n"),
        ("JPEG", b"\xff\xd8\xff"),
        ("GIF", b"GIF8"),
        ("TIFF", b"II*\0"),
        ("TIFF", b"MM\0*"),
        ("JPEG2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("JPEG2000", b"\xff\x4f\xff\x51"),
    ):
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head[4:8] == b"ftyp":
        brands = {head[place : place + 4] for place in (8, 16, 20, 24, 28)}
        return next((name for name, own in _BRANDS.items() if brands & set(own)), None)
    return None


def written_as(path: Path) -> str | None:
    """Return the format of `WRITTEN` that the suffix names, if it is one."""
    name = _FORMAT_OF.get(path.suffix.lower())
    return name if name in WRITTEN else None


def missing(name: str | None) -> str | None:
    """Return what to do about a format that only other installations read, else ``None``."""
    return None if name is None or name in formats() else f"{name}; {_CURES[name]}"


def why_unread(file: Path) -> str | None:
    """Return why a regular file is left out, ``None`` for an image.

    The suffix decides; where it names no format that is read, the first bytes do.
    """
    suffix = file.suffix.lower()
    if name := _NEVER_OF.get(suffix):
        return f"{name}; save as PNG"
    if (name := _FORMAT_OF.get(suffix)) in formats():
        return None
    found = _sniffed(file)
    return (missing(found or name) or NO_IMAGE) if found not in formats() else None


def _sniffed(file: Path) -> str | None:
    try:
        with file.open("rb") as opened:
            return format_of(opened.read(32))
    except OSError:
        return None
