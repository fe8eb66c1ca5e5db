"""From the values that an image file holds to 8-bit grey: ranges, colours, palettes, alpha."""

import numpy as np
from PIL import Image

FAINT = 32  # of 255; below this a drawing may be lost, so that another reading is tried
# Masks number their classes from 0; noise aside, no photograph is this dark throughout.
HIGHEST_LABEL = 31
_DEPTHS = (255, 1023, 4095, 16383, 65535)
_LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "HEIF")


def grey_of(image: Image.Image) -> np.ndarray:
    """Return a loaded image's grey values, uint8 ``[H, W]``, 255 = white.

    Eight bits stay as they are, but for masks of small numbers. Deeper values and floats are
    brought from the range they use to 0 to 255: float 0 to 1 or -1 to 1, 10 to 16 bits, else
    their own. Where alpha varies, the drawing may be in the colours or in alpha itself, ink on
    nothing; whichever carries it is returned. Alpha that is the same everywhere is ignored.
    """
    values = _values(image)
    grey = values if image.format in _LOSSY and values.dtype == np.uint8 else eight_bits(values)
    alpha = _alpha(image, values)
    if alpha is None or _span(alpha) == 0:
        return grey
    return _with_alpha(grey, eight_bits(alpha))


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Return values of any number type, ``[H, W]``, as uint8; NaN becomes the median.

    What would be faint on the scale of its type is stretched, unless its noise is as strong.
    """
    if values.dtype == np.uint8 and values.max() > HIGHEST_LABEL:
        return values
    whole = values.dtype.kind in "iub"
    values = _finite(values.astype(np.float32))
    low, high = float(values.min()), float(values.max())
    zero, top = _scale(low, high, whole)
    if (high - low) / (top - zero) * 255 < FAINT and _is_clear(values, high - low):
        zero, top = low, high
    return np.clip((values - zero) * (255 / (top - zero)), 0, 255).round().astype(np.uint8)


def _values(image: Image.Image) -> np.ndarray:
    if image.mode == "P":
        grey = _luma(image)
        # A palette of one colour shows nothing: the indices are labels.
        return np.asarray(image) if _span(grey) == 0 and not image.has_transparency_data else grey
    if image.mode in ("1", "L", "YCbCr"):
        return np.asarray(image.convert("L"))
    if image.mode == "LAB":
        return np.asarray(image.getchannel(0))
    if image.mode[0] in "IF":
        return np.asarray(image)
    return _luma(image)


def _luma(image: Image.Image) -> np.ndarray:
    """Return luma, or the one channel that shows what luma hides, as yellow on white."""
    coloured = image.convert("RGBA" if image.has_transparency_data else "RGB")
    grey = np.asarray(coloured.convert("L"))
    if (span := _span(grey)) >= FAINT:
        return grey
    channels = [np.asarray(coloured.getchannel(place)) for place in range(3)]
    clearest = max(channels, key=_span)
    return clearest if _span(clearest) >= max(2 * FAINT, 4 * span) else grey


def _alpha(image: Image.Image, values: np.ndarray) -> np.ndarray | None:
    if not image.has_transparency_data:
        return None
    if image.mode[0] in "IF":  # one value stands for nothing
        return np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)
    return np.asarray(image.convert("RGBA").getchannel("A"))


def _with_alpha(grey: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    solid = grey[alpha > 127]
    if 2 * solid.size >= grey.size and _span(solid) >= FAINT:
        # A sheet with a drawing on it, cut out: what is around it is as light as the sheet.
        return _blend(grey, alpha, 255 if np.median(solid) > 127 else 0)
    on_white = _blend(grey, alpha, 255)
    return on_white if _span(on_white) >= 2 * FAINT else 255 - alpha


def _blend(grey: np.ndarray, alpha: np.ndarray, ground: int) -> np.ndarray:
    share = alpha.astype(np.float32) / 255
    return (ground + (grey.astype(np.float32) - ground) * share).round().astype(np.uint8)


def _scale(low: float, high: float, whole: bool) -> tuple[float, float]:
    """Return which values stand for black and white, from the lowest and highest there are."""
    over = 0.1  # resampling overshoots
    if not whole and low >= -1 - over and high <= 1 + over:
        return (0.0 if low >= -over else -1.0), 1.0
    if low < 0:
        return (low, high) if high > low else (low, low + 1)
    return 0.0, next((float(top) for top in _DEPTHS if high <= top), high)


def _is_clear(values: np.ndarray, span: float) -> bool:
    """Return whether the values span far more than noise does, which differs pixel by pixel."""
    rows = values[:: max(1, len(values) // 512)]
    steps = np.abs(np.diff(rows, axis=1))
    noise = float(np.median(steps)) / 0.954 if steps.size else 0.0  # Gaussian: median to sigma
    return span > 1e-30 and span > 12 * noise


def _finite(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    if known.all():
        return np.clip(values, -1e30, 1e30)
    if not known.any():
        return np.zeros_like(values)
    finite = values[known]
    middle, low, high = float(np.median(finite)), float(finite.min()), float(finite.max())
    return np.clip(np.nan_to_num(values, nan=middle, posinf=high, neginf=low), -1e30, 1e30)


def _span(values: np.ndarray) -> int:
    return int(values.max()) - int(values.min())
