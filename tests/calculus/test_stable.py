"""Values and derivatives where a formula, as written, is 0*infinity or overflows."""

import mpmath
import numpy as np
import pytest

from symgd import InputError, Objective, fit, minimize

# A formula, a point, and value and gradient there: limits, or a subgradient.
AT_LIMITS = [
    ("x*log(x)", [0], 0, [-np.inf]),
    ("x*log(x) + y*log(y) + 2*x", [0, 1], 0, [-np.inf, 1]),
    ("(1 - x)*log(1 - x)", [1], 0, [np.inf]),
    ("x*(log(x) - 1)*y", [0, 3], 0, [-np.inf, 0]),
    ("x**2*log(x)", [0], 0, [0]),
    ("x*log(x/3)", [0], 0, [-np.inf]),
    ("a*x**b", [2, 1.5, 0], 0, [0, 0, 0]),
    ("x**n/(k**n + x**n)", [2, 1.5, 0], 0, [0, 0, 0]),
    ("exp(-1/x**2)", [0], 0, [0]),
    ("sqrt(x**2 + y**2)", [0, 0], 0, [0, 0]),
    ("sqrt((x - 1)**2 + (y - 2)**2) + 0.1*x", [1, 2], 0.1, [0.1, 0]),
    ("(x**2 + 2*y**4)**0.3", [0, 0], 0, [0, 0]),
    ("(x**2 + y**2)**1.5", [0, 0], 0, [0, 0]),
    ("hypot(x, y) + sqrt(abs(x))", [0, 0], 0, [0, 0]),
    ("sqrt(sum(x[i]**2 for i in range(3))) + x[0]", [0, 0, 0], 0, [1, 0, 0]),
    ("sum(x[i]*log(x[i]) for i in range(2))", [0, 1], 0, [-np.inf, 1]),
    ("1/cosh(x)**2", [800], 0, [0]),
]


@pytest.mark.parametrize(("formula", "x", "value", "slopes"), AT_LIMITS)
def test_what_has_a_limit_has_it(formula, x, value, slopes):
    objective = Objective(formula)
    assert objective.value(x) == value
    np.testing.assert_array_equal(objective.grad(x), slopes)


@pytest.mark.parametrize("formula", ["(x**2 + y**2)**1.5", "hypot(x, y)"])
def test_at_the_tip_of_a_norm_the_curvature_is_0(formula):
    np.testing.assert_array_equal(Objective(formula).hess([0, 0]), np.zeros((2, 2)))


@pytest.mark.parametrize("formula", ["log(x)", "y/x", "x/sqrt(x**2 + y**2)", "x/y + y"])
def test_what_has_no_limit_is_an_error(formula):
    objective = Objective(formula)
    with pytest.raises(InputError, match=r"f is (-inf|inf|nan)"):
        minimize(objective, [0] * len(objective.variables))


@pytest.mark.parametrize(
    ("formula", "x", "least"),
    [
        ("x*log(x)", [0], -float(mpmath.exp(-1))),
        ("x*log(x) + (1 - x)*log(1 - x)", [1], -float(mpmath.log(2))),
        ("x - sqrt(x)", [0], -0.25),
    ],
)
def test_a_run_begins_on_a_bound_where_f_is_infinitely_steep(formula, x, least):
    result = minimize(formula, x, bounds=[(0, 1)])
    assert result.success
    assert result.fun == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("model", ["a*x**b", "a*x**b/(9**b + x**b)"])
def test_a_fit_has_a_row_at_dose_0(model):
    x = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 16.0])
    y = 2 * x**1.5 if "9" not in model else 2 * x**1.5 / (9**1.5 + x**1.5)
    for start in (None, [1, 1]):
        result = fit(model, {"x": x, "y": y}, target="y", x0=start)
        assert list(result.parameters.values()) == pytest.approx([2, 1.5])
