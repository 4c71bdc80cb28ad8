"""M: how long it takes until a formula is a kernel, in a fresh process, nothing kept.

As a program (``python -m benchmarks.building chain evaluation 1000``) it prints the
times as JSON. What is imported is not counted, the first use of it is.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import pkgutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyperf

from benchmarks.measure import Case, Report, Requirement, Row, Times, say
from benchmarks.process import python

KERNELS = ("evaluation", "gd")
TERMS = 100  # variables of the function that is written out
SECONDS = {"gradient": 0.5, "kernel": 3.0}  # what it may take
CHAIN_SECONDS, CHAIN_SPREAD = 2.0, 1.2


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of a call, and what it returned."""
    begun = pyperf.perf_counter()
    result = call()
    return pyperf.perf_counter() - begun, result


def use(objective: Any, kernel: str, x: Any) -> Callable[[], Any]:
    """Return a call that needs the kernel: an evaluation, or a run's two steps."""
    import symgd

    if kernel == "evaluation":
        return lambda: objective.value_and_grad(x)
    options = {"step_size": 1e-5} if kernel == "gd" else {}
    return lambda: symgd.minimize(objective, x, method=kernel, maxiter=2, **options)


def chain(kernel: str, n: int) -> dict[str, float]:
    """Time the chained Rosenbrock function of n variables, written as a sum.

    The second call, in which nothing is compiled, is subtracted.
    """
    import numpy as np

    import symgd
    from benchmarks.sums import CHAIN

    x = np.linspace(-1.0, 1.0, n)
    made, objective = timed(lambda: symgd.Objective(CHAIN, sizes={"n": n}))
    if kernel == "evaluation":  # without the evaluation, which takes memory
        return {"seconds": made + timed(lambda: objective.kernel(kernel))[0]}
    call = use(objective, kernel, x)
    use(objective, "evaluation", x)()
    first, second = timed(call)[0], timed(call)[0]
    return {"seconds": made + first - second}


def terms(kernel: str, n: int) -> dict[str, float]:
    """Time the same function, written out term by term."""
    import symgd
    from benchmarks.formulas import chained_rosenbrock

    formula = chained_rosenbrock(n)
    made, objective = timed(lambda: symgd.Objective(formula))
    derived, _ = timed(lambda: objective.gradient)
    compiled, _ = timed(use(objective, kernel, [0.5] * n))
    return {"gradient": made + derived, "kernel": compiled}


def main(form: str, kernel: str, n: str) -> None:
    """Print the times, after importing all that symgd could import."""
    os.environ["SYMGD_CACHE_SIZE"] = "0"
    import symgd

    for library in ("numpy", "sympy", "numba", "llvmlite.binding"):
        importlib.import_module(library)
    for module in pkgutil.walk_packages(symgd.__path__, "symgd."):
        if not module.name.endswith(("__main__", "sklearn")):
            importlib.import_module(module.name)
    print(json.dumps({"chain": chain, "terms": terms}[form](kernel, int(n))))


def measure(folder: Path, sizes: tuple[int, ...], rounds: int, report: Report) -> None:
    """Enter the times of all sizes, and of the function that is written out."""
    say("M building")
    tasks = [("chain", *pair) for pair in itertools.product(KERNELS, sizes)]
    tasks += [("terms", kernel, TERMS) for kernel in (*KERNELS, "auto")]
    found: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    failed: dict[tuple[str, str, int], str] = {}
    for _, task in itertools.product(range(rounds), tasks):
        command = ["-m", "benchmarks.building", *map(str, task)]
        try:
            printed = python(*command, cache=tempfile.mkdtemp(dir=folder))
            found.setdefault(task, []).append(json.loads(printed.splitlines()[-1]))
        except AssertionError as error:
            failed[task] = " ".join(str(error).split())[-200:]
    for kernel in KERNELS:
        case, times = f"chained Rosenbrock, a sum, {kernel}", {}
        for n in sizes:
            task = ("chain", kernel, n)
            enter(report, case, f"n = {n}", task, "seconds", found, failed, times)
        report.judge(Case("M", case, [], sums_required(sizes)), times)
    case, times = f"chained Rosenbrock, {TERMS} variables, term by term", {}
    for kernel in (*KERNELS, "auto"):
        task = ("terms", kernel, TERMS)
        for part in SECONDS:
            name = f"{part}, {kernel}"
            enter(report, case, name, task, part, found, failed, times)
    report.judge(Case("M", case, [], terms_required()), times)


def enter(
    report: Report,
    case: str,
    name: str,
    task: tuple[str, str, int],
    part: str,
    found: dict[tuple[str, str, int], list[dict[str, float]]],
    failed: dict[tuple[str, str, int], str],
    times: Times,
) -> None:
    """Enter a row, and its times."""
    row = Row("M", case, name, note=failed.get(task, ""))
    if task in found and task not in failed:
        times[name, 0] = [each[part] for each in found[task]]
        row.each = statistics.median(times[name, 0])
        report.record(f"M / {case} / {name}", times[name, 0], None)
    report.rows.append(row)


def sums_required(sizes: tuple[int, ...]) -> list[Requirement]:
    """Return what is required of a sum: a time, and the same one whatever n is."""

    def rounds(times: Times) -> list[tuple[float, ...]]:
        return list(zip(*(times[f"n = {n}", 0] for n in sizes), strict=True))

    def spread(times: Times) -> list[float]:
        medians = [statistics.median(times[f"n = {n}", 0]) for n in sizes]
        return [max(medians) / min(medians)]

    return [
        Requirement(
            "the longest, seconds", lambda t: [max(r) for r in rounds(t)], CHAIN_SECONDS
        ),
        Requirement("the longest / the shortest", spread, CHAIN_SPREAD),
    ]


def terms_required() -> list[Requirement]:
    """Return what is required of the function that is written out.

    The default method also compiles the Hessian; for that the time is an aim.
    """

    def of(name: str) -> Callable[[Times], list[float]]:
        return lambda times: times[name, 0]

    return [
        Requirement(
            f"{part}, {kernel}, seconds",
            of(f"{part}, {kernel}"),
            *((None, limit) if (part, kernel) == ("kernel", "auto") else (limit, None)),
        )
        for kernel in (*KERNELS, "auto")
        for part, limit in SECONDS.items()
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
