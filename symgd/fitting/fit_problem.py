"""What is fitted: a model and a table, read and checked."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from symgd.errors import InputError, unknown_name
from symgd.fitting import losses, ties
from symgd.fitting import model as fit_model
from symgd.fitting.by_labels import NONE, Labelled, of_model
from symgd.fitting.correlated import Correlated, matrix_of
from symgd.fitting.likelihoods import check_target
from symgd.fitting.orthogonal import Orthogonal
from symgd.fitting.pooling import Pool
from symgd.fitting.regression import Regression, are_few
from symgd.fitting.sources import Source, check_rows
from symgd.fitting.tables import FitTable
from symgd.fitting.targets import made
from symgd.language.formula import Formula, symbol
from symgd.language.identifiers import name_of
from symgd.language.text import number
from symgd.objectives.data import BESIDE

# As what something counts: sigma, or a weight.
ROLES = {"sigma": "sigma", "weights": "weights", "trials": "weights"}
SIZES = 1e-70, 1e70  # of a target: squares of residuals are numbers, and not the last


def posed(
    model: Formula | Callable[..., Any],
    table: FitTable,
    target: str,
    given: Mapping[str, Any],
    loss: losses.Loss,
    named: tuple[str, ...],
    not_free: tuple[ties.Tie, ...],
    labelled: Labelled,
    sigma_x: Any = None,
) -> tuple[Regression, Source, Pool | None]:
    """Read the model and the columns."""
    check_factors(given, loss)
    matrix = matrix_of(given["sigma"])
    if matrix is not None:
        _check_alone(given, loss, sigma_x)
        given = {**given, "sigma": np.sqrt(np.diag(matrix))}
    of_target = made(target, table)
    varying = tuple(what for what, value in given.items() if value is not None)
    parts = (table.names, target, varying, loss, named, not_free, labelled)
    known = fit_model.read(model, *parts)
    if of_target and of_target <= {*known.columns}:
        problem = f"all columns of the target {target!r} are in the model"
        raise InputError(f"{problem}, which is to predict it")
    spreads = _spreads(sigma_x, known.columns, labelled, loss)
    more = {f"sigma_x of {name!r}": value for name, value in spreads.items()}
    every = {what: given[what] for what in varying} | more
    arrays = _arrays(table, [*known.columns, target], every)
    roles = Roles(known.columns, target, every, known.meant, loss, labelled)
    held, factors = roles.held(arrays)
    for what in ("weights", "trials"):
        if what in factors and not factors[what].any():
            raise InputError(f"all {what} are 0")
    whole = (known.formulas, held, loss.constants)
    if spreads:
        errors = {what: symbol(f"[{what}]") for what in more}
        held |= {errors[what]: factors[what] for what in more}
        wide = dict(zip(map(symbol, spreads), errors.values(), strict=True))
        regression: Regression = Orthogonal(*whole, spreads=wide)
    elif matrix is None:
        regression = Regression(*whole)
    else:
        if table.dropped:
            raise InputError("rows can't be dropped where sigma is a matrix")
        regression = Correlated(*whole, covariance=matrix)
    source = source_of(known, target, given, table)
    return regression, source, _pool(known, regression, arrays)


class Roles(NamedTuple):
    """What the columns of a table are in a fit.

    Attributes
    ----------
    columns : tuple of str
        The model's.
    target : str
    given : mapping of str to str, number or array
        Sigma, weights, trials, and errors of columns.
    meant : mapping of str to symbol
        What stands for the target, sigma and weights.
    loss : Loss
    labelled : Labelled
    """

    columns: tuple[str, ...]
    target: str
    given: Mapping[str, Any]
    meant: Mapping[str, Any]
    loss: losses.Loss
    labelled: Labelled = NONE

    def held(
        self, arrays: Mapping[str, np.ndarray]
    ) -> tuple[dict[Any, np.ndarray], dict[str, np.ndarray]]:
        """Return the columns of a regression, and factors of rows, checked."""
        held = of_model(arrays, self.columns, self.labelled)
        column, factors = arrays[self.target], dict[str, np.ndarray]()
        for what, value in self.given.items():
            factors[what] = _checked(what, _factor(what, value, arrays, len(column)))
        if "trials" in factors:
            column = _shares(column, factors["trials"])
        check_target(self.loss, self.target, column)
        held[self.meant["target"]] = column
        for what, factor in factors.items():
            if what in ROLES:
                held[self.symbol_of(what)] = factor
        return held, factors

    def symbol_of(self, what: str) -> Any:
        """Return what stands for sigma, weights or trials."""
        return self.meant[ROLES[what]]


def source_of(
    known: fit_model.Model, target: str, given: Mapping[str, Any], table: Any
) -> Source:
    """Return where the columns of a fit came from."""
    told = {w: value if is_plain(value) else "" for w, value in given.items()}
    weights = told["trials"] if told["weights"] is None else told["weights"]
    return Source(
        *(known.columns, target, told["sigma"], weights),
        *(table.dropped, table.reading),
        ties=known.ties,
        model=known.written,
        labelled=known.labelled,
    )


def _check_alone(given: Mapping[str, Any], loss: losses.Loss, sigma_x: Any) -> None:
    """Refuse what a covariance matrix doesn't go with."""
    if not loss.squares:
        raise InputError("sigma as a covariance matrix needs the loss 'squared'")
    if given["weights"] is not None or sigma_x is not None:
        raise InputError("a covariance matrix goes with neither weights nor sigma_x")


def _arrays(
    table: FitTable, names: list[str], factors: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the columns, and arrays beside them by what they are for."""
    for what, value in factors.items():
        if isinstance(value, str):
            if value not in table.names:
                raise unknown_name(f"column for {what}", value, table.names)
            names.append(value)
    loose = {w: value for w, value in factors.items() if not is_plain(value)}
    arrays = table.arrays(
        names, {f"{BESIDE}{what}": value for what, value in loose.items()}
    )
    check_rows(arrays)
    if are_few(arrays.values()):
        arrays = {name: np.array(each) for name, each in arrays.items()}
    return arrays


def _factor(
    what: str, value: Any, arrays: Mapping[str, np.ndarray], count: int
) -> np.ndarray:
    """Return a number of each row: a column, an array, or the same for all."""
    key = value if isinstance(value, str) else f"{BESIDE}{what}"
    return arrays[key] if key in arrays else _repeated(value, count)


def _spreads(
    sigma_x: Any, columns: Sequence[str], labelled: Labelled, loss: losses.Loss
) -> dict[str, Any]:
    """Return the standard deviations that were given of columns, by name."""
    if sigma_x is None:
        return {}
    if not loss.squares:
        raise InputError("sigma_x, errors in x, needs the loss 'squared'")
    plain = [name for name in columns if name not in labelled.labels]
    if not isinstance(sigma_x, Mapping):
        if len(plain) != 1:
            problem = f"the model has the columns {', '.join(plain) or 'none'}"
            raise InputError(f'{problem}: give sigma_x={{"name": ...}} of some of them')
        return {plain[0]: sigma_x}
    for name in sigma_x:
        if name_of(name) not in plain:
            raise unknown_name("column of the model in sigma_x", str(name), plain)
    return {name_of(name): value for name, value in sigma_x.items()}


def labels_of(model: Formula | Callable[..., Any], table: FitTable) -> Labelled:
    """Return which parameters a model has for each label of a table."""
    if not (columns := fit_model.label_columns(model, table.names)):
        return NONE
    return Labelled(columns, {name: table.label(name) for name in columns.values()})


def _pool(
    known: fit_model.Model, regression: Regression, arrays: Mapping[str, np.ndarray]
) -> Pool | None:
    """Return the model of all rows as one, where labels have parameters."""
    if known.pooled is None or type(regression) is not Regression:
        return None
    column, labels = next(iter(known.labelled.labels.items()))
    named = [s.name for s in known.pooled.parameters]
    places, owners = [], []
    for name in regression.variables:
        base, _, label = name.removesuffix("]").partition("[")
        if base not in named:  # it cancels where all labels are one
            return None
        places.append(named.index(base))
        mine = known.labelled.columns.get(base) == column
        owners.append(labels.index(label) if mine else -1)
    used = known.pooled.model.free_symbols | {*known.meant.values()}
    columns = {s: c for s, c in regression.columns.items() if s in used}
    whole = Regression(known.pooled, columns, regression.constants)
    groups = [np.flatnonzero(arrays[column] == k) for k in range(len(labels))]
    return Pool(whole, [rows for rows in groups if len(rows)], places, owners)


def check_factors(given: Mapping[str, Any], loss: losses.Loss) -> None:
    """Refuse what a loss knows by itself."""
    if given["trials"] is not None and loss.name != "binomial":
        raise InputError("trials are for the loss 'binomial'")
    if given["trials"] is not None and given["weights"] is not None:
        raise InputError("trials are weights: give one of them, or their product")
    if loss.pairs and given["sigma"] is not None:
        problem = f"a loss of y and f ({loss.name}) knows by itself how y scatters"
        raise InputError(f"{problem}: it takes weights, but no sigma")


def _shares(column: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Return successes as shares of the trials, 0 where there were none."""
    return np.divide(column, trials, out=np.zeros(len(column)), where=trials > 0.0)


def is_plain(value: Any) -> bool:
    """Return whether what is given of rows is a column's name, or one number."""
    return value is None or isinstance(value, (str, numbers.Real))


def _repeated(value: float, count: int) -> np.ndarray:
    return np.broadcast_to(np.float64(value), (count,))


def _checked(what: str, column: np.ndarray) -> np.ndarray:
    least = column.min()
    is_sigma = what.startswith("sigma")
    if not np.isfinite(least) or least < 0.0 or (is_sigma and least == 0.0):
        row = int(np.argmin(column))
        needed = "above 0" if is_sigma else "0 or more"
        problem = f"{what} must be {needed}; in row {row} it is"
        raise InputError(f"{problem} {float(least)!r}")
    return column


def check_size(regression: Regression, target: str) -> None:
    """Refuse a target that has no squares in float64, in units of sigma."""
    if _is_usual(regression):
        return
    extent = regression.extent
    largest = extent.largest
    least, most = largest / extent.most_sigma, largest / extent.least_sigma
    if largest and not SIZES[0] <= least <= most <= SIZES[1]:
        what = f"values of {target!r} are of size {number(most)}, in units of sigma"
        problem = f"{what}: float64 has no squares of that; use another unit"
        raise InputError(problem)


def _is_usual(regression: Regression) -> bool:
    """Return whether the sum of squares tells that all sizes are usual ones."""
    if regression.scattered or regression.formulas.sigma is not sp.S.One:
        return False
    target = regression.target
    squares = np.vdot(target, target)
    return bool(len(target) * SIZES[0] ** 2 <= squares <= SIZES[1] ** 2)
