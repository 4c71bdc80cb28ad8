"""Sums, products and indexed names: what is read, refused, folded and printed."""

import math
import pickle
from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import FormulaError, fit
from symgd.language.formula import Product, Sum, array, names_in, read, symbol, text_of

i, j, k, n, m, y = (symbol(name) for name in "ijknmy")
x, A = array("x"), array("A")


def opened(formula, **options):
    return read(formula, arrays=True, **options)


# ---------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum(x[i]**2 for i in range(n))", Sum(x[i] ** 2, (i, 0, n - 1))),
        ("sum(x[i + 1] for i in range(2, n))", Sum(x[i + 1], (i, 2, n - 1))),
        (
            "prod(A[i, j] for i in range(n) for j in range(i))",
            Product(A[i, j], (j, 0, i - 1), (i, 0, n - 1)),
        ),
        (
            "sum(sum(A[i, j] for j in range(m)) for i in range(n))",
            Sum(A[i, j], (j, 0, m - 1), (i, 0, n - 1)),
        ),
        ("Sum(A[i, j], (j, 0, i), (i, 1, n))", Sum(A[i, j], (j, 0, i), (i, 1, n))),
        ("Product(x[i], (i, 0, 3))", Product(x[i], (i, 0, 3))),
        (
            "sum(x[i] for i in range(n) if i > 0 if x[i] > 1)",
            Sum(sp.Piecewise((x[i], (i > 0) & (x[i] > 1)), (0, True)), (i, 0, n - 1)),
        ),
        (
            "prod(x[i] for i in range(n) if i != k)",
            Product(sp.Piecewise((x[i], sp.Ne(i, k)), (1, True)), (i, 0, n - 1)),
        ),
        (
            "sum(x[i] for i in range(1, n, 2))",
            Sum(x[2 * i + 1], (i, 0, sp.floor(n / 2 - 1))),
        ),
        (
            "sum(i*x[i] for i in range(n - 1, -1, -1))",
            Sum((n - 1 - i) * x[n - 1 - i], (i, 0, n - 1)),
        ),
        ("sum(x[i] for i in range(5, 0, -2))", Sum(x[5 - 2 * i], (i, 0, 2))),
        ("x[0] + A[n - 1, 2]", x[0] + A[n - 1, 2]),
        ("x[i//2] + x[i % 3]", x[sp.floor(i / 2)] + x[sp.Mod(i, 3)]),
        (
            "sum(x[pairs[k, 0]] for k in range(m))",
            Sum(x[array("pairs")[k, 0]], (k, 0, m - 1)),
        ),
        (
            "sum(x[i] for i in range(max(0, k - 1), min(n, k + 2)))",
            Sum(x[i], (i, sp.Max(0, k - 1), sp.Min(n, k + 2) - 1)),
        ),
        ("sum(pi*x[pi] for pi in range(n))/pi", None),
        ("i + sum(x[i] for i in range(n))", i + Sum(x[i], (i, 0, n - 1))),
        ("sum + prod", symbol("sum") + symbol("prod")),
    ],
)
def test_text_becomes_the_expression(text, expected):
    if expected is None:
        index = symbol("pi")
        expected = Sum(index * x[index], (index, 0, n - 1)) / sp.pi
    assert opened(text) == expected


def test_a_condition_in_an_inner_sum_stays_there():
    # SymPy's own Sum would pull it out, and j with it
    text = "sum(x[i]*sum(x[j] for j in range(n) if j != i) for i in range(n))"
    inner = Sum(sp.Piecewise((x[j], sp.Ne(i, j)), (0, True)), (j, 0, n - 1))
    expression = opened(text)
    assert expression == Sum(x[i] * inner, (i, 0, n - 1))
    moved = expression.xreplace({n: m})
    assert moved == opened(text.replace("n)", "m)"))
    assert names_in(sp.diff(expression, x[k])) == ({"k", "n"}, {"x": 1})
    assert opened(expression) == expression
    assert pickle.loads(pickle.dumps(expression)) == expression


def test_many_conditions_in_a_body_are_read_at_once():
    body = "*".join(f"(x[i] if x[i] > {c} else 1)" for c in range(40))
    opened(f"sum({body} for i in range(n))")


@pytest.mark.parametrize(
    ("text", "problem", "marked", "suggestion"),
    [
        ("x[1.5]", "whole number", "1.5", "1 for 1.0"),
        ("x[i/2]", "whole number", "i/2", "a//b"),
        ("x[sin(i)]", "whole number", "sin(i)", None),
        ("x[0:3]", "an array of shape (3,)", "x[0:3]", "sum(x[0:3])"),
        ("2*x[]", "index is missing", "[]", "x[0]"),
        ("x[()]", "0 indices", "x[()]", "x[i]"),
        ("x[i][j]", "only a name", "x[i][j]", "A[i, j]"),
        ("sin(x)[0]", "only a name", "sin(x)[0]", None),
        ("x[i, j, k, l]", "4 indices", "x[i, j, k, l]", None),
        ("x[0] + 2*x", "an array of shape (len(x),)", "x[0] + 2*x", None),
        ("x[0] + x[0, 1]", "with 1 and with 2 indices", "x[0]", None),
        ("1 + sum(x[i])", "over an index", "sum(x[i])", "sum(x[i] for i in range(n))"),
        ("prod(x[i])", "over an index", None, "prod(x[i] for i in range(n))"),
        ("sum()", "over an index", "sum()", None),
        ("sum(lambda: x)", "over an index", None, None),
        ("sum(x[i] for i in range(n), 2)", "parenthesized", None, None),
        ("sum(x[i] async for i in range(n))", "in a range", None, "range(n)"),
        ("sum(x[i] for i, j in range(n))", "in a range", None, "range(n)"),
        ("sum(x[i] for i in range())", "in a range", None, "range(n)"),
        ("sum(x[i], start=3)", "no keywords", None, None),
        ("max(x[i] for i in range(n) if i > 2)", "no 'if'", None, "if condition else"),
        ("max((x[i] for i in range(n)), 2)", "nothing else", None, "max(a, max(x[i]"),
        ("max(x[i] for i in range(n/2))", "whole number", "n/2", "a//b"),
        ("(x[i] for i in range(n))", "an array of shape (n,)", None, "sum("),
        ("Sum(x[i], i)", "needs limits", None, "Sum(x[i], (i, 0, n - 1))"),
        ("Sum(x[i], (i, n))", "needs limits", None, "(i, 0, n - 1)"),
        ("sum(x[i] for i in range(k[0]))", "can't depend", "k[0]", "condition"),
        ("sum(x[i] for i in range(n/2))", "whole number", "n/2", "a//b"),
        ("sum(x[i] for i in range(0, n, k))", "step", "range(0, n, k)", None),
        ("sum(x[i] for i in range(0, n, 0))", "step", "range(0, n, 0)", None),
        ("sum(x[i] for i in range(*n))", "starred", "*n", None),
        ("sum(x[k] for k in range(k))", "name of a size", "k", "another name"),
        ("sum(x[q] for i in range(q) for q in range(3))", "name of a size", "q", None),
        ("sum(sum(x[q] for q in range(n)) for q in range(3))", "already", "q", None),
        ("sum(q[0] for q in range(3))", "both an index and", "q[0]", None),
        ("q[0] + sum(q for q in range(n))", "both an index and", "q", None),
        ("sum(9**9**9**9 for i in range(3))", "too large", "9**9**9", None),
        ("sum(1/i for i in range(3))", "not a real number", None, None),
        ("sum(sqrt(i - 2) for i in range(n))*0 + foo(x)", "unknown", "foo", None),
    ],
)
def test_refusals_mark_the_place_and_say_what_to_do(text, problem, marked, suggestion):
    with pytest.raises(FormulaError) as caught:
        opened(text)
    error = caught.value
    assert problem in error.problem
    assert error.formula == text
    if marked is not None:
        assert text[error.start : error.end] == marked
        shown, carets = str(error).splitlines()[1:3]
        assert shown[carets.index("^") :].startswith(marked)
        assert carets.count("^") == len(marked)
    if suggestion is not None:
        assert suggestion in error.suggestion


def test_names_can_be_closed():
    names = {"x": symbol("x"), "n": n}
    text = "sum(x[i] for i in range(n))"
    assert opened(text, names=names, closed=True) == Sum(x[i], (i, 0, n - 1))
    assert opened(opened(text), names=names, closed=True) == opened(text)
    for formula in ("sum(z[i] for i in range(n))", Sum(array("z")[i], (i, 0, n))):
        with pytest.raises(FormulaError, match=r"unknown name.*known: n, x"):
            opened(formula, names=names, closed=True)
    with pytest.raises(FormulaError, match="stands for an expression"):
        opened("x[0]", names={"x": 2 * y})


def test_an_index_hides_what_its_name_stands_for():
    names = {"i": 2 * y}
    assert opened("i + sum(x[i] for i in range(n))", names=names) == (
        2 * y + Sum(x[i], (i, 0, n - 1))
    )
    assert opened(i + Sum(x[i], (i, 0, n - 1)), names=names) == (
        2 * y + Sum(x[i], (i, 0, n - 1))
    )


# ---------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sum(i for i in range(4))", 6),
        ("sum(1/(i + 1)**2 for i in range(3))", sp.Rational(49, 36)),
        ("prod(i + 1 for i in range(20))", math.factorial(20)),
        (
            "sum(i*j for i in range(9) for j in range(i) if (i + j) % 2 == 0)",
            sum(a * b for a in range(9) for b in range(a) if (a + b) % 2 == 0),
        ),
        ("sum(i*sum(j for j in range(i)) for i in range(10))", 870),
        (
            "sum(max(i, 2) + abs(i - 3) - i//2 for i in range(5))",
            sum(max(a, 2) + abs(a - 3) - a // 2 for a in range(5)),
        ),
        ("sum(i for i in range(10, 0, -3))", 22),
        ("sum(1/i if i > 0 else 0 for i in range(3))", sp.Rational(3, 2)),
        ("sum(i for i in range(1000))", 499500),
        ("sum(x[i] for i in range(0))", 0),
        ("prod(x[i] for i in range(n, n))", 1),
        ("prod(x[i] for i in range(3, 1))", 1),
        ("sum(x[i]*sum(3 for j in range(2)) for i in range(n))", None),
    ],
)
def test_without_names_a_sum_is_its_exact_value(text, value):
    expected = 6 * x[i] if value is None else value
    expected = Sum(expected, (i, 0, n - 1)) if value is None else expected
    assert opened(text) == expected


def test_long_or_irrational_sums_are_floats():
    squares = opened("sum(1/(i + 1)**2 for i in range(20000))")
    assert float(squares) == float(sum(Fraction(1, t * t) for t in range(1, 20001)))
    harmonic = opened("sum(1/(i + 1) for i in range(1000))")
    assert float(harmonic) == float(sum(Fraction(1, t) for t in range(1, 1001)))
    assert float(opened("sum(sqrt(i) for i in range(3))")) == 1 + math.sqrt(2)
    for value in (squares, harmonic):
        assert read(text_of(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "sum(1 for i in range(100001))",
        "sum(1 for i in range(1000) for j in range(1000))",
        "sum(1 for i in range(10**18))",
        "sum(0 for i in range(10**9) for j in range(i - i//1))",
        "sum(9**(9**(9**i)) for i in range(30))",
        "prod(i + 1 for i in range(1000))",
        "sum(exp(exp(i)) for i in range(30))",
        "sum(log(i) for i in range(30))",
        "sum(sqrt(i - 2) for i in range(3))",
        "sum(factorial(10**9) for i in range(n))",
        "sum((2*x[i])**(10**9) for i in range(n))",
        "sum(" * 150 + "1" + " for i in range(3))" * 150,
    ],
    ids=lambda text: text[:40],
)
def test_explosive_sums_fail_soon(text):
    with pytest.raises(FormulaError):
        opened(text)


def test_a_sum_is_never_taken_for_a_number():
    assert not Sum(1, (i, 0, 3)).is_number
    assert not opened("sum(sin(k) for k in range(n))").is_number


# ------------------------------------------------------------ SymPy expressions


def test_sympy_expressions_become_canonical():
    p, q, size = sp.symbols("p q size", integer=True)
    b = sp.IndexedBase("b", shape=(size,), offset=2, strides=(3,))
    index = sp.Idx("p", size)
    expected = opened("sum(b[p]**2 for p in range(size))")
    assert opened(sp.Sum(b[p] ** 2, (p, 0, size - 1))) == expected
    assert opened(sp.Sum(b[index] ** 2, index)) == expected
    nested = sp.Product(sp.IndexedBase("A")[p, q], (q, 0, p), (p, 0, size))
    text = "prod(A[p, q] for p in range(size + 1) for q in range(p + 1))"
    assert opened(nested) == opened(text)
    assert opened(sp.Sum(p, (p, 0, 3))) == 6
    assert opened(sp.Sum(b[p], (p, 3, 1))) == 0


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        (x + 1, "needs an index"),
        (x[0] + symbol("x"), "both with and without"),
        (x[0] + x[0, 1], "with 1 and with 2 indices"),
        (x[-1], "counts from 0"),
        (x[i / 2], "whole number"),
        (x[i, j, k, n], "4 indices"),
        (sp.Sum(x[i], (i, 0, sp.oo)), "not a finite real"),
        (sp.Sum(x[i], (i, 0, n / 2)), "whole number"),
        (sp.Sum(x[i], (i, 0, x[0])), "can't depend"),
        (Sum(x[i] * Sum(x[i], (i, 0, n)), (i, 0, n)), "already the index"),
        (sp.Sum(x[i], (i, 0, i)), "name of a size"),
        (sp.Sum(array("i")[0], (i, 0, n)), "both an index and"),
        (sp.Sum(x[i] * sp.Symbol("i"), (i, 0, n)), "another symbol"),
        (sp.IndexedBase(sp.Symbol("z", imaginary=True))[0], "not real"),
        (sp.Sum(sp.bessely(0, x[i]), (i, 0, n)), "bessely is not part"),
        (sp.Sum(sp.Integer(1), (i, 0, 10**6)), "more than 100000 terms"),
    ],
)
def test_other_sympy_expressions_are_refused(expression, problem):
    with pytest.raises(FormulaError, match=problem):
        opened(expression)


def test_without_arrays_sympy_sums_are_refused():
    for expression in (x[0], sp.Sum(i, (i, 0, 3)), sp.Product(x[i], (i, 0, n))):
        with pytest.raises(FormulaError, match="for objectives only"):
            read(expression)


# -------------------------------------------------------------- names, and text


def test_names_in():
    text = "c*x[0] + sum(b[i]*A[i, j] + i for i in range(n) for j in range(i + m))"
    assert names_in(opened(text)) == ({"c", "n", "m"}, {"x": 1, "b": 1, "A": 2})
    assert names_in(opened("i + sum(x[p[i]] for i in range(3))")) == (
        {"i"},
        {"x": 1, "p": 1},
    )


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (
            "sum(x[i+1]**2 for i in range(n-1))",
            "sum(x[i + 1]**2 for i in range(n - 1))",
        ),
        ("Sum(x[i], (i, 2, n))", "sum(x[i] for i in range(2, n + 1))"),
        (
            "2*prod(A[i, j] for i in range(n) for j in range(i))",
            "2*prod(A[i, j] for i in range(n) for j in range(i))",
        ),
    ],
)
def test_sums_are_printed_as_python_writes_them(text, printed):
    assert text_of(opened(text)) == printed


_indices = st.sampled_from(
    ["0", "{i}", "{i} + 1", "2*{i}", "n - 1", "{i}//2", "{i} % 3", "p[{i}]"]
)
_leaves = st.one_of(
    _indices.map(lambda index: f"x[{index}]"),
    st.tuples(_indices, _indices).map(lambda t: f"A[{t[0]}, {t[1]}]"),
    st.sampled_from(["{i}", "n", "c", "2", "0.5", "pi"]),
)


def _grown(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(lambda t: f"({t[0]} + {t[1]})"),
        pair.map(lambda t: f"({t[0]} - {t[1]})*c"),
        pair.map(lambda t: f"({t[0]})*({t[1]})"),
        pair.map(lambda t: f"max({t[0]}, {t[1]})"),
        pair.map(lambda t: f"({t[0]} if {t[1]} > {{i}} else 1)"),
        inner.map(lambda t: f"sin({t})**2"),
        inner.map(lambda t: f"(1 + ({t})**2)**(-1)"),
    )


_bodies = st.recursive(_leaves, _grown, max_leaves=6)
_ranges = st.sampled_from(
    ["range(n)", "range(1, n)", "range(0, n, 2)", "range(n, 0, -1)", "range(5)"]
)


@given(_bodies, _bodies, _ranges, st.sampled_from(["sum", "prod"]), st.booleans())
@settings(max_examples=100)
def test_a_printed_sum_reads_back(body, other, span, kind, filtered):
    outer, inner = body.format(i="i"), other.format(i="j")
    inner = f"{kind}({inner} for j in range(i + 1) if j != i)"
    condition = f" if {other.format(i='i')} > 0" if filtered else ""
    expression = opened(f"c + sum({outer} + x[i]*{inner} for i in {span}{condition})")
    assert opened(text_of(expression)) == expression
    assert opened(expression) == expression
    assert not names_in(expression)[0] & {"i", "j"}


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("sum(x[i]**2)", "sum(x[i]**2 for i in range(n))"),
        ("prod(x[j])", "prod(x[i] for i in range(n))"),
    ],
)
def test_a_sum_without_an_index_says_how_it_has_one(text, instead):
    with pytest.raises(FormulaError) as caught:
        opened(text)
    assert caught.value.suggestion == f"write {instead}"


def test_a_column_is_written_without_its_index():
    with pytest.raises(FormulaError, match="use t: it stands for each row") as caught:
        fit("a*exp(-b*t[i])", {"t": [0.0, 1.0], "y": [2.0, 1.0]}, "y")
    assert "t[i]" in str(caught.value)
