"""What a run returns."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from symgd.descent.history import Seen, Trace
from symgd.language.drawing import animated, card, drawn, saved
from symgd.language.text import Told, number, plain, told
from symgd.native.status import Status
from symgd.objectives.objective import Objective

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from symgd.descent.certificate import Certificate, Residuals

LEAST_ROWS = 4  # of a trace that tells a rate


class Criterion(NamedTuple):
    """A criterion to stop by: its limit, what was reached, and whether it fired."""

    limit: float
    reached: float
    fired: bool

    def __str__(self) -> str:
        fired = " (fired)" if self.fired else ""
        return f"{number(self.reached)} of {self.limit:g}{fired}"


SAME = 4e-15  # a part of f that says nothing
MANY_STARTS = "minimize_many tries many starts"
SHOWN = 4  # coordinates on one line
ACTIVE = 8  # constraints on one line
OTHER_MULTIPLIERS = (
    "other multipliers may do as well: the gradients of what holds the point depend on "
    "each other"
)


class Result:
    """The end of a run; all fields but ``best`` describe the same point.

    The names are SciPy's, so that code written for ``OptimizeResult`` works, also as
    ``result["x"]``.

    Attributes
    ----------
    x : ndarray, shape (n,)
        The point, in the order of ``variables``.
    fun : float
        The objective there (the maximum, if maximised).
    jac : ndarray, shape (n,)
        The objective's gradient there.
    grad_norm : float
        The largest component of the gradient, but for those that bounds hold against
        the descent.
    nit, nfev, njev : int
        Updates made; evaluations of value and gradient, which come together. The
        products of a Hessian with a direction count, too: each costs about as much.
    success : bool
    kind : str
        "minimum", "maximum", "stationary point" (it is not what was sought, see
        ``message``), "point at the target", "point within the tolerance" or "last
        point".
    status : Status
    message : str
        Why the run ended, with the numbers.
    criteria : dict of str to Criterion
        The criteria that were set, ``gtol`` and ``maxiter`` always: limit, what was
        reached, and whether this one ended the run.
    seconds : float
        How long the descent took, compilation excluded.
    method : str
    hyperparameters : dict
        All of them, by name, as used.
    start : ndarray, shape (n,)
        Where the run began.
    start_source : str
        How the start was chosen.
    bounds : ndarray, shape (n, 2), or None
    trace : Trace or None
    best : Seen or None
        The iterate of lowest f seen (highest, if maximised), with ``x``, ``fun`` and
        ``nit``; None where the run ended at it. A run is seen at its start, some 32
        iterations later, then at growing distances of at most a few hundredths of a
        second, and in each row of its trace. None, too, where values of f can't be
        compared, as of batches, or there are more than a million variables.
    objective : Objective
    multipliers, bound_multipliers, constraints : dict by name
        Of constraints, see there.
    constraint_violation, optimality, complementarity : float
        By how much the conditions of a minimum within constraints are missed.
    """

    def __init__(
        self,
        *,
        x: array[float],
        fun: float,
        jac: array[float],
        grad_norm: float,
        nit: int,
        nfev: int,
        status: Status,
        message: Told,
        method: str,
        hyperparameters: dict[str, Any],
        start: array[float],
        start_source: str,
        bounds: list[tuple[float, float]] | None,
        trace: Trace | None,
        objective: Objective,
        maximized: bool,
        seconds: float,
        criteria: dict[str, Criterion],
        lowest: Seen | None,
        found: str = "",
        certificate: Certificate | None = None,
    ) -> None:
        # Plain numbers: NumPy is imported when an array is asked for.
        self._x, self._jac, self._start, self._bounds = x, jac, start, bounds
        self.fun = fun
        self.grad_norm = grad_norm
        self.nit = nit
        self.nfev = self.njev = nfev
        self.status = status
        self._message = message
        self.method = method
        self.hyperparameters = hyperparameters
        self.start_source = start_source
        self.trace = trace
        self.objective = objective
        self.maximized = maximized
        self.seconds = seconds
        self.criteria = criteria
        self._lowest = lowest
        self.elsewhere_known = False  # by other descents, or a proof
        self._found = found
        self._certificate = certificate

    @functools.cached_property
    def message(self) -> str:
        """Why the run ended, with the numbers."""
        return told(self._message)

    @functools.cached_property
    def x(self) -> np.ndarray:
        """The point."""
        return _vector(self._x)

    @functools.cached_property
    def jac(self) -> np.ndarray:
        """The gradient there."""
        return _vector(self._jac)

    @functools.cached_property
    def start(self) -> np.ndarray:
        """Where the run began."""
        return _vector(self._start)

    @functools.cached_property
    def bounds(self) -> np.ndarray | None:
        """The bounds, a row for each variable."""
        return None if self._bounds is None else _vector(self._bounds)

    @property
    def best(self) -> Seen | None:
        """The iterate of lowest f seen, unless the run ended at it."""
        if self._lowest is None:
            return None
        sign, (x, fun, nit) = -1.0 if self.maximized else 1.0, self._lowest
        if self.trace is not None:
            place = int((sign * self.trace.fun).argmin())
            if sign * self.trace.fun[place] <= sign * fun:
                x, fun = self.trace.x[place], float(self.trace.fun[place])
                nit = int(self.trace.t[place])
        if sign * fun < sign * self.fun - SAME * abs(self.fun):
            return Seen(_vector(x), fun, nit)
        return None

    @property
    def rate(self) -> float | None:
        """By what the gradient shrank in each iteration, in the last half of a trace.

        None without a trace of some iterations. ``symgd.analyze`` tells the rates that
        are proven.

        Examples
        --------
        >>> import symgd
        >>> run = {"method": "gd", "step_size": 1 / 11, "trace": True}
        >>> round(symgd.minimize("x**2 + 10*y**2", [1, 1], **run).rate, 4)
        0.8182
        """
        if self.trace is None or len(self.trace) < LEAST_ROWS:
            return None
        t, norms = self.trace.t, self.trace.grad_norm
        middle = len(t) // 2
        if not (norms[middle] > 0 and norms[-1] > 0):
            return None
        return float((norms[-1] / norms[middle]) ** (1.0 / (t[-1] - t[middle])))

    @property
    def multipliers(self) -> dict[str, Any]:
        """Of each constraint, by name: what f gains for each unit of its right side.

        At most 0 for an active ``<=``, at least 0 for an active ``>=``, where a minimum
        is sought. Empty without constraints, as are the next two.
        """
        return {} if self._certificate is None else self._certificate.multipliers

    @property
    def bound_multipliers(self) -> dict[str, Any]:
        """Likewise of the bound that holds a variable, by name; 0 where none does."""
        return {} if self._certificate is None else self._certificate.bound_multipliers

    @property
    def constraints(self) -> dict[str, Any]:
        """What each constraint is at the point: its left side without the right one.

        Of a chain, what is in the middle.
        """
        return {} if self._certificate is None else self._certificate.constraints

    @property
    def constraint_violation(self) -> float:
        """The largest violation of a constraint; 0 without constraints."""
        return 0.0 if (known := self._residuals) is None else known.constraint_violation

    @property
    def optimality(self) -> float:
        """The largest component of the Lagrangian's gradient."""
        return (
            self.grad_norm if (known := self._residuals) is None else known.optimality
        )

    @property
    def complementarity(self) -> float:
        """The largest product of a multiplier and the gap to its side."""
        return 0.0 if (known := self._residuals) is None else known.complementarity

    @property
    def prices(self) -> list[float]:
        """The multipliers of all constraints, in the order of the Lagrangian."""
        return [] if self._certificate is None else list(self._certificate.prices)

    @property
    def _residuals(self) -> Residuals | None:
        return None if self._certificate is None else self._certificate.residuals

    @property
    def success(self) -> bool:
        """Whether the run ended as hoped: CONVERGED, TARGET_REACHED or STALLED."""
        return self.status.success

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables, in the order of ``x``."""
        return self.objective.variables

    @property
    def values(self) -> dict[str, Any]:
        """The point by name: floats, and arrays in their shapes."""
        return self.objective.space.values(self._x)

    @property
    def kind(self) -> str:
        """What was found: "minimum", "maximum", "stationary point" or "last point".

        Or a "point at the target", or a "point within the tolerance", where ``target``
        or a loose ``gtol`` ended the run before it was at a minimum.

        A stationary point is where the gradient is small, but f is lower nearby (higher
        for a maximum), curves the other way, or has no lowest value to reach.
        """
        if self.status == Status.STATIONARY:
            return "stationary point"
        if not self.success:
            return "last point"
        if self._found:
            return self._found
        return "maximum" if self.maximized else "minimum"

    def plot(
        self, ax: Axes | None = None, kind: str | None = None, **options: Any
    ) -> Axes:
        """Draw the run: see :func:`symgd.plotting.path.plot`."""
        return drawn("path", self, ax=ax, kind=kind, **options)

    def save(self, file: str | Path, **options: Any) -> None:
        """Write the run as a picture, or as a page on which it can be dragged.

        Parameters
        ----------
        file : str or Path
            Its suffix decides: .png, .pdf and .svg are pictures, .html is a page that
            needs no other file and works offline.
        **options
            Of a picture, as for :meth:`plot`.

        Raises
        ------
        InputError
            If the file can't be written, or the run can't be shown so.
        """
        saved(self, file, **options)

    def animate(
        self, file: str | Path, *, frames: int = 60, fps: float = 12, **options: Any
    ) -> None:
        """Write the run as a moving picture, on its curve or contours.

        Parameters
        ----------
        file : str or Path
            A .gif, .apng or .webp file.
        frames : int
            How many pictures; the first ones show little of the way, the last all.
        fps : float
            Pictures in a second.
        **options
            As for :meth:`plot`.

        Raises
        ------
        InputError
            If the run has no history (``trace=True``), or the file can't be written.
        """
        animated("path", self, file, frames=frames, fps=fps, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain numbers, text, lists and dictionaries.

        >>> import symgd
        >>> symgd.minimize("(x - 1)**2").to_dict()["values"]
        {'x': 1.0}
        """
        best = self.best
        return {
            "success": self.success,
            "kind": self.kind,
            "status": self.status.name,
            "message": self.message,
            "values": {k: plain(value) for k, value in self.values.items()},
            "fun": self.fun,
            "variables": list(self.variables),
            "x": list(self._x),
            "jac": list(self._jac),
            "grad_norm": self.grad_norm,
            "nit": self.nit,
            "nfev": self.nfev,
            "njev": self.njev,
            "method": self.method,
            "hyperparameters": self.hyperparameters,
            "start": list(self._start),
            "start_source": self.start_source,
            "seconds": self.seconds,
            "criteria": {k: c._asdict() for k, c in self.criteria.items()},
            "best": best and {**best._asdict(), "x": best.x.tolist()},
            **self._constraints_as_plain(),
        }

    def _constraints_as_plain(self) -> dict[str, Any]:
        if self._certificate is None:
            return {}
        tables = ("multipliers", "bound_multipliers", "constraints")
        numbers = ("constraint_violation", "optimality", "complementarity")
        by_name = {
            name: {key: plain(value) for key, value in getattr(self, name).items()}
            for name in tables
        }
        return by_name | {name: getattr(self, name) for name in numbers}

    def keys(self) -> tuple[str, ...]:
        """Return the names of the fields, as OptimizeResult does."""
        return FIELDS

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(name)
        return getattr(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field, or something else if there is none of that name."""
        return getattr(self, name) if name in FIELDS else default

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def _best_told(self) -> Iterator[str]:
        """Say where f was seen to be lower than at the end."""
        if (best := self.best) is not None:
            lowest = "highest" if self.maximized else "lowest"
            place = f"after {best.nit} iterations" if best.nit else "at the start"
            where = f"{lowest} f seen: {number(best.fun)} {place}"
            shown = [
                f"{self.objective.space[k]} = {number(best.x[k])}"
                for k in range(min(len(best.x), SHOWN))
            ]
            shown += ["..."] * (len(best.x) > SHOWN)
            yield f"{where}, {', '.join(shown)} (result.best)"

    @property
    def _may_be_local(self) -> bool:
        """Whether it is a minimum in bounds, with all that one descent can know."""
        found = self.kind in ("minimum", "maximum")
        sought = self.status != Status.TARGET_REACHED
        limited = self._bounds is not None or self._certificate is not None
        return found and sought and limited

    @property
    def headline(self) -> str:
        """What was found, and f there, in words."""
        head = self.kind
        if head == "stationary point":
            best = "maximum" if self.maximized else "minimum"
            head = f"{head}, but no {best} (try another start)"
        head = f"local {head}" if self._may_be_local else head
        return f"{head}: f = {number(self.fun)}"

    @property
    def remarks(self) -> list[str]:
        """What else there is to say: where f was lower, or may be."""
        told = list(self._best_told())
        if self._certificate is not None:
            active = self._certificate.active
            shown = "; ".join(active[:ACTIVE]) + "; ..." * (len(active) > ACTIVE)
            told.append(f"active: {shown or 'no constraint'}")
            if self.success and self._certificate.may_be_others:
                told.append(OTHER_MULTIPLIERS)
        if self._may_be_local and not self.elsewhere_known:
            which = "higher" if self.maximized else "lower"
            which += " (and -f lower)" * self.maximized  # which can be minimised
            if self._certificate is None:
                told.append(f"f may be {which} elsewhere in the bounds: {MANY_STARTS}")
            else:
                told.append(f"f may be {which} elsewhere: {MANY_STARTS}")
        return told

    def _repr_html_(self) -> str:
        return card("result", self)

    def __repr__(self) -> str:
        space, x = self.objective.space, self._x
        places = range(len(space))
        ends = places if len(space) <= 20 else (*places[:10], *places[-10:])
        shown = [f"  {space[k]} = {number(x[k])}" for k in ends]
        if len(space) > 20:
            shown.insert(10, f"  ... {len(space) - 20} more ...")
        counts = f"{self.nit} iterations, {self.nfev} evaluations, method {self.method}"
        criteria = ", ".join(f"{name} {each}" for name, each in self.criteria.items())
        return "\n".join(
            [
                f"{self.headline} at",
                *shown,
                f"{self.status.name}: {self.message}",
                *self.remarks,
                f"({counts}; start: {self.start_source})",
                f"criteria: {criteria}",
            ]
        )


FIELDS = (
    *("x", "fun", "jac", "grad_norm", "nit", "nfev", "njev", "success", "kind"),
    *("status", "message", "method", "hyperparameters", "variables", "values", "start"),
    *("start_source", "bounds", "trace", "objective", "maximized"),
    *("seconds", "criteria", "best", "multipliers", "bound_multipliers", "constraints"),
    *("constraint_violation", "optimality", "complementarity"),
)


def _vector(numbers: Any) -> np.ndarray:
    import numpy as np

    return np.array(numbers, dtype=np.float64)
