"""A fit as a picture: data, curve and band."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from symgd.language.formula import symbol
from symgd.plotting.titles import title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from symgd.fitting.fit_result import Fit

POINTS = 400  # of a curve


def plot(fit: Fit, *, ax: Axes | None = None, level: float = 0.95) -> Axes:
    """Draw the data, the curve and its confidence band.

    Parameters
    ----------
    fit : Fit
        Of a model of one column; of any other, predictions are drawn against the
        target.
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
    if len(columns) == 1:
        _draw_curve(fit, ax, regression.columns[symbol(columns[0])], target, level)
    else:
        ax.plot(target, target - fit.residuals, ".", alpha=0.6)
        ax.axline((float(target[0]),) * 2, slope=1.0, color="0.5")
        ax.set(xlabel=fit.source.target, ylabel=f"predicted {fit.source.target}")
    ax.set_title(title_of(regression.formulas.model))
    return ax


def _draw_curve(
    fit: Fit, ax: Axes, column: np.ndarray, target: np.ndarray, level: float
) -> None:
    (name,) = fit.source.columns
    t = np.linspace(column.min(), column.max(), POINTS)
    band = fit.predict({name: t}, level=level)
    ax.plot(column, target, ".", alpha=0.6, label="data")
    ax.plot(t, band.value, label="fit")
    if np.isfinite(band.upper).all():
        words = f"{level:.0%} confidence band"
        ax.fill_between(t, band.lower, band.upper, alpha=0.3, color="C1", label=words)
    ax.set(xlabel=name, ylabel=fit.source.target)
    ax.legend()
