"""Which coordinates a formula couples, against second derivatives at points."""

import numpy as np
import pytest

from symgd import Objective
from symgd.calculus.couplings import Couplings

ROWS = {"A": np.arange(20.0).reshape(5, 4) + 1.0}
CASES = {
    "a chain": (
        "sum((x[i+1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))",
        {"sizes": {"n": 8}},
    ),
    "squares of sums, and a factor": (
        "sum(sum(A[i,j]*x[j] for j in range(m))**2 for i in range(n))"
        " + y*sum(x[j] for j in range(m))",
        {"data": ROWS},
    ),
    "multipliers of differences": (
        "sum(y[k]*(x[k+1] - x[k]) for k in range(n - 1))"
        " + s*sum((x[i] - 1)**2 for i in range(n))",
        {"sizes": {"n": 7}},
    ),
    "indices from data": (
        "sum(x[k[i]]*y[i] for i in range(n))",
        {"data": {"k": np.array([2, 0, 1, 1, 2])}},
    ),
    "a product": (
        "prod(x[j] for j in range(3)) + sum(x[j]*x[j+1] for j in range(n - 1))",
        {"sizes": {"n": 6}},
    ),
    "a condition": (
        "sum(x[i-1]*x[i] if i > 0 else x[i]**3 for i in range(n))",
        {"sizes": {"n": 7}},
    ),
    "a function of a sum": (
        "exp(sum(x[i]**2 for i in range(n))/9) + sum(abs(x[i]*z) for i in range(n))",
        {"sizes": {"n": 4}},
    ),
    "two indices": (
        "sum(u[i,j]*u[i,j+1] + sin(u[i,j] - u[i+1,j])"
        " for i in range(n - 1) for j in range(n - 1))",
        {"sizes": {"n": 4}},
    ),
    "triangles": (
        "sum(x[i]*x[j]**2 for i in range(n) for j in range(i))",
        {"sizes": {"n": 5}},
    ),
    "the largest": (
        "max(x[0]*x[1], x[2]**2, z*x[3]) + sum(x[i] for i in range(n))",
        {"sizes": {"n": 6}},
    ),
}


def coupled(objective):
    arrays = objective.arrays
    shapes = dict(zip(arrays.space.names, arrays.space.shapes, strict=True))
    couplings = Couplings(arrays.expression, arrays.variables)
    one, other = couplings.places(arrays.sizes, arrays.data, shapes)
    assert (one >= other).all()
    pattern = np.zeros((len(arrays.space),) * 2, dtype=bool)
    pattern[one, other] = pattern[other, one] = True
    return pattern


def bent(objective, points=4):
    rng, n = np.random.default_rng(0), len(objective.space)
    hessians = [objective.hess(rng.uniform(0.5, 1.5, n)) for _ in range(points)]
    return np.any(np.array(hessians) != 0.0, axis=0)


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_coupled_has_no_second_derivative(case):
    text, given = CASES[case]
    objective = Objective(text, **given)
    assert not (bent(objective) & ~coupled(objective)).any()


@pytest.mark.parametrize(
    "case",
    ["a chain", "multipliers of differences", "a condition", "two indices"],
)
def test_nothing_more_is_coupled_than_that(case):
    text, given = CASES[case]
    objective = Objective(text, **given)
    assert (bent(objective) == coupled(objective)).all()


def test_what_is_only_added_is_not_coupled():
    objective = Objective("sum(3*x[i] - 2*y[i] for i in range(n))", sizes={"n": 3})
    assert not coupled(objective).any()
