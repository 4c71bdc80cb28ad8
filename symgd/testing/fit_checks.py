"""What a fit of a model must keep, on data that the model made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from symgd.errors import InputError
from symgd.fitting.curve_fit import fit
from symgd.fitting.fit_result import Fit
from symgd.testing.datasets import Dataset, Range, datasets
from symgd.testing.pasted import call, failure, python
from symgd.testing.trying import tried

NOISE = 0.02  # of the target's largest entry
RECOVERED = 1e-6  # likewise: how far the curve may be from data without noise
SAME = 1e-7  # of the sum of squares


def check_fit(
    model: str,
    *,
    columns: Mapping[str, Range] | None = None,
    parameters: Mapping[str, Range] | None = None,
    near: float | None = None,
    examples: int = 10,
    **options: Any,
) -> None:
    """Check fits of a model to data that it made itself.

    Without noise, the curve is found again. With noise of 2 %, the sum of squares is
    no larger than that of the true parameters, and no lower sum is close by; the same
    rows in another order have the same sum.

    Parameters
    ----------
    model : formula
    columns, parameters : mapping of name to pair, optional
        As in :func:`symgd.testing.datasets`.
    near : float, optional
        Fits start at the true parameters times 1 + near. By default they find their
        start themselves.
    examples : int
        How many tables are drawn, without and with noise.
    **options
        Those of :func:`symgd.fit`.

    Raises
    ------
    AssertionError
        With the smallest table that isn't fitted, as a line to paste.

    Examples
    --------
    >>> check_fit("a*exp(-b*t) + c", examples=5)
    """
    if "target" in options or "data" in options:
        raise InputError("the data are drawn: give columns and parameters instead")
    given: Any = {"columns": columns, "parameters": parameters}

    def fitted(known: Dataset) -> tuple[Fit, str]:
        how = dict(options)
        if near is not None:
            how["x0"] = {k: v * (1 + near) for k, v in known.truth.items()}
        found = fit(model, known.data, known.target, **how)
        line = call(
            *("symgd.fit", python(model), python(known.data), python(known.target)),
            **how,
        )
        return found, line

    def is_found_again(known: Dataset) -> None:
        found, line = fitted(known)
        off = np.abs(found.predict(known.data) - known.exact).max()
        if not off <= RECOVERED * np.abs(known.exact).max():
            problem = f"the fit is off by {off} from data that the model made with "
            raise AssertionError(failure(f"{problem}{known.truth}", line))

    def is_least(known: Dataset) -> None:
        found, line = fitted(known)
        value, x = found.objective.value, found.x
        truth = [known.truth[name] for name in found.names]
        nearby = {f"at the true {known.truth}": truth}
        for k, name in enumerate(found.names):
            for way in (1, -1):
                step = way * 0.01 * max(abs(x[k]), 1e-3)
                place = f"with {name} = {x[k] + step}"
                nearby[place] = [*x[:k], x[k] + step, *x[k + 1 :]]
        for place, point in nearby.items():
            if value(point) < value(x) * (1 - SAME):
                problem = f"the fit has f = {value(x)}, and f is {value(point)} {place}"
                raise AssertionError(failure(problem, line))
        again, other = fitted(known.reordered(slice(None, None, -1)))
        if not np.isclose(found.fun, again.fun, SAME, 0.0):
            problem = f"rows from last to first have f = {again.fun}, not {found.fun}"
            raise AssertionError(failure(problem, f"{line}\n{other}"))

    tried(is_found_again, datasets(model, **given), examples)
    if options.get("loss", "squared") == "squared":
        tried(is_least, datasets(model, noise=NOISE, **given), examples)
