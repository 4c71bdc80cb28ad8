"""Moving pictures: a run on its curve or contours, a race as its lines grow.

Frames are written as a GIF, an APNG or a WebP, by Pillow. What stands still is drawn
once (blitting).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from symgd.errors import InputError
from symgd.plotting import path as paths
from symgd.plotting import race_curves

FORMATS = (".gif", ".apng", ".webp")
MOST_FRAMES = 1000
REST = 1.0  # seconds at the end, which stands still


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
    frames, fps = told.pop("frames"), told.pop("fps")
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
    pictures = _pictures(figure, histories, int(frames))
    lasting = [round(1000 * count / fps) for _, count in pictures]
    lasting[-1] += round(1000 * REST)
    first, *rest = (picture for picture, _ in pictures)
    try:
        first.save(target, save_all=True, append_images=rest, duration=lasting, loop=0)
    except OSError as error:
        problem = error.strerror or str(error)
        raise InputError(f"can't write {str(file)!r}: {problem}") from None


def _pictures(
    figure: Figure, histories: Sequence[Line2D], frames: int
) -> list[tuple[Image.Image, int]]:
    """Return pictures, each with the number of frames that are like it."""
    ax, canvas = figure.axes[0], FigureCanvasAgg(figure)
    whole = [(_column(line, 0), _column(line, 1)) for line in histories]
    starts = [(x[0], y[0]) for x, y in whole]
    ends = [each for each in ax.lines if len(_column(each, 0)) == 1]
    late: list[Any] = [
        each
        for each in ends
        if (_column(each, 0)[0], _column(each, 1)[0]) not in starts
    ]
    late += [text for text in ax.texts if text.get_text()]
    moving = [*histories, *late]
    canvas.draw()  # which finds a place for everything
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    longest = max(len(x) for x, _ in whole)
    pictures: list[tuple[Image.Image, int]] = []
    before: list[int] = []
    for frame in range(frames):
        part = (frame / (frames - 1)) ** 2  # slowly at first
        counts = [max(1, min(len(x), round(part * longest))) for x, _ in whole]
        last = frame == frames - 1
        if counts == before and not last:
            pictures[-1] = pictures[-1][0], pictures[-1][1] + 1
            continue
        before = counts
        canvas.restore_region(still)
        for line, (x, y), count in zip(histories, whole, counts, strict=True):
            line.set_data(x[:count], y[:count])
            ax.draw_artist(line)
        for artist in late if last else ():
            ax.draw_artist(artist)
        shown = Image.fromarray(np.asarray(canvas.buffer_rgba()).copy()).convert("RGB")
        pictures.append((shown, 1))
    return pictures


def _column(line: Line2D, which: int) -> np.ndarray:
    data: Any = line.get_data(orig=False)
    return np.asarray(data[which], dtype=float)
