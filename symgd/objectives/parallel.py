"""A program's steps on several cores, with the bits that one core gives.

Blocks of iterations are added pairwise. A chunk of 2**k blocks is a branch of that
tree, so chunks can be done in any order, and be added afterwards.

A thread pool, and a deterministic reduction: the order of additions is fixed.
"""

from __future__ import annotations

import functools
import itertools
import operator
import os
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from symgd.calculus.program import (
    MAXIMUM,
    PRODUCT,
    SUM,
    Dense,
    Gather,
    Let,
    Nest,
    Program,
    Step,
)
from symgd.native.machine import Kernel, PythonKernel, address
from symgd.native.records import EVALUATION

ENOUGH = 1 << 20  # elements; fewer are done before a thread has begun
PIECES = "i:ippppiip"  # how a kernel of pieces is called
CHUNKS = 8  # for each worker


@functools.cache
def _pool(workers: int, _process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="symgd")


class Steps:
    """The loops of a program, each shared among threads.

    Parameters
    ----------
    pieces : Kernel
        Of the program; see ``lowering.array_objective.pieces``.
    program : Program
    workers : int
    """

    def __init__(self, pieces: Kernel, program: Program, workers: int) -> None:
        self.pieces, self.program, self.workers = pieces, program, workers
        self._room = 1 + sum(map(_width, program.steps))

    def done(self, x: int, p: int, gradient: int) -> array[float]:
        """Do all steps, and return the values of all names, in order."""
        known: array[float] = array("d")
        if gradient:
            self._part((-1, x, p, gradient, 0), 0, 0, 0)
        room = array("d", bytes(8 * self._room))
        for number, step in enumerate(self.program.steps):
            room[: len(known)] = known
            known += self._totals(step, (number, x, p, gradient, address(room)))
        return known

    def value(self, x: int, p: int, gradient: int) -> float:
        """Do all steps and what follows them; return the objective's value."""
        known = self.done(x, p, gradient)
        known.append(0.0)  # so that there is an address
        where = (len(self.program.steps), x, p, gradient, address(known))
        return self._part(where, 0, 1, 1)[0]

    def _totals(self, step: Step, where: tuple[int, ...]) -> array[float]:
        width = _width(step)
        if isinstance(step, Let):
            return self._part(where, 0, 1, width)
        assert not isinstance(step, Dense)  # those programs have one thread
        nowhere = array("d", bytes(8 * (width + 1)))
        count = self.pieces(*where, 0, 0, address(nowhere))
        if self.workers == 1 or count < 2 or not _can_be_shared(step):
            return self._part(where, 0, count, width)
        chunk = 1 << max(0, (count // (CHUNKS * self.workers)).bit_length() - 1)
        firsts = range(0, count, chunk)
        parts: list[Any] = [None] * len(firsts)
        following = itertools.count()  # taken by one thread at a time

        def work() -> None:
            while (place := next(following)) < len(firsts):
                first = firsts[place]
                last = min(first + chunk, count)
                parts[place] = self._part(where, first, last, width)

        pool = _pool(self.workers, os.getpid())  # a forked process has no threads
        others = [pool.submit(work) for _ in range(self.workers - 1)]
        work()
        for other in others:
            other.result()
        return pairwise(parts, [total.kind for total in step.totals])

    def _part(
        self, where: tuple[int, ...], first: int, last: int, width: int
    ) -> array[float]:
        out = array("d", bytes(8 * (width + 1)))
        self.pieces(*where, first, last, address(out))
        return out[:width]


def parallel(steps: Steps) -> Kernel:
    """Return an evaluation, ``double f(x, p, gradient)``, whose loops are shared."""
    return PythonKernel(steps.value, EVALUATION)


def _width(step: Step) -> int:
    return 1 if isinstance(step, Let) else len(step.totals)


def _can_be_shared(step: Nest | Gather) -> bool:
    """Return whether no two iterations write to the same place."""
    if isinstance(step, Gather):
        return True
    inner = (s for s in step.steps if isinstance(s, (Nest, Gather)))
    return not step.adds and all(map(_can_be_shared, inner))


def pairwise(parts: Sequence[array[float]], kinds: Sequence[str]) -> array[float]:
    """Add chunks as the loops over blocks add blocks."""
    stack: list[array[float]] = []
    for done, part in enumerate(parts, start=1):
        stack.append(part)
        while done % 2 == 0:
            done //= 2
            stack.append(_joined(kinds, *(stack.pop(), stack.pop())[::-1]))
    while len(stack) > 1:
        stack.append(_joined(kinds, *(stack.pop(), stack.pop())[::-1]))
    return stack[0]


def _joined(kinds: Sequence[str], a: Any, b: Any) -> array[float]:
    columns = zip(a, b, kinds, strict=True)
    return array("d", (_JOINED[kind](x, y) for x, y, kind in columns))


_JOINED = {
    SUM: operator.add,
    PRODUCT: operator.mul,
    MAXIMUM: lambda a, b: a if a > b else b,
}
