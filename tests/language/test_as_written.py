"""Short texts aren't rewritten at great cost: the work grows with the length."""

import math
import sys

import pytest
import sympy as sp
from sympy.core.cache import clear_cache

from symgd import Objective
from symgd.language import as_written
from symgd.language.formula import read

TEXTS = {
    "max": lambda n: f"max({', '.join(f'x - {i}*y' for i in range(n))})",
    "min": lambda n: f"min({', '.join(f'sin({i}*x)' for i in range(n))})",
    "or": lambda n: f"x if {' or '.join(f'x > {i}*y' for i in range(n))} else y",
    "and": lambda n: f"x if {' and '.join(f'x > {i}*y' for i in range(n))} else y",
    "choices": lambda n: "".join(f"{i}*x if x > {i}*y else " for i in range(n)) + "y",
    "sum of max": lambda n: "+".join(f"max(x - {i}, y, {i}*y)" for i in range(n)),
    "exponentials": lambda n: "*".join(f"exp(-(x - {i})**2/2)" for i in range(n)),
    "distances": lambda n: "+".join(f"sqrt((x - {i})**2 + y**2)" for i in range(n)),
    "sum of abs": lambda n: "+".join(f"abs({i}*x - y + 2)" for i in range(n)),
    "fractions": lambda n: "+".join(f"(x - {i}/7)**2*{i}/3" for i in range(n)),
}


def calls(function, *arguments):
    """Return how many calls of Python functions a call takes."""
    count = [0]

    def noted(frame, event, argument):
        count[0] += event == "call"

    clear_cache()  # SymPy's own, which would know some answers
    before = sys.getprofile()
    sys.setprofile(noted)
    try:
        function(*arguments)
    finally:
        sys.setprofile(before)
    return count[0]


@pytest.mark.parametrize("kind", TEXTS)
def test_reading_takes_as_long_as_the_text_is(kind):
    few, many = (calls(read, TEXTS[kind](n)) for n in (30, 120))
    assert many <= 6 * few


@pytest.mark.parametrize(
    "text",
    [
        "x**(10**9) % y",
        "x**2**53 % y",
        "x**1e16 % y",
        f"({'+'.join(f'x{i}' for i in range(60))})**3 % (x1 + 1)",
    ],
)
def test_a_remainder_of_a_power_stays_one(text):
    assert isinstance(read(text), sp.Mod)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("erfc(10**9) % 3", 0.0),
        ("exp(-10**9) % 3", 0.0),
        ("loggamma(3)**sigmoid(1e5 - 99999999999999999999)", 1.0),
        ("pi % 3", math.pi - 3),
        ("10**20*pi % 3", 1.2643383279502884197),
        ("-7 % 3", 2.0),
        ("7.5 % -2", -0.5),
        ("(3*pi) % pi", 0.0),
        ("max(pi, 3, 22/7, exp(-10**9))", 22 / 7),
        ("min(pi, 3, erfc(10**9))", 0.0),
    ],
)
def test_numbers_are_computed_however_extreme(text, number):
    assert float(read(text)) == pytest.approx(number, rel=1e-15, abs=1e-300)


def test_what_is_known_is_decided():
    assert read("x if 2 > 1 else y") == sp.Symbol("x", real=True)
    assert read("x if 2 > 1 and 3 < 2 else y") == sp.Symbol("y", real=True)
    assert read("max(x, 2, max(3, x))") == sp.Max(3, sp.Symbol("x", real=True))
    assert as_written.both() == sp.true
    assert as_written.either() == sp.false


def test_the_shares_of_a_large_maximum_are_no_larger_than_their_number():
    def size(n):
        nodes = Objective(TEXTS["max"](n)).gradient.atoms(sp.Basic)
        return sum(len(node.args) for node in nodes)

    assert size(200) < 5 * size(50)
