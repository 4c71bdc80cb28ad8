"""What is known in closed form about methods, on functions where it is sharp."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symgd import Objective, Rule, minimize, minimize_many

# ------------------------------------------------------------------- functions
# Each is compiled once for a rule: what Hypothesis draws are parameters.

BOWL = Objective("(mu*x**2 + L*y**2)/2", parameters={"mu": 1, "L": 1})
LINE = Objective("a*x + b*y", parameters={"a": 1, "b": 1})


def huber(u, d):
    """Return u²/2, continued from abs(u) = d on by its tangents."""
    return f"(({u})**2/2 if abs({u}) < {d} else {d}*abs({u}) - {d}**2/2)"


CREASE = Objective(f"L*{huber('x', 'd')}", parameters={"L": 1, "d": 1})
CREASES = Objective(
    f"a*{huber('p*x + q*y', 'c')} + b*{huber('r*x + s*y', 'd')}",
    parameters=dict.fromkeys("abcdpqrs", 1.0),
)
# Lessard, Recht and Packard 2016: curvature between 1 and 25.
BENT = Objective(
    "25*x**2/2 if x < 1 else (x**2/2 + 24*x - 12 if x < 2 else 25*x**2/2 - 24*x + 36)"
)


def path(objective, start, steps, method, **options):
    """Return the trace of so many steps."""
    run = {"maxiter": steps, "gtol": 0.0, "trace": True}
    return minimize(objective, start, method=method, **run, **options).trace


@st.composite
def bowls(draw, least=1.5, largest=1e4):
    """Return mu, L and BOWL with them."""
    mu = draw(st.floats(1e-3, 1e3))
    condition = math.exp(draw(st.floats(math.log(least), math.log(largest))))
    return mu, condition * mu, BOWL.with_parameters(mu=mu, L=condition * mu)


@st.composite
def creases(draw):
    """Return the smoothness constant and CREASES with drawn parameters."""
    positive, slope = st.floats(0.01, 10), st.floats(-3, 3)
    kinds = [positive] * 4 + [slope] * 4
    a, b, c, d, p, q, r, s = (draw(kind) for kind in kinds)
    u, v = np.array([p, q]), np.array([r, s])
    smoothness = np.linalg.eigvalsh(a * np.outer(u, u) + b * np.outer(v, v))[-1]
    assume(smoothness > 1e-3)
    drawn = {"a": a, "b": b, "c": c, "d": d, "p": p, "q": q, "r": r, "s": s}
    return float(smoothness), CREASES.with_parameters(**drawn)


coordinates = st.floats(0.1, 10).flatmap(lambda size: st.sampled_from([size, -size]))
starts = st.tuples(coordinates, coordinates)

# ------------------------------------------------------------ gradient descent


@given(bowls(), starts)
def test_gradient_descent_contracts_at_the_best_rate_in_every_step(bowl, start):
    mu, L, objective = bowl
    x = path(objective, start, 40, "gd", step_size=2 / (L + mu)).x
    lengths = np.linalg.norm(x, axis=1)
    rate = (L - mu) / (L + mu)
    np.testing.assert_allclose(lengths[1:] / lengths[:-1], rate, rtol=1e-14)


@given(bowls(largest=100), st.floats(1e-3, 0.1))
def test_gradient_descent_is_stable_below_two_over_l(bowl, distance):
    _, L, objective = bowl
    for step, factor in (
        ((2 - distance) / L, distance - 1),
        ((2 + distance) / L, -1 - distance),
    ):
        y = path(objective, (0, 1), 40, "gd", step_size=step).x[:, 1]
        np.testing.assert_allclose(y, factor ** np.arange(41), rtol=1e-13)


@pytest.mark.parametrize("L", [0.25, 1.0, 64.0])
def test_gradient_descent_bounces_forever_at_two_over_l(L):
    objective = BOWL.with_parameters(mu=L / 4, L=L)
    x = path(objective, (1, 0.3), 1000, "gd", step_size=2 / L).x
    assert (x[::2, 1] == 0.3).all()
    assert (x[1::2, 1] == -0.3).all()
    assert x[1000, 0] == 0.5**1000


@given(creases(), starts)
def test_gradient_descent_keeps_the_tight_bound_of_convex_functions(crease, start):
    # Drori and Teboulle 2014, section 3: f - f* <= L R²/(4k + 2) at the step 1/L.
    L, objective = crease
    f = path(objective, start, 30, "gd", step_size=1 / L).fun
    bound = L * np.dot(start, start) / (4 * np.arange(len(f)) + 2)
    assert (f <= bound * (1 + 1e-12)).all()


@given(st.floats(0.01, 100), st.floats(0.1, 10), st.integers(1, 200))
def test_gradient_descent_attains_the_tight_bound(L, R, steps):
    # Drori and Teboulle 2014, section 3: the worst function for so many steps.
    worst = CREASE.with_parameters(L=L, d=R / (2 * steps + 1))
    f = path(worst, R, steps, "gd", step_size=1 / L).fun
    assert f[-1] == pytest.approx(L * R**2 / (4 * steps + 2), rel=1e-12)


# -------------------------------------------------------------------- momentum


@given(bowls(), starts)
def test_the_heavy_ball_at_polyaks_parameters(bowl, start):
    # Both modes have a double root, of size rho: k*rho^k, and not rho^k.
    mu, L, objective = bowl
    rho = (L**0.5 - mu**0.5) / (L**0.5 + mu**0.5)
    step = 4 / (L**0.5 + mu**0.5) ** 2
    x = path(objective, start, 60, "momentum", step_size=step, momentum=rho**2).x
    k = np.arange(61)
    expected = [(1 + (1 - rho) * k) * rho**k, (1 + (1 + rho) * k) * (-rho) ** k]
    np.testing.assert_allclose(x / start, np.transpose(expected), rtol=1e-11)


@given(bowls(largest=100), st.floats(0, 0.99), st.floats(0.05, 1.95))
def test_the_heavy_ball_is_a_linear_recurrence(bowl, momentum, fraction):
    # Stable up to the step 2(1 + momentum)/L; at each lambda the iterates obey
    # z'' = (1 + momentum - step*lambda) z' - momentum z.
    mu, L, objective = bowl
    step = fraction * (1 + momentum) / L
    x = path(objective, (1, 1), 60, "momentum", step_size=step, momentum=momentum).x
    factors = 1 + momentum - step * np.array([mu, L])
    expected = factors * x[1:-1] - momentum * x[:-2]
    size = abs(x[1:-1]) + abs(x[:-2])
    assert (abs(x[2:] - expected) <= 1e-14 * size).all()
    roots = np.abs([np.roots([1, -factor, momentum]) for factor in factors])
    assert roots.max() < 1
    assert np.linalg.norm(x, axis=1).max() < 200


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_heavy_ball_is_unstable_beyond_its_edge(momentum):
    objective = BOWL.with_parameters(mu=1, L=25)
    edge = 2 * (1 + momentum) / 25
    for factor, stays in ((0.999, True), (1.001, False)):
        options = {"step_size": factor * edge, "momentum": momentum, "maxiter": 10**6}
        result = minimize(objective, [1, 1], method="momentum", **options)
        assert result.status.name == ("CONVERGED" if stays else "DIVERGED")


@given(bowls(), starts)
def test_nesterov_at_the_best_parameters_for_quadratics(bowl, start):
    # Lessard, Recht and Packard 2016: the rate 1 - 2/sqrt(3 kappa + 1), at mu
    # a double root, at L one root of its size and one of a third.
    mu, L, objective = bowl
    root = (3 * L / mu + 1) ** 0.5
    step, momentum = 4 / (3 * L + mu), (root - 2) / (root + 2)
    run = {"step_size": step, "momentum": momentum}
    x = path(objective, start, 60, "nesterov", **run).x / start
    rate, k = 1 - 2 / root, np.arange(61)
    x1, y1 = (1 - (1 + momentum) * step * curvature for curvature in (mu, L))
    share = (y1 - rate / 3) / (-4 * rate / 3)
    y = share * (-rate) ** k + (1 - share) * (rate / 3) ** k
    np.testing.assert_allclose(x[:, 0], (1 + (x1 / rate - 1) * k) * rate**k, rtol=1e-11)
    np.testing.assert_allclose(x[:, 1], y, rtol=1e-11)


def before_the_leap(trace, gradients, step):
    """Return Nesterov's first sequence; a trace holds the second, where g is taken."""
    return np.vstack([trace.x[:1], trace.x - step * gradients])


@given(bowls(), starts)
def test_nesterov_keeps_his_bound_on_quadratics(bowl, start):
    # Nesterov 2004, section 2.2.1.
    mu, L, objective = bowl
    root = (L / mu) ** 0.5
    run = {"step_size": 1 / L, "momentum": (root - 1) / (root + 1)}
    trace = path(objective, start, 60, "nesterov", **run)
    curvature = np.array([mu, L])
    x = before_the_leap(trace, curvature * trace.x, 1 / L)
    gap = (curvature * x**2).sum(axis=1) / 2
    first = gap[0] + mu / 2 * np.dot(start, start)
    bound = (1 - 1 / root) ** np.arange(62) * first
    assert (gap <= bound * (1 + 1e-12)).all()


@given(st.floats(-10, 10))
def test_nesterov_keeps_his_bound_where_the_heavy_ball_cycles(start):
    trace = path(BENT, start, 60, "nesterov", step_size=1 / 25, momentum=4 / 6)
    gradients = np.array([BENT.grad(x) for x in trace.x])
    x = before_the_leap(trace, gradients, 1 / 25)
    gap = np.array([BENT.value(each) for each in x])
    bound = (1 - 1 / 5) ** np.arange(len(x)) * (gap[0] + start**2 / 2)
    assert (gap <= bound * (1 + 1e-12)).all()


FISTA = Rule(
    "fista",
    """
    # Beck and Teboulle 2009, with the momentum (t - 1)/(t + 2)
    y = x - step_size*g
    x = y + (t - 1)/(t + 2)*(y - last)
    last = y
    """,
    initial={"last": "x"},
    step_size=1.0,
)


@given(creases(), starts)
@settings(max_examples=50)
def test_growing_momentum_keeps_the_bound_of_convex_functions(crease, start):
    L, objective = crease
    last = path(objective, start, 40, FISTA, step_size=1 / L)["last"]
    gap = np.array([objective.value(x) for x in last])
    bound = 2 * L * np.dot(start, start) / (np.arange(len(last)) + 1) ** 2
    assert (gap <= bound * (1 + 1e-12)).all()


@given(bowls(), starts, st.floats(0.01, 2.2))
def test_without_momentum_all_three_are_one_method_bit_for_bit(bowl, start, fraction):
    _, L, objective = bowl
    step = fraction / L
    plain = path(objective, start, 50, "gd", step_size=step)
    for method in ("momentum", "nesterov"):
        run = {"step_size": step, "momentum": 0.0}
        other = path(objective, start, 50, method, **run)
        assert other.x.tobytes() == plain.x.tobytes()


# ------------------------------------------------ the adaptive methods on a slope
# Where the gradient never changes, they have closed forms.


@given(starts, st.floats(1e-3, 1), st.floats(0, 0.99), st.floats(0, 0.999))
def test_adaptive_methods_on_a_slope(slope, step, beta1, beta2):
    objective = LINE.with_parameters(a=slope[0], b=slope[1])
    t, betas = np.arange(1, 51), {"beta1": beta1, "beta2": beta2, "eps": 0.0}
    faded = (1 - beta1**t) / np.sqrt(1 - beta2**t)
    sizes = {
        "adam": (betas, np.ones(50)),
        "amsgrad": (betas, faded),
    }
    for method, (options, size) in sizes.items():
        x = path(objective, (0, 0), 50, method, step_size=step, **options).x
        expected = -step * np.cumsum(size)[:, None] * np.sign(slope)
        np.testing.assert_allclose(x[1:], expected, rtol=1e-12)


# ------------------------------------------------------------ Barzilai and Borwein


@given(st.floats(1e-3, 1e3), starts, st.floats(0.01, 10))
def test_bb_ends_in_two_steps_where_all_curvatures_are_equal(L, start, fraction):
    round_bowl = BOWL.with_parameters(mu=L, L=L)
    x = path(round_bowl, start, 2, "bb", step_size=fraction / L).x
    assert np.abs(x[-1]).max() <= 1e-13 * np.abs(x).max()


@pytest.mark.parametrize("start", [0.3, 2.0, 3.0])
def test_bb_is_the_secant_method_in_one_dimension(start):
    x = path("exp(x) - 3*x", start, 6, "bb", step_size=0.05).x[:, 0]
    slope = np.exp(x) - 3
    secant = x[1:-1] - slope[1:-1] * np.diff(x[:-1]) / np.diff(slope[:-1])
    np.testing.assert_allclose(x[2:], secant, rtol=1e-13)
    assert x[6] == pytest.approx(math.log(3), abs=1e-3)


# ------------------------------------------------------------------- reductions

NORMALISED = Rule("normalised", "x = x - step_size*g/norm(g)", step_size=0.1)
CLIPPED = Rule(
    "clipped",
    "x = x - step_size*g*Min(1, radius/norm(g))",
    step_size=0.1,
    radius=1.0,
)
POLYAK = Rule("polyak", "x = x - (f - least)/dot(g, g)*g", least=0.0)
CENTRED = Rule("centred", "x = x - step_size*(g - mean(g))", step_size=0.1)
TWO_STAGES = Rule(
    "two_stages",
    """
    d = g/norm(g)
    x = x - step_size*(d - mean(d) + dot(d, x)*d)
    """,
    step_size=0.1,
)


@given(bowls(), starts, st.floats(1e-3, 10))
def test_normalised_descent_has_steps_of_one_length(bowl, start, step):
    _, _, objective = bowl
    x = path(objective, start, 50, NORMALISED, step_size=step).x
    lengths = np.linalg.norm(np.diff(x, axis=0), axis=1)
    rounding = 1e-15 * np.linalg.norm(x, axis=1).max()
    np.testing.assert_allclose(lengths, step, rtol=1e-14, atol=rounding)


@given(bowls(largest=100), starts, st.floats(0.01, 100))
def test_clipped_descent_steps_no_further_than_its_radius(bowl, start, radius):
    mu, L, objective = bowl
    run = {"step_size": 1 / L, "radius": radius}
    x = path(objective, start, 50, CLIPPED, **run).x
    lengths = np.linalg.norm(np.diff(x, axis=0), axis=1)
    slopes = np.linalg.norm(x[:-1] * [mu, L], axis=1)
    expected = np.minimum(slopes, radius) / L
    rounding = 1e-15 * np.linalg.norm(start)
    np.testing.assert_allclose(lengths, expected, rtol=1e-12, atol=rounding)


@given(bowls(), starts)
def test_polyaks_step_has_its_closed_form_on_quadratics(bowl, start):
    # On a quadratic |x'|² = |x|² - 3f²/|g|²; by Kantorovich's inequality that is at
    # most 1 - 3 kappa/(1 + kappa)² of |x|², attained at (1/sqrt(mu), 1/sqrt(L)).
    mu, L, objective = bowl
    curvature = np.array([mu, L])
    x = path(objective, start, 30, POLYAK).x
    squares = (x**2).sum(axis=1)
    f, g = (curvature * x**2).sum(axis=1) / 2, curvature * x
    expected = squares - 3 * f**2 / (g**2).sum(axis=1)
    np.testing.assert_allclose(squares[1:], expected[:-1], rtol=1e-13)
    worst = 1 - 3 * mu * L / (mu + L) ** 2
    assert (squares[1:] <= worst * squares[:-1] * (1 + 1e-12)).all()
    x = path(objective, curvature**-0.5, 1, POLYAK).x
    first, second = (x**2).sum(axis=1)
    assert second == pytest.approx(worst * first, rel=1e-14)


@given(st.floats(1e-3, 1e3), starts)
def test_polyaks_step_halves_the_distance_where_all_curvatures_are_equal(L, start):
    x = path(BOWL.with_parameters(mu=L, L=L), start, 30, POLYAK).x
    expected = np.outer(0.5 ** np.arange(31), start)
    np.testing.assert_allclose(x, expected, rtol=1e-13)


@given(bowls(largest=100), starts)
def test_centred_descent_keeps_the_mean(bowl, start):
    mu, L, objective = bowl
    x = path(objective, start, 200, CENTRED, step_size=1 / L).x
    np.testing.assert_allclose(x.mean(axis=1), np.mean(start), rtol=0, atol=1e-13)
    # On that line f is least where mu*x = L*y.
    expected = np.array([L, mu]) * sum(start) / (mu + L)
    np.testing.assert_allclose(x[-1], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "rule", [NORMALISED, POLYAK, TWO_STAGES], ids=lambda rule: rule.name
)
def test_reductions_have_the_same_bits_alone_and_in_lanes(rule):
    start = np.random.default_rng(0).normal(size=(19, 2))
    objective = BOWL.with_parameters(mu=1, L=7)
    run = {"method": rule, "maxiter": 25, "gtol": 0.0}
    many = minimize_many(objective, start, trace=[3, 18], **run)
    for i, x0 in enumerate(start):
        alone = minimize(objective, x0, trace=True, **run)
        assert many[i].x.tobytes() == alone.x.tobytes()
        if i in (3, 18):
            assert many[i].trace.x.tobytes() == alone.trace.x.tobytes()
