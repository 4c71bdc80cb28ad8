"""Objectives and update rules, each written once for all contenders.

symgd and the libraries that differentiate by themselves get ``Problem.formula``; loops
by hand are made from ``Problem.gradient`` and ``Rule.lines``, which are assignments in
the common part of Python and C (see ``codegen``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Problem:
    """An objective of the variables x0, x1, ...

    Attributes
    ----------
    name : str
    size : int
        The number of variables.
    formula : str
        In Python's notation.
    gradient : str
        What a programmer would write for g0, g1, ...; of a separable objective, the
        lines for the coordinate ``x`` that assign ``g``.
    separable : bool
    folded : mapping of str to str
        For some rules by name, the lines of a whole step as they are when the update
        is simplified together with the gradient: fewer operations, fewer in a row.
    """

    name: str
    size: int
    formula: str
    gradient: str = ""
    separable: bool = False
    folded: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def variables(self) -> list[str]:
        """The names in order."""
        return [f"x{k}" for k in range(self.size)]

    @property
    def special(self) -> bool:
        """Whether the objective has special functions."""
        return any(name in self.formula for name in ("exp(", "cos("))


@dataclass(frozen=True)
class Rule:
    """An update rule for one coordinate.

    Attributes
    ----------
    name : str
    lines : str
        Read ``x``, ``g``, the state and the hyperparameters; assign state and ``x``.
    state : tuple of str
    hyperparameters : tuple of str
    symgd : str or None
        The equations for ``symgd.Rule``, where symgd has no rule of this name.
    """

    name: str
    lines: str
    state: tuple[str, ...]
    hyperparameters: tuple[str, ...]
    symgd: str | None = None


def chained_rosenbrock(size: int) -> str:
    """Return the formula of the n-dimensional Rosenbrock function."""
    return " + ".join(
        f"100*(x{k + 1} - x{k}**2)**2 + (1 - x{k})**2" for k in range(size - 1)
    )


ROSENBROCK = Problem(
    "Rosenbrock",
    2,
    "(1 - x0)**2 + 100*(x1 - x0**2)**2",
    """
    u = x1 - x0*x0
    g0 = -400.0*x0*u - 2.0*(1.0 - x0)
    g1 = 200.0*u
    """,
    folded={
        "gd": """
        u = x1 - x0*x0
        a = (1.0 - 2.0*step_size)*x0 + 2.0*step_size
        x0 = (400.0*step_size*x0)*u + a
        x1 = x1 - 200.0*step_size*u
        """,
        "momentum": """
        u = x1 - x0*x0
        a = momentum*change0 + (2.0*step_size*x0 - 2.0*step_size)
        change0 = a - (400.0*step_size*x0)*u
        change1 = momentum*change1 + 200.0*step_size*u
        x0 = x0 - change0
        x1 = x1 - change1
        """,
    },
)
ROSENBROCK_10 = Problem("Rosenbrock 10-D", 10, chained_rosenbrock(10))
WOOD = Problem(
    "Wood",
    4,
    "100*(x1 - x0**2)**2 + (1 - x0)**2 + 90*(x3 - x2**2)**2 + (1 - x2)**2"
    " + 10.1*((x1 - 1)**2 + (x3 - 1)**2) + 19.8*(x1 - 1)*(x3 - 1)",
)
# Its cosines are written as shifted sines: gcc would join sine and cosine of the same
# argument to one scalar call of sincos, and not vectorise the loop.
ACKLEY = Problem(
    "Ackley",
    2,
    "-20*exp(-0.2*sqrt((x0**2 + x1**2)/2))"
    " - exp((cos(2*pi*x0) + cos(2*pi*x1))/2) + 20 + E",
    """
    a = 6.283185307179586*x0
    b = 6.283185307179586*x1
    r = sqrt(0.5*(x0*x0 + x1*x1))
    p = 2.0*exp(-0.2*r)/r
    c = sin(a + 1.5707963267948966) + sin(b + 1.5707963267948966)
    q = 3.141592653589793*exp(0.5*c)
    g0 = p*x0 + q*sin(a)
    g1 = p*x1 + q*sin(b)
    """,
)
RASTRIGIN = Problem(
    "Rastrigin 10-D",
    10,
    "100 + " + " + ".join(f"x{k}**2 - 10*cos(2*pi*x{k})" for k in range(10)),
    "g = 2.0*x + 62.83185307179586*sin(6.283185307179586*x)",
    separable=True,
)

GD = Rule("gd", "x = x - step_size*g", (), ("step_size",))
MOMENTUM = Rule(
    "momentum",
    """
    change = step_size*g + momentum*change
    x = x - change
    """,
    ("change",),
    ("step_size", "momentum"),
)
AMSGRAD = Rule(
    "amsgrad",
    """
    m = beta1*m + (1.0 - beta1)*g
    v = beta2*v + (1.0 - beta2)*g*g
    vhat = max(vhat, v)
    x = x - step_size*m/(sqrt(vhat) + eps)
    """,
    ("m", "v", "vhat"),
    ("step_size", "beta1", "beta2", "eps"),
)
CORRECTED = Rule(
    "amsgrad with bias correction",
    "",
    ("m", "v", "vhat"),
    ("step_size", "beta1", "beta2", "eps"),
    symgd="""
    # As Optax does it: both moments corrected, the maximum taken afterwards.
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g**2
    vhat = Max(vhat, v/(1 - beta2**t))
    x = x - step_size*m/(1 - beta1**t)/(sqrt(vhat) + eps)
    """,
)
RULES = (GD, MOMENTUM, AMSGRAD)


def hyperparameters(rule: Rule, step_size: float) -> dict[str, float]:
    """Return the hyperparameters of a rule: the usual ones, and this step size."""
    usual = {"momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    return {"step_size": step_size} | {
        name: usual[name] for name in rule.hyperparameters if name != "step_size"
    }


@dataclass(frozen=True)
class Task:
    """Descents of a rule on a problem: so many steps from each start.

    Attributes
    ----------
    starts : ndarray, shape (n,) or (N, n)
    cores : int
        How many a contender may use.
    """

    problem: Problem
    rule: Rule
    hyper: Mapping[str, float]
    starts: np.ndarray
    steps: int
    cores: int = 1

    @property
    def work(self) -> int:
        """Steps times starts."""
        return self.steps * self.starts.size // self.problem.size

    @property
    def numbers(self) -> list[float]:
        """The hyperparameters in the rule's order."""
        return [self.hyper[name] for name in self.rule.hyperparameters]
