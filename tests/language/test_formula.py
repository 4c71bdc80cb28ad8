"""Reading formulas: what is accepted, what is refused, and how."""

import math

import pytest
import sympy as sp

from symgd import FormulaError, Objective
from symgd.language.formula import (
    MAX_DEPTH,
    constant,
    natural_order,
    read,
    symbol,
    text_of,
)
from symgd.language.functions import FUNCTIONS, ORDERS

x, y = symbol("x"), symbol("y")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(1 - x)**2 + 100*(y - x**2)**2", (1 - x) ** 2 + 100 * (y - x**2) ** 2),
        ("x if x > 0 else -x/2", sp.Piecewise((x, x > 0), (-x / 2, True))),
        ("1 if 0 < x <= 1 else 2", sp.Piecewise((1, (x > 0) & (x <= 1)), (2, True))),
        (
            "Piecewise((x, x < 1), (y, not (x > 2 or y > 1)), (0, True))",
            sp.Piecewise((x, x < 1), (y, ~((x > 2) | (y > 1))), (0, True)),
        ),
        (
            "x if (y > 1 if x > 2 else y < 3) else y",
            sp.Piecewise((x, sp.ITE(x > 2, y > 1, y < 3)), (y, True)),
        ),
        ("max(x, y, 1) + Min(x, 2)", sp.Max(x, y, 1) + sp.Min(x, 2)),
        ("abs(x) + Abs(y)", sp.Abs(x) + sp.Abs(y)),
        ("x//2 + y % 3", sp.floor(x / 2) + sp.Mod(y, 3)),
        ("sqrt(x**2)", sp.Abs(x)),  # symbols are real
        ("x**0.5", sp.sqrt(x)),
        ("ln(x) + log(x, 2)", sp.log(x) + sp.log(x) / sp.log(2)),
        ("hypot(x, y)", sp.sqrt(x**2 + y**2)),
        ("10**25*x/3", sp.Integer(10) ** 25 * x / 3),
        ("x**-2", x**-2),
        ("pi*E*x", sp.pi * sp.E * x),
        ("x**2 # a comment", x**2),
        ("x\n  + y", x + y),
        ("--x", x),
        ("7", sp.Integer(7)),
    ],
)
def test_text_becomes_the_expression(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    "name", ["beta", "gamma", "N", "S", "I", "Q", "O", "zeta", "Chi", "test", "e", "αβ"]
)
def test_any_other_name_is_a_variable(name):
    assert read(f"{name}**2") == symbol(name) ** 2
    assert Objective(f"gamma(2 + {name}**2)").variables == (name,)


def test_a_declared_name_hides_the_constant():
    assert Objective("E*x**2", ["E", "x"]).variables == ("E", "x")
    assert Objective("pi*x**2", parameters={"pi": 2}).value([3]) == 18
    assert Objective("E*x**2").variables == ("x",)


@pytest.mark.parametrize(
    ("text", "problem", "marked", "suggestion"),
    [
        ("x^2 + y^2", "not a power", "^", "x**2 + y**2"),
        ("3 + 2x", "'*' is missing", "2x", "2*x"),
        ("2 x", "'*' is missing", "2 x", "2*x"),
        ("x y", "'*' is missing", "x y", "x*y"),
        ("(x + 1) y", "'*' is missing", ") y", "(x + 1)*y"),
        ("√x + 1", "'√' is not known", "√", "write sqrt(x) + 1"),
        ("abs(x) if x > 0", "a choice has an else", "if", "a if condition else b"),
        ("1,5*x", "one expression", "1,5*x", "write 1.5*x"),
        ("sin x + 1", "needs parentheses", "sin x", "sin(x)"),
        ("2(x + 1)", "can't be called", "2(x + 1)", "2*(x + 1)"),
        ("1 + sin**2(x)", "stands after", "sin**2(x)", "sin(x)**2"),
        (r"\frac{1}{2}x^2", "this is LaTeX", r"\frac", "(1/2)*x**2"),
        ("x^{2}", "this is LaTeX", "^{", "(1/2)*x**2"),
        ("(x + 1)(x - 1)", "can't be called", None, "(x + 1)*(x - 1)"),
        ("x(y + 1)", "'x' is not a function", "x", "x*(y + 1)"),
        ("lambda**2", "Python keyword", "lambda", "lambda_"),
        ("x = 3", "an expression is expected", "=", "3 alone"),
        ("foo(x)", "did you mean 'floor'", "foo", "known functions"),
        ("sine(x)", "did you mean 'sin'", "sine", "known functions"),
        ("", "is empty", None, None),
        ("   # only a comment", "is empty", None, None),
        ("((x", "was never closed", "(", None),
        ("x))", "unmatched", ")", None),
        ("x, y", "not several", "x, y", None),
        ("x < 1", "a condition is not a number", "x < 1", "1 if x < 1 else 0"),
        ("x if y else 1", "a condition is expected", "y", None),
        ("1 if x is y else 0", "a condition is expected", "x is y", None),
        ("sqrt(-1)*x", "not a real number", "sqrt(-1)", None),
        ("log(-2)", "not a real number", "log(-2)", None),
        ("(-8)**(1/3)", "not a real number", "(-8)**(1/3)", None),
        ("x/0", "division by zero", "0", None),
        ("0**-1", "division by zero", "0**-1", None),
        ("3j*x", "complex number", "3j", None),
        ("'x'", "text is not", "'x'", None),
        ("x.real", "attribute", "x.real", None),
        ("lambda x: x", "lambda", None, "write x alone"),
        ("f'{x}'", "not part of a formula", None, None),
        ("[x]", "brackets", "[x]", "parentheses"),
        ("x!", "'!' is not known", "!", "factorial(x)"),
        ("|x|", "'|' is not", "|", "abs(x)"),
        ("x − y", "not known", "−", "x - y"),
        ("2×x²", "not known", "×", "2*x**2"),
        ("sin(x, y)", "takes 1 argument", "sin(x, y)", None),
        ("sin(x=1)", "no keywords", "sin(x=1)", None),
        ("max(*x)", "no stars", "max(*x)", None),
        ("Piecewise((x, y, 1))", "a pair", "(x, y, 1)", None),
        ("sum(x[i] for i in range(3))", "for objectives only", None, None),
        ("1 + x[0]", "for objectives only", "x[0]", None),
        ("1e400", "too large", "1e400", None),
        ("True", "not part", "True", None),
        ("not x", "not part", "not x", None),
        ("__import__('os').system('ls')", "can't be called", None, None),
        ("polygamma(x, 1)", "whole number", None, None),
        ("jn(x, 1)", "the order of jn is a whole number", None, None),
        ("jn(21, x)", "whole number to 20", None, None),
    ],
)
def test_refusals_mark_the_place_and_say_what_to_do(text, problem, marked, suggestion):
    with pytest.raises(FormulaError) as caught:
        read(text)
    error = caught.value
    assert problem in error.problem
    assert isinstance(error, ValueError)
    if marked is not None:
        assert text[error.start : error.end] == marked
        lines = str(error).splitlines()
        assert lines[1] == f"    {text}"
        assert lines[2].index("^") == 4 + error.start
        assert lines[2].count("^") == len(marked)
    if suggestion is not None:
        assert suggestion in error.suggestion


def test_the_place_is_right_after_comments_line_breaks_and_wide_letters():
    text = "x**2 # first\n + αβγ*foo(y)\n"
    with pytest.raises(FormulaError) as caught:
        read(text)
    assert text[caught.value.start : caught.value.end] == "foo"
    lines = str(caught.value).splitlines()
    assert lines[1] == "     + αβγ*foo(y)"
    assert lines[2] == " " * 11 + "^^^"


def test_a_long_formula_is_shown_around_the_place():
    text = " + ".join(["x"] * 100 + ["foo(x)"] + ["x"] * 100)
    with pytest.raises(FormulaError) as caught:
        read(text)
    shown, carets = str(caught.value).splitlines()[1:3]
    assert len(shown) < 90
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "foo"


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9",
        "((9**9)**9999)**9999",
        "(2*x)**(10**9)",
        "(sqrt(2)*x)**(10**9)",
        "(1/3)**(10**9)",
        "2**(-10**9*log(3)/log(2))",
        "exp(x + 10**9*log(2))",
        "factorial(10**9)",
        "gamma(10**9)",
        "sin(exp(exp(10)))",
        "floor(exp(10**6))",
        "(" * 10**5 + "x" + ")" * 10**5,
        "-" * 10**5 + "x",
        "sin(" * 150 + "x" + ")" * 150,
        "9" * 5000,
        "x + " * 10**5 + "x",
        "1" + "*9**999" * 5000,
    ],
    ids=lambda text: text[:30],
)
def test_explosive_formulas_fail_at_once(text):
    with pytest.raises(FormulaError):
        read(text)


def test_large_but_harmless_formulas_are_read():
    names = [symbol(f"x{i}") for i in range(1000)]
    assert read(" + ".join(f"x{i}" for i in range(1000))) == sp.Add(*names)
    assert float(read("loggamma(10**9)")) == math.lgamma(1e9)
    assert read("sin(" * 50 + "x" + ")" * 50).has(x)


def test_sympy_expressions_pass_the_same_list():
    plain = sp.Symbol("x")
    assert read(sp.sqrt(plain**2)) == sp.Abs(x)
    assert read(sp.Symbol("x", positive=True) ** 2 + 1) == x**2 + 1
    assert read(3) == 3
    assert read(sp.Rational(1, 3) * plain) == x / 3


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        (sp.bessely(0, sp.Symbol("x")), "bessely is not part"),
        (sp.LambertW(sp.Symbol("x"), -1), "principal branch"),
        (sp.polygamma(sp.Symbol("x"), 2), "whole number to 20"),
        (sp.besselj(sp.Symbol("x"), 2), "order of besselj is a whole number"),
        (sp.Function("f")(sp.Symbol("x")) + 1, "f is not part"),
        (sp.Symbol("x") * sp.I, "not a finite real"),
        (sp.Symbol("x") + sp.oo, "not a finite real"),
        (sp.nan + sp.Symbol("x"), "not a finite real"),
        (sp.Derivative(sp.sin(sp.Symbol("x")), sp.Symbol("x")), "Derivative is not"),
        (sp.Integral(sp.Symbol("x"), sp.Symbol("x")), "Integral is not"),
        (sp.Sum(sp.Symbol("x"), (sp.Symbol("i"), 1, 3)), "objectives only"),
        (sp.Symbol("x") < 1, "an expression is expected"),
        (sp.Symbol("x", imaginary=True) ** 2, "not real"),
        (sp.Symbol("x") + sp.Symbol("x", positive=True), "two different symbols"),
        ("binomial(10**9, k)", "has a factor that is too large for float64"),
        (sp.Integer(10) ** 400 * sp.Symbol("x"), "too large for float64"),
        ("x/1e-320", "1/1e-320 is too large for float64"),
        ("x/(1e-320*y)", r"1/\(1e-320\*y\) is too large for float64"),
        ([1, 2], "text or a SymPy expression, not list"),
        (None, "not NoneType"),
        (True, "not bool"),
    ],
)
def test_other_objects_are_refused(expression, problem):
    with pytest.raises(FormulaError, match=problem):
        read(expression)


def test_names_can_be_closed():
    assert read("2*t", {"t": symbol("t")}, closed=True) == 2 * symbol("t")
    with pytest.raises(
        FormulaError, match=r"unknown name 'rate' \(did you mean 'rates'"
    ):
        read("2*rate", {"rates": x}, closed=True)
    with pytest.raises(FormulaError, match="known: x"):
        read(sp.Symbol("q") + 1, {"x": x}, closed=True)


def test_constants_are_formulas_too():
    assert constant("pi/2", "angle") == float(sp.pi / 2)
    with pytest.raises(FormulaError, match="unknown name"):
        constant("x", "angle")


def test_natural_order():
    names = ["x10", "x2", "x1", "y", "X", "a1b10", "a1b9"]
    expected = ["X", "a1b9", "a1b10", "x1", "x2", "x10", "y"]
    assert natural_order(names) == expected


def test_every_function_of_the_table_can_be_written_and_printed():
    for name, row in FUNCTIONS.items():
        arguments = ["1", "x/9"] if row.node in ORDERS else ["x/9", "y/9", "z"]
        count = 1 if row.arity[0] == 1 else row.arity[0]
        chosen = arguments[-count:] if row.node in ORDERS else arguments[:count]
        expression = read(f"{name}({', '.join(chosen)})")
        assert read(text_of(expression)) == expression


def test_depth_is_bounded_for_expressions_too():
    expression = x
    for _ in range(MAX_DEPTH + 10):
        expression = sp.sin(expression, evaluate=False)
    with pytest.raises(FormulaError, match="levels deep"):
        read(expression)


@pytest.mark.parametrize(
    ("text", "problem", "advice"),
    [
        ("norm x", "needs parentheses", "write norm(x)"),
        ("x'*x", "' is no transpose", "write x.T"),
        ("sum(x[i]) for i in range(3)", "inside of the parentheses",
         "write sum(x[i] for i in range(3))"),
        ("2*max(x[i]**2) for i in range(n)", "inside of the parentheses",
         "write max(x[i]**2 for i in range(n))"),
        ("df['y']**2", "a column is a name of its own", "write y"),
        ("np.einsum('ij,j->', A, x)", "unknown function 'einsum'", "write the sum"),
        ("np.linalg.cholesky(K)", "unknown function 'cholesky'", "write logdet(K)"),
        ("sorted(x)[0]", "unknown function 'sorted'", "don't sort"),
        ("quad(f, 0, 1)", "unknown function 'quad'", "weights w of a quadrature"),
        ("float(x)", "unknown function 'float'", "leave it out"),
    ],
)  # fmt: skip
def test_habits_of_newcomers_are_told_what_to_write(text, problem, advice):
    with pytest.raises(FormulaError) as caught:
        read(text, arrays=True)
    assert problem in caught.value.problem
    assert advice in caught.value.suggestion
    assert caught.value.formula
