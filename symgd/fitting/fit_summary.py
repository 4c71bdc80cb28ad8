"""A fit as a table for people."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from symgd.language.text import aligned, number

Fit: TypeAlias = Any  # it stands above, and is asked for its public names only
LEVEL = 0.95


def summary(fit: Fit) -> str:
    """Return the parameters with their errors, how good the fit is, how it ended."""
    lines = [
        f"fit of {fit.source.target} by {fit.model}: {_size(fit)}",
        *fit.source.reading.told([*fit.source.columns, fit.source.target]),
        *aligned(summary_table(fit)),
        *_warnings(fit),
        _quality(fit),
        f"{fit.status.name}: {fit.message}",
        *([f"note: {fit.note}"] if fit.note else []),
        f"({fit.nit} iterations, {fit.nfev} evaluations, method {fit.method}; "
        f"start: {fit.start_source})",
    ]
    return "\n".join(lines)


def _size(fit: Fit) -> str:
    dropped = f" ({fit.source.dropped} dropped)" if fit.source.dropped else ""
    freedom = f"{fit.degrees_of_freedom} degrees of freedom"
    return f"{fit.regression.count} rows{dropped}, {freedom}"


def summary_table(fit: Fit) -> list[tuple[str, ...]]:
    """Return a header, and a row for each parameter."""
    errors, intervals = fit.standard_errors, fit.confidence_intervals(LEVEL)
    rows: list[tuple[str, ...]] = []
    rows.append(("parameter", "value", "standard error", f"{LEVEL:.0%} interval"))
    tied = fit.tied
    for name, value in fit.parameters.items():
        if name in fit.at_bound or name in fit.fixed:
            why = "fixed" if name in fit.fixed else "at its bound"
            rows.append((name, number(value), why, ""))
            continue
        shown = f"{name} = {tied[name]}" if name in tied else name
        if math.isinf(errors[name]):
            rows.append((shown, number(value), "inf", "not determined"))
            continue
        low, high = intervals[name]
        interval = f"{low:.6g} to {high:.6g}"
        rows.append((shown, number(value), f"{errors[name]:.4g}", interval))
    return rows


def _warnings(fit: Fit) -> list[str]:
    lines = []
    for direction in fit.undetermined:
        names = ", ".join(direction)
        steps = " : ".join(f"{size:.4g}" for size in direction.values())
        if len(direction) == 1:
            lines.append(f"the data do not determine {names}")
        else:
            together = f"changes of ({names}) as {steps} cancel"
            lines.append(f"the data do not determine {names}: {together}")
    if math.isinf(fit.uncertainty.spread):
        lines.append("there are no degrees of freedom to estimate errors from")
    return lines


def _quality(fit: Fit) -> str:
    if fit.is_likelihood:
        null = 2.0 * fit.regression.counted.sum_of_a_constant
        parts = [f"deviance ({fit.regression.loss.name}) = {number(2.0 * fit.fun)}"]
        parts.append(f"of a constant {number(null)}")
        parts.append(f"dispersion {fit.dispersion:.4g}, AIC = {number(fit.aic)}")
        return ", ".join(parts)
    parts = [f"R² = {fit.r_squared:.6g}"]
    if math.isfinite(fit.adjusted):
        parts.append(f"adjusted {fit.adjusted:.6g}")
    parts.append(f"sum of losses ({fit.regression.loss.name}) = {number(fit.fun)}")
    spread = fit.uncertainty.spread
    if fit.regression.loss.squares and not fit.absolute_sigma and math.isfinite(spread):
        parts.append(f"residual standard error {spread**0.5:.4g}")
    if fit.scale != 1.0:
        parts.append(f"scale of the residuals {fit.scale:.4g}")
    return ", ".join(parts)
