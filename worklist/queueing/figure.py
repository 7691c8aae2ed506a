"""The waits as a picture: one SVG, made by hand, so that no drawing library is needed. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from worklist.queueing.intervals import Interval

_LABELS, _BARS, _NUMBERS = 190, 420, 150
_ROW, _TOP, _BOTTOM = 26, 58, 46


@dataclass(frozen=True, slots=True)
class Bar:
    """
    One group.

    Parameters
    ----------
    label
        Who waits.
    simulated
        Mean wait, minutes; None where nobody is in the group.
    closed_form
        Mean wait by theory; None where there is none.
    with_ai
        Sets the colour.
    """

    label: str
    simulated: Interval | None
    closed_form: float | None
    with_ai: bool


def draw_bars(title: str, bars: Sequence[Bar]) -> str:
    """
    Return an SVG document with a bar for each group, its interval and a mark where theory puts it.

    Parameters
    ----------
    title
        What was simulated.
    bars
        From top to bottom.
    """
    step, scale_end = _scale(bars)
    height = _TOP + _ROW * len(bars) + _BOTTOM
    width = _LABELS + _BARS + _NUMBERS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        '<text x="12" y="22" font-size="15" font-weight="bold">Mean wait, minutes</text>',
        f'<text x="12" y="40" fill="#555">{escape(title)}</text>',
        *_axis(step, scale_end, len(bars)),
    ]
    for number, bar in enumerate(bars):
        parts += _bar(bar, _TOP + _ROW * number, scale_end)
    parts.append(
        f'<text x="12" y="{height - 10}" fill="#555">Bar: simulated, with its 99 % interval. Diamond: theory.</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def _scale(bars: Sequence[Bar]) -> tuple[float, float]:
    """Return the step between lines, 1, 2 or 5 times a power of ten, and the end of the scale."""
    highest = max((_highest(bar) for bar in bars), default=0.0) or 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    step = next(factor * power for factor in (0.2, 0.5, 1.0, 2.0) if highest / (factor * power) <= 6)
    return step, step * math.ceil(highest / step)


def _highest(bar: Bar) -> float:
    return max(bar.simulated.high if bar.simulated else 0.0, bar.closed_form or 0.0)


def _axis(step: float, scale_end: float, rows: int) -> list[str]:
    parts = []
    for number in range(round(scale_end / step) + 1):
        x = _x(number * step, scale_end)
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_TOP + _ROW * rows}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{_TOP + _ROW * rows + 15}" text-anchor="middle">{number * step:g}</text>')
    return parts


def _bar(bar: Bar, top: int, scale_end: float) -> list[str]:
    middle = top + _ROW / 2
    parts = [f'<text x="{_LABELS - 8}" y="{middle + 4}" text-anchor="end">{escape(bar.label)}</text>']
    words = "nobody"
    if bar.simulated is not None:
        low, at, high = (
            _x(value, scale_end) for value in (bar.simulated.low, bar.simulated.estimate, bar.simulated.high)
        )
        colour = "#4c78a8" if bar.with_ai else "#999"
        parts += [
            f'<rect x="{_LABELS}" y="{top + 5}" width="{at - _LABELS:.1f}" height="{_ROW - 10}" fill="{colour}"/>',
            f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 5}v10M{high:.1f} {middle - 5}v10" '
            'stroke="#000" fill="none"/>',
        ]
        words = f"{bar.simulated.estimate:.2f} [{bar.simulated.low:.2f}, {bar.simulated.high:.2f}]"
    if bar.closed_form is not None:
        x = _x(bar.closed_form, scale_end)
        parts.append(f'<path d="M{x:.1f} {middle - 6}l5 6l-5 6l-5 -6z" fill="#f58518" stroke="#fff"/>')
    parts.append(f'<text x="{_LABELS + _BARS + 10}" y="{middle + 4}">{words}</text>')
    return parts


def _x(minutes: float, scale_end: float) -> float:
    return _LABELS + _BARS * max(minutes, 0.0) / scale_end
