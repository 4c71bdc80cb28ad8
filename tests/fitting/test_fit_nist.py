"""NIST's problems, from both official starts and from none."""

import numpy as np
import pytest

from symgd import Status
from symgd.fitting.curve_fit import fit
from tests.fitting.nist import PROBLEMS, Problem

CASES = [
    pytest.param(problem, start, id=f"{problem.name}-{number}")
    for problem in PROBLEMS
    for number, start in enumerate(problem.starts, start=1)
]


@pytest.mark.parametrize(("problem", "start"), CASES)
def test_the_certified_values_are_reached(problem: Problem, start):
    found = fit(problem.model, problem.data, "y", start)
    assert found.status in (Status.CONVERGED, Status.STALLED)
    np.testing.assert_allclose(found.x, problem.certified, rtol=5e-7)
    # Of residuals like those of Lanczos1, float64 holds three digits.
    rtol = 1e-2 if problem.residual_sum < 1e-20 else 1e-8
    assert 2 * found.fun == pytest.approx(problem.residual_sum, rel=rtol)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_a_start_is_found(problem: Problem):
    found = fit(problem.model, problem.data, "y")
    assert found.success
    # Terms of a sum may come in any order, so only the value is compared.
    rtol = 1e-2 if problem.residual_sum < 1e-20 else 1e-7
    assert 2 * found.fun == pytest.approx(problem.residual_sum, rel=rtol)


def test_columns_that_are_nearly_dependent_keep_their_digits():
    # As Bennett5: the columns of the Jacobian are nearly parallel.
    x = np.linspace(7.4, 12.4, 154)
    true = (-2523.5, 46.7, 0.932)
    y = true[0] * (true[1] + x) ** (-1 / true[2])
    data = {"x": x, "y": y}
    found = fit("b1*(b2 + x)**(-1/b3)", data, "y", (-2000, 50, 0.8))
    assert found.success
    np.testing.assert_allclose(found.x, true, rtol=1e-6)
