"""What a fit says of new rows: values, and bands by the delta method."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from symgd.errors import InputError
from symgd.fitting.by_labels import of_model
from symgd.fitting.rows import Rows
from symgd.fitting.several import WHICH, repeated
from symgd.fitting.sources import check_rows
from symgd.fitting.tables import FitTable

Fit: TypeAlias = Any  # it stands above, and is asked for its public names only


class Prediction(NamedTuple):
    """Predictions, and the band that holds the curve, or a new row, with a level."""

    value: np.ndarray  #: What the model gives, a number for each row.
    lower: np.ndarray  #: The lower end of the band.
    upper: np.ndarray  #: The upper end of the band.


def predicted(fit: Fit, data: Any, level: float | None, interval: str) -> Any:
    """Return the model's values for new data: see ``Fit.predict``."""
    if fit.source.targets:
        return _of_targets(fit, data, level, interval)
    return _of_one(fit, data, level, interval)


def _of_targets(
    fit: Fit, data: Any, level: float | None, interval: str
) -> dict[str, Any]:
    """Return the values of each target, or predictions."""
    table, targets = FitTable(data), fit.source.targets
    wanted = [name for name in fit.source.columns if name != WHICH]
    columns = {name: table.raw(name) for name in wanted}
    counted = wanted or table.names  # of constant models any column has the rows
    count = len(np.asarray(table.raw(counted[0]))) if counted else 0
    rows = repeated(columns, count, len(targets))
    whole = _of_one(fit, rows, level, interval)
    if level is None:
        return dict(zip(targets, whole.reshape(-1, count), strict=True))
    parts = zip(*(each.reshape(-1, count) for each in whole), strict=True)
    return {n: Prediction(*part) for n, part in zip(targets, parts, strict=True)}


def _of_one(fit: Fit, data: Any, level: float | None, interval: str) -> Any:
    table = FitTable(data, reading=fit.source.reading)
    for name in fit.source.labelled.labels:
        table.label(name)
    arrays = _columns(fit, table)
    rows = Rows(*_curve(fit), arrays).each(fit.x.tolist())
    value, jacobian = rows[:, 0].copy(), rows[:, 1:]
    if level is None:
        return value
    variance = fit.uncertainty.variance_along(jacobian)
    if interval == "prediction":
        variance = variance + _noise(fit, table, len(value))
    elif interval != "confidence":
        problem = "interval must be 'confidence' or 'prediction'"
        raise InputError(f"{problem}, not {interval!r}")
    half = fit.quantile(level) * np.sqrt(variance)
    return Prediction(value, value - half, value + half)


def _curve(fit: Fit) -> tuple[list[Any], tuple[Any, ...]]:
    return fit.regression.formulas.curve, fit.regression.parameters


def _columns(fit: Fit, table: FitTable) -> dict[Any, np.ndarray]:
    """Return the model's columns; for a constant model, one to count the rows."""
    wanted = fit.source.columns or table.names[:1]
    arrays = table.arrays(wanted)
    check_rows(arrays)
    counted = next(iter(arrays.values())) if arrays else np.zeros(0)
    zero = np.zeros((), fit.regression.kind)
    used = of_model(arrays, fit.source.columns, fit.source.labelled)
    return {
        **used,
        fit.regression.formulas.target: np.broadcast_to(zero, len(counted)),
    }


def _noise(fit: Fit, table: FitTable, count: int) -> np.ndarray:
    """Return the variance of the target of a new row."""
    if not fit.regression.loss.squares:
        raise InputError("a prediction interval needs the loss 'squared'")
    sigma = _of_new_rows(fit, table, "sigma", fit.source.sigma, count)
    weights = _of_new_rows(fit, table, "weights", fit.source.weights, count)
    with np.errstate(divide="ignore"):
        return fit.uncertainty.spread * sigma**2 / weights


def _of_new_rows(
    fit: Fit, table: FitTable, what: str, given: str | float | None, count: int
) -> np.ndarray:
    if given == "":
        problem = f"{what} was an array, which says nothing of new rows"
        raise InputError(f"{problem}: give it as the name of a column")
    if isinstance(given, str):
        return np.asarray(table.arrays([given])[given], dtype=np.float64)
    return np.full(count, 1.0 if given is None else given)
