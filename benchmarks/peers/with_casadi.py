"""CasADi: its own gradient; the folded loop as generated C and in its VM."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import casadi
import numpy as np
import sympy as sp

from benchmarks import codegen
from benchmarks.constrained import Within
from benchmarks.formulas import Task

LIBRARY = "casadi"
TRAJECTORY_STEPS = 200_000
BATCH_STARTS = 1_024
SPACE = {
    "sqrt": casadi.sqrt,
    "exp": casadi.exp,
    "cos": casadi.cos,
    "max": casadi.fmax,
}


def _fold(task: Task) -> casadi.Function:
    """Return the descent as a function of the slots and the hyperparameters."""
    problem, rule = task.problem, task.rule
    size, value = problem.size, codegen.value_function(problem, SPACE)

    def gradient(*x: casadi.SX) -> list[casadi.SX]:
        return casadi.vertsplit(casadi.gradient(value(*x), casadi.vertcat(*x)))

    step = codegen.scalar_step(problem, rule, SPACE | {"gradient": gradient})
    slots = casadi.SX.sym("slots", size * (1 + len(rule.state)))
    hyper = [float(number) for number in task.numbers]
    new = casadi.vertcat(*step(*casadi.vertsplit(slots), *hyper))
    return casadi.Function("step", [slots], [new]).fold(task.steps)


def _in_c(function: casadi.Function) -> casadi.Function:
    """Generate the function's C, compile it and load it."""
    folder = tempfile.mkdtemp(prefix="benchmarks-casadi-")
    generator = casadi.CodeGenerator("descend")
    generator.add(function)
    generator.generate(folder + "/")
    library = str(Path(folder) / "descend.so")
    source = str(Path(folder) / "descend.c")
    flags = ["-O3", "-march=native", "-shared", "-fPIC", "-lm"]
    subprocess.run(["gcc", source, "-o", library, *flags], check=True)
    return casadi.external(function.name(), library)


def _call(task: Task, function: casadi.Function) -> Callable[[], np.ndarray]:
    starts = np.atleast_2d(task.starts)
    size, zeros = task.problem.size, len(task.rule.state) * task.problem.size
    slots = np.vstack([starts.T, np.zeros((zeros, len(starts)))])
    shape = task.starts.shape
    return lambda: np.array(function(slots))[:size].T.reshape(shape)


def trajectory_in_c(task: Task) -> Callable[[], np.ndarray] | None:
    """Return the loop of one trajectory in generated C."""
    if shutil.which("gcc") is None:
        return None
    return _call(task, _in_c(_fold(task)))


def trajectory(task: Task) -> Callable[[], np.ndarray]:
    """Return the loop of one trajectory in CasADi's virtual machine."""
    return _call(task, _fold(task))


def batch(task: Task) -> Callable[[], np.ndarray] | None:
    """Return the map of the loop over all starts in generated C, on one core."""
    if shutil.which("gcc") is None or task.cores > 1:
        return None
    return _call(task, _in_c(_fold(task).map(len(task.starts))))


def ipopt(problem: Within) -> Callable[[], np.ndarray]:
    """Return one call of Ipopt, which relaxes no bound."""
    x = casadi.SX.sym("x", len(problem.start))
    names = dict(zip(problem.variables, casadi.vertsplit(x), strict=True))

    def read(formula: str) -> casadi.SX:
        return sp.lambdify(list(names), sp.sympify(formula), modules=[SPACE])(
            *names.values()
        )

    rows = [*map(read, (*problem.equalities, *problem.inequalities))]
    options = {"print_time": False, "ipopt.print_level": 0, "ipopt.sb": "yes"}
    options |= {"ipopt.tol": 1e-10, "ipopt.bound_relax_factor": 0.0}
    formulas = {"x": x, "f": read(problem.formula), "g": casadi.vertcat(*rows)}
    solver = casadi.nlpsol("solver", "ipopt", formulas, options)
    low, high = problem.bounds
    more = [np.inf] * len(problem.inequalities)
    given = {
        "x0": list(problem.start),
        "lbx": -np.inf if low is None else low,
        "ubx": np.inf if high is None else high,
        "lbg": [0.0] * len(rows),
        "ubg": [0.0] * len(problem.equalities) + more,
    }
    return lambda: np.array(solver(**given)["x"]).ravel()


TRAJECTORY = {"CasADi in C": trajectory_in_c, "CasADi's VM": trajectory}
BATCH = {"CasADi map in C": batch}
