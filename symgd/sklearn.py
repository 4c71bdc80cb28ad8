"""A formula as an estimator of scikit-learn, which is needed for this module only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from symgd.errors import InputError
from symgd.fitting.curve_fit import fit
from symgd.fitting.row_formulas import unused
from symgd.language import formula as language


class FormulaRegressor(RegressorMixin, BaseEstimator):
    """Regression by a formula, fitted by :func:`symgd.fit`.

    Parameters
    ----------
    formula : str, SymPy expression or None
        The model; None is linear: ``c + c0*x0 + c1*x1 + ...`` in all features.
    features : sequence of str, optional
        The names of the columns of X in the formula. By default those of a dataframe
        (``feature_names_in_``), or ``x0``, ``x1``, ... as scikit-learn has them.
    x0, bounds, loss, absolute_sigma, method, maxiter, gtol, time_limit
        As in :func:`symgd.fit`; but a start or bounds of names that the formula
        doesn't have are an error.
    random_state : int, RandomState or None
        For the choice of a start; None is the seed 0, so that fits are repeatable.
    options : dict, optional
        Constants of the loss, and hyperparameters of the method.

    Attributes
    ----------
    fit_ : Fit
        With standard errors, covariance, and the table that ``print`` shows.
    parameters_ : dict of str to float
    n_features_in_, feature_names_in_
        As scikit-learn has them.

    Notes
    -----
    It passes scikit-learn's ``check_estimator`` as it is, with the linear model, and
    with a formula of the first column all of it but ``check_regressors_train``, which
    wants a good score on ten columns of which the formula reads one.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 3, 30)
    >>> decay = FormulaRegressor("a*exp(-b*t)", features=("t",))
    >>> _ = decay.fit(t[:, None], 2 * np.exp(-1.5 * t))
    >>> {name: round(value, 6) for name, value in decay.parameters_.items()}
    {'a': 2.0, 'b': 1.5}
    """

    def __init__(
        self,
        formula: Any = None,
        *,
        features: Sequence[str] | None = None,
        x0: Any = None,
        bounds: Any = None,
        loss: Any = "squared",
        absolute_sigma: bool = False,
        method: Any = "auto",
        maxiter: int = 10_000,
        gtol: float = 1e-8,
        time_limit: float | None = None,
        random_state: Any = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.formula = formula
        self.features = features
        self.x0 = x0
        self.bounds = bounds
        self.loss = loss
        self.absolute_sigma = absolute_sigma
        self.method = method
        self.maxiter = maxiter
        self.gtol = gtol
        self.time_limit = time_limit
        self.random_state = random_state
        self.options = options

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> FormulaRegressor:
        """Fit the formula; a row counts as often as its sample weight says."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
            kept = sample_weight > 0.0
            X, y, sample_weight = X[kept], y[kept], sample_weight[kept]
        names = self._names()
        model = self._linear(names) if self.formula is None else self.formula
        taken = {*names, *re.findall(r"\w+", str(model))}
        target = unused("y", taken).name
        self.fit_ = fit(
            *(model, {**self._columns(X, names), target: y}, target, self.x0),
            bounds=self.bounds,
            loss=self.loss,
            weights=sample_weight,
            absolute_sigma=self.absolute_sigma,
            method=self.method,
            maxiter=self.maxiter,
            gtol=self.gtol,
            time_limit=self.time_limit,
            rng=self.random_state,
            **(self.options or {}),
        )
        self.parameters_ = self.fit_.parameters
        self.n_iter_ = max(1, self.fit_.nit)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the model's values."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return self.fit_.predict(self._columns(X, self._names()))

    def _names(self) -> tuple[str, ...]:
        """Return the names that columns have in the formula."""
        count = self.n_features_in_
        if self.features is None:
            named = getattr(self, "feature_names_in_", None)
            return tuple(self._plain(count) if named is None else named)
        if len(self.features) != count:
            problem = f"features has {len(self.features)} names"
            raise InputError(f"{problem}; X has {count} columns")
        for name, times in Counter(self.features).items():
            if times > 1:
                raise InputError(f"in features {name!r} is there twice")
        return tuple(self.features)

    def _plain(self, count: int) -> list[str]:
        """Return the names of columns that have none; refuse a formula of more."""
        for text in re.findall(r"\bx(\d+)\b", str(self.formula)):
            if int(text) >= count:
                problem = f"the formula reads x{text}; X has {count} columns"
                raise InputError(f"{problem}: name them by features")
        return [f"x{i}" for i in range(count)]

    @staticmethod
    def _columns(X: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        return dict(zip(names, X.T, strict=True))

    @staticmethod
    def _linear(names: Sequence[str]) -> Any:
        """Return the linear model, whatever the features are called."""
        taken, prefix = set(names), "c"
        while any(name.startswith(prefix) for name in taken):
            prefix += "_"
        terms = [
            language.symbol(f"{prefix}{i}") * language.symbol(name)
            for i, name in enumerate(names)
        ]
        return sum(terms, language.symbol(prefix))
