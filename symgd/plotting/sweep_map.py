"""Pictures of sweeps: a curve over one axis, a heat map over two."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm, Normalize, SymLogNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, NullLocator

from symgd.errors import InputError, unknown_name
from symgd.native.status import Status
from symgd.plotting.figures import DOTS, END, INK, PATHS, UNDEFINED
from symgd.plotting.titles import title_of

if TYPE_CHECKING:
    from symgd.insight.analysis import Analysis
    from symgd.many.many_results import Sweep

VALUES = {
    "fun": "final f",
    "nit": "iterations",
    "grad_norm": "largest component of the gradient",
    "status": "status",
}
COLOURS = {
    Status.CONVERGED: "#2f6f9f",
    Status.TARGET_REACHED: "#6fa5cb",
    Status.STALLED: "#aecde3",
    Status.MAXITER: "#f2cf8f",
    Status.STATIONARY: "#d9a98f",
    Status.ABNORMAL: "#c98463",
    Status.DIVERGED: UNDEFINED,
    Status.TIME_LIMIT: "#e9dcb5",
    Status.INTERRUPTED: "#b9a97f",
    Status.INFEASIBLE: "#8f6a7f",
}
HEIGHTS = "YlGnBu_r"  # dark is good
HATCH: dict[str, Any] = {"facecolor": UNDEFINED, "hatch": "////", "linewidth": 0.0}
CROSS: dict[str, Any] = {"marker": "x", "ms": 7, "mew": 1.8, "linestyle": "none"}
BEST = {**END, "color": PATHS[0], "linestyle": "none"}
HELPFUL = 100.0  # ratio of largest to smallest from which a log scale helps
DEPTH = 1e-12  # what is smaller than this part of the largest is as good as 0
MOST_TICKS = 9  # an axis of at most so many values has a tick for each


@dataclass(frozen=True)
class Side:
    """An axis of the grid, its values in ascending order and once each."""

    name: str
    values: np.ndarray

    @property
    def spacing(self) -> str:
        """How the values are spaced: "log", "linear", or "" if they are uneven."""
        v = self.values
        if v[0] > 0 and v[-1] >= 10 * v[0] and _variation(np.log(v)) <= _variation(v):
            return "log" if _variation(np.log(v)) < 0.3 else ""
        return "linear" if _variation(v) < 0.3 else ""

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the middles of cells and their edges, one more.

        Uneven values get cells of the same size.
        """
        v = self.values if self.spacing else np.arange(float(self.values.size))
        v = np.log10(v) if self.spacing == "log" else v
        inner = (v[:-1] + v[1:]) / 2
        edges = np.concatenate([[2 * v[0] - inner[0]], inner, [2 * v[-1] - inner[-1]]])
        return (10**v, 10**edges) if self.spacing == "log" else (v, edges)


def _variation(values: np.ndarray) -> float:
    """Return how uneven the steps are: 0 if they are all the same."""
    steps = np.diff(values)
    return float(steps.std() / steps.mean()) if steps.size else 0.0


@dataclass(frozen=True)
class Shown:
    """What a picture shows: a part of a sweep with at most two axes."""

    sides: tuple[Side, ...]
    value: str
    values: np.ndarray
    status: np.ndarray
    fun: np.ndarray

    @property
    def diverged(self) -> np.ndarray:
        """Which cells have no end that means anything."""
        return (self.status == Status.DIVERGED) | ~np.isfinite(self.values)

    @property
    def best(self) -> tuple[int, ...] | None:
        """The place of the lowest f, if any descent has one."""
        if self.diverged.all():
            return None
        values = np.where(self.diverged, math.inf, self.fun)
        return tuple(map(int, np.unravel_index(np.argmin(values), values.shape)))


@dataclass(frozen=True)
class Scale:
    """How numbers are shown: above ``base``, if on a log scale."""

    label: str
    base: np.ndarray
    floor: float
    top: float
    is_log: bool
    has_zero: bool

    def norm(self) -> Normalize:
        """Return the scale of colours."""
        if not self.is_log:
            return Normalize(self.floor, self.top)
        if self.has_zero:
            return SymLogNorm(self.floor, vmin=0.0, vmax=self.top)
        return LogNorm(self.floor, self.top)

    def set_on(self, ax: Axes) -> None:
        """Make it the scale of a y axis."""
        ax.set_ylabel(self.label)
        if self.is_log and self.has_zero:
            ax.set_yscale("symlog", linthresh=self.floor)
            ax.set_ylim(-0.3 * self.floor, 10 * self.top)
        elif self.is_log:
            ax.set_yscale("log")
        ax.margins(y=0.12)
        if not self.is_log and self.label == VALUES["nit"]:
            ax.yaxis.set_major_locator(MaxNLocator(integer=True))


def plot(
    sweep: Sweep,
    *,
    ax: Axes | None = None,
    value: str = "fun",
    at: Mapping[str, float] | None = None,
    proven: Analysis | None = None,
) -> Axes:
    """Draw a sweep: a curve over one axis, a heat map over two.

    Parameters
    ----------
    sweep : Sweep
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure of pyplot, which is not shown.
    value : str
        ``"fun"``, the final f (as its distance from the lowest f found, on a log
        scale, where that shows more); ``"nit"``, the number of iterations;
        ``"grad_norm"``, the largest component of the gradient; or ``"status"``.
    at : mapping of str to float, optional
        One of the values of each axis that is not to be drawn.
    proven : Analysis, optional
        What ``symgd.analyze`` says of the objective: on an axis of step sizes it marks
        1/L, which is safe, and 2/L, beyond which gradient descent may diverge.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If more than two axes are left, or there is no such value.

    Examples
    --------
    >>> import symgd
    >>> from matplotlib.figure import Figure
    >>> grid = symgd.sweep(
    ...     "x**2", 1.0, method="momentum", step_size=[0.1, 0.5], momentum=[0, 0.3, 0.6]
    ... )
    >>> ax = plot(grid, ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('step_size', 'momentum')
    """
    shown = _shown(sweep, value, at or {})
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.figure(layout="constrained").add_subplot()
    _draw(ax, shown, sweep, proven)
    return ax


# ------------------------------------------------------------------ what to draw


def _shown(sweep: Sweep, value: str, at: Mapping[str, float]) -> Shown:
    if value not in VALUES:
        raise unknown_name("value to draw", value, VALUES)
    where = [_chosen(sweep, name, at.get(name)) for name in sweep.axes]
    for name in at:
        if name not in sweep.axes:
            raise unknown_name("axis", name, sweep.axes)
    long = [k for k, rows in enumerate(where) if rows.size > 1]
    names = list(sweep.axes)
    if len(long) > 2:
        values = sweep.axes[names[long[-1]]]
        raise InputError(
            f"a picture has at most two axes, the sweep has {len(long)}: "
            f"{', '.join(names[k] for k in long)}; fix the others at one of their "
            f"values, such as plot(at={{{names[long[-1]]!r}: {values[0]:g}}})"
        )
    long = long or [0]
    sides = [Side(names[k], sweep.axes[names[k]][where[k]]) for k in long]
    cells = np.ix_(*where)
    shape = [where[k].size for k in long]
    columns = (getattr(sweep, name)[cells] for name in (value, "status", "fun"))
    return Shown(tuple(sides), value, *(each.reshape(shape) for each in columns))


def _chosen(sweep: Sweep, name: str, fixed: float | None) -> np.ndarray:
    """Return the numbers of the values of an axis that are drawn, in their order."""
    values = sweep.axes[name]
    if fixed is None:
        return np.unique(values, return_index=True)[1]
    close = np.flatnonzero(np.isclose(values, fixed, rtol=1e-6, atol=0.0))
    if not close.size:
        accepted = ", ".join(f"{v:g}" for v in values[:MOST_TICKS])
        more = ", ..." if values.size > MOST_TICKS else ""
        raise InputError(f"{name} has no value {fixed!r}; accepted: {accepted}{more}")
    return close[:1]


def _scale(shown: Shown, sweep: Sweep) -> Scale:
    """Choose a scale for those that did not diverge."""
    label, kept = VALUES[shown.value], ~shown.diverged
    if not kept.any():
        return Scale(label, np.zeros(()), 0.0, 1.0, False, False)
    base, whose = np.zeros(()), ""
    if shown.value == "fun":
        base, whose = _lowest(shown, sweep)
    above = (shown.values - base)[kept]
    top = float(above.max())
    if shown.value == "fun":  # what ends above the start is bad enough
        top = min(top, max(_start_values(sweep)) - float(base.min())) or top
    floor = max(above[above > 0].min(initial=math.inf), DEPTH * top)
    if not (0.0 < floor < math.inf and top / floor >= HELPFUL):
        values = shown.values[kept]
        low, high = float(values.min()), float(values.max())
        return Scale(label, np.zeros(()), low, high, False, False)
    has_zero = bool((above < floor).any())
    if has_zero:  # a decade of its own
        floor = 10.0 ** math.floor(math.log10(floor))
    return Scale(label + whose, base, floor, top, True, has_zero)


def _lowest(shown: Shown, sweep: Sweep) -> tuple[np.ndarray, str]:
    """Return the lowest f of each objective, and what to call it.

    Other parameters make another objective, whose minimum is another one.
    """
    known = sweep.results.objective.parameters
    within = [k for k, side in enumerate(shown.sides) if side.name not in known]
    found = np.where(shown.diverged, math.inf, shown.fun)
    if len(within) in (0, len(shown.sides)):
        return found.min(keepdims=True), " above the lowest"
    lowest = found.min(axis=tuple(within), keepdims=True)
    (other,) = (side.name for side in shown.sides if side.name in known)
    whose = f" above the lowest for each {other}"
    return np.where(np.isfinite(lowest), lowest, 0.0), whose


def _start_values(sweep: Sweep) -> list[float]:
    """Return f at the start, for all combinations of its parameters."""
    objective, start = sweep.results.objective, sweep.results.start[0]
    names = [name for name in sweep.axes if name in objective.parameters]
    combinations = itertools.product(*(sweep.axes[name] for name in names))
    known = (dict(zip(names, values, strict=True)) for values in combinations)
    return [objective.with_parameters(**each).value(start) for each in known]


# ---------------------------------------------------------------------- drawing


def _draw(ax: Axes, shown: Shown, sweep: Sweep, proven: Analysis | None) -> None:
    flat = len(shown.sides) == 1
    marks = (_draw_curve if flat else _draw_map)(ax, shown, sweep)
    if proven is not None:
        marks += _mark_steps(ax, shown, proven)
    formula = title_of(sweep.results.objective.expression, 48)
    title = f"{sweep.results.method} on {formula}"
    ax.set_title(title, fontsize="medium", pad=24 if marks else 6)
    if marks:
        ax.legend(
            handles=marks,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=min(len(marks), 4),
            fontsize="small",
            frameon=False,
            borderaxespad=0.2,
            markerscale=0.7,
        )


def _draw_curve(ax: Axes, shown: Shown, sweep: Sweep) -> list[Any]:
    """Draw a curve; return what its legend explains."""
    (side,) = shown.sides
    _set_axis(ax, "x", side, side.values)
    if shown.value == "status":
        return _draw_statuses(ax, shown)
    scale, lost = _scale(shown, sweep), shown.diverged
    height = np.where(lost, np.nan, shown.values - scale.base)
    dots = DOTS if height.size <= 60 else {}
    ax.plot(side.values, height, color=COLOURS[Status.CONVERGED], lw=1.8, **dots)
    ax.grid(alpha=0.3)
    scale.set_on(ax)
    marks: list[Any] = []
    if lost.any():
        across = ax.get_xaxis_transform()
        crosses = np.full(int(lost.sum()), 0.96)
        style = {**CROSS, "color": INK, "label": "diverged"}
        marks += ax.plot(side.values[lost], crosses, transform=across, **style)
    if shown.best is not None:
        place = (side.values[shown.best[0]], height[shown.best])
        marks.append(_mark_best(ax, shown, *place))
    else:
        ax.set_yticks([])
    return marks


def _draw_statuses(ax: Axes, shown: Shown) -> list[Any]:
    """Draw a dot for each descent, a line for each status."""
    (side,) = shown.sides
    found = [s for s in Status if (shown.status == s).any()]
    rows = np.array([found.index(Status(s)) for s in shown.status])
    colours = [INK if s == Status.DIVERGED else COLOURS[s] for s in found]
    ax.scatter(side.values, rows, c=[colours[row] for row in rows], s=24, zorder=3)
    ax.set_yticks(range(len(found)), [s.name for s in found])
    ax.set_ylim(-0.5, len(found) - 0.5)
    ax.grid(alpha=0.3)
    return []


def _draw_map(ax: Axes, shown: Shown, sweep: Sweep) -> list[Any]:
    """Draw a heat map; return what its legend explains."""
    across, up = shown.sides
    (x, x_edges), (y, y_edges) = across.edges(), up.edges()
    _set_axis(ax, "x", across, x)
    _set_axis(ax, "y", up, y)
    ax.set(xlim=x_edges[[0, -1]], ylim=y_edges[[0, -1]])
    lost, marks = shown.diverged, []
    if shown.value == "status":
        marks += _colour_statuses(ax, x_edges, y_edges, shown)
    elif not lost.all():
        _colour_heights(ax, x_edges, y_edges, shown, _scale(shown, sweep))
    if lost.any():  # hatched, so that it is no colour of the bar
        ax.patch.set(**HATCH, edgecolor=INK + "60")
        marks.append(Patch(**HATCH, edgecolor=INK, label="diverged"))
    if shown.best is not None:
        i, j = shown.best
        marks.append(_mark_best(ax, shown, x[i], y[j]))
    return marks


def _colour_heights(
    ax: Axes, x: np.ndarray, y: np.ndarray, shown: Shown, scale: Scale
) -> None:
    # Matplotlib computes with what is masked, too.
    values = np.where(shown.diverged, scale.base, shown.values)
    heights = np.ma.array(values - scale.base, mask=shown.diverged)
    drawn = ax.pcolormesh(
        *(x, y, heights.T), cmap=HEIGHTS, norm=scale.norm(), rasterized=True
    )
    extend = "max" if heights.max() > scale.top else "neither"
    bar: Any = ax.figure.colorbar(drawn, ax=ax, aspect=35, pad=0.02, extend=extend)
    bar.set_label(scale.label)
    if not scale.is_log and shown.value == "nit":
        bar.locator = MaxNLocator(integer=True)
    bar.outline.set_visible(False)


def _colour_statuses(ax: Axes, x: np.ndarray, y: np.ndarray, shown: Shown) -> list[Any]:
    colours = ListedColormap([COLOURS[s] for s in Status])
    norm = Normalize(-0.5, len(Status) - 0.5)
    status = np.ma.array(shown.status, mask=shown.diverged)
    ax.pcolormesh(x, y, status.T, cmap=colours, norm=norm, rasterized=True)
    found = [s for s in Status if (status == s).any()]
    return [Patch(facecolor=COLOURS[s], label=s.name) for s in found]


def _mark_best(ax: Axes, shown: Shown, x: float, y: float) -> Line2D:
    label = f"lowest f = {float(shown.fun[shown.best]):.4g}"
    (star,) = ax.plot([x], [y], label=label, zorder=4, clip_on=False, **BEST)
    return star


def _mark_steps(ax: Axes, shown: Shown, proven: Analysis) -> list[Any]:
    """Draw lines at the step sizes about which something is proven."""
    low, high = proven.lipschitz
    steps = [(1 / high, "--", "1/L, safe")] if 0 < high < math.inf else []
    steps += [(2 / low, ":", "2/L")] if low > 0 else []
    marks = []
    for side, line in zip(shown.sides, (ax.axvline, ax.axhline), strict=False):
        if side.name == "step_size" and (side.spacing or len(shown.sides) == 1):
            within = [s for s in steps if side.values[0] <= s[0] <= side.values[-1]]
            halo = [withStroke(linewidth=3, foreground="white")]
            style = {"color": INK, "lw": 1.2, "zorder": 3, "path_effects": halo}
            marks += [line(x, ls=ls, label=label, **style) for x, ls, label in within]
    return marks


def _set_axis(ax: Axes, which: str, side: Side, places: np.ndarray) -> None:
    """Set label, scale and ticks; ticks at the values, if they are few or uneven."""
    ax.set(**{f"{which}label": side.name})
    if side.spacing == "log":
        ax.set(**{f"{which}scale": "log"})
    few = side.values.size <= MOST_TICKS
    uneven_cells = not side.spacing and places is not side.values
    if uneven_cells or (few and side.spacing):
        axis = ax.xaxis if which == "x" else ax.yaxis
        step = -(-side.values.size // MOST_TICKS)
        labels = [f"{value:.4g}" for value in side.values[::step]]
        axis.set_ticks(places[::step], labels)
        axis.set_minor_locator(NullLocator())
