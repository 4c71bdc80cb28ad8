"""Small pictures within a page: lines as inline SVG, in the colours of the page.

Elsewhere: sparklines.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from symgd.language.text import number

WIDTH, HEIGHT, MARGIN = 260, 90, 6
POINTS = 240  # of a line, at most
# Told apart on white and on black, also by those who see fewer colours.
COLOURS = ("#d55e00", "#0090c8", "#009e73", "#cc79a7", "#b08500", "#7a6ad8")


def lines(named: Sequence[tuple[str, np.ndarray]], log: bool, what: str) -> str:
    """Return histories as lines, each with its name where there are several.

    Parameters
    ----------
    named : sequence of (name, values)
    log : bool
        Whether the axis is logarithmic; values that aren't above 0 are left out.
    what : str
        What the values are.
    """
    shown = [(name, _thinned(np.asarray(values, float))) for name, values in named]
    scaled = [(name, at, _scaled(y, log)) for name, (at, y) in shown]
    finite = np.concatenate([y[np.isfinite(y)] for _, _, y in scaled])
    if not finite.size:
        return ""
    low, high = float(finite.min()), float(finite.max())
    longest = max(float(at[-1]) for _, at, _ in scaled) or 1.0
    drawn = []
    for place, (name, at, y) in enumerate(scaled):
        keep = np.isfinite(y)
        x = MARGIN + at[keep] / longest * (WIDTH - 2 * MARGIN)
        height = (y[keep] - low) / ((high - low) or 1.0)
        rows = HEIGHT - MARGIN - height * (HEIGHT - 2 * MARGIN)
        drawn.append(_line(x, rows, COLOURS[place % len(COLOURS)], name))
    top, bottom = (10**high, 10**low) if log else (high, low)
    about = f"{what}, between {number(bottom)} and {number(top)}"
    keys = _key([name for name, *_ in scaled]) if len(scaled) > 1 else ""
    return f"{_svg(drawn, about)}<div class='about'>{escape(about)}</div>{keys}"


def path(points: np.ndarray, names: Sequence[str]) -> str:
    """Return the way of a run of two variables, its start a ring, its end a dot."""
    first, rest = points[:POINTS], points[POINTS:]  # where the steps are long, and on
    way = np.concatenate([first, rest[:: len(rest) // POINTS + 1], points[-1:]])
    way = way[np.isfinite(way).all(axis=1)]
    low, span = way.min(axis=0), np.ptp(way, axis=0)
    span = np.where(span > 0.0, span, 1.0)
    x = MARGIN + (way[:, 0] - low[0]) / span[0] * (WIDTH - 2 * MARGIN)
    y = HEIGHT - MARGIN - (way[:, 1] - low[1]) / span[1] * (HEIGHT - 2 * MARGIN)
    about = f"the way in {names[0]} and {names[1]}, from the ring to the dot"
    ends = (
        f"<circle cx='{x[0]:.1f}' cy='{y[0]:.1f}' r='4' fill='none' "
        f"stroke='currentColor'/><circle cx='{x[-1]:.1f}' cy='{y[-1]:.1f}' r='3.5' "
        f"fill='{COLOURS[0]}'/>"
    )
    drawn = [_line(x, y, COLOURS[0], ""), ends]
    return f"{_svg(drawn, about)}<div class='about'>{escape(about)}</div>"


def dot(colour: str) -> str:
    """Return a dot of a colour."""
    return f"<span style='color:{colour}'>&#9679;</span>"


def _thinned(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places and values, no more than can be seen; the last one stays."""
    step = max(1, -(-len(values) // POINTS))
    places = np.arange(0, len(values), step)
    if len(values) and places[-1] != len(values) - 1:
        places = np.append(places, len(values) - 1)
    return places.astype(float), values[places]


def _scaled(values: np.ndarray, log: bool) -> np.ndarray:
    if not log:
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0.0, np.log10(values), np.nan)


def _line(x: np.ndarray, y: np.ndarray, colour: str, name: str) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    told = f"<title>{escape(name)}</title>" if name else ""
    return (
        f"<polyline points='{points}' fill='none' stroke='{colour}' "
        f"stroke-width='1.6' stroke-linejoin='round'>{told}</polyline>"
    )


def _svg(parts: Sequence[str], about: str) -> str:
    frame = (
        f"<rect x='0.5' y='0.5' width='{WIDTH - 1}' height='{HEIGHT - 1}' fill='none' "
        "stroke='currentColor' stroke-opacity='0.25'/>"
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' role='img' width='{WIDTH}' "
        f"height='{HEIGHT}' viewBox='0 0 {WIDTH} {HEIGHT}' "
        f"aria-label='{escape(about, quote=True)}'>{frame}{''.join(parts)}</svg>"
    )


def _key(names: Sequence[str]) -> str:
    told = [
        f"{dot(COLOURS[place % len(COLOURS)])} {escape(name)}"
        for place, name in enumerate(names)
    ]
    return f"<div class='about'>{' &nbsp; '.join(told)}</div>"
