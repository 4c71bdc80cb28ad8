"""Eigenvalues and eigenvectors against 40 digits."""

import mpmath
import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from symgd.kernels.eigenvalues import diagonalise

PARTS = st.floats(-1.0, 1.0).map(lambda x: round(x, 6))
SQUARE = st.integers(1, 9).flatmap(lambda n: arrays(np.float64, (n, n), elements=PARTS))


@numba.njit
def native(a, v, d, e):
    diagonalise(a, v, d, e)


def diagonal(a):
    a = np.array(a, dtype=np.float64)
    v, work = np.empty_like(a), np.full((2, len(a)), np.nan)
    native(a, v, *work)
    return np.diag(a).copy(), v


def expected(a):
    with mpmath.workdps(40):
        found = mpmath.eigsy(mpmath.matrix(a.tolist()), eigvals_only=True)
        return np.array([float(each) for each in found])


@settings(deadline=None, max_examples=60)
@example(np.zeros((3, 3)), 0)
@example(np.ones((5, 5)), 100)
@example(np.diag([1.0, -1.0, 0.0, 1.0]), -100)
@given(SQUARE, st.integers(-100, 280))
def test_they_are_those_of_40_digits_but_for_rounding(part, power):
    a = 0.5 * (part + part.T) * 10.0**power
    d, v = diagonal(a)
    size = max(np.abs(a).max(), 1e-300)
    assert np.sort(d) / size == pytest.approx(np.sort(expected(a / size)), abs=1e-14)
    assert v.T @ v == pytest.approx(np.eye(len(a)), abs=1e-14)
    assert v * (d / size) @ v.T == pytest.approx(a / size, abs=2e-14)


def test_what_is_diagonal_stays_as_it_is():
    numbers = [3.0, 1e-30, 0.1, -7.0]
    d, v = diagonal(np.diag(numbers))
    assert d.tolist() == numbers
    assert v.tolist() == np.eye(4).tolist()


def test_parts_that_are_apart_stay_apart():
    a = np.zeros((5, 5))
    a[np.ix_([0, 3], [0, 3])] = [[2.0, 1.0], [1.0, 2.0]]
    a[1, 1], a[2, 2], a[4, 4] = 1e-20, 5.0, 1e20
    d, v = diagonal(a)
    assert sorted(d) == pytest.approx([1e-20, 1.0, 3.0, 5.0, 1e20], rel=1e-15)
    assert np.count_nonzero(np.abs(v) > 0.0) == 7
