"""Pictures of races: how each run converges, its name at the end of its line."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from symgd.descent.result import Result
from symgd.errors import InputError, unknown_name
from symgd.native.status import Status
from symgd.plotting.figures import CASING, END, INK, PATHS, QUANTITIES
from symgd.plotting.titles import title_of

if TYPE_CHECKING:
    from symgd.many.race_result import Race

STYLES = ("-", "--", ":", "-.")
LOST: dict[str, Any] = {"marker": "x", "ms": 7, "mew": 1.8}
SIGHT = 1e3  # a run that is so many times worse than any start has left the picture
DEPTH = 1e-16  # of the gap at the start: what is smaller looks like it
ROUNDING = 2.0**-53  # of f
GAP = 9  # points from the end of a line to its name
WIDE = 20.0  # ratio of iterations from which a log scale helps


@dataclass(frozen=True)
class Curve:
    """What a run's line shows: iterations, values, and whether it leaves or ends."""

    label: str
    t: np.ndarray
    values: np.ndarray
    lost: bool


def plot(race: Race, *, ax: Axes | None = None, quantity: str = "grad_norm") -> Axes:
    """Draw how the runs of a race converge, on log axes where that shows more.

    Parameters
    ----------
    race : Race
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure of pyplot, which is not shown.
    quantity : str
        ``"grad_norm"``, the largest component of the gradient; ``"gap"``, the distance
        of f from the best value of the race; or ``"fun"``, f itself.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If there is no such quantity, or no run has its iterates.

    Examples
    --------
    >>> import symgd
    >>> from matplotlib.figure import Figure
    >>> done = symgd.race("x**2 + 3*y**2", [1, 1], ["gd", "momentum"], maxiter=50)
    >>> ax = plot(done, ax=Figure().subplots())
    >>> ax.get_yscale(), sorted(text.get_text() for text in ax.texts)
    ('log', ['gd', 'gtol', 'momentum'])
    """
    if quantity not in QUANTITIES:
        raise unknown_name("quantity", quantity, QUANTITIES)
    if not race.traces:
        raise InputError("a picture needs the history of the runs: pass trace=True")
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.figure(layout="constrained").add_subplot()
    _draw(ax, race, quantity)
    return ax


# ------------------------------------------------------------------ what to draw


def _curves(race: Race, quantity: str) -> list[Curve]:
    """Return the lines, those that leave the picture cut where they do."""
    runs = {label: race[label] for label in race if label in race.traces}
    columns = {label: _values(run, race, quantity) for label, run in runs.items()}
    kept = [c for k, c in columns.items() if runs[k].status != Status.DIVERGED]
    first = max(c[0] for c in columns.values())
    top = max([first, *(float(c.max()) for c in kept)])
    low = min([first, *(float(c.min()) for c in kept)])
    reach = SIGHT * top if quantity != "fun" else top + (top - low or abs(top) or 1.0)
    curves = []
    for label, values in columns.items():
        trace, lost = runs[label].trace, runs[label].status == Status.DIVERGED
        assert trace is not None
        beyond = np.flatnonzero(values > reach) if lost else np.zeros(0, dtype=int)
        count = int(beyond[0]) + 1 if beyond.size else values.size
        seen = np.minimum(values[:count], reach)
        curves.append(Curve(label, trace.t[:count], seen, lost))
    return curves


def _values(run: Result, race: Race, quantity: str) -> np.ndarray:
    assert run.trace is not None
    if quantity != "gap":
        return run.trace[quantity]
    kept = [r for r in race.values() if r.status != Status.DIVERGED] or [run]
    traces = [r.trace.fun for r in kept if r.trace]
    best = min(r.fun for r in kept)
    best = min([best, *(float(values.min()) for values in traces)])
    gap = run.trace.fun - best
    return np.maximum(gap, max(DEPTH * gap[0], ROUNDING * abs(best)))


# ---------------------------------------------------------------------- drawing


def _draw(ax: Axes, race: Race, quantity: str) -> None:
    first = next(iter(race.values()))
    ax.set_title(title_of(first.objective.expression), fontsize="medium")
    ax.set(xlabel="iteration", ylabel=QUANTITIES[quantity])
    ax.grid(alpha=0.3)
    curves = _curves(race, quantity)
    _set_scales(ax, curves, quantity)
    looks = itertools.cycle(itertools.product(STYLES, PATHS))
    ends = []
    goal = _goal(first) if quantity == "grad_norm" else math.inf
    least = _least(curves, goal) if ax.get_yscale() == "log" else -math.inf
    for curve, (style, colour) in zip(curves, looks, strict=False):
        values = np.maximum(curve.values, least)
        line: dict[str, Any] = {"color": colour, "linestyle": style, "linewidth": 1.8}
        ax.plot(curve.t, values, label=curve.label, path_effects=CASING, **line)
        mark = LOST if curve.lost else {**END, "ms": 12}
        end = curve.t[-1:], values[-1:]
        ax.plot(*end, color=colour, ls="none", zorder=4, clip_on=False, **mark)
        ends.append(_named(ax, curve, values[-1], colour))
    if goal < math.inf:
        _draw_goal(ax, goal)
    longest = max(int(curve.t[-1]) for curve in curves)
    ax.set_xlim(0, max(longest, 1))
    root: Any = ax.figure
    root = root.figure  # also of a part of a figure
    root.draw_without_rendering()
    if root.get_layout_engine() is None:  # nothing makes room outside of the axes
        _widen(ax, ends)
    _part(ax, ends, longest)
    root.draw_without_rendering()  # names outside of the axes make them smaller
    _part(ax, ends, longest)


def _goal(run: Result) -> float:
    """Return the gradient that is small enough, infinite if there is none."""
    limit = run.criteria["gtol"].limit if "gtol" in run.criteria else 0.0
    return limit if limit > 0.0 else math.inf


def _least(curves: Sequence[Curve], goal: float) -> float:
    """Return the least value that a log axis shows: what is 0 is drawn there."""
    values = np.concatenate([curve.values for curve in curves])
    least = float(values[values > 0].min())
    return least if (values > 0).all() else 0.1 * min(least, goal)


def _set_scales(ax: Axes, curves: Sequence[Curve], quantity: str) -> None:
    if quantity != "fun" and any((curve.values > 0).any() for curve in curves):
        ax.set_yscale("log")
    lasts = [max(int(curve.t[-1]), 1) for curve in curves]
    if max(lasts) >= WIDE * min(lasts):
        ax.set_xscale("symlog", linthresh=1.0)
    else:
        ax.locator_params(axis="x", integer=True)


def _draw_goal(ax: Axes, goal: float) -> None:
    ax.axhline(goal, color=INK, linewidth=1.2, ls=(0, (1, 2)), zorder=1)
    look: dict[str, Any] = {"color": INK, "path_effects": CASING}
    look |= {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    ax.annotate("gtol", (0.0, goal), (4, 3), fontsize="small", **look)


def _named(ax: Axes, curve: Curve, value: float, colour: str) -> Any:
    """Write the name of a line beside its end."""
    leader: dict[str, Any] = {"arrowstyle": "-", "color": colour, "linewidth": 0.7}
    leader |= {"shrinkA": 0, "shrinkB": GAP - 1, "relpos": (0, 0.5)}
    return ax.annotate(
        f"{curve.label} (diverged)" if curve.lost else curve.label,
        (float(curve.t[-1]), float(value)),
        (GAP, 0),
        textcoords="offset points",
        color=colour,
        fontsize="small",
        va="center",
        zorder=5,
        path_effects=CASING,
        arrowprops=leader,
    )


def _widen(ax: Axes, names: Sequence[Any]) -> None:
    """Make room for names to the right of the lines."""
    widest = max(Text.get_window_extent(name).width for name in names)
    share = min((widest + 2 * GAP * ax.figure.dpi / 72) / ax.bbox.width, 0.6)
    scale = ax.xaxis.get_transform()
    low, high = scale.transform(np.array(ax.get_xlim()))
    wide = scale.inverted().transform(np.array([low + (high - low) / (1 - share)]))
    ax.set_xlim(right=float(wide[0]))


def _part(ax: Axes, names: Sequence[Any], longest: int) -> None:
    """Move names until none hides another, or the end of a line.

    Those that don't fit beside their line stand in a column, right of all lines.
    """
    points = ax.figure.dpi / 72
    ends = {name: ax.transData.transform(name.xy) for name in names}
    right = float(ax.transData.transform((longest, names[0].xy[1]))[0])
    sizes = {name: Text.get_window_extent(name).size for name in names}
    step = 1.05 * max(height for _, height in sizes.values())
    column = [n for n in names if ends[n][0] + GAP * points + sizes[n][0] > right]
    column.sort(key=lambda name: ends[name][1])
    wanted = [ends[name][1] for name in column]
    heights = _spread(wanted, step, ax.bbox.y0 + step / 2, ax.bbox.y1 - step / 2)
    for name, height in zip(column, heights, strict=True):
        across, up = (right, height) - ends[name]
        name.set_position((across / points + GAP, up / points))
    taken = [Bbox.from_extents(*(end - 5), *(end + 5)) for end in ends.values()]
    for name in names:
        if name not in column:
            corner = ends[name] + (GAP * points, -sizes[name][1] / 2)
            box = Bbox([corner, corner + sizes[name]])
            shifts = (k * step / 2 for k in sorted(range(-40, 41), key=abs))
            free = (k for k in shifts if not box.translated(0, k).count_overlaps(taken))
            up = next(free, 0.0)
            taken.append(box.translated(0, up))
            name.set_position((GAP, up / points))


def _spread(
    heights: Sequence[float], step: float, lowest: float, highest: float
) -> list[float]:
    """Return heights, ascending, moved as little as possible to be a step apart.

    >>> _spread([0.0, 10.0, 10.0], 2.0, 0.0, 20.0)
    [0.0, 9.0, 11.0]
    """
    # Less i*step, they only have to ascend: where they don't, the mean does.
    groups: list[list[float]] = []
    for i, height in enumerate(heights):
        groups.append([height - i * step])
        while len(groups) > 1 and _mean(groups[-2]) >= _mean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    means = [_mean(group) for group in groups for _ in group]
    top = highest - (len(means) - 1) * step
    return [max(min(m, top), lowest) + i * step for i, m in enumerate(means)]


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)
