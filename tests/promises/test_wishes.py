"""What people ask for in public threads: it works, or is refused with what to do.

The manual's sentences for what is refused are in "What there is not" of
``docs/how-to/write-what-you-know.md``, and in ``docs/how-to/fits.md``.
"""

import re

import numpy as np
import pytest
import sympy as sp
from scipy import optimize, special

import symgd
from symgd import FormulaError, InputError, Objective

RNG = np.random.default_rng(0)
S = np.array([[2.0, 0.5], [0.5, 1.0]])
A, B = RNG.normal(size=(6, 3)), RNG.normal(size=6)
LEAST = np.linalg.lstsq(A, B, rcond=None)
X, Y = sp.symbols("x y")
PAIR = sp.Matrix([X, Y])
COLUMN = sp.MatrixSymbol("x", 3, 1)

MINIMA = [  # formula, data, start, the least value
    ("w.T @ S @ w - mu @ w", {"S": S, "mu": S @ [1, 1]}, None, -0.25 * np.sum(S)),
    ("np.dot(w.T, np.dot(S, w))", {"S": S}, [1, 1], 0),
    ("np.linalg.norm(A @ x - b)", {"A": A, "b": B}, None, np.sqrt(LEAST[1][0])),
    ("norm_2(A @ x - b)**2", {"A": A, "b": B}, None, LEAST[1][0]),
    ("norm(A - x*ones((6, 3)), 'fro')**2", {"A": A}, [0.0], A.var() * 18),
    ("((y - m*x - c)**2).mean()", {"x": B, "y": 2 * B + 1}, None, 0),
    ("sum((b - a*t)**2 for b, t in zip(y, x))", {"x": B, "y": 2 * B}, None, 0),
    ("sum(v**2 for v in x)", {}, [1, 2], 0),
    ("sum((x[i] - 1)**2 for i in range(len(x)))", {}, [1, 2], 0),
    ("np.where(x > 0, x**2, -x)", {}, [1], 0),
    ("relu(x) + square(y) + power(z, 2) + fabs(w) + relu(-x)", {}, [1] * 4, 0),
    ("xlogy(x, x)", {}, [0.5], -1 / np.e),
    ("scipy.special.xlogy(x, x)", {}, [0.5], -1 / np.e),
    ("-norm.pdf(x, loc=2)", {}, [1], -1 / np.sqrt(2 * np.pi)),
    ("-scipy.stats.norm.logcdf(-x**2, 0, 2)", {}, [1], np.log(2)),
    ("logsumexp([x, -x])", {}, [0.5], np.log(2)),
    (
        "y @ solve(K + s**2*eye(6), y)/2 + log(det(K + s**2*eye(6)))/2",
        {"K": A @ A.T, "y": B},
        [1],
        None,
    ),
    (
        "np.linalg.slogdet(V + s**2*diag(w))[1] - 9*log(s)",
        {"V": A @ A.T, "w": B**2 + 0.1},
        [1],
        None,
    ),
    (
        "trace(inv(X.T @ diag(w**2) @ X)) + sum(w**2)",
        {"X": RNG.normal(size=(9, 5))},
        {"w": np.ones(9)},
        None,
    ),
    ("np.sinc(x)", {}, [1.2], -0.21723362821122166),
    ("max(x[i]**2 for i in range(n))", {}, [3, 1], 0),
    ("norm(x - 3, inf)", {}, [3, 1], 0),
    (PAIR.T * sp.Matrix([[2, 1], [1, 3]]) * PAIR, {}, [1, 1], 0),
    (sp.Lambda((X, Y), X**2 + (Y - 1) ** 2), {}, [1, 1], 0),
    (COLUMN.T * COLUMN, {}, [1, 1, 1], 0),
    (sp.besselj(0, X), {}, [3], special.j0(3.8317059702075125)),
    (sp.Integral(X * Y, (Y, 0, 2)).doit() + X**2, {}, [1], -1),
]


@pytest.mark.parametrize(("formula", "data", "start", "least"), MINIMA)
def test_what_people_minimise_is_minimised(formula, data, start, least):
    objective = Objective(formula, data=data) if data else formula
    result = symgd.minimize(objective, start)
    assert result.success
    if least is not None:
        assert result.fun == pytest.approx(least, rel=1e-9, abs=1e-9)


CONSTRAINED = [
    ("w.T @ S @ w", "sum(w) == 1", 0.875),
    ("x1**2 + x2**2", "x1 + x2 == 10", 50),
    ("x + y", "x**2 + y**2 <= 1", -np.sqrt(2)),
    ("(a - 3)**2 + (b - 2)**2", "a >= b + 2", 0.5),
    ("(x - 3)**2 + y", "y == x**3", None),
]


@pytest.mark.parametrize(("formula", "relation", "least"), CONSTRAINED)
def test_what_people_constrain_is_kept_to(formula, relation, least):
    data = {"S": S} if "S" in formula else None
    bounds = {"x": (0, 5)} if least is None else None
    objective = Objective(formula, data=data, subject_to=relation)
    result = symgd.minimize(objective, bounds=bounds)
    assert result.success
    if least is not None:
        assert result.fun == pytest.approx(least, rel=1e-8)


HABITS = [  # arguments of other libraries
    {"options": {"maxiter": 50}},
    {"bounds": optimize.Bounds([0], [5])},
    {"jac": None, "constraints": (), "tol": None},
]


@pytest.mark.parametrize("arguments", HABITS)
def test_habits_of_scipy_are_met(arguments):
    assert symgd.minimize("(x - 3)**2", [1], **arguments).x[0] == pytest.approx(3)
    found = symgd.minimize(lambda x, a: (x[0] - a) ** 2, [1], args=(3,), **arguments)
    assert found.x[0] == pytest.approx(3)


REFUSED = [  # formula, start, and what is said
    ("norm(A, 2)", [1], "only the Frobenius norm"),
    ("eigvals(x)[0]", [1, 2], "let NumPy factor what is constant"),
    ("sum(sort(x)[:2])", [3, 1, 2], "formulas don't sort"),
    ("median(x)", [3, 1, 2], "formulas don't sort.*abs"),
    ("cumsum(x)[2]", [3, 1, 2], "the sum that each element is"),
    ("quad(lambda t: exp(-x*t), 0, 1)", [1], "points t and the weights w"),
    (sp.Integral(sp.exp(-X * Y**2), (Y, 0, 1)), [1], r"\.doit\(\).*quadrature"),
    ("odeint(f, y0, t)", [1], "step by step is no formula"),
    ("round(x)**2", [1], "no derivative"),
    ("∑ (x_i - 1)²", [1], r"write sum\(x\[i\]"),
    ("np.linalg.cholesky(K)[0, 0]", [1], r"write logdet\(K\) and solve"),
    ("np.linalg.eigh(K)[0]", [1], "let NumPy factor what is constant"),
    ("svd(K)[1]", [1], "let NumPy factor what is constant"),
    (
        "sum(det(k*x*K[i, j] for i in range(5) for j in range(5)) for k in range(3))",
        [1],
        "up to 4 rows, of a length that is known, it may",
    ),
    ("abs(x + 1j*y)", [1, 1], "real and imaginary parts"),
    ("np.random.randn(3) + x", [1], "no random numbers"),
    ("(x[1] - 1)**2 + (x[2] - 2)**2", [0, 0], "count from 0"),
    ("np.select([x > 0], [x], -x)", [1], "a if condition else b"),
    ("x[x > 0]", [1, 2], "where"),
]


@pytest.mark.parametrize(("formula", "start", "told"), REFUSED)
def test_what_is_no_formula_says_what_to_do(formula, start, told):
    data = {"A": A, "K": np.eye(5)}
    used = {
        k: v
        for k, v in data.items()
        if f"{k} " in str(formula) or f"({k}" in str(formula)
    }
    with pytest.raises(FormulaError) as caught:
        symgd.minimize(Objective(formula, data=used) if used else formula, start)
    assert re.search(told, str(caught.value), re.DOTALL)


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ({"constraints": "x == 1"}, "subject_to"),
        ({"tol": 1e-3}, "gtol"),
        ({"jac": True}, "exact"),
        ({"integers": ["x"]}, "whole numbers around"),
        ({"method": "BFGS"}, "leave method out"),
        ({"method": "gd", "lr": 0.1}, "step_size"),
    ],
)
def test_other_arguments_are_hinted_at(argument, told):
    with pytest.raises(InputError, match=told):
        symgd.minimize("x**2", [1.0], **argument)


T = np.linspace(0, 4, 40)
DECAY = {"x": T, "y": 2 * np.exp(-0.8 * T) + 0.3}
TWICE = {"x": np.r_[T, T], "y": np.r_[DECAY["y"], DECAY["y"] + np.exp(-0.8 * T)]}
TWICE["s"] = ["p"] * 40 + ["q"] * 40
FITS = [  # model, data, target, other arguments, parameters
    ("a[s]*exp(-b*x) + c", TWICE, "y", {}, {"a[p]": 2, "a[q]": 3, "b": 0.8, "c": 0.3}),
    ("a*exp(-b*x) + c", DECAY, "y", {"fixed": {"c": 0.3}}, {"a": 2, "b": 0.8}),
    ("a*exp(-b*x) + c", DECAY, "y", {"tied": {"c": "0.15*a"}}, {"a": 2, "b": 0.8}),
    ("a*exp(-b*x) + c", DECAY, "y", {"sigma": np.eye(40)}, {"a": 2, "c": 0.3}),
    ("log(a) - b*x", {"x": T, "y": 2 * np.exp(-0.8 * T)}, "log(y)", {},
     {"a": 2, "b": 0.8}),
    (["a/(1 + x**2)", "-a*x/(1 + x**2)"],
     {"x": T, "re": 3 / (1 + T**2), "im": -3 * T / (1 + T**2)}, ["re", "im"], {},
     {"a": 3}),
    ("a*j0(b*x)**2", {"x": T, "y": 3 * special.j0(1.7 * T) ** 2}, "y", {},
     {"a": 3, "b": 1.7}),
    ("a*(2*j1(b*x)/(b*x))**2",  # Airy's disc, 1 in its middle
     {"x": T, "y": 3 * (special.jv(0, 1.7 * T) + special.jv(2, 1.7 * T)) ** 2}, "y", {},
     {"a": 3, "b": 1.7}),
    ("a*lambertw(b*exp(x))", {"x": T, "y": 2 * special.lambertw(3 * np.exp(T)).real},
     "y", {}, {"a": 2, "b": 3}),
    ("a*erf(b*x)", {"x": T, "y": 3 * special.erf(0.7 * T)}, "y", {},
     {"a": 3, "b": 0.7}),
    ("a*x + b", {"x": np.arange(9, dtype="i4"), "y": np.arange(9, dtype="f4")}, "y", {},
     {"a": 1, "b": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "data", "target", "more", "parameters"), FITS)
def test_what_people_fit_is_fitted(model, data, target, more, parameters):
    fit = symgd.fit(model, data, target, **more)
    assert fit.success
    for name, value in parameters.items():
        assert fit.parameters[name] == pytest.approx(value, rel=1e-5, abs=1e-7)
