"""The same run of symgd without slices, and with bounds that bound nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

import symgd
from benchmarks.formulas import Task
from benchmarks.peers import with_ours
from symgd.status import RUNNING, Status


def _in_one(run: Any, status: int, monitor: Any = None) -> Status:
    """Do what ``symgd.runs.drive`` does, in one slice."""
    if status == RUNNING:
        status = run.advance(run.settings.maxiter)
    return Status.MAXITER if status == RUNNING else Status(status)


def one_slice(task: Task) -> Callable[[], np.ndarray]:
    """Return the run that is never looked at between its steps."""
    run = with_ours.trajectory(task)
    module = importlib.import_module("symgd.optimize")

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


VARIANTS = {
    "one slice": one_slice,
    "open bounds": open_bounds,
    "wide bounds": wide_bounds,
}
