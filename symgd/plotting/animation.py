"""Moving pictures: a run on its curve or contours, a race as its lines grow.

Frames are written as a GIF, an APNG or a WebP, by Pillow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from symgd.errors import InputError
from symgd.plotting import path as paths
from symgd.plotting import race_curves

FORMATS = (".gif", ".apng", ".webp")
FRAMES = 60  # by default
MOST_FRAMES = 1000
REST = 10  # frames at the end, which stands still


def save(kind: str, thing: Any, file: str | Path, options: Mapping[str, Any]) -> None:
    """Write a run or a race as a moving picture.

    Parameters
    ----------
    kind : str
        ``"path"`` or ``"race_curves"``.
    thing : Result or Race
        With its history.
    file : str or Path
        Its suffix is the format.
    options : mapping
        ``frames``, ``fps``, and what the still picture takes.

    Raises
    ------
    InputError
        If there is no history, or the file can't be written.
    """
    told = dict(options)
    frames, fps = told.pop("frames", FRAMES), told.pop("fps", 12)
    if not 2 <= frames <= MOST_FRAMES or frames != int(frames):
        raise InputError(f"frames must be a whole number, 2 to {MOST_FRAMES}")
    if not 0 < fps <= 100:
        raise InputError(f"fps must be above 0 and at most 100, not {fps!r}")
    target = Path(file)
    if target.suffix.lower() not in FORMATS:
        accepted = ", ".join(FORMATS)
        raise InputError(f"{str(file)!r} has no known format; accepted: {accepted}")
    figure = Figure(figsize=(6.4, 4.4), layout="constrained", dpi=100)
    ax = figure.add_subplot()
    if kind == "path":
        if thing.trace is None or len(thing.trace) < 2:
            raise InputError("a moving picture needs the run's history: trace=True")
        paths.plot(thing, ax=ax, **told)
        histories = paths.lines_of(ax)
    else:
        race_curves.plot(thing, ax=ax, **told)
        histories = [line for line in ax.lines if line.get_label() in thing]
    if (legend := ax.get_legend()) is not None:
        legend.set_loc("upper right")  # it would go where there is room in each frame
    try:
        _write(figure, histories, target, int(frames), fps)
    except OSError as error:
        problem = error.strerror or str(error)
        raise InputError(f"can't write {str(file)!r}: {problem}") from None


def _write(
    figure: Figure, histories: Sequence[Line2D], file: Path, frames: int, fps: float
) -> None:
    ax = figure.axes[0]
    whole = [(_column(line, 0), _column(line, 1)) for line in histories]
    marks = [text for text in ax.texts if text.get_text()]
    ends = [line for line in ax.lines if len(_column(line, 0)) == 1]
    shown = [(end, end.get_visible()) for end in ends]
    writer = PillowWriter(fps=max(1, round(fps)))
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # nothing moves but the lines
    with writer.saving(figure, str(file), dpi=100):
        for part in _parts(frames):
            for line, (x, y) in zip(histories, whole, strict=True):
                longest = max(len(each) for each, _ in whole)
                count = max(1, min(len(x), round(part * longest)))
                line.set_data(x[:count], y[:count])
            over = part >= 1.0
            for end, visible in shown:
                first = _is_start(end, whole)
                end.set_visible(visible and (over or first))
            for mark in marks:
                mark.set_visible(over)
            writer.grab_frame()


def _parts(frames: int) -> Iterator[float]:
    """Yield which part of the way each frame shows: slowly at first."""
    for frame in range(frames):
        yield (frame / (frames - 1)) ** 2
    for _ in range(REST):
        yield 1.0


def _column(line: Line2D, which: int) -> np.ndarray:
    data: Any = line.get_data(orig=False)
    return np.asarray(data[which], dtype=float)


def _is_start(end: Line2D, whole: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    place = _column(end, 0)[0], _column(end, 1)[0]
    return any((x[0], y[0]) == place for x, y in whole)
