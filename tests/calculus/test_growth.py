"""Sums, products, powers and choices of exponentials, against thousands of digits."""

import random

import mpmath
import numpy as np
import pytest

from symgd import FormulaError, Objective, minimize
from symgd.calculus.stable import stable
from symgd.language.formula import read
from tests.calculus.digits import computed, exact

NAMES = ["x", "y", "z"]
EXPONENTS = [
    *("x", "-x", "y", "-y", "2*x - y", "x - 900", "y + 950.5", "z", "x + y - z"),
    *("-x**2/900", "x*y/800", "-z - 1200", "x/2", "exp(x/100)", "-exp(y/100)"),
]
POWERS = ["2", "0.5", "-1", "-0.3", "1.5", "0.1"]
MONOMIALS = [
    "x**2",
    "y**40",
    "z**200",
    "x**3",
    "y**-30",
    "z**5",
    "abs(x)**y",
    "abs(z)**x",
]


class Drawn:
    """Draws formulas and points, the same for the same seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, *of):
        return self.random.choice(of)

    def several(self, sign, part, most=3):
        return sign.join(part() for _ in range(self.random.randint(1, most)))

    def exponential(self):
        return f"{self.one('', '2*', '0.5*', '1e-200*')}exp({self.one(*EXPONENTS)})"

    def term(self, depth=2):
        if depth == 0 or self.random.random() < 0.5:
            return self.exponential()
        kind = self.one(self.a_number, self.an_extreme, self.a_choice, self.a_product,
                        self.a_power, self.a_function)  # fmt: skip
        return kind(depth - 1)

    def a_number(self, depth):
        return self.one("1", "2", "0.25", "7")

    def an_extreme(self, depth):
        return f"{self.one('min', 'max')}({self.term(depth)}, {self.term(depth)})"

    def a_choice(self, depth):
        other = self.one(self.term(depth), "0")
        return f"({self.term(depth)} if y > 3 else {other})"

    def a_product(self, depth):
        return f"({self.sum(depth)})*{self.term(depth)}"

    def a_power(self, depth):
        return f"({self.sum(depth)})**{self.one(*POWERS)}"

    def a_function(self, depth):
        name = self.one("cosh({})", "sigmoid({})*{}", "sigmoid({})")
        return name.format(self.one(*EXPONENTS), self.exponential())

    def sum(self, depth=2):
        return self.several(" + ", lambda: self.term(depth))

    def factor(self):
        return self.one(
            f"({self.sum(1)})**{self.one('2', 'y', '-1', '0.5')}",
            self.one(*MONOMIALS),
            self.exponential(),
            f"(exp({self.one(*EXPONENTS)}) - 1)",
            "gamma(abs(z) + 1)",
        )

    def difference(self):
        exponent = self.one(*EXPONENTS)
        return self.one(
            f"log({self.exponential()} - {self.exponential()})",
            f"log(1 - exp({exponent}))",
            f"log(sinh({exponent}))",
            f"1/({self.exponential()} - 1)",
        )

    def point(self):
        draw = self.random.uniform
        return [
            self.one(draw(-2000, 2000), draw(-3, 3), 0.5, -2.0, 700.0) for _ in "xyz"
        ]


KINDS = {
    "logarithms of sums": lambda drawn: f"log({drawn.sum()})",
    "quotients": lambda drawn: f"({drawn.sum()})/({drawn.sum()})",
    "products and roots": lambda drawn: (
        f"{drawn.a_power(1)}*{drawn.exponential()}*{drawn.a_power(1)}"
    ),
    "differences": lambda drawn: drawn.difference(),
    "logarithms of products": lambda drawn: (
        f"log({drawn.several('*', drawn.factor, 4)})"
    ),
}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_finite_is_computed(kind, seed):
    drawn = Drawn(f"{kind} {seed}")
    formula = KINDS[kind](drawn)
    names = names_of(formula)
    for _ in range(3 if names else 0):
        point = drawn.point()
        x = [point[NAMES.index(name)] for name in names]
        wanted = exact(formula, names, x)
        if not np.isfinite(wanted[0]) or is_beside_a_kink(wanted):
            continue
        known = np.abs(wanted) < 1e290
        allowed = 2e-9 * np.abs(wanted) + 1e-10 * sizes(wanted, len(names))
        found = computed(formula, x)
        assert (np.abs(found - wanted) <= allowed)[known].all(), (x, found, wanted)


def names_of(formula):
    """Return the variables; none of a constant."""
    try:
        return Objective(formula).variables
    except FormulaError:
        return []


def is_beside_a_kink(numbers):
    """Return whether one is within the oracle's step, of a maximum or a condition."""
    known = np.abs(numbers[np.isfinite(numbers)])
    return known.max() / 1e100 > 1 + known[0]


def sizes(numbers, n):
    """Return what numbers may be sums of: the value, slopes, sqrt(h[i, i]*h[j, j])."""
    numbers = np.nan_to_num(np.abs(numbers), posinf=0.0)
    numbers = np.where(numbers < 1e290, numbers, 0.0)
    roots = np.sqrt(np.diag(numbers[1 + n :].reshape(n, n)))
    parts = [[0.0], np.zeros(n), np.outer(roots, roots).ravel()]
    return 1 + min(numbers[0], 1e200) + np.concatenate(parts)


AT_POINTS = [
    ("log(exp(x) + (exp(y) if c > 0 else 0))", ["c", "x", "y"], [1, -800, -900]),
    ("(exp(w - 1000) + exp(v - 1000))/exp(u - 1000)", ["u", "v", "w"], [3, 2, 1]),
    ("exp(w)*exp(-w**2)*exp(800 - w)", ["w"], [28]),
    ("sqrt(exp(w) + exp(2*w - 1500))", ["w"], [1400]),
    ("-log(1 - exp(-exp(x)))", ["x"], [-800]),
    ("-log(1 - exp(-exp(x)))", ["x"], [800]),
    ("-log(1 - exp(-exp(x)))", ["x"], [-40]),
    ("log(1 - exp(-x))", ["x"], [1e-20]),
    ("1/(exp(x) - 1)", ["x"], [1e-20]),
    ("log(sinh(800*x))", ["x"], [1]),
    ("log(sinh(x)/x)", ["x"], [-900]),
    ("log(abs(w)**v)", ["v", "w"], [400, -1e10]),
    ("log(w**400*v**300)", ["v", "w"], [1e3, -1e3]),
    ("log((x + y)**6*(x - y)**4)", ["x", "y"], [1e80, 3e80]),
    ("log(x**x)", ["x"], [300]),
    ("log(x**(a - 1)*exp(-x/b)/(b**a*gamma(a)))", ["a", "b", "x"], [300, 2, 700]),
    ("log(factorial(x)/factorial(y))", ["x", "y"], [300, 200]),
    ("(1 + exp(x))**y*exp(-x*y)", ["x", "y"], [900, 1.5]),
    ("exp(x)*exp(-exp(x))", ["x"], [800]),
    (
        "log(max(log(sinh(4*z)*(y*exp(z - y) + exp(y) + 2*exp(y + 3))), y))",
        ["y", "z"],
        [1, 1],
    ),
    ("cosh(x)/exp(x)", ["x"], [800]),
]


@pytest.mark.parametrize(("formula", "names", "x"), AT_POINTS)
def test_an_end_of_a_kind(formula, names, x):
    wanted = exact(formula, names, x, digits=1500)
    scale = 1e-12 * max(1, np.abs(wanted[0]))
    np.testing.assert_allclose(computed(formula, x), wanted, rtol=1e-10, atol=scale)


def over(term, n=4):
    return " + ".join(term.format(i=i) for i in range(n))


OTHERS = {i: " + ".join(f"exp(x{j})" for j in range(4) if j != i) for i in range(4)}
OVER_INDICES = [
    ("log(sum(exp(x[j]) for j in range(n) if j != 1))", f"log({OTHERS[1]})"),
    (
        "sum(log(sum(exp(x[j]) for j in range(n) if j != i)) for i in range(n))",
        " + ".join(f"log({OTHERS[i]})" for i in range(4)),
    ),
    (
        "sum(exp(x[i])/sum(exp(x[j]) for j in range(n) if j != i) for i in range(n))",
        " + ".join(f"exp(x{i})/({OTHERS[i]})" for i in range(4)),
    ),
    (
        "log(sum(exp(x[j])*sum(exp(2*x[i]) for i in range(n)) for j in range(n)))",
        f"log(({over('exp(x{i})')})*({over('exp(2*x{i})')}))",
    ),
    (
        "sqrt(sum(exp(2*x[i]) for i in range(n)))*exp(-x[0])",
        f"sqrt({over('exp(2*x{i})')})*exp(-x0)",
    ),
    (
        "sum(log(1 - exp(-exp(x[i]))) for i in range(n))",
        over("log(1 - exp(-exp(x{i})))"),
    ),
    ("log(prod(x[i]**200 for i in range(n)))", over("100*log(x{i}**2)")),
    ("log(prod(exp(x[i]) + 1 for i in range(n)))", over("log(exp(x{i}) + 1)")),
]


@pytest.mark.parametrize(("formula", "written_out"), OVER_INDICES)
def test_over_an_index(formula, written_out):
    names = [f"x{i}" for i in range(4)]
    for x in ([800, 801, 790, -3], [-800, -801, -790, -803], [1, 2, 3, -1]):
        wanted = exact(written_out, names, x, digits=1500)
        known = np.abs(wanted) < 1e290
        np.testing.assert_allclose(
            computed(formula, x)[known], wanted[known], rtol=1e-11, atol=1e-12
        )


@pytest.mark.parametrize(
    ("formula", "x", "value"),
    [
        ("log(sinh(x)/x)", [-5], float(mpmath.log(mpmath.sinh(5) / 5))),
        ("log((exp(x) - exp(y))**2)", [1, 2], 2 * np.log(np.exp(2) - np.exp(1))),
        ("log(y*(exp(x) - 1))", [-3, -3], np.log(3 * (1 - np.exp(-3)))),
        ("log(x**3*y)", [-1, -2], np.log(2)),
        ("log(x**3)", [-1], np.nan),
        ("log(x**x)", [-2], -2 * np.log(2)),
        ("log(x**x)", [-3], np.nan),
        ("log(gamma(x)*y)", [-0.5, -1], np.log(2 * np.sqrt(np.pi))),
        ("log((exp(x) - 1)*(exp(-x) - 1))", [2], np.nan),
    ],
)
def test_signs_in_logarithms_are_those_of_the_formula(formula, x, value):
    assert Objective(formula).value(x) == pytest.approx(value, nan_ok=True)


def test_a_sum_without_terms_is_as_it_is():
    objective = Objective("log(sum(exp(x[j]) for j in range(3) if x[j] > 5))")
    assert objective.value([1, 2, 3]) == -np.inf
    assert objective.value([1, 2, 900]) == 900


def test_a_run_begins_where_all_exponentials_underflow():
    text = "log(exp(x - 1) + (exp(-x) if x < 3 else 0))"
    result = minimize(text, -900)
    assert result.success
    assert result.fun == pytest.approx(np.log(2 * np.exp(-0.5)))


def test_what_has_no_opposite_stays_as_it_is():
    for text in (
        *("exp(-x**2)*exp(-y**2)", "log(x*y)", "log(x**2*y)", "(1 + exp(x))**2"),
        *("log(2 + (x if x > 0.1 else 0.0)**2)", "1/(x + (y if y > 1 else 0.0))"),
    ):
        assert stable(read(text)) == read(text)
