"""F: whole processes, from start to the printed optimum of 2-D Rosenbrock."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.environment import of_a_user
from benchmarks.measure import Case, Contender, Requirement, Times, ratio

FORMULA = "(1 - x)**2 + 100*(y - x**2)**2"
OTHER = "(2 - x)**2 + 10*(y + x)**4"
CLI = ("-m", "symgd", "minimize")
FIXED = ("--method", "gd", "--set", "step_size=0.001", "--maxiter", "1000000")
PROGRAMS = {
    "CasADi": """
import casadi
x, y = casadi.SX.sym("x"), casadi.SX.sym("y")
f = (1 - x)**2 + 100*(y - x**2)**2
v = casadi.vertcat(x, y)
quiet = {"print_time": False, "ipopt.print_level": 0, "ipopt.sb": "yes"}
print(casadi.nlpsol("s", "ipopt", {"x": v, "f": f}, quiet)(x0=[0, 0])["x"])
""",
    "CasADi, descent": """
import casadi
v = casadi.SX.sym("v", 2)
f = (1 - v[0])**2 + 100*(v[1] - v[0]**2)**2
step = casadi.Function("step", [v], [v - 1e-3*casadi.gradient(f, v)])
print(step.fold(40_000)([0, 0]))
""",
    "JAX": """
import jax
jax.config.update("jax_enable_x64", True)
f = lambda v: (1 - v[0])**2 + 100*(v[1] - v[0]**2)**2
step = lambda _, v: v - 1e-3*jax.grad(f)(v)
print(jax.jit(lambda v: jax.lax.fori_loop(0, 40_000, step, v))(jax.numpy.zeros(2)))
""",
    "SymPy + SciPy": """
import sympy
from scipy.optimize import minimize
x, y = sympy.symbols("x y")
f = (1 - x)**2 + 100*(y - x**2)**2
value = sympy.lambdify([[x, y]], f)
gradient = sympy.lambdify([[x, y]], [f.diff(x), f.diff(y)])
print(minimize(value, [0, 0], jac=gradient, method="BFGS", options={"gtol": 1e-8}).x)
""",
}
NEEDS = {
    "CasADi": "casadi",
    "CasADi, descent": "casadi",
    "JAX": "jax",
    "SymPy + SciPy": "scipy",
}


def python(*arguments: str, cache: str | None = None) -> str:
    """Run Python in a process of its own and return what it printed.

    Raises
    ------
    AssertionError
        If it failed.
    """
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=of_a_user(cache),
    )
    if done.returncode != 0:
        raise AssertionError(f"{arguments} failed: {done.stderr[-300:]}")
    return done.stdout


def finds_optimum(printed: str) -> None:
    """Check that numbers near (1, 1) were printed."""
    numbers = []
    for word in printed.replace("[", " ").replace("]", " ").replace(",", " ").split():
        try:
            numbers.append(float(word))
        except ValueError:
            continue
    near = [number for number in numbers if abs(number - 1.0) < 1e-4]
    assert len(near) >= 2, f"the optimum (1, 1) isn't in {printed!r}"


def start_case(folder: Path) -> Case:
    """Return the case; caches of symgd are made inside the folder."""

    def fresh() -> str:
        return tempfile.mkdtemp(dir=folder)

    def plain(code: str) -> Callable[[], Callable[[], str]]:
        return lambda: lambda: python("-c", code)

    def empty() -> Callable[[], str]:
        return lambda: python(*CLI, FORMULA, cache=fresh())

    shared = fresh()  # has seen another formula, then this one

    def new() -> Callable[[], str]:
        rounds = itertools.count(101)  # a formula that is new in every round
        python(*CLI, OTHER, cache=shared)
        return lambda: python(
            *CLI, FORMULA.replace("100", str(next(rounds))), cache=shared
        )

    def later(*options: str) -> Callable[[], Callable[[], str]]:
        def build() -> Callable[[], str]:
            python(*CLI, FORMULA, *options, cache=shared)
            return lambda: python(*CLI, FORMULA, *options, cache=shared)

        return build

    def nothing(printed: str) -> None:
        assert printed == ""

    imports = {
        "python": "pass",
        "import numpy": "import numpy",
        "import numpy, sympy, numba": "import numpy, sympy, numba",
    }
    racing = [
        *(Contender(name, plain(code), nothing) for name, code in imports.items()),
        Contender("symgd", empty, finds_optimum),
        Contender("symgd, a new formula", new, finds_optimum),
        Contender("symgd, a later process", later(), finds_optimum),
        Contender("symgd, a later process, gd", later(*FIXED), finds_optimum),
        *(
            Contender(name, plain(code), finds_optimum)
            for name, code in PROGRAMS.items()
            if importlib.util.find_spec(NEEDS[name])
        ),
    ]
    return Case("F", "process", racing, requirements(), "process")


def requirements() -> list[Requirement]:
    """Return what is required, in terms of other processes' times."""
    numpy = ("import numpy", 0)
    libraries = ("import numpy, sympy, numba", 0)

    def beyond(name: str) -> Callable[[Times], list[float]]:
        return lambda times: [
            ours - theirs
            for ours, theirs in zip(times[name, 0], times[libraries], strict=True)
        ]

    required = []
    for name, what in (
        ("symgd", "empty cache"),
        ("symgd, a new formula", "new formula"),
    ):
        required += [
            Requirement(f"{what} - imports, seconds", beyond(name), 0.9),
            Requirement(f"{what} / JAX", ratio((name, 0), ("JAX", 0)), None, 1.0),
        ]
    for name in ("symgd, a later process", "symgd, a later process, gd"):
        casadi = ratio((name, 0), ("CasADi", 0))
        what = name.removeprefix("symgd, a ")
        required += [
            Requirement(f"{what} / import numpy", ratio((name, 0), numpy), 3.5, 1.5),
            Requirement(f"{what} / CasADi", casadi, None, 0.95),
        ]
    return required
