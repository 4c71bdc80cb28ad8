"""Hand-written C, compiled by gcc when the benchmark starts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from benchmarks import c_code, c_sums, codegen
from benchmarks.formulas import Task
from benchmarks.sums import Answer, Rows

if not c_code.available():
    raise ImportError("there is no gcc")

LIBRARY = "gcc"


def strict_trajectory(task: Task) -> Callable[[], Any]:
    """Return the loop without liberties in arithmetic."""
    return c_code.trajectory(task, codegen.step_lines(task.problem, task.rule))


def fast_trajectory(task: Task) -> Callable[[], Any]:
    """Return the same with fast mathematics."""
    lines = codegen.step_lines(task.problem, task.rule)
    return c_code.trajectory(task, lines, c_code.FAST)


def folded_trajectory(task: Task) -> Callable[[], Any] | None:
    """Return the loop with the update folded into the gradient by hand."""
    lines = codegen.folded_lines(task.problem, task.rule)
    return c_code.trajectory(task, lines) if lines else None


def strict_batch(task: Task) -> Callable[[], Any]:
    """Return blocks of starts, without liberties in arithmetic."""
    return c_code.batch(task, c_code.blocks_source(task.problem, task.rule))


def fast_batch(task: Task) -> Callable[[], Any]:
    """Return the same with fast mathematics.

    Raises
    ------
    AssertionError
        If the objective has functions, and gcc calls no vector functions for them.
    """
    source = c_code.blocks_source(task.problem, task.rule)
    if task.problem.special and not c_code.calls_libmvec(source):
        raise AssertionError("gcc calls no function of libmvec here")
    return c_code.batch(task, source, c_code.FAST)


def registers_batch(task: Task) -> Callable[[], Any] | None:
    """Return vectors of starts in AVX-512 registers, where there are such."""
    if task.problem.special or not c_code.has_avx512():
        return None
    return c_code.batch(task, c_code.registers_source(task.problem, task.rule))


def fast_rows(task: Rows) -> Callable[[], Answer]:
    """Return tiles of rows, plain C with fast mathematics.

    Raises
    ------
    AssertionError
        If gcc calls no vector functions.
    """
    if not c_code.calls_libmvec(c_sums.PLAIN):
        raise AssertionError("gcc calls no function of libmvec here")
    return c_sums.rows(task, c_sums.PLAIN)


def registers_rows(task: Rows) -> Callable[[], Answer] | None:
    """Return the same with products of rows in AVX-512 registers."""
    return c_sums.rows(task, c_sums.AVX512) if c_code.has_avx512() else None


STEPS = {
    "C": functools.partial(c_sums.steps, flags=c_sums.SIMD),
    "C strict sum": functools.partial(c_sums.steps, flags=c_sums.STRICT),
}
SLOPE = {
    "C": functools.partial(c_sums.slope, flags=c_sums.SIMD),
    "C strict sum": functools.partial(c_sums.slope, flags=c_sums.STRICT),
}
ROWS = {"C fast-math, libmvec": fast_rows, "C AVX-512": registers_rows}
TRAJECTORY = {
    "C": strict_trajectory,
    "C fast-math": fast_trajectory,
    "C folded by hand": folded_trajectory,
}
BATCH = {
    "C": strict_batch,
    "C fast-math, libmvec": fast_batch,
    "C AVX-512": registers_batch,
}
