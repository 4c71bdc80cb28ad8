"""Pictures of runs: the path on the curve, the contours or the surface; convergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from symgd.descent.result import Result
from symgd.errors import InputError, unknown_name
from symgd.native.status import Status
from symgd.objectives.objective import Objective
from symgd.objectives.points import read_bounds
from symgd.plotting.figures import (
    CASING,
    DOTS,
    END,
    INK,
    PATHS,
    QUANTITIES,
    START,
    UNDEFINED,
)
from symgd.plotting.regions import draw_constraints
from symgd.plotting.titles import title_of
from symgd.rules import family

CONVERGING = QUANTITIES | {"violation": "largest violation of a constraint"}
KINDS = {"curve": 1, "contour": 2, "surface": 2, "convergence": None}
DEPTHS = ("#2f6f9f", "#6fa5cb", "#aecde3", "#dceaf4", "#fafcfe")  # from the best f
MOST_DOTS = 80  # more of them would hide the line
LEVELS = 14
HUGE = 1e300  # differences of what lies beyond could overflow


@dataclass
class Picture:
    """What an Axes shows, so that later runs can join it."""

    kind: str
    quantity: str
    window: np.ndarray
    results: list[Result] = field(default_factory=list)
    lines: list[Line2D] = field(default_factory=list)


def plot(
    result: Result | Sequence[Result],
    *,
    ax: Axes | None = None,
    kind: str | None = None,
    quantity: str | None = None,
    window: Any = None,
) -> Axes:
    """Draw runs of one objective; on an Axes with such a picture, they join it.

    Parameters
    ----------
    result : Result or sequence of Result
        The runs, all of the same objective.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure of pyplot, which is not shown.
    kind : str, optional
        ``"curve"`` (one variable) or ``"contour"`` (two), the defaults; ``"surface"``
        (two, in 3-D); ``"convergence"``, the default for more variables.
    quantity : str, optional
        What converges: ``"grad_norm"``, the default, the largest component of the
        gradient; ``"gap"``, the distance of f from the best value in the picture;
        ``"fun"``, f itself; or ``"violation"``, that of constraints.
    window : mapping of name to pair, or sequence of pairs, optional
        What part of space to show; by default the bounds, and where there are none
        the surroundings of the paths.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If the results, the kind and the Axes don't fit together.

    Examples
    --------
    >>> import symgd
    >>> f = symgd.Objective("x**2 + 3*y**2")
    >>> gd = symgd.minimize(f, [1, 1], method="gd", trace=True)
    >>> faster = symgd.minimize(f, [1, 1], method="gd", step_size=0.1, trace=True)
    >>> ax = plot([gd, faster], ax=Figure().subplots())
    >>> ax.get_xlabel(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('x', ['gd, step_size=0.01', 'gd, step_size=0.1', 'start', 'end'])
    """
    results = [result] if isinstance(result, Result) else list(result)
    picture = _planned(results, ax, kind, quantity, window)
    if ax is not None:
        _draw(ax, picture, results)
        return ax
    import matplotlib.pyplot as plt

    return _fill(plt.figure(layout="constrained"), picture, results)


def fill(
    figure: Figure,
    result: Result | Sequence[Result],
    *,
    kind: str | None = None,
    **options: Any,
) -> Axes:
    """Draw runs on a figure of their own, as :func:`plot` does."""
    results = [result] if isinstance(result, Result) else list(result)
    return _fill(figure, _planned(results, None, kind, **options), results)


def lines_of(ax: Axes) -> list[Line2D]:
    """Return the lines of the runs on an Axes."""
    picture = _picture_on(ax)
    return [] if picture is None else [*picture.lines]


# ------------------------------------------------------------------ what to draw


def _planned(
    results: Sequence[Result],
    ax: Axes | None,
    kind: str | None,
    quantity: str | None = None,
    window: Any = None,
) -> Picture:
    """Return the picture that the results join, or a new one; check that they fit."""
    if not results or not all(isinstance(r, Result) for r in results):
        raise InputError("what can be drawn is a Result, or a list of them")
    before = _picture_on(ax)
    known = (before.results if before else results)[0].objective
    if any(result.objective != known for result in results):
        raise InputError("results of different objectives can't share a picture")
    kind = kind or (before.kind if before else _default_kind(known, ax))
    quantity = quantity or (before.quantity if before else "grad_norm")
    _check_kind(kind, known, ax)
    if quantity not in CONVERGING:
        raise unknown_name("quantity", quantity, CONVERGING)
    if kind == "convergence" and any(r.trace is None for r in results):
        raise InputError("convergence needs the history of the run: pass trace=True")
    if quantity == "violation" and known.constraints is None:
        raise InputError("there are no constraints, so there is no violation to draw")
    if before is None:
        return Picture(kind, quantity, _window(results, window))
    if (kind, quantity) != (before.kind, before.quantity) or window is not None:
        raise InputError(
            f"ax has a {before.kind} picture, which runs can only join as it is: "
            "for another kind, quantity or window use another Axes"
        )
    return before


def _picture_on(ax: Any) -> Picture | None:
    """Return the picture that an Axes still shows, if any."""
    picture = vars(ax).get("_symgd") if ax is not None else None
    is_shown = picture is not None and set(picture.lines) <= set(ax.lines)
    return picture if is_shown else None


def _default_kind(objective: Objective, ax: Axes | None) -> str:
    n = len(objective.space)
    if n == 2 and ax is not None and ax.name == "3d":
        return "surface"
    return {1: "curve", 2: "contour"}.get(n, "convergence")


def _check_kind(kind: str, objective: Objective, ax: Axes | None) -> None:
    if kind not in KINDS:
        raise unknown_name("kind of picture", kind, KINDS)
    if KINDS[kind] not in (None, len(objective.space)):
        raise InputError(
            f"kind {kind!r} is for {KINDS[kind]} variable(s), but the objective has "
            f"{len(objective.space)}; kind 'convergence' is for any number"
        )
    if ax is not None and (ax.name == "3d") != (kind == "surface"):
        option = "subplot_kw={'projection': '3d'}" if kind == "surface" else ""
        problem = f"kind {kind!r} can't be drawn on this ax; make one with"
        raise InputError(f"{problem} fig, ax = plt.subplots({option})")


def _window(results: Sequence[Result], chosen: Any) -> np.ndarray:
    """Return the region to show, shape (n, 2)."""
    points = np.concatenate([_points_in_sight(r) for r in results])
    low, high = points.min(axis=0), points.max(axis=0)
    middle, span = (low + high) / 2, high - low
    widest, size = span.max(), np.abs(middle).max()
    if widest <= 1e-9 * size:
        widest = 1.0 + 0.1 * size
    # A path along one axis, or a single point, needs room on all sides.
    half = 0.7 * np.maximum(span, 0.5 * widest)
    window = _fitted(np.stack([middle - half, middle + half], axis=1), results)
    limits = read_bounds(chosen, results[0].objective.space)
    pairs = np.column_stack((limits.lower, limits.upper))
    window = np.where(np.abs(pairs) < HUGE, pairs, window)
    if (window[:, 0] >= window[:, 1]).any():
        raise InputError(f"the window {chosen!r} is empty")
    return window


def _fitted(window: np.ndarray, results: Sequence[Result]) -> np.ndarray:
    """Return the window with the bounds, of any run, as its sides; clip open sides."""
    endless = np.full(window.shape, [-np.inf, np.inf])
    bounds = np.stack([endless if r.bounds is None else r.bounds for r in results])
    bounds = np.where(np.abs(bounds) < HUGE, bounds, endless)
    lower, upper = bounds[..., :1].min(axis=0), bounds[..., 1:].max(axis=0)
    closed = np.isfinite(lower) & np.isfinite(upper)
    inside = np.where(closed, np.hstack([lower, upper]), np.clip(window, lower, upper))
    return np.where(lower < upper, inside, window)


def _points_in_sight(result: Result) -> np.ndarray:
    """Return the path; of one that ran away, only what is near the start."""
    points, _ = _path(result)
    ran_away = result.status == Status.DIVERGED
    reach = 10 * (1 + np.abs(result.start).max()) if ran_away else HUGE
    return points[np.abs(points - result.start).max(axis=1) <= reach]


def _path(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Return the known iterates, shape (rows, n), and the objective there."""
    if result.trace is None:
        first = result.objective.value(result.start)
        return np.stack([result.start, result.x]), np.array([first, result.fun])
    points, values = result.trace.x, result.trace.fun
    if (points[-1] == result.x).all():
        return points, values
    return np.vstack([points, result.x]), np.append(values, result.fun)


def _grid(picture: Picture, count: int) -> list[np.ndarray]:
    """Return the coordinates of a grid, and the objective there, NaN if not finite."""
    sides = [np.linspace(low, high, count) for low, high in picture.window]
    mesh = np.meshgrid(*sides)
    values = picture.results[0].objective.value(np.stack(mesh, axis=-1))
    return [*mesh, np.where(np.abs(values) < HUGE, values, np.nan)]


def _levels(values: np.ndarray, maximized: bool) -> np.ndarray:
    """Return levels by the area between them, the closer the better f is.

    They suit narrow valleys and huge walls alike; for x**2 + y**2, they are evenly
    spaced circles.
    """
    shares = np.linspace(0, 1, LEVELS + 1) ** 2
    levels = np.unique(_quantiles(values, 1 - shares if maximized else shares))
    return levels if len(levels) > 1 else levels[0] + [0.0, 1.0 + abs(levels[0])]


def _quantiles(values: np.ndarray, shares: Any) -> np.ndarray:
    finite = values[np.isfinite(values)]
    return np.quantile(finite if finite.size else [0.0], shares)


def _colours(values: np.ndarray, levels: np.ndarray, maximized: bool) -> np.ndarray:
    """Return a colour for each value: even steps from level to level."""
    depths = DEPTHS[::-1] if maximized else DEPTHS
    shares = np.interp(values, levels, np.linspace(0, 1, len(levels)))
    return LinearSegmentedColormap.from_list("depths", depths)(shares)


def _heights(values: np.ndarray, picture: Picture) -> tuple[float, float]:
    """Return the range of f to show: all but what poles do outside of the paths."""
    usual = low, high = _quantiles(values, [0.05, 0.95])
    room = 4 * (high - low)
    rest = values[(values >= low - room) & (values <= high + room)]
    paths = [f[_inside(x, picture)] for x, f in map(_path, picture.results)]
    shown = np.concatenate([usual, rest, *paths])
    low, high = shown.min(), shown.max()
    margin = 0.05 * (high - low) or 0.1 * abs(low) or 1.0
    return low - margin, high + margin


def _inside(points: np.ndarray, picture: Picture) -> np.ndarray:
    """Return which points are in the window."""
    low, high = picture.window.T
    return ((low <= points) & (points <= high)).all(axis=1)


# ---------------------------------------------------------------------- drawing


def _fill(figure: Figure, picture: Picture, results: Sequence[Result]) -> Axes:
    """Draw a new picture on an empty figure."""
    projection = "3d" if picture.kind == "surface" else None
    ax = figure.add_subplot(projection=projection)
    _draw(ax, picture, results)
    if picture.kind == "contour":
        bands: Any = ax.collections[0]
        bar: Any = figure.colorbar(bands, aspect=35, pad=0.02)
        bar.set_ticks(bands.levels[::2], labels=_rounded(bands.levels)[::2])
        bar.outline.set_visible(False)
        bar.ax.set_title("f", fontsize="medium")
    return ax


def _rounded(levels: np.ndarray) -> list[str]:
    """Return levels for people: three digits, and more if they are close together."""
    digits = 3 + int(np.log10(np.abs(levels).max() / np.ptp(levels) + 1))
    return [f"{float(f'{f:.{digits}g}'):.{max(digits, 6)}g}" for f in levels]


def _draw(ax: Axes, picture: Picture, results: Sequence[Result]) -> None:
    new = not picture.results
    picture.results += results
    if new:
        vars(ax)["_symgd"] = picture
        ax.set_title(title_of(results[0].objective.expression), fontsize="medium")
        _BACKGROUNDS[picture.kind](ax, picture)
    for result in results:
        _draw_path(ax, picture, result)
    if picture.kind == "convergence":
        _set_histories(ax, picture)
    _draw_legend(ax, picture)


def _draw_path(ax: Axes, picture: Picture, result: Result) -> None:
    colour = PATHS[len(picture.lines) % len(PATHS)]
    points, values = _path(result)
    dots = DOTS if len(points) <= MOST_DOTS else {}
    if picture.kind == "convergence":
        picture.lines += ax.plot([], color=colour, linewidth=1.8, **dots)
        return
    columns = [*points.T, values][:2]
    if picture.kind == "surface":  # 3-D axes don't clip what leaves them
        columns = [*points.T, np.where(_inside(points, picture), values, np.nan)]
    (line,) = ax.plot(*columns, color=colour, linewidth=1.8, zorder=3, **dots)
    line.set(path_effects=CASING, linestyle="-" if result.trace else "none")
    picture.lines.append(line)
    for row, mark in ((0, START), (-1, END)):
        end = [column[[row]] for column in columns]
        ax.plot(*end, color=colour, linestyle="none", zorder=4, **mark)


def _set_histories(ax: Axes, picture: Picture) -> None:
    """Set all lines, old ones too: a new run may have found a better value."""
    for line, result in zip(picture.lines, picture.results, strict=True):
        assert result.trace is not None
        values = result.trace["fun" if picture.quantity == "gap" else picture.quantity]
        if picture.quantity == "gap":
            known = np.concatenate([_path(r)[1] for r in picture.results])
            values = np.abs(values - (known.max() if result.maximized else known.min()))
        line.set_data(result.trace.t, values)
        if picture.quantity != "fun" and (values > 0).any():
            ax.set_yscale("log")
    ax.relim()
    ax.autoscale_view()


def _draw_legend(ax: Any, picture: Picture) -> None:
    lines, labels = list(picture.lines), [_label(r) for r in picture.results]
    if picture.kind != "convergence":
        lines += [
            Line2D([], [], color=INK, linestyle="none", **m) for m in (START, END)
        ]
        labels += ["start", "end"]
    place = "upper left" if picture.kind == "surface" else "best"
    ax.legend(
        lines, labels, loc=place, fontsize="small", framealpha=0.9, markerscale=0.8
    )


def _label(result: Result) -> str:
    """Return the method, its step size, and whatever is not the rule's default."""
    rule = family.BUILT_IN.get(result.method)
    usual = rule.hyperparameters if rule else {}
    words = [result.method]
    for i, (name, value) in enumerate(result.hyperparameters.items()):
        if i == 0 or usual.get(name) != value:
            number = isinstance(value, (int, float))
            words.append(f"{name}={value:g}" if number else f"{name}={value}")
    return _shortened(", ".join(words), 48)


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


# ------------------------------------------------------------------ backgrounds


def _draw_curve(ax: Axes, picture: Picture) -> None:
    (name,) = picture.results[0].objective.space
    x, f = _grid(picture, 801)
    ax.plot(x, f, color=INK, linewidth=1.8, zorder=1)
    ax.set(xlabel=name, ylabel=f"f({name})", xlim=picture.window[0])
    ax.set_ylim(_heights(f, picture))


def _draw_contours(ax: Axes, picture: Picture) -> None:
    first = picture.results[0]
    x, y, f = _grid(picture, 161)
    levels = _levels(f, first.maximized)
    bands = _colours((levels[:-1] + levels[1:]) / 2, levels, first.maximized)
    ax.contourf(x, y, f, levels, colors=bands)
    ax.contour(
        x, y, f, levels, colors=INK, linewidths=0.5, linestyles="solid", alpha=0.35
    )
    ax.set_facecolor(UNDEFINED)
    draw_constraints(ax, first, x, y)
    space = first.objective.space
    ax.set(xlabel=space[0], ylabel=space[1])
    ax.set(xlim=picture.window[0], ylim=picture.window[1])
    if 0.8 < np.divide(*np.ptp(picture.window, axis=1)) < 1.25:
        ax.set_aspect("equal")


def _draw_surface(ax: Any, picture: Picture) -> None:
    first = picture.results[0]
    x, y, f = _grid(picture, 51)
    levels = _levels(f, first.maximized)
    low, high = _heights(f, picture)
    paint = _colours(f, levels, first.maximized)
    mesh: dict[str, Any] = {"edgecolor": INK + "70", "linewidth": 0.35, "shade": False}
    ax.computed_zorder = False  # or the surface would hide the path
    f = np.clip(f, low, high)
    ax.plot_surface(x, y, f, facecolors=paint, rcount=51, ccount=51, **mesh)
    space = first.objective.space
    ax.set(xlabel=space[0], ylabel=space[1], zlabel="f")
    ax.set(xlim=picture.window[0], ylim=picture.window[1], zlim=(low, high))
    ax.view_init(elev=40)
    ax.locator_params(nbins=5)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_pane_color("white")


def _draw_frame(ax: Axes, picture: Picture) -> None:
    ax.set(xlabel="iteration", ylabel=CONVERGING[picture.quantity])
    ax.locator_params(axis="x", integer=True)
    ax.grid(alpha=0.3)


_BACKGROUNDS = {
    "curve": _draw_curve,
    "contour": _draw_contours,
    "surface": _draw_surface,
    "convergence": _draw_frame,
}
