"""Values and derivatives where float64 leaves its range on the way."""

import math

import mpmath
import numpy as np
import pytest

from symgd import Objective

EXTREME = {
    "sqrt(x**2 + 1) - 0.5*x": ([1e200], [-1e160], [3.0]),
    "x**2/(x**2 + 1)": ([1e200], [1e-200]),
    "x**3/(1 + x**3)": ([1e150], [1e61]),
    "log(1 + x**2)": ([1e200], [1e160]),
    "log(x**2 + y**2)": ([1e200, 2e200], [1e-100, 2e-100]),
    "sqrt(x**2 + y**2)": ([1e200, 2e200], [1e-200, 3e-200]),
    "hypot(x, y)": ([1e200, 1e180], [1e-200, 3e-200]),
    "(x**4 + y**4)**0.25": ([1e200, 2e200], [1e-200, 3e-200]),
    "x*y/sqrt(x**2 + y**2)": ([1e200, 2e200], [1e-200, 3e-200]),
    "x/sqrt(1 + x**2)": ([1e200], [-1e170]),
    "x**2/(1 + x**4)": ([1e100], [-1e90]),
    "(x**2 + 1)**0.3": ([1e200],),
    "log(x + sqrt(x**2 + 1))": ([1e200],),
    "atan(exp(x)) + x": ([900.0], [-900.0]),
    "tanh(exp(x)) + 0.01*x**2": ([900.0], [400.0]),
    "exp(x**2)*erfc(x) + 0.1*x": ([30.0], [1e5]),
    "1/(1 + exp(x)) + 0.001*x": ([900.0], [-900.0]),
}
CASES = [(f, point) for f, points in EXTREME.items() for point in points]


def _exact(formula, names, point):
    """Return value, gradient and Hessian by differences in 2000 digits."""
    known = "sqrt log exp atan tanh erfc hypot"
    space = {name: getattr(mpmath, name) for name in known.split()}
    code = compile(formula.replace("0.25", "(mpf(1)/4)"), "formula", "eval")

    def f(*x):
        named = dict(zip(names, x, strict=True))
        return eval(code, {"mpf": mpmath.mpf}, {**space, **named})

    n = len(point)
    with mpmath.workdps(2000):
        x = [mpmath.mpf(each) for each in point]
        orders = [[int(j == k) for j in range(n)] for k in range(n)]
        h = [abs(each) * mpmath.mpf(10) ** -400 for each in x]

        def at(*steps):
            places = (a + s * b for a, s, b in zip(x, steps, h, strict=True))
            return f(*places)

        slopes, curves = [], []
        for i in range(n):
            e = orders[i]
            slopes.append((at(*e) - at(*(-k for k in e))) / (2 * h[i]))
            for j in range(n):
                total = mpmath.mpf(0)
                for s in (1, -1):
                    for t in (1, -1):
                        steps = (
                            s * a + t * b for a, b in zip(e, orders[j], strict=True)
                        )
                        total += s * t * at(*steps)
                curves.append(total / (4 * h[i] * h[j]))
        return [float(each) for each in (f(*x), *slopes, *curves)]


@pytest.mark.parametrize(("formula", "point"), CASES)
def test_numbers_are_right_however_large_or_small_what_they_are_made_of_is(
    formula, point
):
    objective = Objective(formula)
    found = [
        objective.value(point),
        *objective.grad(point),
        *objective.hess(point).flat,
    ]
    exact = _exact(formula, objective.variables, point)
    np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-290)
    value, gradient = objective.value_and_grad(point)
    assert [value, *gradient] == found[: 1 + len(point)]


@pytest.mark.parametrize(
    ("formula", "x", "value", "slope"),
    [
        ("x*abs(log(x))", 0.0, 0.0, math.inf),
        ("x*sqrt(-log(x))", 0.0, 0.0, math.inf),
        ("x*sqrt(-log(x))", 1.0, 0.0, -math.inf),
        ("x*log(1 - exp(-x))", 0.0, 0.0, -math.inf),
        ("log(1 - x)*log(x)", 0.0, 0.0, math.inf),
        ("log(1 - x)*log(x)", 1.0, 0.0, -math.inf),
        ("x**2*log(1 - exp(-x**2))", 0.0, 0.0, 0.0),
        ("exp(-1/abs(x))", 0.0, 0.0, 0.0),
        ("max(x*log(x), -0.2)", 0.0, 0.0, -math.inf),
    ],
)
def test_where_there_is_a_limit_it_is_the_value(formula, x, value, slope):
    objective = Objective(formula)
    assert objective.value([x]) == value
    assert objective.grad([x])[0] == slope


@pytest.mark.parametrize(
    ("formula", "x"), [("log(x)", -1.0), ("sin(1/x)", 0.0), ("sqrt(-1 - x**2)", 0.0)]
)
def test_what_has_no_limit_stays_nan(formula, x):
    assert math.isnan(Objective(formula).value([x]))


@pytest.mark.parametrize("formula", ["exp(1/x)/x", "exp(1/x)", "exp(1/x)/x**2"])
def test_what_is_0_on_one_side_alone_is_not_0(formula):
    assert Objective(formula).value([0.0]) == math.inf
