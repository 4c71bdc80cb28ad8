"""O: minima within constraints, against SciPy's SLSQP and Ipopt.

Peers get exact first derivatives: SLSQP as what SymPy derives and numba compiles, Ipopt
from CasADi, with second ones. Problems: Hock and Schittkowski 1981.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import sympy as sp

import symgd
from benchmarks.measure import Case, Contender, Requirement, ratio


@dataclass(frozen=True)
class Within:
    """A problem: equalities are 0, inequalities at least 0."""

    name: str
    formula: str
    start: tuple[float, ...]
    least: float
    equalities: tuple[str, ...] = ()
    inequalities: tuple[str, ...] = ()
    bounds: tuple[float | None, float | None] = (None, None)

    @property
    def variables(self) -> list[str]:
        """The names of the variables."""
        return [f"x{k}" for k in range(1, len(self.start) + 1)]


PROBLEMS = (
    Within(
        "HS 71",
        "x1*x4*(x1 + x2 + x3) + x3",
        (1.0, 5.0, 5.0, 1.0),
        17.0140172891,
        ("x1**2 + x2**2 + x3**2 + x4**2 - 40",),
        ("x1*x2*x3*x4 - 25",),
        (1.0, 5.0),
    ),
    Within(
        "HS 43",
        "x1**2 + x2**2 + 2*x3**2 + x4**2 - 5*x1 - 5*x2 - 21*x3 + 7*x4",
        (0.0,) * 4,
        -44.0,
        (),
        (
            "8 - x1**2 - x2**2 - x3**2 - x4**2 - x1 + x2 - x3 + x4",
            "10 - x1**2 - 2*x2**2 - x3**2 - 2*x4**2 + x1 + x4",
            "5 - 2*x1**2 - x2**2 - x3**2 - 2*x1 + x2 + x4",
        ),
    ),
    Within(
        "HS 100",
        "(x1 - 10)**2 + 5*(x2 - 12)**2 + x3**4 + 3*(x4 - 11)**2 + 10*x5**6 + 7*x6**2"
        " + x7**4 - 4*x6*x7 - 10*x6 - 8*x7",
        (1.0, 2.0, 0.0, 4.0, 0.0, 1.0, 1.0),
        680.630057374,
        (),
        (
            "127 - 2*x1**2 - 3*x2**4 - x3 - 4*x4**2 - 5*x5",
            "282 - 7*x1 - 3*x2 - 10*x3**2 - x4 + x5",
            "196 - 23*x1 - x2**2 - 6*x6**2 + 8*x7",
            "-4*x1**2 - x2**2 + 3*x1*x2 - 2*x3**2 - 5*x6 + 11*x7",
        ),
    ),
)


def ours(problem: Within) -> Callable[[], np.ndarray]:
    """Return one call of ``symgd.minimize``."""
    relations = [f"{each} == 0" for each in problem.equalities]
    relations += [f"{each} >= 0" for each in problem.inequalities]
    objective = symgd.Objective(
        problem.formula, problem.variables, subject_to=relations
    )
    bounds, start = [problem.bounds] * len(problem.start), list(problem.start)
    return lambda: symgd.minimize(objective, start, bounds=bounds).x


def slsqp(problem: Within) -> Callable[[], np.ndarray]:
    """Return one call of SciPy's SLSQP, to about symgd's tolerance."""
    from scipy import optimize

    value, slope = _compiled(problem, problem.formula)
    constraints = []
    for kind, formulas in (
        ("eq", problem.equalities),
        ("ineq", problem.inequalities),
    ):
        for each in formulas:
            fun, jac = _compiled(problem, each)
            constraints.append({"type": kind, "fun": fun, "jac": jac})
    bounds, start = [problem.bounds] * len(problem.start), np.array(problem.start)
    options = {"ftol": 1e-12, "maxiter": 1000}
    given: dict[str, Any] = {"jac": slope, "bounds": bounds, "options": options}
    return lambda: (
        optimize.minimize(
            value, start, method="SLSQP", constraints=constraints, **given
        ).x
    )


def _compiled(problem: Within, formula: str) -> tuple[Any, Any]:
    """Return value and gradient, derived by SymPy and compiled by numba."""
    import numba

    x, symbols = sp.IndexedBase("x"), sp.symbols(problem.variables)
    expression = sp.sympify(formula)
    places = {symbol: x[k] for k, symbol in enumerate(symbols)}
    slopes = [expression.diff(symbol).xreplace(places) for symbol in symbols]
    value = numba.njit(sp.lambdify([x], expression.xreplace(places)))
    slope = numba.njit(sp.lambdify([x], [sp.Float(0.0) + each for each in slopes]))
    return value, lambda point: np.array(slope(point), dtype=np.float64)


def cases(peers: Mapping[str, ModuleType]) -> Iterator[Case]:
    """Yield the problems, each as one call."""
    makers = {"symgd": ours}
    if "scipy" in peers:
        makers["SciPy SLSQP"] = slsqp
    if "casadi" in peers:
        makers["Ipopt, CasADi"] = peers["casadi"].ipopt
    for problem in PROBLEMS:
        check = functools.partial(at_minimum, problem)
        racing = [
            Contender(name, functools.partial(make, problem), check, cores=1)
            for name, make in makers.items()
        ]
        faster = ratio(("SciPy SLSQP", 1), ("symgd", 1))
        required = Requirement("SciPy SLSQP / symgd", faster, 1.0, 4.0, True)
        yield Case("O", f"{problem.name}, one call", racing, [required])


def at_minimum(problem: Within, x: Any) -> None:
    """Check that a point satisfies the constraints, and has the least value."""
    point = dict(zip(sp.symbols(problem.variables), map(float, x), strict=True))

    def at(formula: str) -> float:
        return float(sp.sympify(formula).subs(point))

    worst = max(
        [abs(at(each)) for each in problem.equalities]
        + [-at(each) for each in problem.inequalities]
    )
    assert worst <= 1e-6, f"a constraint is violated by {worst}"
    np.testing.assert_allclose(at(problem.formula), problem.least, rtol=1e-6)
