"""symgd itself, everything included: arguments are checked, a result is made."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import symgd
from benchmarks.formulas import ROSENBROCK, Problem, Rule, Task
from benchmarks.sums import LOGISTIC, Answer, Rows, Slope, Steps, sizes_of

LIBRARY = "symgd"


@functools.cache
def objective(problem: Problem) -> symgd.Objective:
    """Return the objective, made once."""
    return symgd.Objective(problem.formula, problem.variables)


@functools.cache
def method(rule: Rule) -> str | symgd.Rule:
    """Return what symgd calls the rule, or the rule made of its equations."""
    if rule.symgd is None:
        return rule.name
    names = dict.fromkeys(rule.hyperparameters, 0.0)
    return symgd.Rule(rule.name.replace(" ", "_"), rule.symgd, **names)


def options(task: Task) -> dict[str, Any]:
    """Return the arguments for exactly so many steps."""
    return {
        "method": method(task.rule),
        "maxiter": task.steps,
        "gtol": 0.0,
        **task.hyper,
    }


def trajectory(task: Task) -> Callable[[], np.ndarray]:
    """Return one call of ``minimize``."""
    given, arguments = objective(task.problem), options(task)

    def run() -> np.ndarray:
        result = symgd.minimize(given, task.starts, **arguments)
        if result.nit != task.steps:
            raise AssertionError(f"symgd ended after {result.nit} steps")
        return result.x

    return run


def batch(task: Task) -> Callable[[], np.ndarray]:
    """Return one call of ``minimize_many``."""
    given, arguments = objective(task.problem), options(task)

    def run() -> np.ndarray:
        results = symgd.minimize_many(
            given, task.starts, workers=task.cores, **arguments
        )
        if results.nit.min() != task.steps:
            raise AssertionError(f"a descent ended after {results.nit.min()} steps")
        return results.x

    return run


TRAJECTORY = {"symgd": trajectory}
BATCH = {"symgd": batch}


# ------------------------------------------------------------- the default method


def default(problem: Problem, start: np.ndarray) -> Callable[[], np.ndarray]:
    """Return one call of ``minimize`` with nothing but the start."""
    given = objective(problem)
    return lambda: symgd.minimize(given, start).x


def many_results(problem: Problem, starts: np.ndarray, cores: int) -> symgd.Results:
    """Return what ``minimize_many`` finds with the default method; 0 is all cores."""
    return symgd.minimize_many(objective(problem), starts, workers=cores or None)


def default_many(
    problem: Problem, starts: np.ndarray, cores: int
) -> Callable[[], np.ndarray]:
    """Return one call of ``minimize_many`` with the default method."""
    return lambda: many_results(problem, starts, cores).x


# -------------------------------------------------------------------------- sweep


def sweep(
    step_sizes: np.ndarray, momenta: np.ndarray, steps: int, cores: int
) -> tuple[Callable[[], Callable[[], symgd.Sweep]], Callable[[symgd.Sweep], None]]:
    """Return how to build a sweep over the hyperparameters of momentum, and its check.

    Some descents of the grid are compared with ``minimize``.
    """
    given, start = objective(ROSENBROCK), [-1.2, 1.0]
    options = {"method": "momentum", "maxiter": steps, "gtol": 0.0}

    def run() -> symgd.Sweep:
        axes = {"step_size": step_sizes, "momentum": momenta}
        return symgd.sweep(given, start, workers=cores, **axes, **options)

    def check(grid: symgd.Sweep) -> None:
        assert grid.nit.min() == steps, "a descent ended early"
        for i, j in ((0, 0), (len(step_sizes) // 2, -1), (-1, len(momenta) // 3)):
            hyper = {"step_size": step_sizes[i], "momentum": momenta[j]}
            alone = symgd.minimize(given, start, **hyper, **options)
            np.testing.assert_allclose(grid.x[i, j], alone.x, rtol=1e-9)

    return lambda: run, check


# --------------------------------------------------------------------------- sums


def in_threads(
    objective: symgd.Objective, workers: int
) -> Callable[[np.ndarray], Answer]:
    """Return the objective's value and gradient as computed by so many threads."""
    given = symgd.Objective(objective, workers=workers)
    return given.value_and_grad


def steps(task: Steps) -> Callable[[], Answer]:
    """Return one call of ``minimize``."""
    given = symgd.Objective(task.formula, sizes=sizes_of(task.formula, task.start))
    options = {"step_size": task.step_size, "maxiter": task.steps, "gtol": 0.0}

    def run() -> Answer:
        result = symgd.minimize(given, task.start, method="gd", **options)
        if result.nit != task.steps:
            raise AssertionError(f"symgd ended after {result.nit} steps")
        return result.fun, result.x

    return run


def slope(task: Slope) -> Callable[[], Answer]:
    """Return the value and the gradient, on one core."""
    given = symgd.Objective(task.formula, sizes=sizes_of(task.formula, task.point))
    function = in_threads(given, 1)
    return lambda: function(task.point)


def logistic(data: np.ndarray, labels: np.ndarray) -> symgd.Objective:
    """Return logistic regression on rows, perhaps in a file."""
    return symgd.Objective(LOGISTIC, data={"A": data, "y": labels})


def rows(task: Rows) -> Callable[[], Answer]:
    """Return the value and the gradient of logistic regression."""
    function = in_threads(logistic(task.data, task.labels), task.cores)
    return lambda: function(task.point)


STEPS = {"symgd": steps}
SLOPE = {"symgd": slope}
ROWS = {"symgd": rows}
