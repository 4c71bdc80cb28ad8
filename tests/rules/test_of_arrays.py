"""Reductions over the array that a coordinate is in, layer by layer: LARS and LAMB."""

import os
import subprocess
import sys

import numpy as np
import pytest

from symgd import FormulaError, Objective, Rule, minimize, minimize_many
from symgd.language.formula import symbol
from symgd.rules.reductions import array_dot, array_mean, array_norm, norm
from symgd.rules.staging import staged
from symgd.testing import check_rule

LARS = Rule(  # You, Gitman and Ginsburg 2017, algorithm 1
    "lars",
    """
    rate = trust*array_norm(x)/(array_norm(g) + decay*array_norm(x))
    v = momentum*v + step_size*rate*(g + decay*x)
    x = x - v
    """,
    step_size=0.5,
    momentum=0.9,
    trust=0.1,
    decay=1e-3,
)
LAMB = Rule(  # You et al. 2020, algorithm 2
    "lamb",
    """
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g**2
    r = m/(1 - beta1**t)/(sqrt(v/(1 - beta2**t)) + eps)
    u = r + decay*x
    x = x - step_size*array_norm(x)/array_norm(u)*u
    """,
    step_size=0.05,
    beta1=0.9,
    beta2=0.99,
    eps=1e-6,
    decay=1e-2,
)
NOVOGRAD = Rule(  # Ginsburg et al. 2019, algorithm 1
    "novograd",
    """
    v = beta2*v + (1 - beta2)*array_dot(g, g)
    m = beta1*m + g/(sqrt(v) + eps) + decay*x
    x = x - step_size*m
    """,
    initial={"v": "array_dot(g, g)"},
    step_size=0.02,
    beta1=0.9,
    beta2=0.9,
    eps=1e-8,
    decay=1e-3,
)
CENTRALISED = Rule(  # of both kinds of totals, at a point of both
    "centralised",
    """
    c = g - array_mean(g)
    ahead = g(x - step_size*c/(1 + norm(c/(1 + array_norm(c)))))
    x = x - step_size*(ahead - array_mean(ahead))/(1 + mean(Abs(ahead)))
    """,
    step_size=0.1,
)


def lars(gradient, x, each):
    v = np.zeros_like(x)
    while True:
        g = gradient(x)
        for part in each:
            w, slope = x[part], g[part]
            rate = 0.1 * _norm(w) / (_norm(slope) + 1e-3 * _norm(w))
            v[part] = 0.9 * v[part] + 0.5 * rate * (slope + 1e-3 * w)
        x = x - v
        yield x


def lamb(gradient, x, each):
    m, v, t = np.zeros_like(x), np.zeros_like(x), 0
    while True:
        t += 1
        g = gradient(x)
        m, v = 0.9 * m + (1 - 0.9) * g, 0.99 * v + (1 - 0.99) * g**2
        r = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.99**t)) + 1e-6) + 1e-2 * x
        x = x.copy()
        for part in each:
            x[part] -= 0.05 * _norm(x[part]) / _norm(r[part]) * r[part]
        yield x


def novograd(gradient, x, each):
    m, v = np.zeros_like(x), [_norm(gradient(x)[part]) ** 2 for part in each]
    while True:
        g, x = gradient(x), x.copy()
        for k, part in enumerate(each):
            v[k] = 0.9 * v[k] + (1 - 0.9) * _norm(g[part]) ** 2
            m[part] = 0.9 * m[part] + g[part] / (np.sqrt(v[k]) + 1e-8) + 1e-3 * x[part]
        x = x - 0.02 * m
        yield x


def centralised(gradient, x, each):
    def centred(g):
        g = g.copy()
        for part in each:
            g[part] -= g[part].mean()
        return g

    while True:
        c = centred(gradient(x))
        scaled = c.copy()
        for part in each:
            scaled[part] /= 1 + _norm(c[part])
        ahead = gradient(x - 0.1 * c / (1 + _norm(scaled)))
        x = x - 0.1 * centred(ahead) / (1 + abs(ahead).mean())
        yield x


def _norm(numbers):
    return np.sqrt(np.sum(numbers**2))


REFERENCES = {LARS: lars, LAMB: lamb, NOVOGRAD: novograd, CENTRALISED: centralised}
NET = Objective(
    "sum((sum(W[i,j]*a[j] for j in range(d)) + b[i] - y[i])**2 for i in range(n))/n"
    " + (s - 1)**2 + sum(W[i,j]**2 for i in range(n) for j in range(d))/9",
    data={"a": np.linspace(-1, 1, 5), "y": np.cos(np.arange(3.0))},
)
AT = {"W": np.outer([1, -2, 3], np.ones(5)), "b": [0.5, 1, 2], "s": 3.0}


def _parts(objective):
    space = objective.space
    ends = [*space.offsets[1:], space.size]
    return [slice(a, b) for a, b in zip(space.offsets, ends, strict=True)]


@pytest.mark.parametrize("rule", REFERENCES, ids=lambda rule: rule.name)
def test_layers_go_where_the_paper_says(rule):
    options = {"method": rule, "maxiter": 20, "gtol": 0.0}
    path = minimize(NET, AT, trace=True, **options).trace.x
    reference = REFERENCES[rule](NET.grad, path[0], _parts(NET))
    expected = np.array([next(reference) for _ in range(20)])
    np.testing.assert_allclose(path[1:], expected, rtol=1e-11, atol=1e-13)
    untraced = minimize(NET, AT, **options)
    assert untraced.x.tobytes() == path[-1].tobytes()


@pytest.mark.parametrize("rule", REFERENCES, ids=lambda rule: rule.name)
def test_a_variable_that_is_a_number_is_an_array_of_one(rule):
    text, start = "(3*x**2 + 2*y**2)/2 + x*y - x", np.array([0.5, 1.5])
    options = {"method": rule, "maxiter": 20, "gtol": 0.0}
    path = minimize(text, start, trace=True, **options).trace.x[1:]
    reference = REFERENCES[rule](Objective(text).grad, start, [slice(1), slice(1, 2)])
    expected = np.array([next(reference) for _ in range(20)])
    np.testing.assert_allclose(path, expected, rtol=1e-11, atol=1e-13)
    many = minimize_many(text, start + np.arange(9)[:, None], **options)
    assert many[0].x.tobytes() == path[-1].tobytes()


def test_long_arrays_are_summed_apart():
    """Longer than a block of a sum, and than what SIMD works on at once."""
    text = "sum(u[i]**2*(1 + i % 3) for i in range(n)) + sum(v[i]**4 for i in range(m))"
    objective = Objective(text, sizes={"n": 70_001, "m": 13})
    start = {"u": np.linspace(1, 2, 70_001), "v": np.linspace(-1, 1, 13)}
    found = minimize(objective, start, method=LARS, maxiter=5, gtol=0.0)
    x = np.concatenate([start["u"], start["v"]])
    if objective.space.names[0] == "v":
        x = np.concatenate([start["v"], start["u"]])
    reference = lars(objective.grad, x, _parts(objective))
    np.testing.assert_allclose(found.x, [next(reference) for _ in range(5)][-1], 1e-11)


def test_a_run_on_batches_goes_on_as_if_it_had_not_stopped(tmp_path):
    rows = np.random.default_rng(0).normal(size=(400, 3))
    text = "sum((sum(A[i,j]*w[j] for j in range(3)) - c)**2 for i in range(n))/n"
    objective = Objective(text, data={"A": rows})
    start = {"w": [1.0, 2.0, 3.0], "c": 1.0}
    options = {"method": LAMB, "batch_size": 32, "rng": 1, "gtol": 0.0}
    whole = minimize(objective, start, maxiter=60, **options)
    for updates in (23, 60):
        resumed = minimize(objective, start, maxiter=updates,
                           checkpoint=tmp_path / "run.npz", **options)  # fmt: skip
    assert resumed.x.tobytes() == whole.x.tobytes()


def test_totals_of_arrays_are_beside_those_of_all():
    a = symbol("a")
    parts = staged([array_norm(a) + norm(a) + array_mean(a)], 9, alone=False)
    assert len(parts.totals) == 4  # a norm; of arrays: a norm, a sum and a count
    assert (parts.of_arrays, parts.stages) == (3, 1)
    assert parts.summands[0] == a**2
    alone = staged([array_dot(a, a) + array_mean(a) - array_norm(a)], 9)
    assert (alone.totals, alone.stages) == ((), 0)


def test_what_an_array_reduces_differs_between_coordinates():
    assert "rate" not in LARS.scalars
    assert r"\mathrm{array}" in LARS._repr_latex_()
    with pytest.raises(FormulaError, match="there is nothing to reduce"):
        Rule("r", "x = x - g*array_norm(t)")


@pytest.mark.parametrize("rule", [NOVOGRAD, CENTRALISED], ids=lambda rule: rule.name)
def test_rules_of_layers_keep_all_promises(rule):
    check_rule(rule, examples=8)


TWINS = """
import symgd
lines = "x = x - g*array_norm(x)/(9 + array_norm(g(x - g/norm(g))))"
rule = symgd.Rule("r", lines)
text = "sum((x[i] - i)**2 for i in range(n)) + y**2 + sum(z[i]**2 for i in range(n))"
whole = symgd.Objective(text, sizes={"n": 19})
at = {"x": [1.0] * 19, "y": 2.0, "z": [-1.0] * 19}
print(symgd.minimize(whole, at, method=rule, maxiter=5, gtol=0.0).x.tobytes().hex())
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
