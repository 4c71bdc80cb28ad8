"""The same run of symgd without slices or checks, and with bounds that bind nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import numba
import numpy as np

import symgd
from benchmarks.formulas import Task
from benchmarks.peers import with_ours
from symgd.lowering.inlining import straight
from symgd.lowering.intrinsics import local, store
from symgd.lowering.jitting import JIT_OPTIONS
from symgd.lowering.scalar_update import RuleCode
from symgd.native.status import RUNNING, Status
from symgd.rules.family import find


def _in_one(run: Any, status: int, *_: Any) -> Status:
    """Do what ``symgd.descent.driving.drive`` does, in one slice."""
    if status == RUNNING:
        status = run.advance(run.settings.maxiter)
    return Status.MAXITER if status == RUNNING else Status(status)


def one_slice(task: Task) -> Callable[[], np.ndarray]:
    """Return the run that is never looked at between its steps."""
    run = with_ours.trajectory(task)
    module = importlib.import_module("symgd.descent.optimize")

    def call() -> np.ndarray:
        with mock.patch.object(module, "drive", _in_one):
            return run()

    return call


def open_bounds(task: Task) -> Callable[[], np.ndarray]:
    """Return the run with bounds all of which are infinite."""
    given, arguments = with_ours.objective(task.problem), with_ours.options(task)
    bounds = [(None, None)] * task.problem.size
    return lambda: symgd.minimize(given, task.starts, bounds=bounds, **arguments).x


def wide_bounds(task: Task) -> Callable[[], np.ndarray]:
    """Return the run that projects onto bounds which are never reached."""
    given, arguments = with_ours.objective(task.problem), with_ours.options(task)
    bounds = [(-1e6, 1e6)] * task.problem.size
    return lambda: symgd.minimize(given, task.starts, bounds=bounds, **arguments).x


def without_checks(task: Task) -> Callable[[], np.ndarray]:
    """Return the loop of ``symgd.kernels.trajectory`` less all that it watches."""
    rule = find(with_ours.method(task.rule))
    native_objective = with_ours.objective(task.problem).native
    hyper = np.array([task.hyper[name] for name in rule.hyperparameters])
    code = RuleCode(rule, (None,) * len(hyper), task.problem.size, initial=False)
    schedule = straight(code.schedule, len(hyper))
    n, width, outputs = task.problem.size, 1 + len(rule.state), task.problem.size + 1
    value_and_gradient = straight(native_objective.value_and_gradient, outputs)
    update, steps = straight(code.update.slots, width), task.steps

    @numba.njit(**JIT_OPTIONS)
    def loop(x: Any, h: Any, p: Any) -> None:
        now, new = local(width, n), local(width, n)
        g, f_and_g = local(1, n)[0], local(1, outputs)[0]
        for k in range(n):
            for j in range(width):
                now[j, k] = new[j, k] = x[k] if j == 0 else 0.0
        store(f_and_g, value_and_gradient(new[0], p))
        for k in range(n):
            g[k] = f_and_g[k + 1]
        for t in range(steps):
            constants = schedule(t + 1.0, h)
            for k in range(n):
                stepped = update(t + 1.0, g[k], f_and_g[0], now, k, constants, p)
                for j in range(width):
                    new[j, k] = stepped[j]
            store(f_and_g, value_and_gradient(new[0], p))
            for k in range(n):
                g[k] = f_and_g[k + 1]
                for j in range(width):
                    now[j, k] = new[j, k]
        for k in range(n):
            x[k] = now[0, k]

    def call() -> np.ndarray:
        x = task.starts.copy()
        loop(x, hyper, np.zeros(0))
        return x

    return call


VARIANTS = {
    "no checks": without_checks,
    "one slice": one_slice,
    "open bounds": open_bounds,
    "wide bounds": wide_bounds,
}
