"""Which formulas may jump, and which have all derivatives."""

import pytest

from symgd import Objective
from symgd.language.formula import read
from symgd.language.smoothness import varying

# A formula, what it is given, whether it may jump, and whether it is analytic.
FORMULAS = [
    ("tanh(x)", {}, False, True),
    ("sqrt(x) + x**0.3", {}, False, True),
    ("abs(x) + y", {}, False, False),
    ("x**2 + sign(x)", {}, True, False),
    ("x % 3 + y", {}, True, False),
    ("Heaviside(x - 1)*y", {}, True, False),
    ("x**2 + a*sign(b)", {"parameters": {"a": 1, "b": 2}}, False, True),
    ("sum(max(x[i], 0)**2 for i in range(n))", {}, False, False),
    ("sum(x[i]**2 if i > 2 else x[i]**4 for i in range(5))", {}, False, True),
    ("sum(x[i]**2 if x[i] > 2 else x[i] for i in range(5))", {}, True, False),
    (
        "sum(x[j]**4 for i in range(n) for j in range(max(0, i - 5), n))",
        {},
        False,
        True,
    ),
    ("sum((m - d[i])**2 if d[i] > 1 else m for i in range(n))", "d", False, True),
    ("sum((m - d[i])**2 if d[i] > 1 else abs(m) for i in range(n))", "d", False, False),
]


@pytest.mark.parametrize(("formula", "given", "jumps", "analytic"), FORMULAS)
def test_only_what_varies_has_kinks_and_jumps(formula, given, jumps, analytic):
    given = {"data": {"d": [1.0, 2.0]}} if given == "d" else given
    objective = Objective(formula, **given)
    assert objective.has_jumps is jumps
    assert objective.is_analytic is analytic


def test_what_is_shared_is_found_wherever_it_stands():
    shared = "sin(x*y)"
    formula = read(f"{shared} + cos({shared}*z) + exp(z)")
    found = varying(formula, ["y"])
    assert formula in found
    assert read(shared) in found
    assert read(f"cos({shared}*z)") in found
    assert read("exp(z)") not in found
    assert len(found) == 6
