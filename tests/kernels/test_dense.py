"""What factors matrices, beside NumPy; and its twin in Python."""

import numpy as np
import pytest

from symgd.kernels import dense
from symgd.kernels.shared import shared
from symgd.native.machine import address


class Matrix:
    """A matrix with the room that the kernel wants."""

    def __init__(self, matrix):
        self.n = len(matrix)
        self.matrix, self.pivots = matrix.copy(), np.zeros(self.n)
        self.told, self.room = np.zeros(4), np.zeros((self.n, self.n))
        self.slopes = np.zeros((self.n, self.n))
        self.do(dense.FACTOR, self.room, self.told)

    def do(self, what, values, slopes):
        parts = self.matrix, self.pivots, self.told, values, slopes, self.slopes
        columns = values.shape[1]
        shared("dense")(what, self.n, columns, *map(address, parts))


def drawn(size, columns, seed=0):
    source = np.random.default_rng(seed)
    return source.normal(size=(size, size)), source.normal(size=(size, columns))


@pytest.mark.parametrize(("size", "columns"), [(1, 1), (2, 5), (7, 1), (40, 3)])
def test_systems_are_solved_and_slopes_led_back(size, columns):
    A, B = drawn(size, columns)
    S = drawn(size, columns, 1)[1]
    matrix, X, W = Matrix(A), B.copy(), S.copy()
    matrix.do(dense.SOLVE, X, S)
    assert pytest.approx(np.linalg.solve(A, B), rel=1e-9, abs=1e-11) == X
    matrix.do(dense.SOLVE_BACK, X, W)
    back = np.linalg.solve(A.T, S)
    assert pytest.approx(back, rel=1e-9, abs=1e-11) == W
    assert matrix.slopes == pytest.approx(-back @ X.T, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_determinants_and_their_slopes(size):
    A, _ = drawn(size, 1, 5)
    matrix = Matrix(A)
    sign, logarithm = np.linalg.slogdet(A)
    assert matrix.told[0] == pytest.approx(np.linalg.det(A), rel=1e-10)
    assert matrix.told[2] == pytest.approx(logarithm)
    assert np.isnan(matrix.told[1]) == (sign < 0)
    weights = np.array([0.5, 0.25, 2.0, 0.0])
    matrix.do(dense.FACTOR_BACK, matrix.room, weights)
    weight = 0.5 * np.linalg.det(A) + 2.25
    expected = weight * np.linalg.inv(A).T
    assert matrix.slopes == pytest.approx(expected, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize(
    ("matrix", "kind"),
    [
        (np.zeros((3, 3)), dense.SINGULAR),
        (np.outer([1.0, 2, 3], [4.0, 5, 6]) / 7, dense.ROUNDED),
        (np.diag([1e-200, 1.0, 1e200]), dense.REGULAR),
        (np.array([[1.0, 1e30], [0.0, 1e-30]]), dense.REGULAR),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), dense.SINGULAR),
    ],
)
def test_what_is_nothing_but_rounding_is_no_pivot(matrix, kind):
    found = Matrix(matrix)
    assert found.told[3] in (kind, dense.SINGULAR if kind else kind)
    X = np.ones((len(matrix), 1))
    found.do(dense.SOLVE, X, X)
    assert np.isnan(X).all() == (kind != dense.REGULAR)
