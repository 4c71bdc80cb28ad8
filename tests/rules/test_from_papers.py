"""Rules as papers print them, each against a few lines of plain NumPy."""

import numpy as np
import pytest

from symgd import Objective, Rule, minimize, minimize_many
from symgd.testing import check_rule

MATRIX = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, -0.5], [0.0, -0.5, 1.0]])
SHIFT = np.array([1.0, -2.0, 0.25])
BOWL = "(3*x**2 + 2*y**2 + z**2)/2 + x*y - y*z/2 - x + 2*y - z/4"
START = np.array([0.5, 1.5, -2.0])
STEP, UPDATES = 0.1, 25  # at a minimum, normed gradients are noise

OPTIMISTIC = Rule(
    "optimistic",
    """
    x = x - step_size*(2*g - last)
    last = g
    """,
    initial={"last": "g"},
    step_size=STEP,
)
RESTARTED = Rule(
    "restarted",
    """
    kept = 0 if dot(g, change) > 0 else momentum
    change = kept*change - step_size*g
    x = x + change
    """,
    step_size=STEP,
    momentum=0.9,
)
SHRUNK = Rule(
    "shrunk",
    "x = soft_threshold(x - step_size*g, step_size*weight)",
    step_size=STEP,
    weight=0.5,
)
ANCHORED = Rule(
    "anchored",
    """
    x = origin/(t + 1) + (1 - 1/(t + 1))*(x - step_size*g)
    origin = origin
    """,
    initial={"origin": "x"},
    step_size=STEP,
)


LOOKING_AHEAD = Rule(
    "looking_ahead",
    """
    change = momentum*change - step_size*g(x + momentum*change)
    x = x + change
    """,
    step_size=STEP,
    momentum=0.9,
)
SHARPNESS_AWARE = Rule(
    "sharpness_aware",
    "x = x - step_size*g(x + radius*g/norm(g))",
    step_size=STEP,
    radius=0.05,
)
EXTRAGRADIENT = Rule(
    "extragradient", "x = x - step_size*g(x - step_size*g)", step_size=STEP
)
FOUR_SLOPES = Rule(  # of Runge and Kutta's four slopes
    "four_slopes",
    """
    second = g(x - step_size*g/2)
    third = g(x - step_size*second/2)
    fourth = g(x - step_size*third)
    x = x - step_size*(g + 2*second + 2*third + fourth)/6
    """,
    step_size=STEP,
)
NORMED = Rule(  # totals of gradients elsewhere, a point of those totals
    "normed",
    """
    ahead = g(x - step_size*g/norm(g))
    x = x - step_size*ahead/(1 + norm(g(x - step_size*ahead/norm(ahead))))
    """,
    step_size=STEP,
)

CAUCHY = Rule(  # the exact step down the gradient of a quadratic
    "cauchy", "x = x - g*dot(g, g)/dot(g, hvp(g))"
)
SOPHIA = Rule(  # Liu et al. 2024, with a diagonal of the Hessian from one product
    "sophia",
    """
    m = beta1*m + (1 - beta1)*g
    probe = sign(g)
    curvature = beta2*curvature + (1 - beta2)*probe*hvp(probe)
    x = x - step_size*clip(m/Max(rho*curvature, eps), -1, 1)
    """,
    step_size=STEP,
    beta1=0.9,
    beta2=0.9,
    rho=0.5,
    eps=1e-12,
)
ADAHESSIAN = Rule(  # Yao et al. 2021, likewise, and at the point that is looked at
    "adahessian",
    """
    ahead = g(x - step_size*m)
    m = beta1*m + (1 - beta1)*ahead
    v = beta2*v + (1 - beta2)*(sign(ahead)*hvp(sign(ahead)))**2
    x = x - step_size*(m/(1 - beta1**t))/(sqrt(v/(1 - beta2**t)) + eps)
    """,
    step_size=STEP,
    beta1=0.9,
    beta2=0.99,
    eps=1e-8,
)

ARMIJO = Rule(  # Armijo 1966, one trial an update
    "armijo",
    """
    slope = dot(g, g)
    fell = 1 if f(x - step*g) <= f - enough*step*slope else 0
    x = x - fell*step*g
    step = step*(grow if fell > 0 else shrink)
    """,
    initial={"step": "first"},
    first=1.0,
    enough=0.25,
    grow=2.0,
    shrink=0.5,
)
AVERAGED = Rule(  # Polyak and Juditsky 1992, Ruppert 1988
    "averaged",
    """
    z = z - step_size*g(z)/sqrt(t)
    x = x + (z - x)/t
    """,
    initial={"z": "x"},
    step_size=STEP,
)
SWA = Rule(  # Izmailov et al. 2018: the average begins late, and is of every third
    "swa",
    """
    z = z - step_size*g(z)
    late = 1 if t > begins and Mod(t - begins, every) == 0 else 0
    n = n + late
    x = z if t <= begins else x + late*(z - x)/Max(n, 1)
    """,
    initial={"z": "x"},
    step_size=STEP,
    begins=9,
    every=3,
)
SCHEDULE_FREE = Rule(  # Defazio et al. 2024
    "schedule_free",
    """
    z = z - step_size*g((1 - beta)*z + beta*x)
    x = x + (z - x)/(t + 1)
    """,
    initial={"z": "x"},
    step_size=STEP,
    beta=0.9,
)


def optimistic(gradient, _, x):
    last = gradient(x)
    while True:
        g = gradient(x)
        x, last = x - STEP * (2 * g - last), g
        yield x


def restarted(gradient, _, x):
    change = np.zeros_like(x)
    while True:
        g = gradient(x)
        change = (0.0 if g @ change > 0 else 0.9) * change - STEP * g
        x = x + change
        yield x


def shrunk(gradient, _, x):
    while True:
        moved = x - STEP * gradient(x)
        x = np.where(
            moved > STEP / 2,
            moved - STEP / 2,
            np.where(moved < -STEP / 2, moved + STEP / 2, 0.0),
        )
        yield x


def anchored(gradient, _, x):
    origin, t = x, 0
    while True:
        t += 1
        x = origin / (t + 1) + (1 - 1 / (t + 1)) * (x - STEP * gradient(x))
        yield x


def looking_ahead(gradient, _, x):
    change = np.zeros_like(x)
    while True:
        change = 0.9 * change - STEP * gradient(x + 0.9 * change)
        x = x + change
        yield x


def sharpness_aware(gradient, _, x):
    while True:
        g = gradient(x)
        x = x - STEP * gradient(x + 0.05 * g / np.linalg.norm(g))
        yield x


def extragradient(gradient, _, x):
    while True:
        x = x - STEP * gradient(x - STEP * gradient(x))
        yield x


def four_slopes(gradient, _, x):
    while True:
        first = gradient(x)
        second = gradient(x - STEP / 2 * first)
        third = gradient(x - STEP / 2 * second)
        fourth = gradient(x - STEP * third)
        x = x - STEP / 6 * (first + 2 * second + 2 * third + fourth)
        yield x


def normed(gradient, _, x):
    while True:
        g = gradient(x)
        ahead = gradient(x - STEP * g / np.linalg.norm(g))
        farther = gradient(x - STEP * ahead / np.linalg.norm(ahead))
        x = x - STEP * ahead / (1 + np.linalg.norm(farther))
        yield x


def cauchy(gradient, hessian, x):
    while True:
        g = gradient(x)
        x = x - g * (g @ g) / (g @ hessian @ g)
        yield x


def sophia(gradient, hessian, x):
    m = curvature = np.zeros_like(x)
    while True:
        g = gradient(x)
        m = 0.9 * m + 0.1 * g
        probe = np.sign(g)
        curvature = 0.9 * curvature + 0.1 * probe * (hessian @ probe)
        x = x - STEP * np.clip(m / np.maximum(0.5 * curvature, 1e-12), -1, 1)
        yield x


def adahessian(gradient, hessian, x):
    m = v = np.zeros_like(x)
    t = 0
    while True:
        t += 1
        ahead = gradient(x - STEP * m)
        m = 0.9 * m + (1 - 0.9) * ahead
        probe = np.sign(ahead)
        v = 0.99 * v + (1 - 0.99) * (probe * (hessian @ probe)) ** 2
        corrected = np.sqrt(v / (1 - 0.99**t)) + 1e-8
        x = x - STEP * m / (1 - 0.9**t) / corrected
        yield x


def armijo(gradient, _, x):
    def value(at):  # of a quadratic, but for a constant
        return at @ (gradient(at) + gradient(0 * at)) / 2

    step = 1.0
    while True:
        g = gradient(x)
        trial = x - step * g
        if value(trial) <= value(x) - 0.25 * step * (g @ g):
            x, step = trial, 2 * step
        else:
            step = step / 2
        yield x


def averaged(gradient, _, x):
    z, total, t = x, 0.0, 0
    while True:
        t += 1
        z = z - STEP / np.sqrt(t) * gradient(z)
        total = total + z
        yield total / t


def swa(gradient, _, x):
    z, t = x, 0
    kept = [z]
    while True:
        t += 1
        z = z - STEP * gradient(z)
        if t <= 9 or t == 12:
            kept = [z]
        elif t % 3 == 0:
            kept.append(z)
        yield np.mean(kept, axis=0)


def schedule_free(gradient, _, x):
    z, t = x, 0
    while True:
        t += 1
        z = z - STEP * gradient((1 - 0.9) * z + 0.9 * x)
        x = (1 - 1 / (t + 1)) * x + z / (t + 1)
        yield x


REFERENCES = {
    ARMIJO: armijo,
    AVERAGED: averaged,
    SWA: swa,
    SCHEDULE_FREE: schedule_free,
    CAUCHY: cauchy,
    SOPHIA: sophia,
    ADAHESSIAN: adahessian,
    LOOKING_AHEAD: looking_ahead,
    SHARPNESS_AWARE: sharpness_aware,
    EXTRAGRADIENT: extragradient,
    FOUR_SLOPES: four_slopes,
    NORMED: normed,
    OPTIMISTIC: optimistic,
    RESTARTED: restarted,
    SHRUNK: shrunk,
    ANCHORED: anchored,
}


def _gradient(x):
    return MATRIX @ x - SHIFT


@pytest.mark.parametrize("rule", REFERENCES, ids=lambda rule: rule.name)
def test_a_rule_goes_where_its_paper_says(rule):
    options = {"method": rule, "maxiter": UPDATES, "gtol": 0.0}
    path = minimize(BOWL, START, trace=True, **options).trace.x[1:]
    reference = REFERENCES[rule](_gradient, MATRIX, START)
    expected = np.array([next(reference) for _ in range(UPDATES)])
    np.testing.assert_allclose(path, expected, rtol=1e-12, atol=1e-13)
    many = minimize_many(BOWL, START + np.arange(9)[:, None], **options)
    assert many[0].x.tobytes() == path[-1].tobytes()


@pytest.mark.parametrize("rule", REFERENCES, ids=lambda rule: rule.name)
def test_over_arrays_a_rule_goes_there_too(rule):
    text = "sum(w[i]*(x[i] - c[i])**2 for i in range(n))/2"
    weights, centres = np.linspace(0.5, 3, 101), np.cos(np.arange(101.0))
    objective = Objective(text, data={"w": weights, "c": centres})
    start = {"x": np.ones(101)}
    result = minimize(objective, start, method=rule, maxiter=30, gtol=0.0)
    hessian = np.diag(weights)
    reference = REFERENCES[rule](
        lambda x: weights * (x - centres), hessian, np.ones(101)
    )
    expected = [next(reference) for _ in range(30)][-1]
    np.testing.assert_allclose(result.x, expected, rtol=1e-11, atol=1e-13)


KEPT = [OPTIMISTIC, SHRUNK, LOOKING_AHEAD, NORMED, CAUCHY, ARMIJO, SCHEDULE_FREE]


@pytest.mark.parametrize("rule", KEPT, ids=lambda rule: rule.name)
def test_a_rule_of_papers_keeps_all_promises(rule):
    check_rule(rule, examples=8)


@pytest.mark.parametrize("x", [-3.0, -0.5, 0.2, 0.5, 2.0])
def test_a_soft_threshold_is_the_nearest_point_that_pays_for_its_size(x):
    found = Objective("soft_threshold(x, 0.5)").value([x])
    assert Objective(f"soft_threshold({x}, 0.5) + y").value([0.0]) == found
    ends = np.linspace(-4, 4, 8001)
    paid = (ends - x) ** 2 / 2 + 0.5 * np.abs(ends)
    assert abs(found - ends[paid.argmin()]) < 1e-3
