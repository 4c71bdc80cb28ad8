"""Kinks: found where there are some, and none where f is smooth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import Objective, minimize
from symgd.descent.kinks.at_end import nearest_to_origin
from symgd.native.status import Status


@given(
    st.integers(1, 4),
    st.integers(1, 8),
    st.integers(0, 2**32),
    st.sampled_from([1.0, 1e-200, 1e200]),
)
@settings(max_examples=60)
def test_the_nearest_point_of_a_hull(n, count, seed, unit):
    points = np.random.default_rng(seed).normal(0.3, 1.0, (count, n))
    nearest = nearest_to_origin(unit * points) / unit
    # By the theorem of Wolfe's paper: no point lies on the other side of its plane.
    slack = points @ nearest - nearest @ nearest
    assert slack.min() >= -1e-9 * (points**2).sum(axis=1).max()


def test_a_kink_is_no_small_gradient():
    result = minimize("abs(3*x - 1)", 1.0)
    assert result.status == Status.CONVERGED
    assert not result.criteria["gtol"].fired


CANCELLED = [
    "x**2 + y**2 - 2*x*y",
    "x**4 - 2*x**2*y**2 + y**4",
    "x**2 - 2*x*y**2 + y**4",
    "exp(2*x) - 2*exp(x + y) + exp(2*y)",
]


@settings(deadline=None, max_examples=10)
@given(x=st.integers(3, 40), y=st.integers(3, 40))
@pytest.mark.parametrize("formula", CANCELLED)
def test_what_is_rounded_is_no_way_down(formula, x, y):
    # Squares, written out: along a line they are 0, and in float64 also below.
    result = minimize(formula, [x / 10, y / 10])
    assert abs(result.fun) < 1e-9
    assert abs(result.x).max() < 20
    assert result.success or result.status == Status.ABNORMAL


ROOTS_WITHOUT_KINK = [  # formula, parameters, start, the least value
    ("sqrt(x**2 + a**2)/v + sqrt((d - x)**2 + b**2)/u", {"a": 1e-6, "b": 2e-6,
     "d": 1e-5, "u": 2e8, "v": 3e8}, 0.0, 4.0988836902362873e-14),
    ("A/L*(sqrt(x**2 + L**2) + 1.5*sqrt((2*L - x)**2 + (3*L)**2))",
     {"A": 1e-21, "L": 1e-9}, 0.0, 6.12470750465792e-21),
    ("sqrt(p**2 + m**2) - v*p", {"m": 1e-30, "v": 0.5}, 0.0, 1e-30 * 0.75**0.5),
    ("sqrt(p**2 + m**2) - v*p", {"m": 1e-30, "v": 0.5}, 5.0, 1e-30 * 0.75**0.5),
    ("sqrt(x**2 + s**2) - 0.5*x", {"s": 1e-9}, 1.0, 1e-9 * 0.75**0.5),
]  # fmt: skip


@pytest.mark.parametrize(("text", "parameters", "start", "least"), ROOTS_WITHOUT_KINK)
def test_a_root_that_is_never_0_has_no_kink(text, parameters, start, least):
    """A small parameter's square was taken for 0, and the start for a kink."""
    result = minimize(Objective(text, parameters=parameters), start)
    assert result.success
    assert result.fun == pytest.approx(least, rel=1e-8)
    assert "kink" not in result.message
    named = {name: 0.0 for name in parameters if name in "ams"}
    if text.startswith("sqrt(p"):  # with 0 there is one
        kinked = minimize(Objective(text, parameters={**parameters, **named}), 5.0)
        assert kinked.x == pytest.approx([0.0], abs=1e-12)
        assert "kink" in kinked.message


def test_a_logarithm_of_gamma_has_no_kink():
    result = minimize("loggamma(x) - 3*x", [1e6], bounds=[(1e-9, None)])
    assert result.success
    assert "kink" not in result.message


@pytest.mark.parametrize("place", [0.0, 1.0, 3e-11, 1 + 2e-10])
def test_a_kink_is_found_on_either_side_of_an_end(place):
    result = minimize(f"abs(x - {place!r}) + x**2/1e6 + (y - 1)**2", [3.0, 3.0])
    assert result.success
    assert "kink" in result.message
