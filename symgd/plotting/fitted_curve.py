"""A fit as a picture: data, curve and band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from symgd.errors import shortened
from symgd.fitting.by_labels import indicator
from symgd.language.formula import symbol
from symgd.plotting.titles import title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from symgd.fitting.fit_result import Fit

POINTS = 400  # of a curve


def plot(fit: Fit, *, ax: Axes | None = None, level: float = 0.95) -> Axes:
    """Draw the data, with bars as long as sigma, the curve and its confidence band.

    Parameters
    ----------
    fit : Fit
        Of a model of one column, perhaps with one of labels; of any other, predictions
        are drawn against the target.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure of pyplot, which is not shown.
    level : float
        That of the band.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import symgd
    >>> line = symgd.fit("a + b*t", {"t": [0.0, 1, 2], "y": [1.0, 3.1, 4.9]}, "y")
    >>> plot(line).get_xlabel()
    't'
    """
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots(layout="constrained")[1]
    regression, columns = fit.regression, fit.source.columns
    target = regression.target
    labels = fit.source.labelled.labels
    plain = [name for name in columns if name not in labels]
    if len(plain) == 1 and len(labels) <= 1:
        _draw_curves(fit, ax, plain[0], level)
    else:
        ax.plot(target, target - fit.residuals, ".", alpha=0.6)
        ax.axline((float(target[0]),) * 2, slope=1.0, color="0.5")
        ax.set(xlabel=fit.source.target, ylabel=f"predicted {fit.source.target}")
    written = fit.source.model
    ax.set_title(shortened(written, 56) or title_of(regression.formulas.model))
    return ax


def _draw_curves(fit: Fit, ax: Axes, name: str, level: float) -> None:
    """Draw a curve for all rows, or one for those of each label."""
    regression, labels = fit.regression, fit.source.labelled.labels
    column, target = regression.columns[symbol(name)], regression.target
    sigma = None if fit.source.sigma is None else regression.sigma
    if not labels:
        _draw_curve(fit, ax, {name: column}, target, sigma, level)
    for of_labels, known in labels.items():
        for place, label in enumerate(known):
            mine = np.asarray(regression.columns[indicator(of_labels, label)]) == 1
            rows = {name: column[mine], of_labels: label}
            bars = None if sigma is None else sigma[mine]
            _draw_curve(fit, ax, rows, target[mine], bars, level, f"C{place}")
    ax.set(xlabel=name, ylabel=fit.source.target)
    ax.legend()


def _draw_curve(
    fit: Fit,
    ax: Axes,
    rows: dict[str, Any],
    target: np.ndarray,
    sigma: np.ndarray | None,
    level: float,
    colour: str = "",
) -> None:
    (name, column), *labels = rows.items()
    t = np.linspace(column.min(), column.max(), POINTS)
    at = {other: np.repeat(np.array([label]), POINTS) for other, label in labels}
    band = fit.predict({name: t, **at}, level=level)
    data, curve = (colour, colour) if colour else ("C0", "C1")
    told = ", ".join(label for _, label in labels)
    style: dict[str, Any] = {"alpha": 0.6, "color": data, "label": told or "data"}
    ax.errorbar(column, target, sigma, fmt=".", elinewidth=0.8, **style)
    ax.plot(t, band.value, color=curve, label=None if told else "fit")
    if np.isfinite(band.upper).all():
        words = None if told else f"{level:.0%} confidence band"
        shade: dict[str, Any] = {"alpha": 0.3, "color": curve, "label": words}
        ax.fill_between(t, band.lower, band.upper, **shade)
