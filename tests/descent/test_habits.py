"""Calls as SciPy's minimize has them do what is meant, or say what to write."""

import numpy as np
import pytest
from scipy import optimize

import symgd
from symgd import InputError, Rule, minimize


def valley(x, a, b):
    return (a - x[0]) ** 2 + b * (x[1] - x[0] ** 2) ** 2


def test_a_call_as_scipy_has_it():
    bounds = optimize.Bounds([-2, -2], [0.5, 2])
    said = {"args": (1, 100), "bounds": bounds, "options": {"maxiter": 500}}
    there = optimize.minimize(valley, [-1.2, 1], method="L-BFGS-B", **said)
    here = minimize(valley, [-1.2, 1], **said, jac=None, constraints=(), tol=None)
    assert here.get("x") == pytest.approx(there.x, abs=1e-4)
    assert here.get("fun") <= there.fun
    assert here.get("hess_inv", "none") == "none"
    assert here.criteria["maxiter"].limit == 500


def test_one_argument_more_needs_no_tuple():
    assert minimize(lambda x, a: (x - a) ** 2, 0.0, args=3).x == pytest.approx([3])


@pytest.mark.parametrize("x0", [[[-1.2, 1.0]], np.array([[-1.2, 1.0]])], ids=type)
def test_a_row_is_a_start(x0):
    text = "(1 - x)**2 + 100*(y - x**2)**2"
    for f in (text, lambda x: valley(x, 1, 100)):
        assert minimize(f, x0).x == pytest.approx([1, 1])


def test_none_is_the_default():
    plain = minimize("(x - 3)**4", 0.0)
    same = minimize("(x - 3)**4", 0.0, method=None, maxiter=None, options=None, args=())
    assert (same.nit, same.x) == (plain.nit, plain.x)
    assert same.criteria["maxiter"].limit == 10_000


@pytest.mark.parametrize(
    "name",
    [
        *("BFGS", "L-BFGS-B", "CG", "TNC", "Newton-CG", "Nelder-Mead", "Powell"),
        *("SLSQP", "COBYLA", "COBYQA", "trust-constr", "trust-ncg", "dogleg"),
    ],
)
def test_methods_of_scipy_are_refused_with_what_is_used_instead(name):
    with pytest.raises(InputError, match="leave method out for the default: L-BFGS"):
        minimize("x**2", 1.0, method=name)


@pytest.mark.parametrize(
    ("keywords", "told"),
    [
        ({"args": (1,)}, "name constants in the formula"),
        ({"jac": True}, "derivatives are symgd's own, and exact"),
        ({"hess": "2-point"}, "derivatives are symgd's own, and exact"),
        ({"tol": 1e-6}, "give gtol, for the gradient"),
        ({"constraints": [{"type": "eq"}]}, "subject_to="),
        ({"options": {"maxfun": 9}}, "of SciPy's only maxiter and gtol are known"),
        ({"options": {"disp": True}}, "print the result"),
        ({"options": {"maxiter": 9}, "maxiter": 8}, "maxiter is given twice"),
        ({"lr": 0.1, "method": "gd"}, "did you mean 'step_size'"),
        ({"learning_rate": 0.1, "method": "gd"}, "did you mean 'step_size'"),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["auto", "adam"])
def test_what_has_another_name_here_is_told(keywords, told, method):
    with pytest.raises(InputError, match=told):
        minimize("x**2", 1.0, **{"method": method, **keywords})


def test_a_rule_may_have_a_hyperparameter_of_such_a_name():
    rule = Rule("tolerant", "x = x - tol*g", tol=0.1)
    assert minimize("x**2", 1.0, method=rule, tol=0.25, maxiter=1).x == [0.5]


def test_gtol_may_be_an_option():
    loose = minimize("(x - 3)**4", 0.0, options={"gtol": 1e-2, "disp": False})
    assert loose.criteria["gtol"].limit == 1e-2


def test_a_start_outside_of_bounds_is_moved_inside_with_a_note():
    result = minimize(lambda x: (x - 3) ** 2, [9.0], bounds=optimize.Bounds(0, 5))
    assert result.start_source == "given, moved inside the bounds"


# ------------------------------------------------------------------- callbacks


def test_a_state_is_its_iterate_to_callbacks_of_scipy():
    kept, shown = [], []

    def callback(xk):
        kept.append(np.copy(xk))
        shown.append(" ".join(f"{v:.3f}" for v in xk))
        assert np.linalg.norm(xk) == np.linalg.norm(xk.x)
        assert (xk[0], xk[-1], len(xk), xk.shape) == (*xk.x, 2, (2,))
        for mine, plain in (
            *((xk - 1, xk.x - 1), (2 * xk, 2 * xk.x), (-xk, -xk.x), (xk**2, xk.x**2)),
            *((xk @ xk, xk.x @ xk.x), (xk - xk, 0 * xk.x), (xk > 0, xk.x > 0)),
            *((xk.copy(), xk.x), (np.exp(xk), np.exp(xk.x)), (xk[:1], xk.x[:1])),
            *((np.ones(2) + xk, 1 + xk.x), (np.asarray(xk, np.float32), xk.x)),
        ):
            np.testing.assert_allclose(mine, plain, rtol=1e-7)

    result = minimize("(1 - x)**2 + 100*(y - x**2)**2", [-1.2, 1], callback=callback)
    np.testing.assert_array_equal(np.array(kept)[0], [-1.2, 1])
    np.testing.assert_array_equal(kept[-1], result.x)
    assert shown[0] == "-1.200 1.000"


def test_a_state_still_has_the_state_of_its_rule():
    seen = []
    run = {"method": "momentum", "maxiter": 3, "callback_every": 1}
    minimize("x**2", 1.0, **run, callback=lambda s: seen.append((s["change"], s.t)))
    assert [t for _, t in seen] == [0, 1, 2, 3]
    assert seen[1][0].shape == (1,)
    with pytest.raises(InputError, match="unknown state variable 'm'"):
        minimize("x**2", 1.0, **run, callback=lambda s: s["m"])
    with pytest.raises(AttributeError):
        minimize("x**2", 1.0, **run, callback=lambda s: s.nowhere)


def test_scipys_own_intermediate_results_have_the_same_names():
    seen = []
    minimize("x**2", 1.0, callback=lambda intermediate_result: seen.append(
        (intermediate_result.x, intermediate_result.fun)
    ))  # fmt: skip
    assert seen[0] == ([1.0], 1.0)
    assert symgd.minimize("x**2", 1.0).get("success")
