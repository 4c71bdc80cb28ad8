"""Formulas as they were typed: in their order, with the letters that papers use."""

import re

import pytest

from symgd.pages.content import equations_of
from symgd.plotting.as_typed import typeset
from symgd.rules.family import BUILT_IN
from symgd.rules.rule import Rule


def words(mathml):
    """Return what is read, without the tags."""
    upright = mathml.replace('</mi><mi mathvariant="normal">', "")  # a name's letters
    text = re.sub(r"<[^>]*>", " ", upright)
    letters = re.sub(r"&#x([0-9A-F]+);", lambda m: chr(int(m[1], 16)), text)
    return " ".join(letters.split())


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("(1 - x)**2 + 100*(y - x**2)**2", "( 1 − x ) 2 + 100 ( y − x 2 ) 2"),
        ("b - (c - a)", "b − ( c − a )"),
        ("-x**2", "− x 2"),
        ("3*10", "3 · 10"),
        ("2e-8*x", "2 · 10 − 8 x"),
        ("abs(x)/sqrt(y)", "| x | y"),
        ("x if x > 0 else -x", "{ x if x > 0 − x otherwise"),
        ("step_size*g", "step_size g"),
    ],
)
def test_the_order_is_the_typed_one(text, read):
    assert words(typeset(text)) == read


@pytest.mark.parametrize("text", ["x +", "x[0]", "f(a=1)", "'a'", "True", "x" * 2000])
def test_what_is_not_known_is_left_to_sympy(text):
    assert typeset(text) is None


def test_rules_have_the_letters_of_papers():
    assert words(equations_of(BUILT_IN["gd"])[0]) == "x ← x − η g"
    assert words(equations_of(BUILT_IN["momentum"])[0]) == "change ← η g + μ change"
    for rule in BUILT_IN.values():
        assert all("<math" in line for line in equations_of(rule))


def test_a_letter_that_the_rule_uses_itself_is_not_given_twice():
    rule = Rule("own", "eta = eta + g\nx = x - step_size*eta", step_size=0.1)
    assert words(equations_of(rule)[1]) == "x ← x − step_size η"
