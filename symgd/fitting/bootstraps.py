"""Bootstrap: how fits scatter when the rows are drawn anew from themselves.

B. Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7
(1979); intervals by percentiles, as in B. Efron and R. Tibshirani, An Introduction to
the Bootstrap (1993), section 13. Elsewhere: resampling, case resampling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from symgd.descent.settings import generator
from symgd.errors import InputError, unknown_name
from symgd.fitting import derived
from symgd.fitting.correlated import Correlated
from symgd.fitting.derived import Derived
from symgd.fitting.levenberg_marquardt import ENDED, Limits
from symgd.fitting.regression import Regression
from symgd.fitting.ties import Tie
from symgd.language.formula import Formula, symbol
from symgd.language.plain import count as whole
from symgd.language.text import aligned, number
from symgd.many import pieces
from symgd.native.threads import cores, mapped
from symgd.objectives.points import Bounds
from symgd.objectives.scattered.partitions import ROWS_STAY

Fit: TypeAlias = Any  # it stands above, and is asked for its public names only
KINDS = ("rows", "residuals")
ITERATIONS = 300
SEEDS = 2**31
FEWEST = 2  # samples that scatter


@dataclass(frozen=True)
class Bootstrap:
    """Fits of samples of the rows.

    Attributes
    ----------
    names : tuple of str
        The free parameters.
    values : ndarray, shape (p,)
        As they were fitted to all rows.
    samples : ndarray, shape (count, p)
        The parameters of each sample whose fit was a success.
    failed : int
        How many were none, and are not among the samples.
    """

    names: tuple[str, ...]
    values: np.ndarray
    samples: np.ndarray = field(repr=False)
    failed: int
    ties: tuple[Tie, ...] = field(repr=False, default=())

    @property
    def covariance(self) -> np.ndarray:
        """The covariance of the free parameters over the samples."""
        return np.atleast_2d(np.cov(self.samples, rowvar=False))

    @property
    def standard_errors(self) -> dict[str, float]:
        """The standard deviation of each free parameter."""
        errors = self.samples.std(axis=0, ddof=1)
        return dict(zip(self.names, errors.tolist(), strict=True))

    def confidence_intervals(
        self, level: float = 0.95
    ) -> dict[str, tuple[float, float]]:
        """Return intervals of the free parameters, by percentiles of the samples."""
        pairs = [_interval(column, level) for column in self.samples.T]
        return dict(zip(self.names, pairs, strict=True))

    def derive(self, quantity: Formula, level: float = 0.95) -> Derived:
        """Return a quantity that follows from parameters, as ``Fit.derive`` does.

        Its error is the standard deviation, its interval that of the percentiles.
        """
        expression = derived.read(quantity, self.names, self.ties, ())
        letters = [symbol(name) for name in self.names]
        points = (self.values, *self.samples)
        value, *each = (derived.value_at(expression, letters, x) for x in points)
        column = np.array(each)
        return Derived(value, float(column.std(ddof=1)), _interval(column, level))

    def __str__(self) -> str:
        errors, intervals = self.standard_errors, self.confidence_intervals()
        lines = [("parameter", "value", "standard error", "95% interval")]
        for name, value in zip(self.names, self.values.tolist(), strict=True):
            low, high = intervals[name]
            error = f"{errors[name]:.4g}"
            lines.append((name, number(value), error, f"{low:.6g} to {high:.6g}"))
        lost = f", {self.failed} more without success" if self.failed else ""
        title = f"bootstrap of {len(self.samples)} samples{lost}"
        return "\n".join((title, *aligned(lines)))


def _interval(column: np.ndarray, level: float) -> tuple[float, float]:
    if not 0.0 < level < 1.0:
        raise InputError(f"level must be between 0 and 1, as 0.95, not {level!r}")
    ends = np.quantile(column, [0.5 - level / 2.0, 0.5 + level / 2.0])
    return float(ends[0]), float(ends[1])


def drawing(regression: Regression, kind: str, x: np.ndarray) -> Callable[[Any], Any]:
    """Return what draws columns, from a generator.

    Raises
    ------
    InputError
        If there is no such kind, or not for this loss.
    """
    if kind not in KINDS:
        raise unknown_name("kind of bootstrap", str(kind), KINDS)
    count = regression.count
    if kind == "rows":

        def of_rows(rng: Any) -> dict[Any, np.ndarray]:
            some = rng.integers(count, size=count)
            columns = regression.columns.items()
            return {s: c[some] if any(c.strides) else c for s, c in columns}

        return of_rows
    if not regression.loss.squares:
        raise InputError("a bootstrap of residuals needs the loss 'squared'")
    scaled = regression.residuals(x) * np.sqrt(regression.weight)
    unit = regression.sigma / np.sqrt(regression.weight)
    scaled = (scaled - scaled.mean()) * np.sqrt(count / max(1, count - len(x)))
    fitted = regression.curve(x)[0]

    def of_residuals(rng: Any) -> dict[Any, np.ndarray]:
        drawn = fitted + unit * scaled[rng.integers(count, size=count)]
        return {**regression.columns, regression.formulas.target: drawn}

    return of_residuals


class Resampling:
    """What fits samples of the rows.

    Parameters
    ----------
    regression : Regression
    x : ndarray
        Where fits begin.
    sides : pair of ndarrays
        The bounds.
    kind : {"rows", "residuals"}
    """

    def __init__(
        self,
        regression: Regression,
        x: np.ndarray,
        sides: tuple[np.ndarray, np.ndarray],
        kind: str,
    ) -> None:
        self.regression, self.x, self.sides, self.kind = regression, x, sides, kind
        self.draw = drawing(regression, kind, x)

    def __reduce__(self) -> Any:
        return Resampling, (self.regression, self.x, self.sides, self.kind)

    def fitted(self, seed: int) -> np.ndarray | None:
        """Return the parameters of a sample, if they are found."""
        some = self.regression.with_data(self.draw(np.random.default_rng(seed)))
        if not some.gauss_newton(self.x).finite:
            return None
        limits = Limits(1e-8, ITERATIONS)
        point, _, status = some.minimize(self.x, *self.sides, limits)
        return point.x if status in ENDED else None

    def here(self, seeds: Sequence[int]) -> list[np.ndarray | None]:
        """Return those of samples, by all threads of this machine."""
        first, *others = seeds
        ends = [self.fitted(first)]  # what is compiled is there then
        pool = ThreadPoolExecutor(cores())
        try:
            ends += mapped(pool, self.fitted, others)
        finally:
            pool.shutdown(cancel_futures=True)
        return ends


def _ended(given: tuple[Resampling, Sequence[int]]) -> list[np.ndarray | None]:
    """Return the parameters of some samples: what a worker does."""
    resampling, seeds = given
    return [resampling.fitted(seed) for seed in seeds]


def bootstrap(
    regression: Regression,
    x: np.ndarray,
    sides: tuple[np.ndarray, np.ndarray],
    kind: str,
    seeds: Sequence[int],
    executor: Any = None,
) -> tuple[np.ndarray, int]:
    """Return the parameters of samples, and how many have none.

    Each sample has its own seed, so that threads and executors change nothing.
    """
    resampling = Resampling(regression, x, sides, kind)
    if executor is None:
        ends = resampling.here(seeds)
    else:
        ends = [None] * len(seeds)

        def part(rows: slice) -> tuple[Resampling, Sequence[int]]:
            return resampling, seeds[rows]

        for rows, found in pieces.done(executor, _ended, part, len(seeds)):
            ends[rows] = found
    samples = [end for end in ends if end is not None]
    if len(samples) < FEWEST:
        problem = f"only {len(samples)} of {len(seeds)} samples could be fitted"
        raise InputError(f"{problem}: a sample has too few different rows")
    return np.array(samples), len(ends) - len(samples)


def of_fit(
    fit: Fit, count: int, kind: str, rng: Any, bounds: Bounds, executor: Any = None
) -> Bootstrap:
    """Return the bootstrap of a fit: see ``Fit.bootstrap``."""
    counted = fit.regression.counted
    if counted.scattered:
        raise InputError(f"{ROWS_STAY}, to be drawn from: profile has intervals")
    if isinstance(counted, Correlated):
        problem = "rows with a covariance matrix aren't drawn from each other"
        raise InputError(f"{problem}: profile has intervals")
    if (count := whole("count", count)) < FEWEST:
        raise InputError(f"a bootstrap needs {FEWEST} samples or more, not {count}")
    source = generator(rng)
    draw_seeds = getattr(source, "integers", None) or source.randint
    seeds = draw_seeds(SEEDS, size=count).tolist()
    sides = np.array(bounds.lower), np.array(bounds.upper)
    samples, failed = bootstrap(counted, fit.x, sides, kind, seeds, executor)
    return Bootstrap(fit.names, fit.x, samples, failed, fit.source.ties)
