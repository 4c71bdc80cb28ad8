"""Factored ratios: the same numbers, and never a polynomial that has no end."""

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import symgd
from symgd.insight import factors
from symgd.insight.factors import expanded, factored
from symgd.insight.univariate import T

RATIOS = [
    sp.exp(T) / (1 + sp.exp(T)) - sp.exp(2 * T) / (1 + sp.exp(T)) ** 2,
    (sp.exp(-T / 3) + 2 * sp.exp(T / 2 + 1)) / (1 - sp.exp(T)) ** 2 + T,
    T ** sp.Rational(37, 100) * (sp.log(T) + 1) ** 2 - 1 / T,
    sp.exp(-((sp.Float(0.3) - 0.4 * T) ** 2)) * (T**2 - 1) / (T + 1),
]


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_factored_ratio_is_the_same(ratio):
    @settings(deadline=None, max_examples=20)
    @given(st.floats(0.05, 3))
    def check(x):
        assert float(found.subs(T, x)) == pytest.approx(
            float(ratio.subs(T, x)), rel=1e-9
        )

    ratio = sp.nsimplify(ratio)
    found = factored(ratio)
    check()


def test_polynomials_that_are_factored_are_small(monkeypatch):
    # Of 0.4 in an exponent SymPy makes a power of exp(x/2**54).
    def counted(ratio):
        asked.append(ratio)
        sides = [side for side in sp.fraction(ratio) if not side.is_number]
        assert all(max(sp.Poly(s).degree_list()) <= factors.MOST_DEGREE for s in sides)
        return factor(ratio)

    asked, factor = [], sp.factor
    monkeypatch.setattr(sp, "factor", counted)
    text, within = "exp(exp(-(0.3 - 0.4*x)**2))", [(-2.95, 0.09)]
    assert "not convex" in str(symgd.analyze(text, within, time_limit=1.0))
    powers = T ** sp.Rational(0.41), sp.exp(sp.Rational(0.37) * T)
    assert factored(sp.Mul(*powers) / (1 + powers[1] ** 2)) is not None
    assert len(asked) > 1


def test_powers_that_are_large_are_left():
    assert factored((1 - T) ** 1000 / (1 + T) + 1) is None


def test_what_has_many_terms_is_not_multiplied_out():
    x, y = sp.symbols("x y", real=True)
    square = (x + y + 1) ** 2
    assert expanded(square - 2 * x * y) == sp.expand(square - 2 * x * y)
    assert expanded((x + 1) ** 2 - x**2 - 2 * x - 1) == 0
    for many in (
        (x + y + 1) ** 60,
        sp.exp((x + y + 1) ** 60),
        1 / (x + sp.sin(y) + 2) ** 60,
        sp.Mul(*(x + y + k + sp.sin(k * x) for k in range(1, 9))),
        (((x + y) ** 4 + x) ** 4 + y) ** 4,
        (x + y) ** (10**9),
    ):
        assert expanded(many) is None
