"""Several models of the same data, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, overload

from symgd.errors import InputError, unknown_name
from symgd.fitting import information
from symgd.fitting.fit_result import Fit
from symgd.language.text import aligned, number

HEADER = ("model", "parameters", "sum", "AIC", "AICc", "BIC", "delta", "weight")


class Compared(NamedTuple):
    """A row of a comparison."""

    name: str  #: As the fit was named, or its model.
    fit: Fit  #: The fit itself.
    parameters: int  #: How many numbers were estimated, the variance among them.
    aic: float  #: Akaike's information criterion.
    aicc: float  #: The same for few rows, by which the rows are sorted.
    bic: float  #: Schwarz's criterion.
    delta: float  #: How far the AICc is above that of the first row.
    weight: float  #: Akaike's weight: how likely the model is the best of these.


class Comparison(Sequence[Compared]):
    """Fits in the order of their AICc; see :func:`compare`."""

    def __init__(self, rows: Sequence[Compared]) -> None:
        self.rows = tuple(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Compared]:
        return iter(self.rows)

    @overload
    def __getitem__(self, which: int | str) -> Compared: ...

    @overload
    def __getitem__(self, which: slice) -> Sequence[Compared]: ...

    def __getitem__(self, which: int | str | slice) -> Compared | Sequence[Compared]:
        """Return a row by its place or its name, or some rows."""
        if not isinstance(which, str):
            return self.rows[which]
        for row in self.rows:
            if row.name == which:
                return row
        raise unknown_name("model", which, [row.name for row in self.rows])

    @property
    def best(self) -> Fit:
        """The fit of the first row."""
        return self.rows[0].fit

    def __str__(self) -> str:
        lines: list[tuple[str, ...]] = [HEADER]
        for name, fit, count, *measures in self.rows:
            *criteria, weight = measures
            cells = (name, str(count), number(fit.fun), *map(_brief, criteria))
            lines.append((*cells, f"{weight:.3f}"))
        ended = [row for row in self.rows if not row.fit.success]
        lost = [f"{row.name} is no success: {row.fit.status.name}" for row in ended]
        return "\n".join([*aligned(lines), *lost])

    __repr__ = __str__


def _brief(value: float) -> str:
    return f"{value:.2f}"


def compare(fits: Sequence[Fit] | Mapping[str, Fit]) -> Comparison:
    """Compare fits of the same data by several models.

    Parameters
    ----------
    fits : sequence, or mapping of name to Fit
        Least squares or likelihoods. Without names, they are called as their models.

    Returns
    -------
    Comparison
        A row for each fit, the lowest AICc first; ``print`` shows a table.

    Raises
    ------
    InputError
        If the fits are of different data or by different losses, or the loss is robust.

    See Also
    --------
    Fit.f_test, Fit.likelihood_ratio_test : Tests of two nested models.

    References
    ----------
    Burnham and Anderson 2002, "Model Selection and Multimodel Inference".

    Examples
    --------
    >>> import symgd
    >>> data = {"t": [0.0, 1, 2, 3, 4, 5], "y": [1.0, 3.1, 4.9, 7.0, 9.1, 10.9]}
    >>> models = ["a + b*t", "a + b*t + c*t**2", "a"]
    >>> print(compare([symgd.fit(model, data, "y") for model in models]))
    model             parameters          sum    AIC   AICc    BIC  delta  weight
    a + b*t                    3  0.018857143  -7.39   4.61  -8.01   0.00   1.000
    a + b*t + c*t**2           4  0.018321429  -5.56  34.44  -6.40  29.83   0.000
    a                          2        34.62  35.70  39.70  35.29  35.09   0.000
    """
    named = _named(fits)
    information.check_same_data(named)
    rows = [(name, fit, *_measured(fit)) for name, fit in named.items()]
    rows.sort(key=lambda row: (row[4], row[3]))
    least = rows[0][4]
    deltas = [0.0 if row[4] == least else row[4] - least for row in rows]
    shares = [math.exp(-delta / 2.0) for delta in deltas]
    weights = [share / sum(shares) for share in shares]
    ends = zip(rows, deltas, weights, strict=True)
    return Comparison([Compared(*row, delta, weight) for row, delta, weight in ends])


def _measured(fit: Fit) -> tuple[int, float, float, float]:
    measures = (information.aic(fit), information.aicc(fit), information.bic(fit))
    return (information.estimated(fit), *measures)


def _named(fits: Sequence[Fit] | Mapping[str, Fit]) -> dict[str, Fit]:
    """Return fits by name, those without one by their models."""
    if isinstance(fits, Mapping):
        named = {str(name): fit for name, fit in fits.items()}
    else:
        named = {}
        for fit in fits:
            name = fit.model if isinstance(fit, Fit) else str(len(named))
            count = sum(each == name or each.startswith(f"{name} (") for each in named)
            named[name if not count else f"{name} ({count + 1})"] = fit
    for fit in named.values():
        if not isinstance(fit, Fit):
            raise InputError(f"compare takes fits, not {type(fit).__name__}")
    if not named:
        raise InputError("there are no fits to compare")
    return named
