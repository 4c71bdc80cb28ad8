"""Ends within constraints: no success where f falls on, and all digits in any units."""

import math
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import Objective, Status, minimize
from symgd.descent.certificate import Certificate
from symgd.descent.constrained.beside import Nearby
from symgd.descent.constrained.strictly_held import is_strict

ANGLES, SEEDS = st.floats(0.0, 6.28), st.integers(0, 10**6)
quick = settings(deadline=None, max_examples=20)

# ------------------------------------------------------------------------- ridges

TWO_PLANES = Objective(
    "min(a*x + b*y, c*x + d*y)",
    ["x", "y"],
    parameters={"a": 1, "b": 0, "c": 0, "d": 1},
    subject_to="x**2 + y**2 <= 1",
)


@quick
@given(SEEDS, st.booleans())
def test_the_lower_of_two_planes_ends_on_one_of_them(seed, starts_on_the_ridge):
    """At its minimum on the disc, which is known."""
    rng = np.random.default_rng(seed)
    a, b, c, d = rng.normal(size=4)
    start = rng.normal(size=2)
    if starts_on_the_ridge:
        c, d, start = b, a, np.full(2, rng.normal())
    result = minimize(TWO_PLANES.with_parameters(a=a, b=b, c=c, d=d), start)
    assert result.success, result
    lows = [-math.hypot(a, b), -math.hypot(c, d)]
    assert min(abs(result.fun - low) for low in lows) <= 1e-7


def test_a_start_where_ridge_and_circle_meet_is_left():
    result = minimize("min(x, y)", [-0.7, -0.7], subject_to="x**2 + y**2 == 1")
    assert result.fun == pytest.approx(min(result.x))
    assert not result.success or result.fun == pytest.approx(-1.0)


HATS = Objective(
    "(x - a)**2 + (y - b)**2 - c*abs(x) - d*abs(y)",
    ["x", "y"],
    parameters={"a": 0, "b": 0, "c": 1, "d": 1},
    subject_to="x + y <= 1",
)


@quick
@given(SEEDS, st.booleans())
def test_nothing_is_lower_around_a_success_at_ridges(seed, on_the_ridges):
    rng = np.random.default_rng(seed)
    a, b = (0.0, 0.0) if on_the_ridges else rng.normal(size=2)
    c, d = rng.uniform(0.2, 2.0, size=2)
    result = minimize(HATS.with_parameters(a=a, b=b, c=c, d=d), [0.0, 0.0])
    assert result.success, result
    turn = np.linspace(0.0, 2.0 * np.pi, 181)
    for far in (1e-3, 1e-2):
        x, y = result.x[0] + far * np.cos(turn), result.x[1] + far * np.sin(turn)
        f = (x - a) ** 2 + (y - b) ** 2 - c * abs(x) - d * abs(y)
        assert (f[x + y <= 1.0] >= result.fun - 1e-9).all()


# --------------------------------------------------------- where curvature says nothing

U, V = "(k*x + l*y)", "(k*y - l*x)"
ODD = {
    power: Objective(
        f"{U}**{power} + {V}**2",
        ["x", "y"],
        parameters={"k": 1, "l": 0, "r": 1},
        subject_to=f"{U} >= -r",
    )
    for power in (3, 5, 7)
}


@quick
@given(st.sampled_from(sorted(ODD)), ANGLES, st.floats(0.3, 3.0), SEEDS)
def test_odd_powers_fall_to_the_side(power, turn, r, seed):
    start = np.random.default_rng(seed).normal(size=2) * (seed % 2)
    given = {"k": math.cos(turn), "l": math.sin(turn), "r": r}
    result = minimize(ODD[power].with_parameters(**given), start)
    assert not result.success or result.fun == pytest.approx(-(r**power), rel=1e-6)


@pytest.mark.parametrize(
    ("text", "start", "relation", "least"),
    [
        ("x**7 + y**2", [0.5, 0.5], "x >= -1", -1.0),
        ("abs(y) + x**5", None, "x >= -1", -1.0),
        ("x**2*y", [0.0, 0.0], "x**2 + y**2 <= 1", -2.0 / math.sqrt(27.0)),
        ("x*y", [0.5, 0.5], ["x - y**2 >= 0", "sin(x) >= y", "x**2 <= y**2"], -1.0),
        ("min((x - 1)**2, (x + 1)**2) + y**2", None, "y >= -1", 0.0),
        ("min(x, y) + x**2 + y**2", None, "x + y <= 9", -0.25),
        ("-max(x, y)", None, "x**2 + y**2 <= 1", -1.0),
        ("min(x, y, z)", None, "x**2 + y**2 + z**2 <= 1", -1.0),
    ],
)
def test_what_is_no_minimum_is_left_for_one(text, start, relation, least):
    result = minimize(text, start, subject_to=relation)
    assert result.success, result
    assert result.fun == pytest.approx(least, abs=1e-7)


@pytest.mark.parametrize(
    ("text", "start", "relation"),
    [
        ("-x**4 + y**2", None, "y >= 0"),
        ("x**5 + y**2", None, "y >= 0"),
        ("x**3", None, "x*y == 0"),
        ("x**5 + y**2", None, "x*y >= 0"),
        ("-abs(x) - abs(y)", None, "sin(x) >= y"),
        ("abs(x) - abs(y)", [0.26, 1.29], "sin(x) >= y"),
    ],
)
def test_what_has_no_lowest_point_is_no_success(text, start, relation):
    assert not minimize(text, start, subject_to=relation).success


# ------------------------------------------------------------------------- tails

TAILS = [
    Objective(f, ["x", "y"], parameters={"k": 1, "l": 0, "r": 1}, subject_to=relation)
    for f, relation in (
        (f"exp(-{U})", f"{V} <= r"),
        (f"log(1 + exp(-{U}))", f"{V} == r"),
        (f"1/(1 + {U}**2)", f"{V}**2 <= r"),
        (f"exp(-{U}) + {V}**2", f"{U} >= -r"),
    )
]


@settings(deadline=None, max_examples=12)
@given(st.sampled_from(TAILS), ANGLES, st.floats(0.5, 2.0), SEEDS)
def test_f_that_falls_for_ever_is_no_success(tail, turn, r, seed):
    start = np.random.default_rng(seed).normal(size=2)
    given = {"k": math.cos(turn), "l": math.sin(turn), "r": r}
    assert not minimize(tail.with_parameters(**given), start).success


def test_f_that_falls_for_ever_from_far_away_is_no_success():
    assert not minimize("log(1 + exp(-x - y))", subject_to="x >= y").success


# ------------------------------------------------------------------------- units

UNITS = [
    ("x", "x >= u", lambda u: u),
    ("x**2 + y**2", "x + y >= u", lambda u: u * u / 2.0),
    ("(x - 3*u)**2 + (y - 2*u)**2", "x + y <= 4*u", lambda u: u * u / 2.0),
    ("x + y", "x**2 + y**2 <= u**2", lambda u: -math.sqrt(2.0) * u),
    ("u*x", "x**2 <= 1/u", lambda u: -math.sqrt(u)),
]
IN_UNITS = [
    (Objective(f, parameters={"u": 1}, subject_to=relation), least)
    for f, relation, least in UNITS
]


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(IN_UNITS), st.floats(-12.0, 12.0))
def test_a_success_has_eight_digits_in_any_units(problem, power):
    (objective, least), u = problem, 10.0**power
    given = objective.with_parameters(u=u)
    result = minimize(given, [u] * len(given.variables))
    assert not result.success or result.fun == pytest.approx(least(u), rel=1e-8)


@pytest.mark.parametrize("power", [-12, -8, -4, 0, 4, 8, 12])
def test_quadratics_succeed_in_any_units(power):
    u = 10.0**power
    for objective, least in IN_UNITS[:3]:
        result = minimize(objective.with_parameters(u=u))
        assert result.success, result
        assert result.fun == pytest.approx(least(u), rel=1e-8)


def test_prices_are_those_of_the_exact_point():
    result = minimize("x", subject_to={"least": "1e12*x >= 1"})
    assert result.x == pytest.approx([1e-12], rel=1e-12)
    assert result.multipliers["least"] == pytest.approx(1e-12)
    two = minimize("x**2 + y**2", subject_to={"sum": "x + y >= 1e-12"})
    assert two.multipliers["sum"] == pytest.approx(1e-12)
    assert two.constraints["sum"] == pytest.approx(0.0, abs=1e-27)


# -------------------------------------------------------- what holds an end, and how

DISC_AND_LINE = Objective(
    "(x - 2)**2 + (y - 2)**2",
    subject_to=["x**2 + y**2 <= 1", "a*x + b*y <= c"],
    parameters={"a": 1, "b": 1, "c": 5},
)
TOUCHED = 2**0.5  # c where the line touches the disc at the minimum


def minimum_and_whether_others_were_looked_for(objective, start):
    asked = []
    spy = property(lambda _: asked.append(1) or False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Certificate, "may_be_others", spy)
        result = minimize(objective, start)
    assert result.success
    return result.x, bool(asked)


@pytest.mark.parametrize("c", [5.0, 1.0, TOUCHED])
def test_other_multipliers_are_only_looked_for_where_gradients_may_depend(c):
    objective = DISC_AND_LINE.with_parameters(c=c)
    _, asked = minimum_and_whether_others_were_looked_for(objective, [0.3, 0.1])
    assert asked == (c == TOUCHED)


@quick
@given(SEEDS)
def test_that_gradients_depend_on_each_other_is_never_missed(seed):
    """A row is a mixture of two others, and all three hold the minimum."""
    rng = np.random.default_rng(seed)
    two, x = rng.normal(size=(2, 3)), rng.normal(size=3)
    rows = np.vstack([two, rng.uniform(0.5, 2.0, 2) @ two])
    rows *= 10.0 ** rng.uniform(-1, 1, (3, 1))
    target = x + rows.T @ rng.uniform(0.1, 1.0, 3)
    objective = Objective(
        "sum((x[i] - t[i])**2 for i in range(n))",
        data={"a": rows, "s": rows @ x, "t": target},
        subject_to="sum(a[k,i]*x[i] for i in range(n)) <= s[k] for k in range(m)",
    )
    found, asked = minimum_and_whether_others_were_looked_for(
        objective, rng.normal(size=3)
    )
    np.testing.assert_allclose(found, x, atol=1e-6)
    assert asked


# ------------------------------------------------------------- looking takes its time


@pytest.mark.parametrize(
    ("pressed", "status"), [(False, Status.TIME_LIMIT), (True, Status.INTERRUPTED)]
)
def test_the_time_limit_and_control_c_are_heard_around_ends(
    monkeypatch, pressed, status
):
    def endless(nearby):
        if pressed:
            signal.raise_signal(signal.SIGINT)
        while True:
            nearby.evaluated(nearby.end)

    monkeypatch.setattr(Nearby, "lower", endless)
    limit = None if pressed else 0.2
    result = minimize(
        *("x + y", [3.0, 0.5]),
        subject_to="x + y >= 2",
        time_limit=limit,
        callback=lambda state: None,
    )
    assert result.status == status
    assert not result.success


def test_dependent_gradients_take_no_look_around_a_strict_minimum():
    """Bang-bang: more sides hold the point than it has coordinates."""
    fastest = Objective(
        "T",
        sizes={"n": 6, "p": 7, "v": 7, "u": 6},
        subject_to=[
            "p[k+1] == p[k] + T/6*v[k] for k in range(n)",
            "v[k+1] == v[k] + T/6*u[k] for k in range(n)",
            *("p[0] == 0", "v[0] == 0", "p[6] == 1", "v[6] == 0"),
        ],
    )
    start = {"T": 2.0, "p": np.linspace(0, 1, 7), "v": np.full(7, 0.5)}
    start["u"] = np.zeros(6)
    result = minimize(fastest, start, bounds={"u": (-1, 1), "T": (0.1, 10)})
    assert result.success
    assert np.abs(result.values["u"]) == pytest.approx(1.0)
    assert result.nfev < 1000


@quick
@given(SEEDS)
def test_a_strict_minimum_has_nothing_lower_beside_it(seed):
    """Whatever rows are repeated: against what is found in their cone and its edges."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    rows = rng.normal(size=(n, n))
    rows = np.vstack([rows, rows[: rng.integers(1, n + 1)]])
    y, second = -rng.uniform(-0.5, 2.0, len(rows)), rng.normal(size=(n, n))
    free = np.zeros(n), np.ones(n), np.zeros(len(rows), bool)
    second = second + second.T
    y = np.where(y > 0.0, 0.0, y)  # of ``>=``
    known = 0.0, -y @ rows, np.zeros(len(rows)), rows
    if is_strict(known, second, y, *free):
        within = rng.random((1000, n)) * (rng.random((1000, n)) < 0.5)
        ways = within[within.any(axis=1)] @ np.linalg.inv(rows[:n]).T
        ways *= 1e-7 / np.abs(ways).max(axis=1)[:, None]
        rises = ways @ known[1] + 0.5 * ((ways @ second) * ways).sum(axis=1)
        assert (rises > 0.0).all()


# --------------------------------------------------------------- infinitely steep ends


@pytest.mark.parametrize(
    ("text", "start", "relation", "x"),
    [
        ("sqrt(x - 1) + x", [3.0], "x >= 1", [1.0]),
        ("sqrt(x) + (y - 2)**2", [0.3, 0.6], ["x + y >= 1", "x >= 0"], [0.0, 2.0]),
        ("sqrt(x) + sqrt(y)", [0.3, 0.6], ["x + y == 1", "x >= 0", "y >= 0"], [0, 1]),
        ("x**0.3 + y**2", [0.1, 0.6], ["y >= x + 1", "x >= 0"], [0.0, 1.0]),
    ],
)
def test_off_a_bound_f_may_rise_infinitely_steeply(text, start, relation, x):
    result = minimize(text, start, subject_to=relation)
    assert result.status == Status.CONVERGED, result
    assert result.x == pytest.approx(x, abs=1e-12)
    assert "f rises infinitely steeply" in result.message
    assert math.inf in result.multipliers.values()


def test_where_it_falls_infinitely_steeply_is_no_end():
    result = minimize("x - sqrt(x - 1)", [1.0], subject_to="x >= 1")
    assert result.status == Status.CONVERGED
    assert result.x[0] == pytest.approx(1.25)
