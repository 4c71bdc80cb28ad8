"""A Python function is read as the formula that it computes."""

import types
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import Objective
from tests.language import python_examples as examples

MODULE = Path(examples.__file__).read_text("utf-8")
FUNCTIONS = {**examples.VECTORS, **examples.SCALARS}
NAMES = {value: name for name, value in vars(examples).items() if callable(value)}
READ = {}  # objectives by function: each is compiled once


def read(function):
    if function not in READ:
        READ[function] = Objective(function)
    return READ[function]


def called(function, x):
    """Return what Python computes."""
    return function(x) if function in examples.VECTORS else function(*x)


def in_many_digits():
    """Return the functions by name, with mpmath in place of NumPy and math."""
    names = ("exp", "cos", "sqrt", "hypot", "pi", "e")
    exact = types.SimpleNamespace(**{name: getattr(mpmath, name) for name in names})
    namespace = {"__name__": examples.__name__, "math": exact}
    arrays = {"array": np.array, "sum": np.sum}
    namespace["np"] = types.SimpleNamespace(**{**vars(exact), **arrays})
    namespace |= {"T": examples.T, "Y": examples.Y}
    left_out = ("import math", "import numpy", "T = ", "Y = ")
    lines = ["" if line.startswith(left_out) else line for line in MODULE.splitlines()]
    exec("\n".join(lines), namespace)
    return namespace


EXACT = in_many_digits()


POINTS = st.lists(
    st.floats(-3, 3, allow_subnormal=False).map(lambda v: round(v, 6)),
    min_size=4,
    max_size=4,
)


@pytest.mark.parametrize("function", FUNCTIONS, ids=NAMES.get)
@given(numbers=POINTS)
@settings(max_examples=25)
def test_the_value_is_that_of_the_function(function, numbers):
    x = np.array(numbers[: FUNCTIONS[function]])
    expected = called(function, x)
    assert read(function).value(x) == pytest.approx(expected, rel=1e-14, abs=1e-13)


@pytest.mark.parametrize("function", FUNCTIONS, ids=NAMES.get)
@given(numbers=POINTS)
@settings(max_examples=5)
def test_the_gradient_is_that_of_the_function_in_50_digits(function, numbers):
    beside_kinks = np.array([0.0003, -0.0007, 0.0011, -0.0013])
    x = (np.array(numbers) + beside_kinks)[: FUNCTIONS[function]]
    exact = EXACT[NAMES[function]]

    def along(k, value):
        point = np.array([mpmath.mpf(v) for v in x], dtype=object)
        point[k] = value
        return exact(point) if function in examples.VECTORS else exact(*point)

    with mpmath.workdps(50):
        slopes = [mpmath.diff(lambda v, k=k: along(k, v), x[k]) for k in range(len(x))]
    expected = [float(slope) for slope in slopes]
    assert read(function).grad(x) == pytest.approx(expected, rel=1e-11, abs=1e-11)
