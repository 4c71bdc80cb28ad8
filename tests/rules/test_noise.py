"""Seeded noise in rules: the same in every loop, and as independent as it should be."""

import os
import subprocess
import sys

import numpy as np
import pytest

from symgd import FormulaError, InputError, Objective, Rule, minimize, minimize_many
from symgd.testing import check_rule
from tests.rules.philox import normal

LANGEVIN = Rule(  # SGLD: Welling and Teh 2011
    "langevin",
    "x = x - step_size/2*g + sqrt(step_size*temperature)*noise()",
    step_size=0.1,
    temperature=1.0,
    seed=0,
)
ADAHESSIAN = Rule(  # Yao et al. 2021, with Hutchinson's random signs
    "adahessian",
    """
    probe = sign(noise())
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*(probe*hvp(probe))**2
    x = x - step_size*(m/(1 - beta1**t))/(sqrt(v/(1 - beta2**t)) + eps)
    """,
    step_size=0.1,
    beta1=0.9,
    beta2=0.99,
    eps=1e-8,
)
DRAWN = Rule("drawn", "z = 0*z + noise()\nx = x + z")
MATRIX = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, -0.5], [0.0, -0.5, 1.0]])
BOWL = "(3*x**2 + 2*y**2 + z**2)/2 + x*y - y*z/2"
START = np.array([0.5, 1.5, -2.0])
MANY = Objective("sum(w[i]*x[i]**2 for i in range(n))/2", data={"w": np.ones(203)})


def langevin(hessian, x, seed):
    t = 0
    while True:
        t += 1
        drawn = normal(seed, t, np.arange(len(x)))
        x = x - 0.1 / 2 * (hessian @ x) + np.sqrt(0.1) * drawn
        yield x


def adahessian(hessian, x, seed):
    m = v = np.zeros_like(x)
    t = 0
    while True:
        t += 1
        probe = np.sign(normal(seed, t, np.arange(len(x))))
        m = 0.9 * m + (1 - 0.9) * (hessian @ x)
        v = 0.99 * v + (1 - 0.99) * (probe * (hessian @ probe)) ** 2
        corrected = np.sqrt(v / (1 - 0.99**t)) + 1e-8
        x = x - 0.1 * m / (1 - 0.9**t) / corrected
        yield x


REFERENCES = {LANGEVIN: langevin, ADAHESSIAN: adahessian}


@pytest.mark.parametrize("rule", REFERENCES, ids=lambda rule: rule.name)
def test_a_rule_goes_where_its_paper_says(rule):
    options = {"method": rule, "maxiter": 25, "gtol": 0.0, "seed": 3}
    path = minimize(BOWL, START, trace=True, **options).trace.x[1:]
    reference = REFERENCES[rule](MATRIX, START, 3)
    expected = np.array([next(reference) for _ in range(25)])
    np.testing.assert_allclose(path, expected, rtol=1e-11)
    many = minimize_many(BOWL, START + np.arange(9)[:, None], **options)
    assert many[0].x.tobytes() == path[-1].tobytes()


def test_over_arrays_a_coordinate_has_the_noise_of_its_place():
    options = {"method": LANGEVIN, "maxiter": 30, "gtol": 0.0, "seed": 2}
    result = minimize(MANY, {"x": np.ones(203)}, **options)
    reference = langevin(np.eye(203), np.ones(203), 2)
    expected = [next(reference) for _ in range(30)][-1]
    np.testing.assert_allclose(result.x, expected, rtol=1e-11)
    traced = minimize(MANY, {"x": np.ones(203)}, trace=True, **options)
    assert traced.x.tobytes() == result.x.tobytes()  # of another loop


def test_the_same_coordinate_has_the_same_bits_in_every_loop():
    options = {"method": DRAWN, "maxiter": 7, "gtol": 0.0, "trace": True}
    names = " + ".join(f"x{i}**2" for i in range(11))
    few = minimize(names, np.ones(11), **options).trace["z"]
    large = minimize(MANY, {"x": np.ones(203)}, **options).trace["z"]
    assert few[1:].tobytes() == large[1:, :11].tobytes()


def test_noise_is_standard_normal_and_independent():
    wide = Objective("sum(x[i]**2 for i in range(n))", sizes={"n": 2000})
    options = {"method": DRAWN, "maxiter": 60, "gtol": 0.0, "trace": True}
    drawn, other = (
        minimize(wide, {"x": np.ones(2000)}, seed=seed, **options).trace["z"][1:]
        for seed in (0, 1)
    )
    count = drawn.size
    moments = [(drawn**k).mean() for k in (1, 2, 3, 4)]
    spread = np.sqrt(np.array([1, 2, 15, 96]) / count)  # of these means
    assert (abs(np.array(moments) - [0, 1, 0, 3]) < 4 * spread).all()
    assert abs(np.mean(abs(drawn) < 1) - 0.6826894921) < 4 * np.sqrt(0.22 / count)
    for pair in [
        (drawn[1:], drawn[:-1]),  # updates
        (drawn[:, 1:], drawn[:, :-1]),  # coordinates
        (drawn, other),  # seeds
        (drawn[1:, 1:] ** 2, drawn[:-1, :-1] ** 2),
    ]:
        a, b = (part.ravel() for part in pair)
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(a.size)


def test_further_numbers_of_a_coordinate_are_others():
    rule = Rule("r", "a = 0*a + noise(1)\nb = 0*b + noise(2)\nx = x + a + b")
    options = {"maxiter": 50, "gtol": 0.0, "trace": True}
    trace = minimize(MANY, {"x": np.ones(203)}, method=rule, **options).trace
    places = np.arange(203)
    for name, stream in (("a", 1), ("b", 2)):
        expected = [normal(0, t, places, stream) for t in range(1, 51)]
        np.testing.assert_allclose(trace[name][1:], expected, rtol=1e-12)


def test_a_run_that_goes_on_has_the_noise_of_one_that_did_not_stop(tmp_path):
    whole = minimize(MANY, {"x": np.ones(203)}, method=LANGEVIN, maxiter=99)
    for updates in (40, 99):
        resumed = minimize(MANY, {"x": np.ones(203)}, method=LANGEVIN, maxiter=updates,
                           checkpoint=tmp_path / "run.npz")  # fmt: skip
    assert resumed.x.tobytes() == whole.x.tobytes()


def test_a_sweep_over_seeds_is_a_sample():
    rule = Rule("cooling", "x = x - step_size*g + noise()/t", step_size=0.1)
    assert rule.hyperparameters["seed"] == 0
    assert Rule.from_text(rule.text) == rule
    starts = np.ones((500, 2))
    seeds = np.arange(500.0)
    many = minimize_many("x**2 + y**2", starts, method=rule, seed=seeds, maxiter=20,
                         gtol=0.0)  # fmt: skip
    assert len(np.unique(many.x)) == 1000
    alone = minimize("x**2 + y**2", [1, 1], method=rule, seed=7, maxiter=20, gtol=0.0)
    assert many[7].x.tobytes() == alone.x.tobytes()


def test_a_long_run_samples_its_law():
    """The variance of x under this discretisation is 1/(1 - step_size/4)."""
    options = {"method": LANGEVIN, "maxiter": 4000, "gtol": 0.0, "step_size": 0.4}
    trace = minimize(MANY, {"x": np.ones(203)}, trace=20, **options).trace.x[10:]
    assert trace.var() == pytest.approx(1 / (1 - 0.4 / 4), rel=0.03)


@pytest.mark.parametrize("rule", REFERENCES, ids=lambda rule: rule.name)
def test_rules_with_noise_keep_all_promises(rule):
    if rule is LANGEVIN:
        check_rule(rule, examples=8)
    else:
        check_rule(rule, examples=8, step_size=1e-3)


@pytest.mark.parametrize(
    ("lines", "initial", "message"),
    [
        ("x = x + noise(g)", {}, "a whole number from 0 to 4095"),
        ("x = x + noise(-1)", {}, "a whole number from 0 to 4095"),
        ("x = x + noise(4096)", {}, "a whole number from 0 to 4095"),
        ("x = x + noise(1, 2)", {}, "noise takes"),
        ("m = m\nx = x + m", {"m": "noise()"}, "no noise"),
    ],
)
def test_what_is_no_noise_is_refused(lines, initial, message):
    with pytest.raises(FormulaError, match=message):
        Rule("r", lines, initial=initial)


def test_a_seed_is_a_hyperparameter():
    with pytest.raises(InputError, match="'seed' is a hyperparameter"):
        Rule("r", "seed = g\nx = x + noise()*seed")
    plain = Rule("r", "x = x - step_size*g", step_size=0.1)
    assert "seed" not in plain.hyperparameters
    assert r"\xi_{2}" in Rule("r", "x = x + noise(2)")._repr_latex_()


TWINS = """
import symgd
rule = symgd.Rule("r", "x = x - g/9 + noise()/t + norm(noise(1))/99")
options = {"method": rule, "maxiter": 6, "gtol": 0.0}
alone = symgd.minimize("x**2 + 3*y**2 + x*y", [1.0, -2.0], **options)
whole = symgd.Objective("sum((x[i] - i)**2 for i in range(n))", sizes={"n": 19})
large = symgd.minimize(whole, {"x": [1.0] * 19}, **options)
print(alone.x.tobytes().hex(), large.x.tobytes().hex())
"""


def test_the_loops_in_python_have_the_same_bits(tmp_path):
    told = []
    for name, setting in (("native", {}), ("python", {"NUMBA_DISABLE_JIT": "1"})):
        cache = {"SYMGD_CACHE_DIR": str(tmp_path / name)}
        done = subprocess.run(
            [sys.executable, "-c", TWINS],
            env={**os.environ, **setting, **cache},
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(done.stdout)
    assert told[0] == told[1]
