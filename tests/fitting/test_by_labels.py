"""Parameters shared by data sets, and those of each: by models that are written out."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sympy as sp
from scipy import optimize

from symgd import FormulaError, InputError
from symgd.fitting import pooling
from symgd.fitting.curve_fit import fit

GLOBAL = "a[set]*exp(-b*t)"
T = np.linspace(0, 5, 30)


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(0)
    return {
        f"run{k}": {"t": T, "y": k * np.exp(-0.7 * T) + 0.02 * rng.normal(size=30)}
        for k in (1, 2, 10)
    }


@pytest.fixture(scope="module")
def together(runs):
    return fit(GLOBAL, runs, "y")


def as_one(runs, column="set"):
    frames = [pd.DataFrame(rows).assign(**{column: n}) for n, rows in runs.items()]
    return pd.concat(frames)


def test_a_global_fit_is_that_of_scipy(runs, together):
    y = np.concatenate([rows["y"] for rows in runs.values()])
    t, which = np.tile(T, 3), np.repeat([0, 1, 2], 30)
    x, covariance = optimize.curve_fit(
        lambda t, *p: np.array(p)[which] * np.exp(-p[3] * t), t, y, [1, 1, 1, 1]
    )
    assert together.names == ("a[run1]", "a[run2]", "a[run10]", "b")
    np.testing.assert_allclose(together.x, x, rtol=1e-6)
    np.testing.assert_allclose(together.covariance, covariance, rtol=1e-5)
    assert together.degrees_of_freedom == 86
    assert str(together).startswith("fit of y by exp(-b*t)*a[set]: 90 rows")


def test_one_frame_with_labels_says_the_same(runs, together):
    frame = as_one(runs, "who")
    for data in (frame, pl.DataFrame(frame), frame.astype({"who": "category"})):
        found = fit("a[who]*exp(-b*t)", data, "y")
        assert found.x.tolist() == together.x.tolist()
    whole = {name: frame[name].to_numpy() for name in ("t", "y")}
    codes = np.repeat([1, 2, 10], 30)
    for labels in (codes, codes.astype(float), [f"{code}" for code in codes]):
        found = fit("a[k]*exp(-b*t)", {**whole, "k": labels}, "y")
        assert found.names[:3] == ("a[1]", "a[2]", "a[10]")
        assert found.x.tolist() == together.x.tolist()


def test_sympy_says_it_too(runs, together):
    a, label, b, t = sp.IndexedBase("a"), *sp.symbols("set b t")
    assert fit(a[label] * sp.exp(-b * t), runs, "y").x.tolist() == together.x.tolist()


def test_without_shared_parameters_each_is_fitted_alone(runs):
    found = fit("a[set]*exp(-b[set]*t) + c[set]", runs, "y")
    for name, rows in runs.items():
        alone = fit("a*exp(-b*t) + c", rows, "y").parameters
        for letter, value in alone.items():
            assert found.parameters[f"{letter}[{name}]"] == pytest.approx(
                value, rel=1e-5, abs=1e-7
            )


def test_places_of_peaks_are_found_for_each_label():
    x, rng = np.linspace(0, 12, 80), np.random.default_rng(1)
    tables = {
        f"s{k}": {"x": x, "y": 3 * np.exp(-(((x - 2 - 2 * k) / 0.6) ** 2))
                  + 0.05 * rng.normal(size=80)}
        for k in range(5)
    }  # fmt: skip
    found = fit("A*exp(-((x - m[set])/s)**2)", tables, "y")
    places = [found.parameters[f"m[s{k}]"] for k in range(5)]
    np.testing.assert_allclose(places, 2 + 2 * np.arange(5), atol=0.05)


def test_many_labels_begin_where_each_ends_alone(monkeypatch):
    rng = np.random.default_rng(3)
    monkeypatch.setattr(pooling, "SEARCHED", 3)
    tables = {
        f"s{k}": {"t": T, "y": np.exp(-(0.4 + k / 20) * T) + 0.01 * rng.normal(size=30)}
        for k in range(16)
    }
    found = fit("a*exp(-b[set]*t)", tables, "y")
    assert found.success
    rates = [found.parameters[f"b[s{k}]"] for k in range(16)]
    np.testing.assert_allclose(rates, 0.4 + np.arange(16) / 20, rtol=0.1)


def test_starts_and_bounds_are_given_for_all_labels_or_for_one(runs, together):
    found = fit(GLOBAL, runs, "y", {"a": 1, "b": 1}, bounds={"a": (0, None)})
    assert found.start.tolist() == [1, 1, 1, 1]
    assert found.bounds[:, 0].tolist() == [0, 0, 0, -np.inf]
    np.testing.assert_allclose(found.x, together.x, rtol=1e-7)
    found = fit(GLOBAL, runs, "y", {"a": {"run1": 1}, "a[run2]": 2, "b": 1})
    np.testing.assert_allclose(found.x, together.x, rtol=1e-7)
    found = fit(GLOBAL, runs, "y", fixed={"a[run1]": 1}, tied={"a[run10]": "5*a[run2]"})
    assert found.names == ("a[run2]", "b")
    a = found.parameters
    assert (a["a[run1]"], a["a[run10]"]) == (1.0, 5 * a["a[run2]"])
    some = fit(GLOBAL, runs, "y", {"a": 2, "b": 1}, fixed={"a[run1]": 1})
    assert some.start.tolist() == [2, 2, 1]
    fixed = fit("a[set]*exp(-b*t) + c[set]", runs, "y", fixed={"c": 0})
    np.testing.assert_allclose(fixed.x, together.x, rtol=1e-7)
    assert fixed.fixed == {"c[run1]": 0.0, "c[run2]": 0.0, "c[run10]": 0.0}


def test_predictions_are_for_labels(together):
    new = {"t": [1.0, 1.0], "set": ["run10", "run1"]}
    band = together.predict(new, level=0.95)
    b = together.parameters["b"]
    expected = [together.parameters[f"a[{n}]"] * np.exp(-b) for n in new["set"]]
    np.testing.assert_allclose(band.value, expected, rtol=1e-14)
    assert (band.upper > band.value).all()
    with pytest.raises(InputError, match="label 'run9' in column 'set' was not"):
        together.predict({"t": [1.0], "set": ["run9"]})
    with pytest.raises(InputError, match="no column 'set'"):
        together.predict({"t": [1.0]})


def test_what_follows_may_have_labels(together):
    found = together.derive("a[run2]/a[run1]")
    a = together.parameters
    assert found.value == pytest.approx(a["a[run2]"] / a["a[run1]"], rel=1e-14)
    assert together.profile("a[run2]").interval[0] < a["a[run2]"]
    assert together.bootstrap(5).samples.shape == (5, 4)
    assert together.objective.value(together.x) == pytest.approx(together.fun)


def test_rows_without_a_label_are_missing(runs, together):
    frame = as_one(runs).reset_index(drop=True)
    more = pd.concat([frame, pd.DataFrame({"t": [1.0], "y": [9.0], "set": [None]})])
    with pytest.raises(InputError, match="column 'set' is not finite in row 90"):
        fit(GLOBAL, more, "y")
    found = fit(GLOBAL, more, "y", missing="drop")
    assert found.source.dropped == 1
    np.testing.assert_allclose(found.x, together.x, rtol=1e-12)


def test_likelihoods_are_shared_too(runs):
    counts = {n: {"t": T, "y": np.round(50 * r["y"].clip(0))} for n, r in runs.items()}
    found = fit(GLOBAL, counts, "y", loss="poisson")
    assert found.success
    slopes, value = (
        found.regression.curve(found.x)[1],
        found.regression.curve(found.x)[0],
    )
    information = slopes.T @ (slopes / value[:, None])
    np.testing.assert_allclose(found.covariance, np.linalg.inv(information), rtol=1e-8)


def test_a_curve_is_drawn_for_each_label(together):
    axes = together.plot()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["run1", "run2", "run10"]


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("a[q]*t", "unknown column of labels in a[q]: 'q'"),
        ("a[set + 1]*t", "in brackets stands the name of a column of labels"),
        ("a[t]*b", "column 't' is of labels, as it stands in brackets"),
        ("a[set]*t + set", "'set' stands in brackets, as labels, and outside"),
        ("t[set]*a", "'t' is a column, and no parameter"),
        ("sum(a[i] for i in range(3))*t", "sums and indexed names are for objectives"),
    ],
)
def test_what_can_not_stand_in_brackets_is_said(runs, model, problem):
    with pytest.raises((FormulaError, InputError)) as caught:
        fit(model, runs, "y")
    assert problem in str(caught.value)


def test_what_can_not_be_given_is_said(runs):
    with pytest.raises(InputError, match=r"unknown label of a in x0 'run7'"):
        fit(GLOBAL, runs, "y", {"a": {"run7": 1}})
    with pytest.raises(InputError, match="have no column in common"):
        fit(GLOBAL, {"one": {"t": T}, "two": {"y": T}}, "y")
    with pytest.raises(InputError, match="the tables have a column 'set'"):
        fit(GLOBAL, {"one": {"t": T, "y": T, "set": T}}, "y")
    labels = np.arange(150)
    with pytest.raises(InputError, match="150 different entries"):
        fit("a[k]*t", {"k": labels, "t": labels + 1.0, "y": labels}, "y")
