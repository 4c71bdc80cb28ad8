import math
from concurrent.futures import ThreadPoolExecutor

import mpmath
import pytest
import sympy as sp

from symgd import Objective
from symgd.language.digits import digits, value_of
from symgd.language.functions import ORDERS, TABLE

HARD = {"polygamma", "digamma", "Heaviside", "Mod"}  # have no digits here
X, Y = sp.symbols("x y", real=True)


@pytest.mark.parametrize("name", [row.name for row in TABLE if row.name not in HARD])
@pytest.mark.parametrize("at", [(0.3, 0.7), (1.4, 0.2), (-0.4, 2.5)])
def test_a_value_of_many_digits_begins_as_that_of_few(name, at):
    row = next(row for row in TABLE if row.name == name)
    count = max(1, row.arity[0])
    first = [2.0] if row.node in ORDERS else []
    numbers = [*first, *at][:count]
    try:
        few = row.numeric(*numbers)
    except ValueError:
        few = math.nan
    with digits(50):
        values = dict(zip((X, Y), map(mpmath.mpf, at), strict=False))
        places = [*map(sp.Integer, first), X, Y][:count]
        many = value_of(row.build(*places), values)
    assert float(many) == pytest.approx(few, rel=1e-13, nan_ok=True)


@pytest.mark.parametrize("name", sorted(HARD))
def test_what_has_no_digits_has_no_value(name):
    row = next(row for row in TABLE if row.name == name)
    part = row.build(*(sp.Integer(1), X)[-max(1, row.arity[0]) :])
    with digits(50):
        assert mpmath.isnan(value_of(part, {X: mpmath.mpf(0.5)}))


def test_an_exponent_has_no_more_digits_than_asked_for():
    with digits(100):
        value = value_of(sp.exp(-sp.exp(X)), {X: mpmath.mpf(10) ** 9})
    assert value == 0


def test_conditions_choose():
    formula = Objective("x**2 if x < 1 or x > 3 else 5").expression
    (x,) = formula.free_symbols
    with digits(30):
        found = [value_of(formula, {x: mpmath.mpf(k)}) for k in (0.5, 2, 4)]
    assert found == [0.25, 5, 16]


def test_each_thread_has_its_own_digits():
    def third(count):
        with digits(count):
            return mpmath.nstr(value_of(sp.Rational(1, 3) + 0 * X, {}), count)

    with ThreadPoolExecutor(4) as pool:
        counts = [20, 300] * 50
        for count, found in zip(counts, pool.map(third, counts), strict=True):
            assert found == "0." + "3" * count
