"""What a fit returns: parameters, how sure they are, predictions, and a table."""

from __future__ import annotations

import functools
import math
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from symgd.descent.history import Trace
from symgd.descent.result import Criterion, Result
from symgd.descent.run import projected_norm
from symgd.errors import InputError
from symgd.fitting import derived, information, shares, uncertainty
from symgd.fitting.correlated import Correlated
from symgd.fitting.derived import Derived
from symgd.fitting.kinks import ROUNDED
from symgd.fitting.levenberg_marquardt import End
from symgd.fitting.likelihoods import Likelihood
from symgd.fitting.orthogonal import Orthogonal
from symgd.fitting.predictions import predicted
from symgd.fitting.quantiles import two_sided
from symgd.fitting.regression import Regression
from symgd.fitting.sources import Source
from symgd.fitting.verdict import FitVerdict, held
from symgd.language.drawing import card, drawn, pictured
from symgd.language.formula import natural_order, text_of
from symgd.language.text import told
from symgd.native.quadratic import Sums
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from symgd.descent.settings import Seed
    from symgd.fitting.bootstraps import Bootstrap
    from symgd.fitting.information import NestedTest
    from symgd.fitting.profiles import Profile
    from symgd.fitting.uncertainty import Uncertainty
    from symgd.language.formula import Formula
    from symgd.many.race_result import Race


LEVELS = 1e-12, 1.0 - 1e-12  # whose quantiles are neither 0 nor infinite in float64


class Fit:
    """A fitted model; all fields describe the same point.

    It has a copy of the data, so that they may change; but more than 64 MiB of columns
    (as of a ``numpy.memmap``) are read again where they are, when something is asked
    for that isn't known yet: residuals, R squared, covariance. Rows in partitions stay
    where they are: sums of them are all that comes here, so there are no residuals,
    pictures or samples of such a fit.

    Attributes
    ----------
    x : ndarray, shape (p,)
        The parameters, in the order of ``names``.
    fun : float
        The sum over rows of weight*rho((model - target)/sigma), which was minimised.
    success, status, message, nit, nfev, njev, criteria, hyperparameters
        As in a :class:`Result`. Least squares of 20 000 rows or more begin on a sample
        of them, whose evaluations count in nfev by their share of the rows.
    offset : float
        What gtol limits: the cosine between the residuals and what the model can still
        change (Bates and Watts 1981); for the absolute loss, by what share of itself
        the sum may be above its least, for a model that is straight near there; NaN
        for another method.
    start, start_source : ndarray, str
        Where it began, and how that was chosen.
    note : str
        What else there is to say: where the given start led, if a start that was found
        by search ended lower; or that the residuals have a pattern.
    scale : float
        What residuals were divided by for a robust loss without sigma.
    method : str
    seconds : float
        How long the descent took, compilation excluded.
    trace : Trace or None
        The way of the parameters; its ``offset`` is what gtol limits.

    Examples
    --------
    >>> import symgd
    >>> data = {"t": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.1, 4.9, 7.0]}
    >>> line = symgd.fit("a + b*t", data, "y")
    >>> line.parameters
    {'a': 1.0..., 'b': 1.9...}
    >>> line.standard_errors
    {'a': 0.0793..., 'b': 0.0424...}
    >>> line.predict({"t": [4.0]})
    array([8.95])
    """

    def __init__(
        self,
        regression: Regression,
        end: End,
        *,
        source: Source,
        absolute_sigma: bool,
        start: np.ndarray,
        start_source: str,
        bounds: Bounds,
        seconds: float,
        trace: Trace | None,
        criteria: dict[str, Criterion],
        note: str = "",
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.regression, self.source = regression, source
        self._end, self._note = end, note
        self.x, self.fun, self.status = end[:3]
        self.nit, self.nfev, self.offset, self.method = end[4:]
        self.njev = self.nfev
        self.start, self.start_source = start, start_source
        self.absolute_sigma, self.seconds = absolute_sigma, seconds
        self.trace, self.criteria = trace, criteria
        self.hyperparameters = dict(hyperparameters or {})
        self._limits = bounds

    # ------------------------------------------------------------ the optimum

    @property
    def success(self) -> bool:
        """Whether the fit ended as hoped."""
        return self.status.success

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names."""
        return tuple(each.name for each in self.regression.parameters)

    @property
    def model(self) -> str:
        """The model as a formula."""
        return self.source.model or text_of(self.regression.formulas.model)

    @property
    def scale(self) -> float:
        """What residuals were divided by, besides sigma."""
        return self.regression.scale

    @functools.cached_property
    def message(self) -> str:
        """Why the fit ended, with the numbers."""
        return told(self._end.message)

    @functools.cached_property
    def note(self) -> str:
        """What else there is to say."""
        counted = self.regression.counted
        reserved = FitVerdict(counted, self._end, self._limits).reservation()
        return "; ".join(each for each in (self._note, reserved) if each)

    @functools.cached_property
    def _held(self) -> np.ndarray:
        return held(self.x, self._limits)

    def _by_name(self, values: np.ndarray, which: str) -> dict[str, float]:
        """Return numbers by name, and what they are of parameters that aren't free."""
        free = dict(zip(self.names, values.tolist(), strict=True))
        if not self.source.ties:
            return free
        others = {name: getattr(each, which) for name, each in self._ties.items()}
        every = free | others
        return {name: every[name] for name in natural_order(every)}

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by name, with those that are fixed or tied."""
        return self._by_name(self.x, "value")

    @property
    def fixed(self) -> dict[str, float]:
        """The parameters that were fixed."""
        known = {tie.name: tie.kind for tie in self.source.ties}
        ties = self._ties.items() if known else ()
        return {n: each.value for n, each in ties if known[n] == "fixed"}

    @property
    def tied(self) -> dict[str, str]:
        """The formulas of parameters that follow from others."""
        ties = self.source.ties
        return {each.name: each.text for each in ties if each.kind == "tied"}

    values = parameters

    @property
    def variables(self) -> tuple[str, ...]:
        """The parameters' names."""
        return self.names

    @property
    def at_bound(self) -> tuple[str, ...]:
        """The parameters that a bound holds."""
        return tuple(n for n, held in zip(self.names, self._held, strict=True) if held)

    # ----------------------------------------------------- as a run, like others

    @functools.cached_property
    def jac(self) -> np.ndarray:
        """The gradient of the sum there."""
        return self.regression.counted.value_and_gradient(self.x)[1]

    @property
    def grad_norm(self) -> float:
        """The largest component of the gradient that no bound holds."""
        sides = self._limits.lower, self._limits.upper
        return projected_norm(self.x.tolist(), self.jac.tolist(), *sides)

    @property
    def bounds(self) -> np.ndarray | None:
        """The bounds, a row for each parameter."""
        limits = self._limits
        return np.array([limits.lower, limits.upper]).T if limits.finite else None

    @functools.cached_property
    def objective(self) -> Objective:
        """The sum over rows as an objective of the parameters."""
        from symgd.fitting.sums import objective

        if isinstance(self.regression, (Orthogonal, Correlated)):
            what = "errors in x, or a covariance matrix,"
            raise InputError(f"with {what} there is no sum over rows as a formula")
        return objective(self.regression.counted)

    @functools.cached_property
    def result(self) -> Result:
        """The descent as a :class:`Result`, of the sum over rows.

        >>> import symgd
        >>> data = {"t": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.1, 4.9, 7.0]}
        >>> symgd.fit("a + b*t", data, "y").result.kind
        'minimum'
        """
        pairs = None if self.bounds is None else list(map(tuple, self.bounds.tolist()))
        return Result(
            x=array("d", self.x.tolist()),
            fun=self.fun,
            jac=array("d", self.jac.tolist()),
            grad_norm=self.grad_norm,
            nit=self.nit,
            nfev=self.nfev,
            status=self.status,
            message=self.message,
            method=self.method,
            hyperparameters=self.hyperparameters,
            start=array("d", self.start.tolist()),
            start_source=self.start_source,
            bounds=pairs,
            trace=self.trace,
            objective=self.objective,
            maximized=False,
            seconds=self.seconds,
            criteria=self.criteria,
            lowest=None,
        )

    def race(
        self,
        methods: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        maxiter: int = 10_000,
        gtol: float | None = None,
        target: float | None = None,
        time_limit: float | None = None,
        trace: bool | int = True,
        progress: bool = False,
        **hyperparameters: Any,
    ) -> Race:
        """Minimise the sum over rows by several methods, from where this fit began.

        Parameters
        ----------
        methods : sequence or mapping of label to method, optional
            As for :func:`symgd.race`, but named as for :func:`symgd.fit`: "auto" is
            "levenberg_marquardt", and "lbfgs" the default method of ``minimize``.
            None is both, and all built-in rules.
        maxiter, gtol, target, time_limit, trace, progress, **hyperparameters
            As for :func:`symgd.race`. Levenberg and Marquardt's method has its own
            test for ``gtol``, see :attr:`offset`: give a ``target`` to have one
            for all.

        Examples
        --------
        >>> import symgd
        >>> data = {"t": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.1, 4.9, 7.0]}
        >>> done = symgd.fit("a + b*t", data, "y", x0=[0, 0]).race(["auto", "gd"])
        >>> done["auto"].nit, done["gd"].nit
        (4, 1347)
        """
        from symgd.fitting.fit_race import race

        options = {"maxiter": maxiter, "gtol": gtol, "target": target}
        options |= {"time_limit": time_limit, "trace": trace, "progress": progress}
        return race(self, self._limits, methods, options, hyperparameters)

    # ------------------------------------------------------- how sure it is

    @functools.cached_property
    def uncertainty(self) -> Uncertainty:
        """The covariance and its parts: see :mod:`symgd.fitting.uncertainty`."""
        free = ~self._held
        counted = self.regression.counted
        return uncertainty.at_optimum(counted, self.x, free, self.absolute_sigma)

    @property
    def degrees_of_freedom(self) -> int:
        """Rows (of positive weight) less parameters that they determine."""
        return self.uncertainty.freedom

    @property
    def covariance(self) -> np.ndarray:
        """The covariance of the parameters, in the order of ``names``.

        For least squares it is s**2 (J'WJ)**-1, where s**2 is the weighted sum of
        squares by the degrees of freedom, or 1 with ``absolute_sigma``. For another
        loss it is the sandwich estimate (Huber 1967, White 1982). Parameters at their
        bounds count as known: 0. Of parameters that the data do not determine the
        variance is infinite, and the covariance with others left 0.
        """
        return self.uncertainty.covariance

    @property
    def standard_errors(self) -> dict[str, float]:
        """The roots of the covariance's diagonal, by name."""
        errors = np.sqrt(np.diag(self.covariance))
        return self._by_name(errors, "standard_error")

    @property
    def correlation(self) -> np.ndarray:
        """The correlation of the parameters; 0 with what is held or undetermined."""
        errors = np.sqrt(np.diag(self.covariance))
        known = np.isfinite(errors) & (errors > 0.0)
        units = np.where(known, errors, 1.0)
        inside = np.logical_and.outer(known, known)
        correlation = np.where(inside, self.covariance, 0.0) / np.outer(units, units)
        np.fill_diagonal(correlation, 1.0)
        return correlation

    @property
    def undetermined(self) -> list[dict[str, float]]:
        """Directions along which the predictions don't change, to first order."""
        return self.uncertainty.directions(self.names)

    def quantile(self, level: float) -> float:
        """Return how many standard errors an interval of a level reaches."""
        if not LEVELS[0] <= level <= LEVELS[1]:
            raise InputError(f"level must be between 0 and 1, as 0.95, not {level!r}")
        freedom = self.degrees_of_freedom
        exact = self.regression.loss.squares and not self.absolute_sigma and freedom > 0
        return two_sided(level, freedom if exact else math.inf)

    def confidence_intervals(
        self, level: float = 0.95
    ) -> dict[str, tuple[float, float]]:
        """Return an interval for each parameter.

        Its quantile is Student's for least squares with an estimated variance, else
        the normal one.

        >>> import symgd
        >>> data = {"t": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.1, 4.9, 7.0]}
        >>> symgd.fit("a + b*t", data, "y").confidence_intervals()["b"]
        (1.79..., 2.16...)
        """
        factor, errors = self.quantile(level), self.standard_errors
        return {
            name: (value - factor * errors[name], value + factor * errors[name])
            for name, value in self.parameters.items()
        }

    # ---------------------------------------------------- what follows from it

    @functools.cached_property
    def _ties(self) -> dict[str, Derived]:
        """What parameters are that aren't free."""
        return {each.name: self._derived(each.value, 0.95) for each in self.source.ties}

    def derive(self, quantity: Formula, level: float = 0.95) -> Derived:
        """Return a quantity that follows from the parameters, with its error.

        Parameters
        ----------
        quantity : str or SymPy expression
            A formula in the parameters, as ``"log(2)/b"``.
        level : float
            That of the interval.

        Returns
        -------
        Derived
            ``value``, ``standard_error`` and ``interval``, by the delta method: the
            covariance of the parameters, and the formula's exact gradient.

        Examples
        --------
        >>> import symgd
        >>> data = {"t": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.1, 4.9, 7.0]}
        >>> print(symgd.fit("a + b*t", data, "y").derive("-a/b"))
        -0.52020202 ± 0.04947 (-0.733075 to -0.307329)
        """
        columns = (*self.source.columns, self.source.target)
        parts = (quantity, self.names, self.source.ties, columns)
        return self._derived(derived.read(*parts), level)

    def _derived(self, expression: Any, level: float) -> Derived:
        parameters = self.regression.parameters
        value, slopes = derived.at(expression, parameters, self.x.tolist())
        error = float(self.uncertainty.variance_along(slopes[None])[0] ** 0.5)
        error = error if slopes.any() else 0.0
        half = self.quantile(level) * error
        return Derived(value, error, (value - half, value + half))

    def profile(self, name: str, level: float = 0.95, executor: Any = None) -> Profile:
        """Return how far a parameter can go while the others follow.

        Its interval has the values for which the sum, minimised by the others, grows by
        no more than chance explains. It is that of ``confidence_intervals`` for a
        linear model, and needs no symmetry otherwise.

        Parameters
        ----------
        name : str
            Of a free parameter.
        level : float
        executor : concurrent.futures.Executor or Dask's Client, optional
            What looks for the two ends, with the same bits. The data go with them.

        Returns
        -------
        Profile
            Its ``interval``; ``values`` and ``roots`` that were tried on the way.

        Raises
        ------
        InputError
            If the loss is robust, or there is a lower sum than the fit's.

        References
        ----------
        Bates and Watts 1988, "Nonlinear Regression Analysis and Its Applications".

        Examples
        --------
        >>> import symgd
        >>> data = {"t": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 0.3, 0.2, 0.1]}
        >>> print(symgd.fit("exp(-b*t)", data, "y").profile("b"))
        b = 0.99984253, from 0.670994 to 1.68761 (95%, by its profile)
        """
        from symgd.fitting.profiles import of_fit

        return of_fit(self, name, level, self._limits, executor)

    def bootstrap(
        self,
        count: int = 1000,
        kind: str = "rows",
        rng: Seed = None,
        executor: Any = None,
    ) -> Bootstrap:
        """Return how the parameters scatter when rows are drawn from the rows.

        Parameters
        ----------
        count : int
            How many samples are fitted, from where this fit ended.
        kind : {"rows", "residuals"}
            What is drawn: whole rows, or residuals, which are then added to the curve
            (for least squares, where all rows have errors of one kind).
        rng : int, numpy.random.Generator or RandomState, optional
            None is the seed 0. The number of threads changes nothing.
        executor : concurrent.futures.Executor or Dask's Client, optional
            What fits samples, in pieces of about two seconds, with the same bits. The
            data go with each piece.

        Returns
        -------
        Bootstrap
            ``standard_errors``, ``confidence_intervals(level)``, ``derive(formula)``
            and ``samples``.

        References
        ----------
        Efron and Tibshirani 1993, "An Introduction to the Bootstrap".

        Examples
        --------
        >>> import symgd
        >>> data = {"t": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.1, 4.9, 7.0]}
        >>> drawn = symgd.fit("a + b*t", data, "y").bootstrap(100, "residuals")
        >>> drawn.samples.shape
        (100, 2)
        """
        from symgd.fitting.bootstraps import of_fit

        return of_fit(self, count, kind, rng, self._limits, executor)

    # --------------------------------------------------------- how good it is

    @functools.cached_property
    def residuals(self) -> np.ndarray:
        """Target minus prediction, row by row, not divided by sigma."""
        regression = self.regression
        return regression.residuals(self.x) * regression.sigma

    @functools.cached_property
    def shifts(self) -> dict[str, np.ndarray]:
        """How far entries of columns with errors were moved, row by row."""
        regression = self.regression
        if not isinstance(regression, Orthogonal):
            return {}
        moved = regression.moved(self.x).shifts
        pairs = zip(regression.spreads, moved, strict=True)
        return {name.name: shift for name, shift in pairs}

    @functools.cached_property
    def r_squared(self) -> float:
        """1 - (sum of squares of residuals)/(that of target - mean), weighted.

        Where the target is constant it is 1 if the model fits it as far as float64
        tells, else 0.
        """
        regression = self.regression.counted
        left = regression.squares_left(self.x)
        least, most = zip(*regression.each_part(shares.target_sides), strict=True)
        if min(least) == max(most):
            size = regression.summed(shares.squares_about, 0.0)
            return float(left <= ROUNDED**2 * size)
        about = regression.summed(shares.squares_about, regression.mean)
        return float(1.0 - left / about)

    @property
    def adjusted(self) -> float:
        """R squared adjusted for the number of parameters; -inf without freedom."""
        freedom = self.degrees_of_freedom
        count = freedom + int(np.sum(~self._held)) - len(self.uncertainty.open)
        if freedom <= 0:
            return -math.inf
        return 1.0 - (1.0 - self.r_squared) * (count - 1) / freedom

    @property
    def is_likelihood(self) -> bool:
        """Whether the loss is a likelihood that has a name."""
        loss = self.regression.loss
        return isinstance(loss, Likelihood) and loss.known

    @property
    def dispersion(self) -> float:
        """Pearson's chi-squared by the degrees of freedom; about 1 of a likelihood.

        Of least squares it is the variance of a residual of unit weight.
        """
        freedom = self.degrees_of_freedom
        size = self.regression.counted.gauss_newton(self.x).row[Sums.word_of("size")]
        return float(size) / freedom if freedom > 0 else math.inf

    # -------------------------------------------------- how good it is beside others

    @property
    def log_likelihood(self) -> float:
        """The log-likelihood, with all constants; of least squares, the normal one."""
        return information.log_likelihood(self)

    @property
    def aic(self) -> float:
        """Akaike's information criterion, 2*k - 2*log-likelihood.

        As in R, k counts the parameters and, where it is estimated, the variance.
        """
        return information.aic(self)

    @property
    def aicc(self) -> float:
        """The same for few rows (Hurvich and Tsai 1989)."""
        return information.aicc(self)

    @property
    def bic(self) -> float:
        """Schwarz's criterion, k*log(rows) - 2*log-likelihood."""
        return information.bic(self)

    def f_test(self, smaller: Fit) -> NestedTest:
        """Return whether this fit is better than one of a model within this model.

        >>> import symgd
        >>> data = {"t": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.1, 4.9, 7.0]}
        >>> bent = symgd.fit("a + b*t + c*t**2", data, "y")
        >>> bent.f_test(symgd.fit("a + b*t", data, "y")).p
        0.9...
        """
        return information.f_test(self, smaller)

    def likelihood_ratio_test(self, smaller: Fit) -> NestedTest:
        """Return the same by likelihoods, for those and where sigma is absolute."""
        return information.likelihood_ratio_test(self, smaller)

    # ------------------------------------------------------------ predictions

    def predict(
        self, data: Any, level: float | None = None, interval: str = "confidence"
    ) -> Any:
        """Return the model's values for new data.

        Parameters
        ----------
        data : mapping, structured array or dataframe
            With the columns of the model.
        level : float, optional
            With it, return a :class:`Prediction` with a band, by the delta method. Of
            several targets, a mapping by target is returned.
        interval : {"confidence", "prediction"}
            Whether the band holds the curve, or the target of a new row.

        Raises
        ------
        InputError
            If a column is missing.
        """
        return predicted(self, data, level, interval)

    # -------------------------------------------------------------- for people

    def save(self, file: str | Path, **options: Any) -> None:
        """Write what ``plot`` draws to a file: see :func:`symgd.save`."""
        pictured(self, file, **options)

    def plot(
        self,
        ax: Axes | None = None,
        level: float = 0.95,
        kind: str | None = None,
        **options: Any,
    ) -> Axes:
        """Draw data, curve and band: see :func:`symgd.plotting.fitted_curve.plot`.

        With a ``kind``, such as "convergence", or "contour" of two parameters, it is
        the descent that is drawn: see :meth:`Result.plot`.
        """
        if kind is None:
            return drawn("fitted_curve", self, ax=ax, level=level, **options)
        return drawn("path", self.result, ax=ax, kind=kind, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as plain numbers, text, lists and dictionaries."""
        intervals = self.confidence_intervals()
        more = {"aic": self.aic} if self.is_likelihood else {}
        return {
            "success": self.success,
            "status": self.status.name,
            "message": self.message,
            "model": self.model,
            "target": self.source.target,
            "loss": self.regression.loss.name,
            "names": list(self.names),
            "parameters": self.parameters,
            "values": self.values,
            "standard_errors": self.standard_errors,
            "confidence_intervals": {n: list(pair) for n, pair in intervals.items()},
            "covariance": self.covariance.tolist(),
            "at_bound": list(self.at_bound),
            "fixed": self.fixed,
            "tied": self.tied,
            "undetermined": self.undetermined,
            "fun": self.fun,
            "jac": self.jac.tolist(),
            "r_squared": self.r_squared,
            "adjusted": self.adjusted,
            "rows": self.regression.count,
            "dropped": self.source.dropped,
            "degrees_of_freedom": self.degrees_of_freedom,
            "scale": self.scale,
            "dispersion": self.dispersion,
            **more,
            "nit": self.nit,
            "nfev": self.nfev,
            "method": self.method,
            "start": self.start.tolist(),
            "start_source": self.start_source,
            "note": self.note,
            "seconds": self.seconds,
        }

    def _repr_html_(self) -> str:
        return card("fit", self)

    def __str__(self) -> str:
        from symgd.fitting.fit_summary import summary

        return summary(self)

    __repr__ = __str__
