"""Linear parameters of many points at once, and which of the points are tried."""

import numpy as np
import pytest

from symgd.fitting.trials import Trials, distinct, least_squares

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("columns", [0, 1, 2, 5])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_they_are_solutions_of_least_squares_in_any_units(columns, rows):
    design = RNG.normal(size=(30, columns, rows))
    units = 10.0 ** RNG.uniform(-100, 100, (30, columns))
    target = RNG.normal(size=(30, rows))
    given = design * units[:, :, None]
    found = least_squares(given, target, units) * units
    for each, wanted, solved in zip(design, target, found, strict=True):
        known = np.linalg.lstsq(each.T, wanted, rcond=None)[0]
        if rows >= columns:
            np.testing.assert_allclose(solved, known, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(solved @ each, known @ each, atol=1e-9)


def test_columns_that_are_alike_or_0_have_the_least_solution():
    one = RNG.normal(size=20)
    design = np.array([[one, one, 0 * one]])
    found = least_squares(design, 3 * one[None], np.array([[1.0, 1.0, 0.0]]))
    np.testing.assert_allclose(found, [[1.5, 1.5, 0]], atol=1e-12)


def test_of_like_curves_the_best_is_tried():
    shapes = np.linalg.qr(RNG.normal(size=(50, 4)))[0].T
    curves = shapes[RNG.integers(4, size=60)] * RNG.uniform(0.5, 2, 60)[:, None]
    curves -= curves.mean(axis=1, keepdims=True)
    target, costs = 100 * RNG.normal(size=50), RNG.uniform(size=60)
    costs[RNG.integers(60, size=9)] = np.inf
    chosen = distinct(
        Trials(costs, np.zeros((60, 1)), target - curves), target, np.ones(50), 9
    )
    kinds = [int(np.argmax(abs(shapes @ curves[k]))) for k in range(60)]
    least = {k: min(costs[i] for i in range(60) if kinds[i] == k) for k in range(4)}
    assert sorted(costs[chosen]) == sorted(least.values())
    assert costs[chosen].tolist() == sorted(costs[chosen])
