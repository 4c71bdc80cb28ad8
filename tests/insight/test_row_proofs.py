"""Sums over data: what is proven of A'DA, against matrices and Hessians."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symgd
from symgd import InputError, Objective, analyze
from symgd.insight import exact
from symgd.insight.gram import Gram
from symgd.insight.rough import Rough
from symgd.insight.row_proofs import RowProofs

ROWS = 90  # more than are written out
RNG = np.random.default_rng(5)
A = RNG.standard_normal((ROWS, 3))
Y = np.sign(A[:, 0] + 0.5 * RNG.standard_normal(ROWS))
COUNTS = RNG.poisson(2.0, ROWS).astype(float)
SIGMA = 0.5 + RNG.random(ROWS)
S = A.T @ A / ROWS - np.eye(3)
DATA = {"A": A, "y": Y, "k": COUNTS, "sigma": SIGMA, "S": S}
WHOLE = np.arange(ROWS) % 4


def objective(text, **more):
    data = {name: value for name, value in {**DATA, **more}.items() if name in text}
    return Objective(text, data=data)


def extremes(matrix):
    values = np.linalg.eigvalsh(matrix)
    return values[0], values[-1]


def gram(d):
    return A.T @ (np.asarray(d)[:, None] * A)


ONES = np.ones(ROWS)
TABLE = [  # text, bounds, curvature, the matrices of the smallest and largest curvature
    ("sum((A @ w - y)**2)", None, "strongly convex", 2 * gram(ONES), 2 * gram(ONES)),
    (
        "mean((A @ w - y)**2)/2 + 0.5*sum(w**2)",
        None,
        "strongly convex",
        gram(ONES) / ROWS + np.eye(3),
        gram(ONES) / ROWS + np.eye(3),
    ),
    (
        "sum((A @ w - y)**2/sigma**2)",
        None,
        "strongly convex",
        2 * gram(SIGMA**-2),
        2 * gram(SIGMA**-2),
    ),
    ("sum(log(1 + exp(-y*(A @ w))))", None, "convex", 0 * S, gram(ONES) / 4),
    (
        "sum(log(1 + exp(-y*(A @ w)))) + 2*norm(w)**2",
        None,
        "strongly convex",
        4 * np.eye(3),
        gram(ONES) / 4 + 4 * np.eye(3),
    ),
    (
        "sum(sqrt(1 + (A @ w - y)**2))",
        None,
        "convex",
        0 * S,
        None,
    ),
    ("sum(log(cosh(A @ w)))", None, "convex", 0 * S, gram(ONES)),
    ("-sum((A @ w)**2)", None, "concave", -2 * gram(ONES), -2 * gram(ONES)),
]


@pytest.mark.parametrize(("text", "bounds", "curvature", "least", "most"), TABLE)
def test_L_and_mu_of_sums_are_enclosed_within_a_percent(
    text, bounds, curvature, least, most
):
    analysis = analyze(objective(text), bounds)
    assert isinstance(analysis._proofs, RowProofs)
    assert analysis.curvature == curvature
    low = extremes(least)[0]
    slack = 1e-9 * np.abs(least).max()
    assert analysis.convexity.lower - slack <= low <= analysis.convexity.upper + slack
    if most is None:
        return
    largest = max(abs(extremes(most)[1]), abs(low))
    assert analysis.lipschitz.lower <= largest * (1 + 1e-9)
    assert largest * (1 - 1e-9) <= analysis.lipschitz.upper <= 1.0102 * largest
    assert analysis.convexity.lower >= low - 0.0102 * largest
    diagonal = np.diag(most) if curvature != "concave" else np.diag(-least)
    for found, truth in zip(
        analysis.lipschitz_per_coordinate.values(), diagonal, strict=True
    ):
        assert truth * (1 - 1e-9) <= found <= 1.0102 * truth


def test_a_quadratic_form_is_read_as_squares():
    data = {"B": np.vstack([S] * 30), "S": S}
    analysis = analyze(Objective("w @ S @ w + sum((B @ w)**2)", data=data))
    low, high = extremes(2 * S + 60 * S.T @ S)
    assert analysis.convexity.lower == pytest.approx(low, rel=1e-9)
    assert analysis.lipschitz.upper == pytest.approx(max(high, -low), rel=1e-9)
    assert analysis.curvature == ("strongly convex" if low > 0 else "not convex")


NOT_CONVEX = [
    "sum(log(1 + (A @ w - y)**2))",
    "sum((y - 1/(1 + exp(-(A @ w))))**2)",
    "sum(cos(A @ w))",
    "sum((A @ w)**2) - 85*sum(w**2)",
    "sum(y*(A @ w)**2)",
]


@pytest.mark.parametrize("text", NOT_CONVEX)
def test_what_is_not_convex_has_a_witness(text):
    analysis = analyze(objective(text))
    assert analysis.curvature == "not convex"
    witness = analysis.witness
    assert witness.check() < 0
    x, v = (np.array(list(part.values())) for part in (witness.x, witness.v))
    f = objective(text).sized(np.zeros(3))
    assert v @ f.hess(x) @ v == pytest.approx(witness.curvature * v @ v, rel=1e-6)


KINKED = [
    ("sum(abs(A @ w - y))", "convex"),
    ("sum(max(0, 1 - y*(A @ w)))", "convex"),
    ("sum((A @ w - y)**2)/2 + 3*sum(abs(w))", "strongly convex"),
    ("sum(k*abs(A @ w - y))", "convex"),
    ("sum(max(y - A @ w, 0.3*(A @ w - y)))", "convex"),
    ("sum((A @ w - y)**2/2 if abs(A @ w - y) < 1 else abs(A @ w - y) - 1/2)", "convex"),
]


@pytest.mark.parametrize(("text", "curvature"), KINKED)
def test_kinks_bend_but_have_no_L(text, curvature):
    analysis = analyze(objective(text))
    assert (analysis.curvature, analysis.lipschitz.upper) == (curvature, math.inf)
    assert analysis.domain == "defined and continuous throughout"
    assert analysis.bounded_below or " if " in text
    assert analysis.steps == {}


def test_what_has_no_operation_on_intervals_is_unknown():
    for text in ("sum(gamma(A @ w + 5))", "sum((A @ w) % 2)"):
        analysis = analyze(objective(text))
        assert (analysis.curvature, analysis.lipschitz.upper) == ("unknown", math.inf)
    affine = analyze(objective("3*b + sum(A @ w)"))
    assert (affine.curvature, *affine.lipschitz) == ("affine", 0, 0)
    assert "-0" not in str(affine)


def test_what_is_too_large_is_unknown():
    f = objective("sum((A @ w - y)**2)", A=1e200 * A)
    assert analyze(f).lipschitz.upper == math.inf
    assert analyze(objective("sum((A @ w)**2)", A=1e-170 * A)).curvature == "convex"


def test_a_half_line_is_a_bound():
    f = objective("sum(exp(-(B @ w)))", B=1 + np.abs(A))
    analysis = analyze(f.sized(np.zeros(3)), {"w": (0, None)})
    truth = extremes((1 + np.abs(A)).T @ (1 + np.abs(A)))[1]
    assert truth * (1 - 1e-9) <= analysis.lipschitz.upper <= 1.0102 * truth


def test_bounds_make_L_of_a_poisson_regression_finite():
    f = objective("sum(exp(A @ w) - k*(A @ w))")
    assert analyze(f).lipschitz.upper == math.inf
    analysis = analyze(f, {"w": (-1, 1)})
    most = np.exp(np.abs(A).sum(1))
    assert extremes(gram(most))[1] * (1 - 1e-9) <= analysis.lipschitz.upper
    assert analysis.lipschitz.upper <= 1.05 * extremes(gram(most))[1]
    assert analysis.curvature == "strongly convex"


BOXED = [
    "sum(log(1 + exp(-y*(A @ w))))",
    "sum(exp(A @ w)/sigma - k*(A @ w))",
    "sum(log(1 + (A @ w - y)**2))",
    "sum((y - 1/(1 + exp(-(A @ w + b))))**2)",
    "sum(atan(A @ w + b)**2) + sum(w[i]**4 for i in range(3))",
    "sum((A[i, 0]*w[0] - w[1] + b)**4 for i in range(90)) + (w[2] - b)**2",
    "sum((w[g[i]] - y[i])**2*k[i] for i in range(90)) + sum(cos(w[i + 1] - w[i]) for i in range(2))",  # noqa: E501
]


@pytest.fixture(scope="module", params=BOXED)
def boxed(request):
    return objective(request.param, g=WHOLE % 3)


@settings(max_examples=25)
@given(data=st.data())
def test_the_hessian_is_between_mu_and_L_wherever_the_bounds_allow(boxed, data):
    n = len(boxed.sized({"w": np.zeros(3)} if "w" in boxed.variables else None).space)
    side = st.floats(-3, 3)
    pairs = [sorted(data.draw(st.tuples(side, side))) for _ in range(n)]
    pairs = [(a, b if b > a else a + 0.5) for a, b in pairs]
    sized = boxed.sized({"w": np.zeros(3)})
    analysis = analyze(sized, pairs, time_limit=0.5)
    low, high = analysis.convexity.lower, analysis.lipschitz.upper
    for part in (0.0, 1.0, data.draw(st.floats(0, 1))):
        x = np.array([a + part * (b - a) for a, b in pairs])
        least, most = extremes(sized.hess(np.clip(x, *np.transpose(pairs))))
        slack = 1e-9 * max(abs(least), abs(most))
        assert low <= least + slack
        assert max(-least, most) <= high + slack
        assert analysis.convexity.upper >= low
    if analysis.witness is not None:
        assert analysis.witness.check() < 0


def test_one_that_is_fixed_is_no_variable():
    pairs = [(-1, 1), (0.5, 0.5), (-1, 1)]
    f = objective("sum((A @ w)**4)")
    analysis = analyze(f, pairs)
    assert analysis.problem.names == ["w[0]", "w[2]"]
    sized = f.sized(np.zeros(3))
    inner = np.ix_([0, 2], [0, 2])
    for corner in ([-1, 0.5, 1], [1, 0.5, 1], [0, 0.5, 0]):
        least, most = extremes(sized.hess(np.array(corner, float))[inner])
        assert analysis.convexity.lower <= least * (1 + 1e-9)
        assert most <= analysis.lipschitz.upper * (1 + 1e-9)


@settings(max_examples=60)
@given(
    rows=st.integers(1, 40),
    scale=st.integers(-60, 60),
    seed=st.integers(0, 10**6),
)
def test_a_gram_matrix_holds_the_exact_one(rows, scale, seed):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((rows, 3)) * 2.0**scale
    errors = np.abs(a) * rng.random((rows, 3)) * 1e-9
    d = rng.standard_normal(rows) * 2.0 ** rng.integers(-30, 30, rows)
    d_errors = np.abs(d) * rng.random(rows) * 1e-9
    found = Gram(3)
    found.add(Rough(a, errors), Rough(d, d_errors))
    corner = [rng.choice([-1, 1], shape) for shape in ((rows, 3), rows)]
    for i in range(3):
        for j in range(3):
            truth = Fraction(0)
            for r in range(rows):
                ai = Fraction(a[r, i]) + int(corner[0][r, i]) * Fraction(errors[r, i])
                aj = Fraction(a[r, j]) + int(corner[0][r, j]) * Fraction(errors[r, j])
                dr = Fraction(d[r]) + int(corner[1][r]) * Fraction(d_errors[r])
                truth += ai * aj * dr
            assert Fraction(found.low[i, j]) <= truth <= Fraction(found.high[i, j])


def test_rough_numbers_hold_exact_ones():
    rng = np.random.default_rng(0)
    for _ in range(300):
        a, b = (float(v) for v in rng.standard_normal(2) * 10.0 ** rng.integers(-9, 9))
        for found, truth in (
            (Rough(a) + Rough(b), Fraction(a) + Fraction(b)),
            (Rough(a) * Rough(b), Fraction(a) * Fraction(b)),
            (Rough(a, 1e-3) * Rough(b), (Fraction(a) + Fraction(1e-3)) * Fraction(b)),
            (Rough(a) * Rough(-1.0), -Fraction(a)),
        ):
            assert Fraction(float(found.low)) <= truth <= Fraction(float(found.high))


# ---------------------------------------------------------------------- its use


def test_a_safe_step_of_a_regression_needs_no_number():
    f = objective("mean(log(1 + exp(-y*(A @ w)))) + 0.01*sum(w**2)")
    analysis = analyze(f)
    run = symgd.minimize(f, method="gd", step_size="safe", gtol=1e-7)
    assert run.success
    assert run.nit <= analysis.iterations([0, 0, 0], 1e-7)
    assert analysis.judge(analysis.steps["best"].step_size)[0] == "safe"
    least_squares = objective("sum((A @ w - y)**2)")
    assert symgd.minimize(least_squares, method="momentum", step_size="safe").success
    unsafe = 2.02 / analyze(least_squares).lipschitz.lower
    assert analyze(least_squares).judge(unsafe)[0] == "unsafe"


def test_many_rows_are_gone_through_once_and_the_time_is_heard():
    rng = np.random.default_rng(1)
    data = {"A": rng.standard_normal((40_000, 4))}
    f = Objective("sum(log(1 + exp(A @ w)))", data=data)
    analysis = analyze(f, time_limit=30)
    truth = extremes(data["A"].T @ data["A"] / 4)[1]
    assert truth * (1 - 1e-9) <= analysis.lipschitz.upper <= 1.0102 * truth
    late = analyze(f, time_limit=1e-6)
    assert late.curvature == "unknown"
    assert "give a larger time_limit" in late.reason
    assert late.steps == {}
    assert "unknown" in late.domain


def test_short_sums_are_written_out_for_all_proofs():
    t = np.linspace(0, 2, 9)
    data = {"t": t, "y": 2 * np.exp(-t)}
    f = Objective("sum((y - a*exp(-b*t))**2)", data=data)
    found = symgd.minimize_global(f, bounds=[(0.5, 4), (0.2, 3)])
    assert found.status == "PROVEN"
    assert found.fun_bounds.lower <= 0 <= found.fun_bounds.upper + 1e-9
    four = Objective("sum(x[i]**4 - x[i]**2 for i in range(2))")
    points = symgd.stationary(four, [(-2, 2)] * 2)
    least = symgd.minimize_global(four, {"x": (-2, 2)})
    assert [*least.values] == ["x[0]", "x[1]"]
    assert np.abs(least.x) == pytest.approx(math.sqrt(0.5), abs=1e-3)
    assert len(points.points) == 9


def test_written_out_is_what_is_computed():
    f = objective(
        "sum((w[g[i]] - y[i])**2 if y[i] > 0 else w[0]**2*k[i] for i in range(40))"
        " + prod(w) + max(w[i] for i in range(3))",
        g=WHOLE % 3,
    ).sized(np.zeros(3))
    from symgd.insight.prepared import prepared

    expression = prepared(f, 1000)
    for x in np.random.default_rng(0).standard_normal((20, 3)):
        at = {
            s: exact.rational(float(x[int(s.name[2])])) for s in expression.free_symbols
        }
        assert float(expression.xreplace(at)) == pytest.approx(f.value(x), rel=1e-12)


REFUSED = [
    ("sum((y - a*exp(-b*k))**2)", "functions of one affine form.* is none"),
    ("sqrt(sum((A @ w - y)**2))", "functions of one affine form"),
    ("sum(exp(A @ w)*(A @ w - y)**2*w[0])", "functions of one affine form"),
    ("prod(1 + (A @ w - y)**2)", "functions of one affine form.*prod.* is none"),
    ("max((A @ w - y)**2)", "functions of one affine form.*max.* is none"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_other_long_sums_are_refused_with_the_term(text, message):
    data = {
        name: np.tile(value, (40,) + (1,) * (value.ndim - 1))
        for name, value in DATA.items()
    }
    f = Objective(text, data={k: v for k, v in data.items() if k in text})
    with pytest.raises(InputError, match=message):
        analyze(f)
