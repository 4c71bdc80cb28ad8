"""Sums that don't move with those around them are computed once, and stay exact."""

import mpmath
import numpy as np
import pytest

from symgd import Objective
from symgd.calculus.program import Let, Nest, gradient_program
from symgd.language.formula import read


def depth(steps):
    """Return how deep the loops of steps are nested."""
    loops = [step for step in steps if isinstance(step, Nest)]
    return max((1 + depth(loop.steps) for loop in loops), default=0)


def loops_of(formula, *variables):
    return gradient_program(read(formula, arrays=True), variables).steps


MEAN = "sum(x[j] for j in range(n))/n"
SPREAD = f"sum((x[j] - {MEAN.replace('j', 'k')})**2 for j in range(n))"


@pytest.mark.parametrize(
    ("formula", "levels"),
    [
        (f"sum((x[i] - {MEAN})**2 for i in range(n))", 1),
        (f"sum((x[i] - {MEAN})**4/(1 + {SPREAD}) for i in range(n))", 1),
        ("sum(a[i]*prod(x[j] for j in range(n)) for i in range(n))", 1),
        ("sum(sum(x[i]*x[j]*x[k] for k in range(n)) for i in range(n)"
         " for j in range(n))", 3),
        ("sum(exp(x[i])*sum(a[j]*y for j in range(n)) for i in range(n))", 1),
        ("sum(sum(x[j] for j in range(n)) if x[i] > 0 else 0 for i in range(n))", 2),
    ],
)  # fmt: skip
def test_only_what_moves_is_computed_in_each_iteration(formula, levels):
    assert depth(loops_of(formula, "x", "y")) == levels


def test_what_is_the_same_is_computed_once():
    twice = f"{MEAN} + sum(x[i]*{MEAN} for i in range(n))"
    loops = [step for step in loops_of(twice, "x") if not isinstance(step, Let)]
    assert sum(len(loop.totals) for loop in loops) == 3  # sum, sum of all, its slope


STANDARD = f"sum(((x[i] - {MEAN})/sqrt({SPREAD}))**3*w[i] for i in range(n))"
SHARES = (
    "sum(w[i]*log(exp(x[i])/sum(exp(x[j]) for j in range(n))) + exp(x[i])"
    "*prod(1 + x[k]**2/9 for k in range(n)) for i in range(n))"
)


def standard(x, w):
    n = len(x)
    mean = sum(x) / n
    spread = sum((t - mean) ** 2 for t in x)
    return sum(
        ((t - mean) / mpmath.sqrt(spread)) ** 3 * v for t, v in zip(x, w, strict=True)
    )


def shares(x, w):
    whole = sum(map(mpmath.exp, x))
    product = mpmath.fprod(1 + t**2 / 9 for t in x)
    return sum(
        v * mpmath.log(mpmath.exp(t) / whole) + mpmath.exp(t) * product
        for t, v in zip(x, w, strict=True)
    )


@pytest.mark.parametrize(
    ("formula", "exact"), [(STANDARD, standard), (SHARES, shares)], ids=["1", "2"]
)
def test_derivatives_by_way_of_what_is_computed_once(formula, exact):
    rng = np.random.default_rng(3)
    n, step = 5, mpmath.mpf(10) ** -20
    w = rng.normal(size=n)
    objective = Objective(formula, data={"w": w}, variables=["x"])
    for x in rng.normal(size=(4, n)):
        with mpmath.workdps(60):
            at = list(map(mpmath.mpf, x.tolist()))

            def moved(*places, at=at):
                there = list(at)
                for place, size in places:
                    there[place] += size
                return exact(there, w.tolist())

            value = float(moved())
            slope = [
                float((moved((k, step)) - moved((k, -step))) / (2 * step))
                for k in range(n)
            ]
            curvature = [
                [
                    float(
                        (moved((i, step), (k, step)) - moved((i, step), (k, -step))
                         - moved((i, -step), (k, step)) + moved((i, -step), (k, -step)))
                        / (4 * step**2)
                    )
                    for k in range(n)
                ]
                for i in range(n)
            ]  # fmt: skip
        found, gradient = objective.value_and_grad(x)
        assert found == pytest.approx(value, rel=1e-13)
        np.testing.assert_allclose(gradient, slope, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(objective.hess(x), curvature, rtol=1e-11, atol=1e-12)
