"""Which image formats are read, which are not, and what to do about those."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import features

NO_IMAGE = "no images"

_HEIF = "pip install pillow-heif, or save them as JPEG"
_PILLOW = "pip install --upgrade pillow, or save them as JPEG"
_SUFFIXES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
    "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heif", ".hif", ".heics", ".heifs"),
}
# What only some installations can read, and what the others should do.
_OPTIONAL = {"JPEG2000": _PILLOW, "AVIF": _PILLOW, "HEIF": _HEIF}
_OTHER = {
    "camera raw": ".dng .cr2 .cr3 .nef .arw .raf .orf .rw2 .pef .srw".split(),
    "SVG": [".svg", ".svgz"],
    "PDF": [".pdf"],
    "Photoshop": [".psd", ".psb"],
    "JPEG XL": [".jxl"],
    "PNM": [".ppm", ".pgm", ".pbm", ".pnm"],
    "icons": [".ico", ".icns"],
}


@cache
def formats() -> tuple[str, ...]:
    """Return the formats read here, as Pillow calls them; no other decoder is ever started."""
    able = {
        "JPEG2000": features.check("jpg_2000"),
        "AVIF": features.check("avif"),
        "HEIF": find_spec("pillow_heif") is not None,
    }
    return tuple(name for name in _SUFFIXES if able.get(name, True))


def why_unread(file: Path) -> str | None:
    """Return why a regular file is left out, ``None`` for an image that should be readable."""
    suffix = file.suffix.lower()
    for name, suffixes in _SUFFIXES.items():
        if suffix in suffixes:
            return None if name in formats() else f"{name}; {_OPTIONAL[name]}"
    for name, others in _OTHER.items():
        if suffix in others:
            return f"{name}; save them as PNG"
    return NO_IMAGE
