"""Targets that are formulas, and several targets at once, as of complex data."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from symgd import FormulaError, InputError
from symgd.fitting.curve_fit import fit

W = np.geomspace(0.01, 100, 40)
RE, IM = "R0 + R1/(1 + (w*tau)**2)", "-R1*w*tau/(1 + (w*tau)**2)"


def impedance(w, r0, r1, tau):
    return r0 + r1 / (1 + 1j * w * tau)


@pytest.fixture(scope="module")
def circuit():
    rng = np.random.default_rng(0)
    z = impedance(W, 5, 20, 2) + 0.05 * (rng.normal(size=40) + 1j * rng.normal(size=40))
    return {"w": W, "re": z.real, "im": z.imag, "s": 0.05 + 0.001 * W}


@pytest.fixture(scope="module")
def found(circuit):
    return fit([RE, IM], circuit, ["re", "im"])


def of_scipy(circuit, sigma=None):
    def both(w, *p):
        return np.concatenate([impedance(w, *p).real, impedance(w, *p).imag])

    y = np.concatenate([circuit["re"], circuit["im"]])
    return optimize.curve_fit(both, W, y, [4, 19, 2.1], sigma=sigma)


# ------------------------------------------------------------------- several targets


def test_complex_data_are_two_targets(found, circuit):
    x, covariance = of_scipy(circuit)
    np.testing.assert_allclose(found.x, x, rtol=1e-6)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-5, atol=1e-12)
    assert found.degrees_of_freedom == 77
    assert str(found).startswith("fit of re, im by re: R0 + ")


def test_models_by_name_and_sigma_of_each(circuit):
    models = {"im": IM, "re": RE}
    x, covariance = of_scipy(circuit, np.concatenate([circuit["s"], np.full(40, 0.1)]))
    for sigma in (["s", 0.1], [circuit["s"], np.full(40, 0.1)]):
        found = fit(models, circuit, ["re", "im"], sigma=sigma)
        np.testing.assert_allclose(found.x, x, rtol=1e-6)
        np.testing.assert_allclose(found.covariance, covariance, rtol=1e-4, atol=1e-12)
    for sigma in ("s", circuit["s"]):
        both = fit(models, circuit, ["re", "im"], sigma=sigma)
        assert both.regression.sigma.tolist() == [*circuit["s"], *circuit["s"]]
    assert fit(models, pd.DataFrame(circuit), ("re", "im")).success


def test_predictions_are_by_target(found):
    values = found.predict({"w": [1.0, 2.0]})
    expected = impedance(np.array([1.0, 2.0]), *found.x)
    np.testing.assert_allclose(values["re"], expected.real, rtol=1e-13)
    np.testing.assert_allclose(values["im"], expected.imag, rtol=1e-13)
    bands = found.predict({"w": [1.0, 2.0]}, level=0.9)
    np.testing.assert_allclose(bands["im"].value, values["im"], rtol=1e-15)
    assert (bands["re"].upper > values["re"]).all()


def test_the_rest_of_a_fit_is_there(found, circuit):
    assert found.residuals.shape == (80,)
    low, high = found.profile("tau").interval
    assert low < found.parameters["tau"] < high
    held = fit([RE, IM], circuit, ["re", "im"], fixed={"R0": 5})
    assert found.f_test(held).p > 1e-3
    missing = {**circuit, "im": [np.nan, *circuit["im"][1:]]}
    assert fit([RE, IM], missing, ["re", "im"], missing="drop").source.dropped == 1
    assert found.plot().get_xlabel() == "re, im"


@pytest.mark.parametrize(
    ("model", "target", "problem"),
    [
        (["R0"], ["re", "im"], "1 model for 2 targets"),
        ("R0*w", ["re", "im"], "1 model for 2 targets"),
        ({"re": "a*w"}, ["re", "im"], "there is no model for the target 'im'"),
        ({"re": "a*w", "q": "w"}, ["re", "im"], "unknown target of a model 'q'"),
        (["a*w", "b*re"], ["re", "im"], "the target 're' is in a model"),
        (["a*w", "b*w"], ["re", "imm"], "did you mean 'im'"),
        (["a*w", "b*w"], ["re", "re"], "each target stands once"),
    ],
)
def test_what_several_targets_can_not_be_is_said(circuit, model, target, problem):
    with pytest.raises(InputError, match=problem):
        fit(model, circuit, target)


def test_sigma_is_for_all_targets_or_each(circuit):
    with pytest.raises(InputError, match="or one for each, in a list; there are 2"):
        fit([RE, IM], circuit, ["re", "im"], sigma=["s"])
    with pytest.raises(InputError, match="unknown column for sigma 'q'"):
        fit([RE, IM], circuit, ["re", "im"], sigma="q")


# ---------------------------------------------------------------- formulas as targets

T = np.linspace(0, 4, 20)
Y = 3 * np.exp(-0.5 * T) * np.exp(0.05 * np.random.default_rng(0).normal(size=20))


@pytest.mark.parametrize("kind", [dict, pd.DataFrame])
def test_the_logarithm_of_a_column(kind):
    found = fit("a - b*t", kind({"t": T, "y": Y}), "log(y)")
    made = fit("a - b*t", {"t": T, "l": np.log(Y)}, "l")
    np.testing.assert_allclose(found.x, made.x, rtol=1e-13)
    assert str(found).startswith("fit of log(y) by a - b*t: 20 rows")
    assert found.predict({"t": [0.0]})[0] == pytest.approx(found.x[0], rel=1e-15)


def test_of_several_columns_some_may_be_in_the_model():
    found = fit("a + b*t", {"t": 1 + T, "y": Y}, "y/t")
    made = fit("a + b*t", {"t": 1 + T, "q": Y / (1 + T)}, "q")
    np.testing.assert_allclose(found.x, made.x, rtol=1e-12)


def test_what_is_not_finite_is_missing():
    data = {"t": T, "y": [0.0, None, *Y[2:]]}
    with pytest.raises(
        InputError, match=r"column 'log\(y\)' is not finite in rows 0, 1"
    ):
        fit("a - b*t", data, "log(y)")
    found = fit("a - b*t", data, "log(y)", missing="drop")
    assert found.source.dropped == 2


@pytest.mark.parametrize(
    ("model", "target", "error", "problem"),
    [
        ("a - b*t", "log(z)", InputError, "has 'z', which is no column"),
        ("a - b*y", "log(y)", InputError, "all columns of the target .* are in the"),
        ("a - b*t", "log(", FormulaError, "never closed"),
        ("a - b*t", "1 + 1", InputError, "has no column in it"),
        ("a - b*t", "Signal [mv]", InputError, r"did you mean 'Signal \[mV\]'"),
        ("a - b*t", "2*name", InputError, "column 'name' isn't numbers"),
    ],
)
def test_what_a_target_can_not_be_is_said(model, target, error, problem):
    data = {"t": T, "y": Y, "Signal [mV]": Y, "name": ["x"] * 20}
    with pytest.raises(error, match=problem):
        fit(model, data, target)


def test_a_column_may_be_called_like_a_formula():
    found = fit("a - b*t", {"t": T, "log(y)": Y, "y": np.ones(20)}, "log(y)")
    assert found.regression.target.tolist() == Y.tolist()


def test_models_without_a_column_are_as_many_numbers_as_there_are_rows():
    data = {"t": [0.0, 1.0], "y": [1.0, 3.0], "z": [5.0, 7.0]}
    found = fit(["b", "c"], data, ["y", "z"])
    values = found.predict({"t": [1.0, 2.0, 3.0]})
    assert {name: each.tolist() for name, each in values.items()} == {
        "y": pytest.approx([2.0] * 3),
        "z": pytest.approx([6.0] * 3),
    }


def test_sigma_of_what_is_no_target_is_refused(circuit):
    with pytest.raises(InputError, match="unknown target in sigma 'real'"):
        fit([RE, IM], circuit, ["re", "im"], sigma={"real": 0.5})


def test_letters_that_are_drawn_otherwise_are_the_same_in_columns():
    micro, t = "\u00b5", np.linspace(0.0, 1.0, 9)
    data = {micro: t, "\u212b": np.full(9, 0.5), "y": 2 * t + 1}
    found = fit(f"a*{micro} + c", pd.DataFrame(data), "y", sigma="\u212b")
    assert found.predict({micro: [1.0]}) == pytest.approx([3.0])
    two = {micro: "a*z", "y": "b + c*z"}
    both = fit(two, data | {"z": t}, [micro, "y"]).parameters
    assert both == pytest.approx({"a": 1.0, "b": 1.0, "c": 2.0})
    tied = fit(f"{micro}*t + c", {"t": t, "y": 2 * t + 1}, "y", tied={micro: "2*c"})
    assert tied.parameters == pytest.approx({"c": 1.0, "\u03bc": 2.0})
