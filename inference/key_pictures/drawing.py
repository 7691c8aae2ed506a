"""
Draws a key picture: grey by the window, square pixels, the box, where left is, and what rule 9 of DESIGN asks.

Nothing of a header is drawn or written: a picture can name nobody.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from inference.key_pictures.placing import Place, directions_shown
from inference.volume import Volume
from voorrang.statement import RESEARCH

LONG_SIDE = 384  # pixels: enough to see which lobe, and half the bytes of 512
STRIP = 18  # rows below the image, for words
BOX_COLOUR = (255, 196, 0)
_GREYS = 253  # the highest grey; the colours that follow it are for what is drawn
_BOX, _WORD = 254, 255
_LINE = 2
_TICK, _GAP = 14, 12

Greys = npt.NDArray[np.uint8]


def draw(volume: Volume, where: Place, window_hu: tuple[float, float]) -> bytes:
    """
    Draw one slice with one finding.

    The lines of the box lie outside it and hide nothing of it. A finding without extent has four ticks around it.

    Parameters
    ----------
    volume
        HU.
    where
        What `place` said.
    window_hu
        What is black and what is white.

    Returns
    -------
    bytes
        PNG, with a palette: greys, the colour of the box, white.
    """
    picture = Image.fromarray(_greys(volume.voxels_hu[where.slice_index], window_hu))
    scale = scale_of(volume)
    rows, columns = (max(1, round(n * s)) for n, s in zip(picture.size[::-1], scale, strict=True))
    if picture.size != (columns, rows):
        picture = picture.resize((columns, rows), Image.Resampling.BILINEAR)
    sheet = Image.new("P", (max(columns, LONG_SIDE), rows + STRIP), 0)
    sheet.putpalette(_palette())
    sheet.paste(picture, (0, 0))
    pen = ImageDraw.Draw(sheet)
    _draw_finding(pen, where, scale)
    left, top = directions_shown(volume)
    _write(pen, (4, rows / 2), left, "lm")
    _write(pen, (columns / 2, 4), top, "mt")
    _write(pen, (4, rows + STRIP / 2), RESEARCH, "lm")
    out = BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def scale_of(volume: Volume) -> tuple[float, float]:
    """
    Return the pixels of a picture to one row and to one column of a slice.

    Notes
    -----
    Edges of pixels, not their middles, are what scaling keeps: what lies at `x` in the slice, where whole numbers are
    middles, lies `(x + 1/2) * scale` from the edge of the picture.
    """
    _, rows, columns = volume.voxels_hu.shape
    _, between_rows, between_columns = volume.spacing_mm
    per_mm = LONG_SIDE / max(rows * between_rows, columns * between_columns)
    return (per_mm * between_rows, per_mm * between_columns)


def _draw_finding(pen: ImageDraw.ImageDraw, where: Place, scale: tuple[float, float]) -> None:
    per_row, per_column = scale
    if where.rectangle is None:
        y, x = (round((at + 0.5) * s) for at, s in zip(where.centre, scale, strict=True))
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            near, far = _GAP, _GAP + _TICK
            pen.line((x + near * dx, y + near * dy, x + far * dx, y + far * dy), fill=_BOX, width=_LINE)
        return
    box = where.rectangle
    top, bottom = (round((edge + 0.5) * per_row) for edge in (box.top, box.bottom))
    left, right = (round((edge + 0.5) * per_column) for edge in (box.left, box.right))
    # Pixel n lies from edge n to edge n + 1, and the corners of Pillow are pixels, both drawn.
    corners = (left - _LINE, top - _LINE, max(left, right - 1) + _LINE, max(top, bottom - 1) + _LINE)
    pen.rectangle(corners, outline=_BOX, width=_LINE)


def _write(pen: ImageDraw.ImageDraw, at: tuple[float, float], words: str, anchor: str) -> None:
    font = ImageFont.load_default(12)
    pen.text(at, words, fill=_WORD, font=font, anchor=anchor, stroke_width=1, stroke_fill=0)


def _greys(hu: npt.NDArray[np.float32], window_hu: tuple[float, float]) -> Greys:
    low, high = window_hu
    shown = (hu - np.float32(low)) * np.float32(_GREYS / (high - low))
    return np.asarray(np.clip(np.nan_to_num(shown), 0, _GREYS), dtype=np.uint8)


def _palette() -> list[int]:
    greys = [round(255 * n / _GREYS) for n in range(_GREYS + 1) for _ in range(3)]
    return [*greys, *BOX_COLOUR, 255, 255, 255]
