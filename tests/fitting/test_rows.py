"""Formulas of one row, over all rows of a table."""

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd.fitting.rows import Rows
from symgd.language.formula import symbol
from symgd.native import compiled
from symgd.native.threads import cores

a, b, t, y, k = (symbol(name) for name in "abtyk")
EXPRESSIONS = [(y - a * sp.exp(-b * t)) ** 2, t * k, sp.Integer(3), a + 0 * t, k**2]
LENGTHS = [1, 2, 7, 8, 9, 15, 16, 17, 2047, 2048, 2049, 4096 + 3, 10_000]


def table(n, seed=0):
    rng = np.random.default_rng(seed)
    wide = rng.normal(size=(n, 3))
    return {
        t: wide[::-1, 1],
        y: rng.normal(size=n).astype("f4"),
        k: rng.integers(-9, 9, n).astype("i2"),
    }


def expected(columns, p):
    tt, yy, kk = (columns[s].astype(float) for s in (t, y, k))
    one = np.ones(len(tt))
    rest = (yy - p[0] * np.exp(-p[1] * tt)) ** 2
    return np.array([rest, tt * kk, 3 * one, p[0] * one, kk**2])


@pytest.mark.parametrize("n", LENGTHS)
def test_totals_and_each_row(n):
    columns = table(n)
    rows = Rows(EXPRESSIONS, [a, b], columns)
    for p in ([1.3, 0.2], [-2.0, 0.0]):
        values = expected(columns, p)
        exact = [math.fsum(row) for row in values]
        sizes = [math.fsum(np.abs(row)) for row in values]
        error = np.abs(rows.totals(p) - exact) / np.maximum(sizes, 1e-300)
        assert error.max() < 1e-14  # of 256 equal numbers in a row, at worst
        each = rows.each(p)
        assert each.shape == (n, 5)
        np.testing.assert_allclose(each, values.T, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("n", [1, 100, 2048 * 3 + 5, 2048 * 64 + 1, 300_000])
def test_the_bits_do_not_depend_on_workers(n):
    columns = table(n, seed=n)
    totals = [
        Rows(EXPRESSIONS, [a, b], columns, workers=workers).totals([0.9, 0.3])
        for workers in (1, 2, 3, 7)
    ]
    assert len({each.tobytes() for each in totals}) == 1
    rows = Rows(EXPRESSIONS, [a, b], columns)
    for _ in range(3):
        assert rows.totals([0.9, 0.3]).tobytes() == totals[0].tobytes()


@given(st.integers(1, 6000), st.integers(0, 50), st.integers(1, 7))
@settings(max_examples=40)
def test_sums_are_as_accurate_as_pairwise_ones(n, seed, workers):
    rng = np.random.default_rng(seed)
    column = rng.normal(size=n) * 10.0 ** rng.uniform(-10, 10, n)
    rows = Rows([t, sp.Abs(t)], [], {t: column}, workers=workers)
    total, size = rows.totals([])
    assert abs(total - math.fsum(column)) <= 8 * np.finfo(float).eps * size
    assert abs(size - math.fsum(abs(column))) <= 4 * math.ulp(size)


def test_more_work_has_more_workers(monkeypatch):
    monkeypatch.setattr("symgd.fitting.rows.ENOUGH", 100)
    assert Rows([t], [], {t: np.ones(10)}).workers == 1
    assert Rows([t], [], {t: np.ones(4000)}).workers == cores()
    assert Rows([t], [], {t: np.ones(4000)}, workers=3).workers == 3


def test_names_values_and_lengths_are_not_compiled_again(monkeypatch):
    def fail(*_):
        pytest.fail("it is compiled again")

    first = Rows([a * t + 7.5 * y], [a], {t: np.ones(3), y: np.ones(3)})
    assert first.totals([2.0]).tolist() == [28.5]
    assert first.each([2.0]).tolist() == [[9.5]] * 3
    monkeypatch.setattr(compiled, "_compiled", fail)
    other = Rows([b * k + 7.5 * t], [b], {k: np.arange(90.0), t: np.ones(90)})
    assert other.totals([1.0])[0] == 90 * 89 / 2 + 90 * 7.5
    assert other.each([1.0])[:, 0].tolist() == [k + 7.5 for k in range(90)]


def test_columns_are_read_in_place():
    column = np.ones(5, dtype="f4")
    rows = Rows([t], [], {t: column})
    assert rows.totals([])[0] == 5
    column[2] = 11
    assert rows.totals([])[0] == 15


def test_a_number_that_is_none_goes_on():
    rows = Rows([sp.log(t)], [], {t: np.array([1.0, -1.0, 1.0])})
    assert math.isnan(rows.totals([])[0])
    assert np.isnan(rows.each([])[:, 0]).tolist() == [False, True, False]
