"""Indices that derivatives bring meet no other names, and begin where others do."""

import numpy as np
import pytest
import sympy as sp

from symgd import Objective
from symgd.calculus.elements import free_indices
from symgd.language.nodes import REPEATED, Table

DATA = {
    "B": np.random.default_rng(0).standard_normal((7, 7)) + 4.0 * np.eye(7),
    "b": np.linspace(0.5, 1.5, 7),
}
GRAM = "sum(B[i, k]*x[k]*B[j, k] for k in range(7)) + (9 if i == j else 0)"
SQUARE = "for i in range(7) for j in range(7)"
FROM_1 = "for i in range(1, 7) for j in range(1, 7)"

MEETING = {
    "a product beside a name": "prod(x[i]*i_ + b[i] for i in range(7))",
    "a product in a product": "prod(prod(x[i] + b[i_]*x[i_]**2 for i_ in range(7))"
    " for i in range(7))",
    "a product of arrays": "prod(B @ x + i_)",
    "products in one another": "prod(x[i]*prod(x[j]*j_ + i_ + x[i] for j in range(7))"
    "/99 + x[i] for i in range(7))",
    "a solution whose sums have its index": f"solve(({GRAM} {SQUARE}),"
    " (b[k]*x[k]**2 for k in range(7)))[0]",
    "the same within a sum": f"sum(x[m]*solve(({GRAM} {SQUARE}), (b[k]*x[k]**2"
    " for k in range(7)))[m] for m in range(7))",
    "an inverse in a determinant": f"log(det(inv({GRAM} {SQUARE})[m, l]*x[l]"
    " + (9 if m == l else 0) for m in range(7) for l in range(7)))",
    "a solution of arrays": "sum(solve(B*k_**2 + 0.1*diag(x), b*x))",
    "an inverse of arrays": "sum(inv(B*k_ + 9*diag(x)) @ b)",
    "an exponential of one": "sum(exp(solve(B @ diag(x) @ B.T + eye(7), b*x + k_)))",
    "a determinant from 1": f"log(det((9 if i == j else x[i]*x[j]*u) {FROM_1}))",
    "an inverse from 1": f"inv((9 if i == j else x[i]*b[j]*u*x[j]) {FROM_1})[1, 2]",
    "a solution from 1": f"solve(((9 if i == j else x[i]*b[j]*u*x[j]) {FROM_1}),"
    " (b[k]*x[k] for k in range(1, 7)))[1]",
}


def objective(text):
    used = {name: each for name, each in DATA.items() if name in text}
    return Objective(text, data=used, sizes={"x": 7} if "x[i]" in text else {})


def change(function, at, way):
    """Return how a function changes along a way, by differences of fourth order."""
    far, step = 1e-3, 1e-3 * way
    one, two = (function(at + k * step) - function(at - k * step) for k in (1, 2))
    return (8.0 * one - two) / (12.0 * far)


@pytest.mark.parametrize("name", MEETING)
def test_derivatives_are_right_whatever_names_there_are(name):
    f = objective(MEETING[name])
    at = np.linspace(0.4, 1.3, len(f.space))
    way = np.cos(np.arange(len(at)))
    slope, bent = change(f.value, at, way), change(f.grad, at, way)
    close = {"rtol": 1e-6, "atol": 1e-7 * np.abs(bent).max()}
    assert f.grad(at) @ way == pytest.approx(slope, rel=1e-6)
    np.testing.assert_allclose(f.hessp(at, way), bent, **close)
    np.testing.assert_allclose(f.hess(at) @ way, bent, **close)


@pytest.mark.parametrize(
    "text",
    [
        "log(det(B[i, j]*x[j] + x[i] for i in range(7) for j in range(7)))",
        MEETING["a product beside a name"],
        MEETING["a solution whose sums have its index"],
    ],
)
def test_the_index_of_an_element_is_no_index_of_a_sum(text):
    f = objective(text)
    (element,) = free_indices(1, {s.name for s in f.expression.atoms(sp.Symbol)})
    entry = next(each for each in f.gradient if element in each.free_symbols)
    sums = [each for each in entry.atoms(*REPEATED) if not isinstance(each, Table)]
    assert all(element != limit[0] for each in sums for limit in each.limits)
