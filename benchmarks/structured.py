"""I, J, K: sums over indices, whose kernels don't grow with what is summed.

The reference is plain C, or NumPy where there is none: whatever symgd does, the others
are held to the same values.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.measure import Case, Contender, Requirement, over_best, ratio
from benchmarks.sums import CHAIN, ENERGY, Answer, Rows, Slope, Steps, random_rows

# Steps of the chain so small that no run is at the optimum before its last step; those
# of the grid are stable below 1/8.
CHAIN_STEP, ENERGY_STEP = 1e-5, 0.1
LEAST_STEPS = 300
C_LIMIT, ROWS_LIMIT = 1.5, 1.3  # to C: of loops over arrays, of rows
Peers = Mapping[str, ModuleType]
Task = Steps | Slope | Rows


def generator() -> np.random.Generator:
    """Return the source of all random numbers."""
    return np.random.default_rng(20)


def agrees(reference: Callable[[], Answer]) -> Callable[[Answer], None]:
    """Return the check that a value and an array are those of the reference."""
    expected = functools.cache(lambda: tuple(np.array(part) for part in reference()))

    def check(answer: Any) -> None:
        (value, array), (wanted_value, wanted) = answer, expected()
        np.testing.assert_allclose(value, wanted_value, rtol=1e-9)
        atol = 1e-9 * np.abs(wanted).max()
        array = np.reshape(array, wanted.shape)
        np.testing.assert_allclose(array, wanted, rtol=1e-6, atol=atol)

    return check


def contenders(task: Task, kind: str, peers: Peers, cores: int = 1) -> list[Contender]:
    """Return everyone who can do a task.

    Parameters
    ----------
    kind : {"STEPS", "SLOPE", "ROWS"}
    """
    result = []
    judge = peers.get("c", peers["numpy"])
    for module in peers.values():
        own = fewer(task, module)
        share = own.work / task.work if isinstance(own, Steps) else 1.0
        for name, make in getattr(module, kind, {}).items():
            if cores > 1 and module.LIBRARY == "numpy":
                continue  # it would use one
            reference = next(iter(getattr(judge, kind).values()))
            check = agrees(functools.partial(answer, reference, own))
            build = functools.partial(make, own)
            result.append(Contender(name, build, check, share, cores))
    return result


def answer(make: Callable[[Task], Callable[[], Answer]], task: Task) -> Answer:
    """Return what a contender finds."""
    return make(task)()


def fewer(task: Task, module: ModuleType) -> Task:
    """Return the task as a slow peer gets it."""
    if not isinstance(task, Steps) or not hasattr(module, "SUM_WORK"):
        return task
    most = max(3, module.SUM_WORK // task.start.size)
    return dataclasses.replace(task, steps=min(task.steps, most))


def required() -> list[Requirement]:
    """Return what is required where everyone has one core."""
    symgd, both = ("symgd", 1), [("C", 1), ("C strict sum", 1)]
    return [
        Requirement("symgd / the best C", over_best(symgd, both), C_LIMIT),
        Requirement("JAX / symgd", ratio(("JAX", 1), symgd), None, 2.0, True),
    ]


def chains(sizes: tuple[int, ...], work: int, peers: Peers) -> Iterator[Case]:
    """Yield I: steps on the chained Rosenbrock function of many variables."""
    for n in sizes:
        start = generator().uniform(-1.0, 1.0, n)
        # Enough steps that what happens once in a call is little beside them.
        task = Steps(CHAIN, start, max(LEAST_STEPS, work // n), CHAIN_STEP)
        racing = contenders(task, "STEPS", peers)
        name = f"chained Rosenbrock, n = {n:.0e}".replace("e+0", "e")
        yield Case("I", name, racing, required(), "element-step", task.work)


def grids(side: int, work: int, peers: Peers) -> Iterator[Case]:
    """Yield J: the Laplacian energy of a square, its gradient and steps on it."""
    start = generator().uniform(-1.0, 1.0, (side, side))
    racing = contenders(Slope(ENERGY, start), "SLOPE", peers)
    yield Case(
        "J", "energy, value and gradient", racing, required(), "element", side**2
    )
    task = Steps(ENERGY, start, max(1, work // 3 // side**2), ENERGY_STEP)
    racing = contenders(task, "STEPS", peers)
    yield Case("J", "energy, steps", racing, required(), "element-step", task.work)


def many_rows(count: int, peers: Peers) -> Iterator[Case]:
    """Yield K: logistic regression, on one core and on two.

    The others get the formula as symgd does, and a form that suits them better, which
    the user must know of.
    """
    given, racing, wanted = random_rows(count, generator()), [], []
    for cores in (1, 2):
        task = dataclasses.replace(given, cores=cores)
        racing += contenders(task, "ROWS", peers, cores)
        on = f"on {cores} core{'s' * (cores > 1)}"
        symgd, c = ("symgd", cores), ("C fast-math, libmvec", cores)
        registers = ("C AVX-512", cores)
        wanted += [
            Requirement(f"symgd / C with libmvec, {on}", ratio(symgd, c), ROWS_LIMIT),
            Requirement(
                f"symgd / C AVX-512, {on}", ratio(symgd, registers), None, ROWS_LIMIT
            ),
        ]
        for library, special in (("PyTorch", "logsigmoid"), ("JAX", "log1p")):
            alike = ratio((library, cores), symgd)
            best = ratio((f"{library} {special}", cores), symgd)
            wanted += [
                Requirement(f"{library} / symgd, {on}", alike, 2.0, None, True),
                Requirement(
                    f"{library} {special} / symgd, {on}", best, None, 2.0, True
                ),
            ]
    one_two = ratio(("symgd", 1), ("symgd", 2))
    wanted.append(Requirement("symgd: 1 core / 2 cores", one_two, None, 1.8, True))
    yield Case("K", "logistic regression", racing, wanted, "row", count)
