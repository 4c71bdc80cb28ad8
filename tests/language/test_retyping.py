"""What is suggested for texts that are written as elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symgd import FormulaError, Objective
from symgd.language.retyping import in_language, retyped, suggestion
from symgd.testing.drawn_formulas import formulas

WRITTEN = [
    # Products that are only understood.
    ("3xy + x**2", "3*x*y + x**2 or 3*xy + x**2"),
    ("2pi*r", "2*pi*r"),
    ("2mu + 1", "2*mu + 1"),
    ("1e-3x", "1e-3*x"),
    (".5x", ".5*x"),
    ("x y z", "x*y*z"),
    ("(x+1)(x-1)", "(x+1)*(x-1)"),
    ("x(x-1)", "x*(x-1)"),
    ("3 x^2 + 2 y", "3*x**2 + 2*y"),
    ("sin(x)cos(x)", "sin(x)*cos(x)"),
    ("1/2x", "1/(2*x) or 1/2*x"),
    ("1/(x-1)(x+1)", "1/((x-1)*(x+1)) or 1/(x-1)*(x+1)"),
    # Functions as in books.
    ("sin x", "sin(x)"),
    ("x sin 2x + 1", "x*sin(2*x) + 1"),
    ("sin x^2", "sin(x**2) or sin(x)**2"),
    ("sin^2(x)", "sin(x)**2"),
    ("2 sin^2 x", "2*sin(x)**2"),
    ("sin²(x) + cos²(x)", "sin(x)**2 + cos(x)**2"),
    ("√x + 1", "sqrt(x) + 1"),
    ("2√(x+1)", "2*sqrt(x+1)"),
    ("|x-1| + |y|", "abs(x-1) + abs(y)"),
    ("‖x‖", "norm(x)"),
    ("⌊x⌋", "floor(x)"),
    ("n!", "factorial(n)"),
    ("x^T x", "x.T @ x"),
    # Signs.
    ("x⁴ + x⁻¹", "x**4 + x**-1"),
    ("x₁² − 2·x₂", "x1**2 - 2*x2"),
    ("½*x", "(1/2)*x"),
    ("3×x ÷ y", "3*x / y"),
    ("cos(2πx)", "cos(2*π*x)"),
    ("exp(−x²/2)", "exp(-x**2/2)"),
    ("sin(45°)*x", "sin(45*pi/180)*x"),
    ("“x^2”", "x**2"),
    ("x**２", "x**2"),
    # Numbers.
    ("0,5*x", "0.5*x"),
    ("1.000,5*x", "1000.5*x"),
    ("1,234.5*x", "1234.5*x"),
    ("1 000*x", "1000*x"),
    ("1'000*x", "1000*x"),
    ("50% * x", "50/100 * x"),
    # Other languages.
    ("x.^2 + y.*z", "x**2 + y*z"),
    ("@(x,y) x.^2+y.^2", "x**2+y**2"),
    ("x ↦ x²", "x**2"),
    ("=A1^2+B1^2", "A1**2+B1**2"),
    ("$x^2$", "x**2"),
    ("IF(x>0;1;x)", "where(x>0,1,x)"),
    ("x > 1 ? x : 2", "x if x > 1 else 2"),
    ("if x > 1 then x else 2", "x if x > 1 else 2"),
    ("x mod 2", "x % 2"),
    ("minimize x^2", "x**2"),
    ("x**2;", "x**2"),
    ("x^2 if x > 0 && y > 0 else y", "x**2 if x > 0 and y > 0 else y"),
]


@pytest.mark.parametrize(("text", "better"), WRITTEN)
def test_what_is_suggested_is_the_whole_formula_as_formulas_are_written(text, better):
    with pytest.raises(FormulaError) as refused:
        Objective(text)
    assert refused.value.suggestion == f"write {better}"


@pytest.mark.parametrize(
    "text",
    [
        *("x +", "(x + 1", "x + 1)", "f(x,y)", "x(1)^2", "1.2.3", "d/dx x^2", "x{y}"),
        *("x xor y", "x^2, y^2", "= 3", "∂x", "fok(x^2)", "x → ", "1^", "^", "x^^2"),
    ],
)
def test_where_nothing_is_known_nothing_is_suggested(text):
    assert suggestion(text) is None


@given(formulas(("x", "y")))
def test_what_is_written_well_stays_as_it_is(formula):
    text = str(formula)
    assert set(retyped(text)) == {text}
    assert in_language(text)


@given(st.text("3x y²·/^()|sin√,.-", max_size=12))
def test_what_is_suggested_can_be_read(text):
    found = suggestion(text)
    for each in [] if found is None else found.removeprefix("write ").split(" or "):
        assert in_language(each)
