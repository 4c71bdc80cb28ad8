"""Minima within constraints: what is asked, beside what is measured here.

``python -m benchmarks.within`` prints the table; ``--only public`` one part of it. The
problems are those of the tests: ``tests/descent/references/constrained.json``. A run
has solved one if it satisfies the constraints and is at a known minimum, to 1e-6;
from other starts also if it satisfies the optimality conditions.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import symgd
from symgd import Objective, Result, minimize

FILE = Path("tests/descent/references/constrained.json")
CLOSE, SATISFIED = 1e-6, 1e-6
MANY = 100_000
CALLS = 40

Row = tuple[str, str, str]
Problem = dict[str, Any]


def problems(kind: str = "problems") -> list[Problem]:
    """Return the public problems, or the special ones."""
    found: list[Problem] = json.loads(FILE.read_text("utf-8"))[kind]
    return found


def objective_of(
    problem: Problem, f: str = "{}", row: str = "{}", **given: Any
) -> Objective:
    """Return a problem's formula within its constraints, as they are to be written."""
    relations = [f"{row.format(each)} == 0" for each in problem["equalities"]]
    relations += [f"{row.format(each)} >= 0" for each in problem["inequalities"]]
    given |= {"subject_to": relations} if relations else {}
    return Objective(f.format(problem["objective"]), problem["variables"], **given)


def in_units(problem: Problem) -> Objective:
    """Return the same in units that are parameters: ``unit``, ``row_unit``."""
    names = ["unit"]
    names += ["row_unit"] if problem["equalities"] or problem["inequalities"] else []
    ones = dict.fromkeys(names, 1.0)
    return objective_of(problem, "unit*({})", "row_unit*({})", parameters=ones)


def run_of(problem: Problem) -> Callable[..., Result]:
    """Return the call that solves a problem, of which only the start is left open."""
    objective = objective_of(problem)
    bounds = [tuple(pair) for pair in problem["bounds"]]
    return lambda start: minimize(objective, start, bounds=bounds)


def violation(problem: Problem, x: np.ndarray) -> float:
    """Return by how much a point misses constraints and bounds, evaluated anew."""
    import sympy as sp

    names = dict(zip(problem["variables"], map(float, x), strict=True))
    missed = [0.0]
    for kind, sign in (("equalities", 0.0), ("inequalities", -1.0)):
        for each in problem[kind]:
            value = float(sp.sympify(each).evalf(subs=names))
            missed.append(sign * value if sign else abs(value))
    for number, (low, high) in zip(x, problem["bounds"], strict=True):
        missed += [low - number] if low is not None else []
        missed += [number - high] if high is not None else []
    return max(missed)


def is_at_known_minimum(problem: Problem, f: float, x: np.ndarray) -> bool:
    """Return whether a point is at one of the minima that are known."""
    others = [o["f"] if isinstance(o, dict) else o for o in problem["other_minima"]]
    minima = (problem["fstar"], *others)
    gaps = [abs(f - known) / max(1.0, abs(known)) for known in minima]
    return min(gaps) <= CLOSE and violation(problem, x) <= SATISFIED


def public() -> Iterator[Row]:
    """Solve the public problems from their own starts."""
    solved, wrong, iterations, seconds, missed = 0, [], [], [], []
    for problem in problems():
        run = run_of(problem)
        result = run(problem["start"])
        right = is_at_known_minimum(problem, result.fun, result.x)
        solved += right and result.success
        missed += [] if right and result.success else [problem["name"]]
        wrong += [problem["name"]] if result.success and not right else []
        iterations.append(result.nit)
        if len(problem["variables"]) <= 10:
            seconds.append(_warm(run, problem["start"]))
    yield "public problems solved, of 71", ">= 70", f"{solved} {' '.join(missed)}"
    yield "claims of success that are wrong", "0", f"{len(wrong)} {' '.join(wrong)}"
    yield "iterations, median", "<= 14", f"{np.median(iterations):g}"
    yield "iterations, 90 %", "<= 40", f"{np.quantile(iterations, 0.9):g}"
    median = 1e6 * float(np.median(seconds))
    yield "a warm call of n <= 10, median", "<= 150 us", f"{median:.0f} us"


def _warm(run: Callable[..., Result], start: list[float]) -> float:
    """Return how long the quickest of some calls takes."""
    quickest = np.inf
    for _ in range(CALLS):
        begun = time.perf_counter()
        run(start)
        quickest = min(quickest, time.perf_counter() - begun)
    return quickest


def special() -> Iterator[Row]:
    """Try what has no minimum, and what is at the edge of having one."""
    told = {problem["name"]: problem for problem in problems("special")}
    ends = {name: run_of(each)(each["start"]) for name, each in told.items()}
    false = [
        name
        for name, each in told.items()
        if each["expected"] in ("INFEASIBLE", "not a success") and ends[name].success
    ]
    said = [
        ends[name].status.name == "INFEASIBLE"
        for name, each in told.items()
        if each["expected"] == "INFEASIBLE"
    ]
    yield "successes where there is no minimum", "0", f"{len(false)} {' '.join(false)}"
    yield "INFEASIBLE is said", "all but one", f"{sum(said)} of {len(said)}"


def perturbed(count: int = 3) -> Iterator[Row]:
    """Solve the public problems from other starts, with f and rows in other units.

    The step away is 0.5 times a normal number times the start's own size; units are
    between 0.01 and 100.
    """
    rng = np.random.default_rng(0)
    solved, wrong, missed = 0, [], []
    for problem in problems():
        objective, start = in_units(problem), np.array(problem["start"])
        bounds = [tuple(pair) for pair in problem["bounds"]]
        for k in range(count):
            moved = rng.normal(size=start.size) * np.maximum(1.0, np.abs(start))
            units = {name: 10.0 ** rng.uniform(-2, 2) for name in objective.parameters}
            here = objective.with_parameters(**units)
            result = minimize(here, (start + 0.5 * moved).tolist(), bounds=bounds)
            f, name = result.fun / units["unit"], f"{problem['name']}/{k}"
            right = _is_right(problem, f, result.x)
            solved += right and result.success
            wrong += [name] if result.success and not right else []
            missed += [] if right and result.success else [name]
    tried = count * len(problems())
    share = f"{solved} of {tried}, {100.0 * solved / tried:.1f} % {' '.join(missed)}"
    yield "other starts and units: solved", ">= 98 %", share
    yield "other starts and units: wrong claims", "0", f"{len(wrong)} {' '.join(wrong)}"


def _is_right(problem: Problem, f: float, x: np.ndarray) -> bool:
    return is_at_known_minimum(problem, f, x) or _is_stationary(problem, f, x)


def _is_stationary(problem: Problem, f: float, x: np.ndarray) -> bool:
    """Return whether the optimality conditions hold, with derivatives by SymPy.

    Multipliers are the best that there are for what is active, with the right signs.
    """
    import sympy as sp
    from scipy.optimize import lsq_linear

    if not violation(problem, x) <= SATISFIED:
        return False
    names = sp.symbols(problem["variables"])
    names = names if isinstance(names, (list, tuple)) else [names]
    point = dict(zip(names, map(float, x), strict=True))

    def slope(text: str) -> np.ndarray:
        form = sp.sympify(text)
        return np.array([float(form.diff(each).evalf(subs=point)) for each in names])

    falls = slope(problem["objective"])
    columns = [slope(each) for each in problem["equalities"]]
    low = [-np.inf] * len(columns)
    for each in problem["inequalities"]:
        value, across = float(sp.sympify(each).evalf(subs=point)), slope(each)
        if value <= 1e-5 * max(1.0, float(np.abs(across).max())):
            columns.append(across)
            low.append(0.0)
    for k, (number, sides) in enumerate(zip(x, problem["bounds"], strict=True)):
        for side, sign in zip(sides, (1.0, -1.0), strict=True):
            if side is not None and abs(number - side) <= 1e-5 * max(1.0, abs(side)):
                columns.append(sign * np.eye(len(names))[k])
                low.append(0.0)
    if not columns:
        return bool(np.abs(falls).max() <= 1e-5 * max(1.0, abs(f)))
    units = [max(1e-12, float(np.abs(each).max())) for each in columns]
    matrix = np.stack([a / unit for a, unit in zip(columns, units, strict=True)], 1)
    high = np.full(len(low), np.inf)
    best = lsq_linear(matrix, falls, (np.array(low), high), tol=1e-14, max_iter=1000)
    left = np.abs(matrix @ best.x - falls).max()
    return bool(left <= 1e-5 * max(1.0, float(np.abs(falls).max())))


def rates(n: int = MANY) -> Iterator[Row]:
    """Find the nearest signal that changes slowly."""
    y = np.cumsum(np.random.default_rng(0).normal(size=n))
    before, begun = _memory(), _now()
    objective = Objective(
        "sum((x[i] - y[i])**2 for i in range(n))",
        data={"y": y},
        parameters={"r": 0.5},
        subject_to={"rate": "-r <= x[i+1] - x[i] <= r for i in range(n - 1)"},
    )
    result = minimize(objective)
    yield from _large("rate limits", n, result, 25, 10.0, begun)
    each = (_memory() - before) / n
    yield f"rate limits, n = {n:g}: memory", "in proportion", f"{each:.0f} B each"


def chained(n: int = MANY) -> Iterator[Row]:
    """Minimise Rosenbrock's function, chained, within a chain of equalities."""
    begun = _now()
    result = minimize(
        "sum(100*(x[i+1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))",
        np.where(np.arange(n) % 2, 1.0, -1.2),
        subject_to="3*x[k+1]**3 + 2*x[k+2] - 5 + sin(x[k+1] - x[k+2])*sin(x[k+1] +"
        " x[k+2]) + 4*x[k+1] - x[k]*exp(x[k] - x[k+1]) - 3 == 0 for k in range(n - 2)",
    )
    yield from _large("chained Rosenbrock", n, result, 8, 5.0, begun)


def _large(
    name: str,
    n: int,
    result: Result,
    most: int,
    limit: float,
    begun: tuple[float, float],
) -> Iterator[Row]:
    seconds, of_cpu = (b - a for a, b in zip(begun, _now(), strict=True))
    status = "" if result.success else f" {result.status.name}"
    yield f"{name}, n = {n:g}: iterations", f"<= {most}", f"{result.nit}{status}"
    yield (
        f"{name}, n = {n:g}: time",
        f"<= {limit:g} s",
        f"{seconds:.2f} s, CPU {of_cpu:.2f} s",
    )


def _now() -> tuple[float, float]:
    """Return the time, and that of the processor: others may use it, too."""
    return time.perf_counter(), time.process_time()


def _memory() -> float:
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def multipliers() -> Iterator[Row]:
    """Compare multipliers with central differences of the optimum."""
    objective = Objective(
        "x1*x4*(x1 + x2 + x3) + x3",
        parameters={"p": 25.0, "s": 40.0},
        subject_to={
            "p": "x1*x2*x3*x4 >= p",
            "s": "x1**2 + x2**2 + x3**2 + x4**2 == s",
        },
    )
    step, worst = 1e-4, 0.0

    def solved(**numbers: float) -> Result:
        at = objective.with_parameters(**numbers)
        return minimize(at, [1, 5, 5, 1], bounds=[(1, 5)] * 4)

    result = solved()
    for name, value in (("p", 25.0), ("s", 40.0)):
        above, below = (solved(**{name: value + s}).fun for s in (step, -step))
        slope = (above - below) / (2.0 * step)
        worst = max(worst, abs(result.multipliers[name] - slope))
    yield "multipliers, against differences", "<= 1e-5", f"{worst:.1e}"


NEW = """
import time, numpy, symgd
begun, before = time.perf_counter(), time.process_time()
names = [f"x{k}" for k in range(10)]
f = " + ".join(f"({a} - {b}**2)**2 + exp({a}/10)" for a, b in zip(names, names[1:]))
rows = ["+".join(names) + " == 5"] + [f"{a}*{b} <= 4" for a, b in zip(names, names[1:])]
result = symgd.minimize(f, [0.5]*10, subject_to=rows)
print(time.perf_counter() - begun, time.process_time() - before, result.status.name)
"""


def new_formula() -> Iterator[Row]:
    """Compile a formula of 10 variables within 10 constraints, in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        told = subprocess.run(
            [sys.executable, "-c", NEW],
            env={**os.environ, "SYMGD_CACHE_DIR": folder},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    found = f"{float(told[0]):.2f} s, CPU {float(told[1]):.2f} s, {told[2]}"
    yield "a new formula of 10 variables, 10 constraints", "<= 2 s", found


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "public": public,
    "special": special,
    "multipliers": multipliers,
    "new": new_formula,
    "rates": rates,
    "chained": chained,
    "perturbed": perturbed,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.within")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    print(f"symgd {symgd.__version__}\n{'':46}{'asked':>14}  measured")
    for name in parser.parse_args().only:
        for what, asked, measured in PARTS[name]():
            print(f"{what:46}{asked:>14}  {measured}", flush=True)


if __name__ == "__main__":
    main()
