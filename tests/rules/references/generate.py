"""Writes the reference iterates of every built-in rule to the files beside this one.

Run where PyTorch, Optax and mpmath are installed, once for each new rule:

    python tests/rules/references/generate.py [rule ...]

The iterates are those of PyTorch's optimiser where its formula is the rule's, else of
Optax's, else of the published recurrence in arithmetic of 50 digits. Gradients are
written by hand. Nothing here knows symgd.
"""

import inspect
import json
import math
import random
import re
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

STEPS = 60
DIGITS = 50

# ------------------------------------- objectives: formula, start, gradient by hand


def valley(_, x, y):
    return -2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)


def gentle_valley(_, x, y):
    return -2 * (1 - x) - 4 * x * (y - x**2), 2 * (y - x**2)


def bowl(_, x, y, z):
    return 60 * x + 4 * y + z - 6, 4 * x + 6 * y - z / 2 + 1, x - y / 2 + z / 2 - 2


def gentle_bowl(_, x, y, z):
    return 6 * x + y + z / 2 - 6, x + 3 * y - z / 2 + 1, x / 2 - y / 2 + z - 2


def waves(functions, x, y, z):
    growth, slope = functions.exp(x - y), functions.sin(x * z)
    return growth - z * slope + x / 5, 2 * y - growth, z / 5 - x * slope


OBJECTIVES = {
    valley: ("(1 - x)**2 + 100*(y - x**2)**2", [0.2, 1.5]),
    bowl: (
        "30*x**2 + 3*y**2 + z**2/4 + 4*x*y + x*z - y*z/2 - 6*x + y - 2*z",
        [1.0, 1.0, 1.0],
    ),
    waves: ("exp(x - y) + y**2 + cos(x*z) + (x**2 + z**2)/10", [2.0, 0.5, 1.5]),
    gentle_valley: ("(1 - x)**2 + (y - x**2)**2", [0.5, -2.0]),
    gentle_bowl: (
        "3*x**2 + 3*y**2/2 + z**2/2 + x*y + x*z/2 - y*z/2 - 6*x + y - 2*z",
        [1.0, 1.0, 1.0],
    ),
}
USUAL = valley, bowl, waves
# Once it has converged, bb's steps are quotients of rounding errors, which a badly
# conditioned problem would amplify beyond comparison.
GENTLE = gentle_valley, gentle_bowl, waves

# ------------------------------------------------------------ published recurrences


def amsgrad(x, gradient, h):
    """Reddi, Kale and Kumar 2018, algorithm 2; eps is added to the root."""
    m = v = largest = [0] * len(x)
    while True:
        yield x
        g = gradient(x)
        m = [h.beta1 * a + (1 - h.beta1) * b for a, b in zip(m, g, strict=True)]
        v = [h.beta2 * a + (1 - h.beta2) * b**2 for a, b in zip(v, g, strict=True)]
        largest = list(map(max, largest, v))
        x = [
            a - h.step_size * b / (c**0.5 + h.eps)
            for a, b, c in zip(x, m, largest, strict=True)
        ]


def bb(x, gradient, h):
    """Barzilai and Borwein 1988, equation 5; the first step is step_size."""
    g, step = gradient(x), h.step_size
    while True:
        yield x
        ahead = [a - step * b for a, b in zip(x, g, strict=True)]
        slope = gradient(ahead)
        s = [a - b for a, b in zip(ahead, x, strict=True)]
        y = [a - b for a, b in zip(slope, g, strict=True)]
        if inner := sum(a * b for a, b in zip(s, y, strict=True)):
            step = abs(inner) / sum(a * a for a in y)
        x, g = ahead, slope


# ----------------------- rules: source, objectives, hyperparameters for each of them

ADAM = [
    {"step_size": 0.05, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    {"step_size": 0.1, "beta1": 0.7, "beta2": 0.95, "eps": 1.0},
    {"step_size": 0.03, "beta1": 0.5, "beta2": 0.99, "eps": 1e-4},
]
DECAYS = [{"weight_decay": 0.01}, {"weight_decay": 0.2}, {"weight_decay": 1.0}]
RULES = {
    "gd": (
        "torch.optim.SGD([x], step_size)",
        USUAL,
        [{"step_size": 0.001}, {"step_size": 0.03}, {"step_size": 0.1}],
    ),
    "momentum": (
        "torch.optim.SGD([x], step_size, momentum)",
        USUAL,
        [
            {"step_size": 0.0005, "momentum": 0.5},
            {"step_size": 0.01, "momentum": 0.9},
            {"step_size": 0.03, "momentum": 0.7},
        ],
    ),
    "nesterov": (
        "torch.optim.SGD([x], step_size, momentum, nesterov=True)",
        USUAL,
        [
            {"step_size": 0.0005, "momentum": 0.5},
            {"step_size": 0.01, "momentum": 0.7},
            {"step_size": 0.02, "momentum": 0.95},
        ],
    ),
    "adagrad": (
        "torch.optim.Adagrad([x], step_size, eps=eps)",
        USUAL,
        [
            {"step_size": 0.3, "eps": 1e-10},
            {"step_size": 0.5, "eps": 1e-3},
            {"step_size": 0.2, "eps": 0.1},
        ],
    ),
    "rmsprop": (
        "torch.optim.RMSprop([x], step_size, decay, eps)",
        USUAL,
        [
            {"step_size": 0.01, "decay": 0.95, "eps": 1e-8},
            {"step_size": 0.02, "decay": 0.9, "eps": 2.0},
            {"step_size": 0.02, "decay": 0.99, "eps": 1e-6},
        ],
    ),
    "adadelta": (
        "torch.optim.Adadelta([x], step_size, decay, eps)",
        USUAL,
        [
            {"step_size": 1.0, "decay": 0.95, "eps": 1e-3},
            {"step_size": 0.3, "decay": 0.9, "eps": 0.01},
            {"step_size": 0.5, "decay": 0.9, "eps": 0.01},
        ],
    ),
    "adam": ("torch.optim.Adam([x], step_size, (beta1, beta2), eps)", USUAL, ADAM),
    "amsgrad": (amsgrad, USUAL, [ADAM[0] | {"step_size": 0.02}, *ADAM[1:]]),
    "amsgrad_torch": (
        "torch.optim.Adam([x], step_size, (beta1, beta2), eps, amsgrad=True)",
        USUAL,
        ADAM,
    ),
    "adamax": ("torch.optim.Adamax([x], step_size, (beta1, beta2), eps)", USUAL, ADAM),
    "nadam": ("optax.nadam(step_size, beta1, beta2, eps)", USUAL, ADAM),
    "adamw": (
        "torch.optim.AdamW([x], step_size, (beta1, beta2), eps, weight_decay)",
        USUAL,
        [adam | decay for adam, decay in zip(ADAM, DECAYS, strict=True)],
    ),
    "lion": (
        "optax.lion(step_size, beta1, beta2, weight_decay=weight_decay)",
        USUAL,
        [
            {"step_size": 0.01, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0},
            {"step_size": 0.03, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.3},
            {"step_size": 0.02, "beta1": 0.5, "beta2": 0.9, "weight_decay": 0.1},
        ],
    ),
    "bb": (bb, GENTLE, [{"step_size": 0.1}, {"step_size": 0.01}, {"step_size": 0.1}]),
}


# --------------------------------------------------------------- who computes them


def by_torch(source, gradient, start, hyperparameters):
    import torch

    x = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = eval(source, {"torch": torch, "x": x, **hyperparameters})
    while True:
        yield x.tolist()
        x.grad = torch.tensor(gradient(math, *x.tolist()), dtype=torch.float64)
        optimizer.step()


def by_optax(source, gradient, start, hyperparameters):
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    x = jax.numpy.array(start)
    optimizer = eval(source, {"optax": optax, **hyperparameters})
    state = optimizer.init(x)
    while True:
        yield x.tolist()
        g = jax.numpy.array(gradient(math, *x.tolist()))
        change, state = optimizer.update(g, state, x)
        x = optax.apply_updates(x, change)


def by_mpmath(recurrence, gradient, start, hyperparameters):
    from mpmath import mp

    mp.dps = DIGITS
    exact = {name: mp.mpf(value) for name, value in hyperparameters.items()}
    start = [mp.mpf(coordinate) for coordinate in start]
    for x in recurrence(start, lambda x: gradient(mp, *x), SimpleNamespace(**exact)):
        yield [float(coordinate) for coordinate in x]


BY = {"torch": by_torch, "optax": by_optax, "mpmath": by_mpmath}
LIBRARIES = {"torch": ["torch"], "optax": ["optax", "jax"], "mpmath": ["mpmath"]}


def library(source):
    return source.split(".")[0] if isinstance(source, str) else "mpmath"


def iterates(source, gradient, start, hyperparameters):
    rows = BY[library(source)](source, gradient, start, hyperparameters)
    return [next(rows) for _ in range(STEPS + 1)]


def deviation(rows, others):
    """Return the largest difference, relative to the largest coordinate of its row."""
    return max(
        max(abs(a - b) for a, b in zip(row, other, strict=True)) / max(map(abs, row))
        for row, other in zip(rows, others, strict=True)
    )


def checked(source, gradient, start, hyperparameters):
    """Return iterates that go somewhere and that rounding hardly changes."""
    noise, dice = 1e-10, random.Random(0)

    def disturbed(functions, *x):
        return gradient(functions, *(a * (1 + dice.uniform(-noise, noise)) for a in x))

    rows = iterates(source, gradient, start, hyperparameters)
    others = iterates(source, disturbed, start, hyperparameters)
    amplified = deviation(rows, others) / noise
    gone = deviation(rows, [start] * len(rows))
    print(
        f"  {gradient.__name__}: moved {gone:.2g}, rounding grown {amplified:.1f}-fold"
    )
    assert gone > 0.3
    assert amplified < 1000
    return rows


def reference(source, objectives, settings):
    about = source if isinstance(source, str) else inspect.getdoc(source)
    runs = []
    for gradient, hyperparameters in zip(objectives, settings, strict=True):
        formula, start = OBJECTIVES[gradient]
        rows = checked(source, gradient, start, hyperparameters)
        run = {"objective": formula, "hyperparameters": hyperparameters, "x": rows}
        runs.append(run)
    versions = {name: version(name) for name in LIBRARIES[library(source)]}
    return {"source": about, "versions": versions, "runs": runs}


def in_line(text):
    return " ".join(text.split())


def main(names):
    for name in names or RULES:
        print(name)
        text = json.dumps(reference(*RULES[name]), indent=1)
        # an iterate is a line
        text = re.sub(r"\[\s+([^][{}]+?)\s+\]", lambda m: f"[{in_line(m[1])}]", text)
        Path(__file__).with_name(f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
