"""What is drawn: right by definition, and small and readable once it is shrunk."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from symgd import InputError, Objective, Rule, minimize
from symgd.testing import (
    check_gradient,
    convex_quadratics,
    datasets,
    formulas,
    rules,
    schedules,
    smooth_objectives,
    stable_step_sizes,
    starting_points,
    sums,
)
from symgd.testing.pasted import formula_of, objective_of_text


def anything(_):
    return True


# ------------------------------------------------------------------- quadratics


@given(convex_quadratics((1, 2, 3, 4), condition=1e6), st.data())
def test_a_quadratic_is_what_it_says(quadratic, data):
    x = data.draw(starting_points(quadratic, 10.0))
    away = x - quadratic.minimiser
    value, gradient = quadratic.objective.value_and_grad(x)
    size = quadratic.largest * (np.abs(x).max() + np.abs(quadratic.minimiser).max())
    slope = quadratic.matrix @ away
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-14 * size)
    expected = away @ slope / 2
    assert value == pytest.approx(expected, abs=1e-14 * size * np.abs(away).sum())
    assert quadratic.objective.value(quadratic.minimiser) == 0
    assert (quadratic.matrix == quadratic.matrix.T).all()
    assert 0 < quadratic.smallest <= quadratic.largest <= 1e3 * (1 + 1e-9)
    assert quadratic.largest <= 1e6 * quadratic.smallest * (1 + 1e-6)


@given(convex_quadratics(2), st.data())
def test_the_same_quadratic_elsewhere(quadratic, data):
    x = data.draw(starting_points(quadratic))
    value = quadratic.objective.value(x)
    assert quadratic.renamed("g", "t").objective.value(x) == value
    turned = quadratic.permuted([1, 0]).objective
    assert turned.value(x[::-1]) == pytest.approx(value, rel=1e-9, abs=1e-9)
    scaled = quadratic.scaled(f=4, x=2).objective
    assert scaled.value(2 * x) == pytest.approx(4 * value, rel=1e-12)


def test_quadratics_shrink_to_what_can_be_read():
    assert repr(find(convex_quadratics(), anything)) == (
        "ConvexQuadratic('x**2/2 + y**2/2')"
    )
    assert repr(find(convex_quadratics(1), lambda q: q.minimiser[0] > 1)) == (
        "ConvexQuadratic('(x - 2)**2/2')"
    )
    bent = find(convex_quadratics(condition=100), lambda q: q.largest > 9 * q.smallest)
    assert repr(bent) == "ConvexQuadratic('x**2/2 + 0.05*y**2')"
    assert not find(convex_quadratics(separable=True), anything).matrix[0, 1]


@given(convex_quadratics(), st.data())
def test_stable_steps_are_stable(quadratic, data):
    step = data.draw(stable_step_sizes(quadratic))
    assert 0 < step < 2 / quadratic.largest
    assert (np.abs(1 - step * quadratic.curvatures) < 1).all()


# ------------------------------------------------------------------- the others


def test_points_are_where_an_objective_is_finite():
    point = find(starting_points("log(x) + 1/y", 3.0), anything)
    assert point.tolist() == [1, 1]
    with pytest.raises(InputError, match="nothing to check can be drawn"):
        check_gradient("log(x - 100)")


@given(smooth_objectives(), st.data())
def test_smooth_objectives_are_bounded_below(objective, data):
    x = data.draw(starting_points(objective, 100.0))
    assert objective.value(x) >= -100.0  # the wave's


@given(formulas(["u", "v"]))
@settings(max_examples=10)
def test_formulas_can_be_read_and_are_finite(formula):
    objective = Objective(f"u + v + {formula}", ["u", "v"])
    assert np.isfinite(objective.value([0.3, -0.7]))


def test_formulas_shrink_to_a_name():
    assert find(formulas(["u"]), anything) == "u"
    assert find(formulas(), lambda text: "if" in text) == "(x if x > 0.1 else x)"


@given(schedules(0.5), st.integers(1, 1000))
@settings(max_examples=30)
def test_schedules_are_between_0_and_their_largest(schedule, t):
    value = Objective(schedule, ["t"]).value([t])
    assert 0 <= value <= 0.5


def test_rules_shrink_to_gradient_descent():
    assert find(rules(), anything).name == "gd"
    unnamed = find(rules(), lambda rule: rule.name == "drawn")
    assert unnamed == Rule("drawn", "x = x - step_size*g", step_size=0.01)
    assert find(rules(), lambda rule: rule.scalars).name in ("bb", "drawn")


def test_data_shrink_to_a_small_table():
    drawn = find(datasets("a*t", "y"), anything)
    assert drawn.truth == {"a": 1}
    assert drawn.data["t"].tolist() == drawn.data["y"].tolist()
    assert len(drawn.data["t"]) == 4
    again = drawn.reordered([3, 2, 1, 0])
    assert again.data["y"].tolist() == drawn.data["y"][::-1].tolist()


# --------------------------------------------------------------------- to paste


@given(smooth_objectives(), st.data())
@settings(max_examples=10)
def test_a_formula_with_its_numbers_is_the_same(objective, data):
    x = data.draw(starting_points(objective))
    plain = Objective(formula_of(objective), ["x", "y"])
    assert plain.value(x) == pytest.approx(objective.value(x), rel=1e-12, abs=1e-12)


@given(sums(st.integers(0, 4)))
@settings(max_examples=5)
def test_sums_are_pasted_with_their_data(objective):
    import symgd

    x = np.linspace(-1, 1, len(objective.space))
    again = eval(objective_of_text(objective), {"symgd": symgd})
    expected = objective.value(x)
    assert again.value(x) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_variables_that_are_left_out_are_pasted():
    flat = Objective("a*x**2 + y**2", parameters={"a": 0.0})
    assert objective_of_text(flat) == ('symgd.Objective("y**2", variables=["x", "y"])')
    assert minimize(Objective("y**2", variables=["x", "y"]), [1, 1]).x[1] == 0
    online = Objective("x**2*t", iteration="t")
    assert objective_of_text(online) == (
        'symgd.Objective("t*x**2", variables=["x"], iteration="t")'
    )


def test_without_hypothesis_it_says_what_to_install():
    code = "import sys; sys.modules['hypothesis'] = None; import symgd.testing"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert 'symgd.testing needs Hypothesis: pip install "symgd[testing]"' in done.stderr
    code = "import sys, symgd; symgd.Rule; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
