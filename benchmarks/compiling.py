"""G: the first call on an explicit objective, against its number of operations.

As a program (``python -m benchmarks.compiling 2 5 10``) it prints the times of the
first calls as JSON; the benchmark runs it with an empty cache.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import tempfile

import pyperf

from benchmarks.environment import of_a_user
from benchmarks.formulas import chained_rosenbrock
from benchmarks.measure import Case, Report, Requirement, Row, Times, say

SIZES = (2, 5, 10, 20, 50)
METHODS = ("auto", "amsgrad")


def first_call(size: int, method: str) -> dict[str, float]:
    """Time the first minimisation of the Rosenbrock function of so many variables.

    Its constants are new for every method, so that nothing can be shared.
    """
    import sympy as sp

    import symgd

    formula = chained_rosenbrock(size).replace("100*", f"{100 + len(method)}*")
    start = [-1.2 if k % 2 == 0 else 1.0 for k in range(size)]
    begun = pyperf.perf_counter()
    objective = symgd.Objective(formula)
    symgd.minimize(objective, start, method=method, maxiter=200)
    seconds = pyperf.perf_counter() - begun
    everything = [objective.expression, *objective.gradient]
    operations = sp.count_ops(everything)
    return {"size": size, "seconds": seconds, "operations": float(operations)}


def main(sizes: list[int]) -> None:
    """Print the times, after first calls that bring in the libraries."""
    import symgd

    for method in METHODS:
        symgd.minimize("(2 - a)**2 + (b - 1)**4", [0.0, 0.0], method=method, maxiter=9)
    calls = {method: [first_call(n, method) for n in sizes] for method in METHODS}
    print(json.dumps(calls))


def in_process(sizes: tuple[int, ...]) -> dict[str, list[dict[str, float]]]:
    """Run the program with an empty cache and read what it prints.

    Raises
    ------
    RuntimeError
        If it failed.
    """
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "benchmarks.compiling", *map(str, sizes)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=of_a_user(cache)
        )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-500:])
    return json.loads(done.stdout.splitlines()[-1])


def measure(sizes: tuple[int, ...], rounds: int, report: Report) -> None:
    """Enter the compile times, and how they grow."""
    say("G first calls")
    try:
        found = [in_process(sizes) for _ in range(rounds)]
    except RuntimeError as error:
        words = " ".join(str(error).split())
        report.rows.append(Row("G", "first call", "symgd", note=f"failed: {words}"))
        return
    for method in METHODS:
        times: Times = {}
        operations = {}
        for k, size in enumerate(sizes):
            values = [each[method][k]["seconds"] for each in found]
            operations[size] = found[0][method][k]["operations"]
            times[f"{size} variables", 0] = values
            row = Row("G", method, f"{size} variables", each=statistics.median(values))
            row.note = f"{operations[size]:.0f} operations"
            report.rows.append(row)
            report.record(f"G / {method} / {size} variables", values, None)
        report.judge(Case("G", method, [], required(sizes, operations)), times)


def required(sizes: tuple[int, ...], operations: dict[int, float]) -> list[Requirement]:
    """Return what is required: at most linear growth, and an absolute time.

    The exponent is that of time against operations from the middle size to the largest;
    at small sizes a constant dominates.
    """
    middle, last = sizes[len(sizes) // 2], sizes[-1]
    times_more = operations[last] / operations[middle]

    def exponent(times: Times) -> list[float]:
        ends = times[f"{last} variables", 0], times[f"{middle} variables", 0]
        pairs = zip(*ends, strict=True)
        return [math.log(a / b) / math.log(times_more) for a, b in pairs]

    return [
        Requirement(f"exponent of time, {middle} to {last} variables", exponent, 1.0),
        Requirement(
            "50 variables, seconds", lambda times: times["50 variables", 0], 3.0
        ),
    ]


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]])
