"""The estimator: scikit-learn's own checks, pipelines, searches, clones."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator

from symgd import InputError
from symgd.sklearn import FormulaRegressor

MODEL = "a*exp(-b*t) + c*u"


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(7)
    X = rng.uniform(0, 3, size=(80, 2))
    y = 2 * np.exp(-1.5 * X[:, 0]) + 0.5 * X[:, 1]
    return X, y + 0.01 * rng.standard_normal(80)


def test_scikit_learns_own_checks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)  # without array API
        check_estimator(FormulaRegressor())


NOT_DESCRIBED = "wants a good score on ten columns, of which the formula reads one"
# What of whole weights is promised, test_fit_honest tests on data that determine a fit.
SPIKE = "the best decay through 15 random rows is a spike, which they don't determine"


@pytest.mark.parametrize(
    ("formula", "others"),
    [
        ("a*x0 + b", {}),
        (
            "a*exp(-b*x0) + c",
            {"check_sample_weight_equivalence_on_dense_data": SPIKE},
        ),
    ],
)
def test_what_of_them_does_not_apply_to_a_formula(formula, others):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        check_estimator(
            FormulaRegressor(formula),
            expected_failed_checks={"check_regressors_train": NOT_DESCRIBED} | others,
            on_fail="raise",
        )


def test_names_of_a_plain_array(table):
    X, y = table
    fitted = FormulaRegressor(MODEL, features=("t", "u")).fit(X, y)
    assert fitted.parameters_ == pytest.approx({"a": 2, "b": 1.5, "c": 0.5}, abs=0.05)
    assert fitted.score(X, y) > 0.99
    other = FormulaRegressor("a*exp(-b*x0) + c*x1").fit(X, y)
    assert other.parameters_ == pytest.approx(fitted.parameters_, rel=1e-7)
    with pytest.raises(InputError, match="features has 1 names; X has 2 columns"):
        FormulaRegressor(MODEL, features=("t",)).fit(X, y)


def test_names_of_a_dataframe(table):
    import pandas

    X, y = table
    frame = pandas.DataFrame(X, columns=["t", "u"])
    fitted = FormulaRegressor(MODEL).fit(frame, y)
    assert fitted.feature_names_in_.tolist() == ["t", "u"]
    same = FormulaRegressor(MODEL, features=("t", "u")).fit(X, y)
    np.testing.assert_allclose(fitted.predict(frame), same.predict(X))


def test_the_default_is_linear(table):
    X, y = table
    theirs = LinearRegression().fit(X, y)
    ours = FormulaRegressor().fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X))


def test_sample_weights_are_weights(table):
    X, y = table
    weights = np.arange(80) % 3
    weighted = FormulaRegressor(MODEL, features=("t", "u")).fit(X, y, weights)
    X2, y2 = np.repeat(X, weights, axis=0), np.repeat(y, weights)
    repeated = FormulaRegressor(MODEL, features=("t", "u")).fit(X2, y2)
    assert weighted.parameters_ == pytest.approx(repeated.parameters_, rel=1e-6)


def test_pipelines_and_searches(table):
    X, y = table
    model = FormulaRegressor("a*exp(-b*x0) + c*x1 + d")
    pipeline = make_pipeline(MinMaxScaler(), model).fit(X, y)
    assert pipeline.score(X, y) > 0.99
    grid = {"formula": ["a*x0 + c", "a*exp(-b*x0) + c*x1"]}
    search = GridSearchCV(FormulaRegressor(), grid, cv=3).fit(X, y)
    assert search.best_params_ == {"formula": "a*exp(-b*x0) + c*x1"}


def test_clone_and_pickle(table):
    X, y = table
    model = FormulaRegressor(MODEL, features=("t", "u"), loss="huber")
    with pytest.raises(NotFittedError):
        clone(model.fit(X, y)).predict(X)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
