"""SymPy's matrices are read as arrays with indices."""

import numpy as np
import pytest
import sympy as sp

from symgd import FormulaError, Objective, minimize
from symgd.language.formula import read

n, m = sp.symbols("n m", integer=True, positive=True)
S = sp.MatrixSymbol("S", n, n)
A, b = sp.MatrixSymbol("A", m, n), sp.MatrixSymbol("b", m, 1)
x, C = sp.MatrixSymbol("x", n, 1), sp.MatrixSymbol("C", 2, 2)
p, q = sp.symbols("p q")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (x.T * x, "sum(x[i]**2 for i in range(n))"),
        (x.T * S * x, "sum(S[i, j]*x[i]*x[j] for j in range(n) for i in range(n))"),
        (
            (A * x - b).T * (A * x - b),
            "sum((sum(A[i, j]*x[j] for j in range(n)) - b[i])**2 for i in range(m))",
        ),
        (sp.exp((x.T * x)[0, 0]), "exp(sum(x[i]**2 for i in range(n)))"),
        (x[0, 0] ** 2 + p * x[1, 0], "x[0]**2 + p*x[1]"),
        (sp.Trace(S), "sum(S[i, i] for i in range(n))"),
        (
            x.T * S.inv() * x,
            "sum(x[i]*x[j]*inv(S[k, l] for k in range(n) for l in range(n))[i, j]"
            " for j in range(n) for i in range(n))",
        ),
        (
            sp.log(sp.Determinant(S)),
            "logdet(S[i, j] for i in range(n) for j in range(n))",
        ),
        (sp.Determinant(C), "C[0, 0]*C[1, 1] - C[0, 1]*C[1, 0]"),
        (sp.Matrix([[p**2 + q]]), "p**2 + q"),
        (sp.Matrix([p, q]).T * sp.Matrix([p, q]), "p**2 + q**2"),
        (sp.Lambda((p, q), p * q + 1), "p*q + 1"),
    ],
)
def test_matrices_are_read_with_indices(expression, text):
    assert read(expression, arrays=True) == read(text, arrays=True)


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        (x, "a matrix of shape"),
        (sp.Matrix([p, q]), r"a matrix of shape \(2, 1\)\nwrite one element"),
        (x.T * (S**p) * x, "not part of the formula language"),
    ],
)
def test_what_is_no_number_is_refused(expression, told):
    with pytest.raises(FormulaError, match=told):
        read(expression, arrays=True)


def test_least_squares_of_matrix_symbols_are_minimised():
    source = np.random.default_rng(0)
    data = {"A": source.normal(size=(5, 3)), "b": source.normal(size=5)}
    squares = Objective((A * x - b).T * (A * x - b), data=data)
    found = minimize(squares).values["x"]
    assert found == pytest.approx(np.linalg.lstsq(*data.values())[0], abs=1e-6)
