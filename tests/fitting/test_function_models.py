"""Models as Python functions, as those who come from curve_fit have them."""

import numpy as np
import pytest
from scipy import optimize

from symgd import FormulaError, InputError, fit

T = np.linspace(0, 4, 50)
DATA = {"t": T, "y": 2.5 * np.exp(-1.3 * T) + 0.5 + 0.01 * np.cos(40 * T)}
OFFSET = 0.5


def decay(t, rate, amplitude):
    """Return what is left at a time."""
    left = np.exp(-rate * t)
    return amplitude * left + OFFSET


def test_a_model_is_fitted_as_its_text_is():
    here = fit(decay, DATA, "y")
    text = fit("amplitude*exp(-rate*t) + 0.5", DATA, "y")
    assert here.values == pytest.approx(text.values, rel=1e-12)
    there, covariance = optimize.curve_fit(decay, T, DATA["y"], p0=[1, 1])
    assert here.x == pytest.approx(there, rel=1e-6)
    assert here.covariance == pytest.approx(covariance, rel=1e-3)


def test_parameters_are_in_the_order_of_the_arguments():
    given = fit(decay, DATA, "y", [1.0, 3.0], bounds=[(0, 5), (2, 3)])
    assert given.variables == ("rate", "amplitude")
    assert given.x == pytest.approx([1.301, 2.502], abs=1e-3)
    named = fit(decay, DATA, "y", {"amplitude": 3.0})
    assert named.x == pytest.approx(given.x)


def test_several_arguments_may_be_columns():
    data = {"u": T, "v": np.cos(T), "y": 2 * T - 3 * np.cos(T)}
    assert fit(lambda u, v, a, b: a * u + b * v, data, "y").x == pytest.approx([2, -3])


def test_numbers_around_a_model_are_part_of_it_also_under_a_columns_name():
    y = 4.0
    model = lambda t, a: a * t + y
    data = {"t": T, "y": 3 * T + 4}
    assert fit(model, data, "y").x == pytest.approx([3])


@pytest.mark.parametrize(
    ("model", "error", "told"),
    [
        (lambda s, a, b: a * s + b, InputError, "the model uses none of the columns"),
        (lambda t, a, b: a * t, InputError, "doesn't depend on its argument 'b'"),
        (lambda t, a: a * T, InputError, "the array 'T', which is no column"),
        (lambda t, a: a * np.unheard(t), FormulaError, "in a lambda, line"),
        (lambda t, y, a: a * t + y, InputError, "the target 'y' is in the model"),
        (np.exp, FormulaError, "has no source in Python"),
    ],
)
def test_a_model_that_can_not_be_fitted_is_refused(model, error, told):
    with pytest.raises(error, match=told):
        fit(model, DATA, "y")
