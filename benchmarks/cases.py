"""The table of cases: who does what, and what is required of symgd.

Groups A to E and H are here; F, whole processes, is in ``process``, G, compile times,
in ``compiling``, I to K, sums, in ``structured``, L, rows in a file, in ``rows_file``,
M, the building of sums, in ``building``, N in ``fits``, and O in ``constrained``.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks import constrained, fits, slices, structured
from benchmarks.formulas import (
    ACKLEY,
    AMSGRAD,
    CORRECTED,
    GD,
    MOMENTUM,
    RASTRIGIN,
    ROSENBROCK,
    ROSENBROCK_10,
    RULES,
    WOOD,
    Problem,
    Rule,
    Task,
    hyperparameters,
)
from benchmarks.measure import Case, Contender, Requirement, ratio
from benchmarks.peers import with_ours

GROUPS = {
    "A": "one trajectory",
    "B": "batch",
    "C": "special functions",
    "D": "sweep",
    "E": "default method",
    "F": "start",
    "G": "compile",
    "H": "slicing",
    "I": "steps on a sum",
    "J": "grid",
    "K": "rows",
    "L": "rows in a file",
    "M": "build",
    "N": "fit",
    "O": "within constraints",
}
Peers = Mapping[str, ModuleType]


@dataclass(frozen=True)
class Sizes:
    """How much work there is."""

    steps: int = 1_000_000
    starts: int = 100_000
    batch_steps: int = 1_000
    special_starts: int = 100_000
    special_steps: int = 1_000
    grid: int = 300
    grid_steps: int = 10_000
    many: int = 10_000
    scipy_many: int = 200
    long_steps: int = 20_000_000
    chains: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
    sum_work: int = 1_000_000_000
    side: int = 2_000
    rows: int = 1_000_000
    fits: tuple[int, ...] = (100, 1_000, 100_000)


# Groups A and B keep their sizes: with fewer steps what a call costs counts for more.
QUICK = Sizes(
    special_starts=3_200,
    special_steps=200,
    grid=100,
    grid_steps=1_000,
    many=2_000,
    scipy_many=40,
    long_steps=4_000_000,
    chains=(1_000, 100_000),
    sum_work=100_000_000,
    side=500,
    rows=100_000,
)
# Steps so small that no run ends before its last step because it is at the optimum.
TRAJECTORY_STEP = {"gd": 5e-5, "momentum": 5e-6}
BATCH_STEP = {"gd": 1e-3, "momentum": 1e-4, "amsgrad": 1e-2}
SPECIAL_STEP = {"gd": 1e-5, "amsgrad": 2e-4}


def cases(group: str, sizes: Sizes, peers: Peers) -> Iterator[Case]:
    """Yield the cases of a group."""
    makers: dict[str, Callable[[Sizes, Peers], Iterator[Case]]] = {
        "A": trajectories,
        "B": batches,
        "C": special_functions,
        "D": sweeps,
        "E": default_method,
        "H": slicing,
        "I": lambda sizes, peers: structured.chains(
            sizes.chains, sizes.sum_work, peers
        ),
        "J": lambda sizes, peers: structured.grids(sizes.side, sizes.sum_work, peers),
        "K": lambda sizes, peers: structured.many_rows(sizes.rows, peers),
        "N": lambda sizes, peers: fits.cases(sizes.fits, peers),
        "O": lambda _, peers: constrained.cases(peers),
    }
    return makers[group](sizes, peers)


def generator() -> np.random.Generator:
    """Return the source of all random starts."""
    return np.random.default_rng(20)


# ------------------------------------------------------------------ rules: A, B, C


def agrees(task: Task, ours: Callable[[Task], Callable[[], Any]], rtol: float) -> Any:
    """Return the check that ends are those of symgd for the same task."""

    @functools.cache
    def reference() -> np.ndarray:
        return np.array(ours(task)())

    def check(ends: Any) -> None:
        np.testing.assert_allclose(np.array(ends), reference(), rtol=rtol, atol=1e-9)

    return check


def contenders(
    task: Task,
    kind: str,
    peers: Peers,
    only: tuple[str, ...] = (),
    slow_steps: int | None = None,
) -> list[Contender]:
    """Return everyone who can do a task.

    Parameters
    ----------
    kind : {"TRAJECTORY", "BATCH"}
    only : tuple of str
        The names of the contenders, if not all of them.
    slow_steps : int, optional
        The most steps for others than symgd and C.
    """
    ours = getattr(with_ours, kind)["symgd"]
    result = []
    for module in peers.values():
        if task.rule.name not in getattr(module, "RULES", (task.rule.name,)):
            continue
        own = fewer(task, kind, module, slow_steps)
        for name, make in getattr(module, kind, {}).items():
            if only and name not in only:
                continue
            check = agrees(own, ours, rtol=1e-6)
            build = functools.partial(make, own)
            share = own.work / task.work
            result.append(Contender(name, build, check, share, task.cores))
    return result


def fewer(task: Task, kind: str, module: ModuleType, slow_steps: int | None) -> Task:
    """Return the task as a slow peer gets it."""
    most = getattr(module, f"{kind}_STEPS", task.steps)
    if slow_steps is not None and module.LIBRARY not in ("symgd", "gcc"):
        most = min(most, slow_steps)
    starts = task.starts
    if kind == "BATCH":
        starts = starts[: getattr(module, "BATCH_STARTS", len(starts))]
    return dataclasses.replace(task, steps=min(task.steps, most), starts=starts)


def trajectories(sizes: Sizes, peers: Peers) -> Iterator[Case]:
    """Yield A: one trajectory of 2-D Rosenbrock with a fixed number of steps."""
    start = np.array([-1.2, 1.0])
    for rule in (*RULES, CORRECTED):
        hyper = hyperparameters(rule, TRAJECTORY_STEP.get(rule.name, 2e-4))
        task = Task(ROSENBROCK, rule, hyper, start, sizes.steps)
        symgd, c, jax = ("symgd", 1), ("C", 1), ("JAX", 1)
        required = [
            Requirement(
                "symgd / C", ratio(symgd, c), 1.15, 0.65 if rule is GD else None
            ),
            Requirement("JAX / symgd", ratio(jax, symgd), None, 2.0, at_least=True),
        ]
        only = ("symgd", "JAX + Optax") if rule is CORRECTED else ()
        racing = contenders(task, "TRAJECTORY", peers, only)
        yield Case(
            "A", rule.name, racing, [] if only else required, "step", sizes.steps
        )


def batches(sizes: Sizes, peers: Peers) -> Iterator[Case]:
    """Yield B: many starts of 2-D Rosenbrock, on one core and on two."""
    starts = generator().uniform(-1.0, 1.0, (sizes.starts, 2))
    for rule in RULES:
        hyper = hyperparameters(rule, BATCH_STEP[rule.name])
        racing, required = [], []
        for cores in (1, 2):
            task = Task(ROSENBROCK, rule, hyper, starts, sizes.batch_steps, cores=cores)
            racing += contenders(task, "BATCH", peers)
            on = f"on {cores} core{'s' * (cores > 1)}"
            symgd, jax = ("symgd", cores), ("JAX vmap", cores)
            required += [
                Requirement(f"symgd / C, {on}", ratio(symgd, ("C", cores)), 1.25),
                Requirement(
                    f"symgd / C AVX-512, {on}",
                    ratio(symgd, ("C AVX-512", cores)),
                    None,
                    1.0,
                ),
                Requirement(f"JAX / symgd, {on}", ratio(jax, symgd), 4.0, None, True),
            ]
        one_two = ratio(("symgd", 1), ("symgd", 2))
        required.append(
            Requirement("symgd: 1 core / 2 cores", one_two, 1.8, None, True)
        )
        work = starts.shape[0] * sizes.batch_steps
        yield Case("B", rule.name, racing, required, "start-step", work)


def lattice(problem: Problem, count: int) -> np.ndarray:
    """Return starts near local minima, which are near whole numbers.

    Never at the origin, where Ackley's gradient is 0/0, nor near a ridge, where
    rounding decides on which side a descent goes.
    """
    source = generator()
    centres = source.integers(1, 4, (count, problem.size))
    return centres + source.uniform(-0.3, 0.3, (count, problem.size))


def special_functions(sizes: Sizes, peers: Peers) -> Iterator[Case]:
    """Yield C: many starts of objectives with exponentials and cosines."""
    names = ("symgd", "C fast-math, libmvec", "JAX vmap")
    for problem in (ACKLEY, RASTRIGIN):
        starts = lattice(problem, sizes.special_starts)
        for rule in (GD, AMSGRAD):
            hyper = hyperparameters(rule, SPECIAL_STEP[rule.name])
            racing, required = [], []
            for cores in (1, 2):
                task = Task(problem, rule, hyper, starts, sizes.special_steps, cores)
                racing += contenders(task, "BATCH", peers, names, slow_steps=50)
                symgd, c, jax = ((name, cores) for name in names)
                on = f"on {cores} core{'s' * (cores > 1)}"
                required += [
                    Requirement(
                        f"symgd / C with libmvec, {on}", ratio(symgd, c), 1.5, 1.0
                    ),
                    Requirement(
                        f"JAX / symgd, {on}", ratio(jax, symgd), 3.0, None, True
                    ),
                ]
            name = f"{problem.name}, {rule.name}"
            work = sizes.special_starts * sizes.special_steps
            yield Case("C", name, racing, required, "start-step", work)


# ------------------------------------------------------------------------ sweep: D


def sweeps(sizes: Sizes, peers: Peers) -> Iterator[Case]:
    """Yield D: a grid of hyperparameters against the start batch."""
    step_sizes = np.linspace(1e-5, 2e-4, sizes.grid)
    momenta = np.linspace(0.0, 0.9, sizes.grid)
    starts = generator().uniform(-1.0, 1.0, (sizes.starts, 2))
    hyper = hyperparameters(MOMENTUM, BATCH_STEP["momentum"])
    batch = Task(ROSENBROCK, MOMENTUM, hyper, starts, sizes.batch_steps, cores=2)
    work = sizes.grid**2 * sizes.grid_steps
    sweep = functools.partial(
        with_ours.sweep, step_sizes, momenta, sizes.grid_steps, cores=2
    )
    racing = [
        Contender("symgd", *sweep(), cores=2),
        Contender(
            "start batch",
            functools.partial(with_ours.batch, batch),
            lambda ends: np.testing.assert_array_less(np.abs(ends), 10.0),
            share=batch.work / work,
            cores=2,
        ),
    ]
    required = Requirement(
        "sweep / start batch", ratio(("symgd", 2), ("start batch", 2)), 1.1
    )
    yield Case("D", "momentum", racing, [required], "start-step", work)


# --------------------------------------------------------------- default method: E

# From Wood's usual start, SciPy's default tolerance ends at the saddle; from that of
# 10-D Rosenbrock, BFGS ends at another minimum. From the origin all find the same.
STARTS = {
    ROSENBROCK.name: [-1.2, 1.0],
    WOOD.name: [0.0] * 4,
    ROSENBROCK_10.name: [0.0] * 10,
}


def default_method(sizes: Sizes, peers: Peers) -> Iterator[Case]:
    """Yield E: the default method against SciPy's, once and from many starts."""

    def at_ones(x: Any) -> None:
        np.testing.assert_allclose(x, 1.0, atol=2e-3)

    scipy = peers.get("scipy")
    for problem in (ROSENBROCK, WOOD, ROSENBROCK_10):
        start = np.array(STARTS[problem.name])
        makers = {"symgd": with_ours.default, **getattr(scipy, "MINIMIZE", {})}
        racing = [
            Contender(name, functools.partial(make, problem, start), at_ones, cores=1)
            for name, make in makers.items()
        ]
        faster = ratio(("SciPy L-BFGS-B", 1), ("symgd", 1))
        required = Requirement("SciPy L-BFGS-B / symgd", faster, 4.0, 20.0, True)
        yield Case("E", f"{problem.name}, one call", racing, [required])
    for problem in (ROSENBROCK, WOOD, ROSENBROCK_10):
        yield many_starts(problem, sizes, scipy)


def many_starts(problem: Problem, sizes: Sizes, scipy: ModuleType | None) -> Case:
    """Return the case of many starts: one core against one core."""
    starts = generator().uniform(-2.0, 2.0, (sizes.many, problem.size))

    @functools.cache
    def minima() -> np.ndarray:
        results = with_ours.many_results(problem, starts, 0)
        return np.array([minimum.x for minimum in results.minima(tol=1e-3)])

    def known(ends: Any) -> None:
        apart = np.abs(np.asarray(ends)[:, None, :] - minima()[None]).max(axis=2)
        share = (apart.min(axis=1) < 1e-2).mean()
        assert share > 0.95, f"only {share:.0%} of the ends are minima that symgd found"

    racing = [
        Contender(
            "symgd",
            functools.partial(with_ours.default_many, problem, starts, 1),
            known,
            cores=1,
        )
    ]
    if scipy is not None:
        share = sizes.scipy_many / sizes.many
        few = starts[: sizes.scipy_many]
        build = functools.partial(scipy.loop, problem, few)
        racing.append(Contender("SciPy L-BFGS-B loop", build, known, share, cores=1))
    faster = ratio(("SciPy L-BFGS-B loop", 1), ("symgd", 1))
    required = Requirement("SciPy loop / symgd, on 1 core", faster, 50.0, 200.0, True)
    return Case(
        "E", f"{problem.name}, many starts", racing, [required], "start", sizes.many
    )


# ---------------------------------------------------------------------- slicing: H


def slicing(sizes: Sizes, peers: Peers) -> Iterator[Case]:
    """Yield H: what slices, status checks and projection cost when they aren't used."""
    start = np.array([-1.2, 1.0])
    for rule in (GD, AMSGRAD):
        # 1e-6: in so many steps no descent is at the optimum
        hyper = hyperparameters(rule, 1e-6 if rule is GD else 1e-5)
        task = Task(ROSENBROCK, rule, hyper, start, sizes.long_steps)
        yield slices_case(task, rule, peers)


def slices_case(task: Task, rule: Rule, peers: Peers) -> Case:
    """Return the case of one rule."""
    makers = {"symgd": with_ours.trajectory, **slices.VARIANTS}
    if "numba" in peers:
        makers |= peers["numba"].TRAJECTORY
    check = agrees(task, with_ours.trajectory, rtol=1e-6)
    racing = [
        Contender(name, functools.partial(make, task), check, cores=1)
        for name, make in makers.items()
    ]
    symgd = ("symgd", 1)
    required = [
        Requirement("default / one slice", ratio(symgd, ("one slice", 1)), 1.02),
        Requirement("open bounds / no bounds", ratio(("open bounds", 1), symgd), 1.02),
        Requirement(
            "symgd / the same loop, no checks", ratio(symgd, ("no checks", 1)), 1.02
        ),
    ]
    return Case("H", rule.name, racing, required, "step", task.steps)
