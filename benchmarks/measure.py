"""Timing in alternating rounds: ratios are formed in each round, their median counts.

On a shared machine single times mean little; two contenders that were timed next to
each other saw the same machine. What disagrees with the reference is not timed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyperf

from benchmarks.load import DISTURBED, Neighbours

SLOWER = 1.1  # on several cores than on one, and a peer was hampered
Key = tuple[str, int]  # a contender's name, and on how many cores
Times = dict[Key, list[float]]  # seconds, a number for each round


@dataclass(frozen=True)
class Contender:
    """One who does the work of a case.

    Attributes
    ----------
    name : str
    build : callable
        Returns what is timed, a callable without arguments; None if it can't be had.
    check : callable
        Is given what the timed callable returned, and raises AssertionError if that is
        wrong.
    share : float
        How much of the case's work it does; its times are divided by it.
    cores : int
        How many it is confined to; 0 is all.
    """

    name: str
    build: Callable[[], Callable[[], Any] | None]
    check: Callable[[Any], None]
    share: float = 1.0
    cores: int = 0

    @property
    def key(self) -> Key:
        """What names it within its case."""
        return self.name, self.cores


@dataclass(frozen=True)
class Requirement:
    """A number to reach.

    Attributes
    ----------
    text : str
    value : callable
        Computes it from the times, for each round.
    limit, aim : float or None
        What is required, and what is hoped for.
    at_least : bool
        Whether larger is better.
    """

    text: str
    value: Callable[[Times], list[float]]
    limit: float | None = None
    aim: float | None = None
    at_least: bool = False


@dataclass(frozen=True)
class Case:
    """Contenders that do the same work.

    Attributes
    ----------
    group, name : str
    unit : str
        What one of ``work`` is, such as "step".
    work : int
    base : str
        Whose times are the ratios' denominator, on the same number of cores.
    """

    group: str
    name: str
    contenders: list[Contender]
    requirements: list[Requirement] = field(default_factory=list)
    unit: str = "call"
    work: int = 1
    base: str = "symgd"


@dataclass
class Row:
    """What was measured of a contender in a case; times are in seconds."""

    group: str
    case: str
    contender: str
    cores: int = 0
    each: float | None = None  # of one unit of work
    unit: str = "call"
    ratio: float | None = None  # to the base, the median
    low: float | None = None  # and the quartiles
    high: float | None = None
    first: float | None = None  # building, compiling and the first call
    note: str = ""


@dataclass
class Check:
    """A requirement and what was measured."""

    group: str
    case: str
    text: str
    measured: float | None
    limit: float | None
    aim: float | None
    at_least: bool
    low: float | None = None  # quartiles of the rounds
    high: float | None = None
    doubt: str = ""  # why the times can't decide

    @property
    def steady(self) -> bool:
        """Whether the quartiles agree about the limit, or else about the aim."""
        bound = self.aim if self.limit is None else self.limit
        if self.low is None or self.high is None or bound is None:
            return True
        return (self.low > bound) == (self.high > bound)

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept; None if that isn't decided or there is none."""
        return self._within(self.limit)

    @property
    def aim_met(self) -> bool | None:
        """Whether the aim is reached."""
        return self._within(self.aim)

    def _within(self, bound: float | None) -> bool | None:
        if self.measured is None or bound is None or self.doubt:
            return None
        good = self.measured >= bound if self.at_least else self.measured <= bound
        return bool(good)


@dataclass
class Report:
    """Everything that a run of the benchmark found."""

    rows: list[Row] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    benchmarks: list[pyperf.Benchmark] = field(default_factory=list)
    others: dict[tuple[str, str], float | None] = field(default_factory=dict)

    def record(self, name: str, values: list[float], first: float | None) -> None:
        """Keep times as pyperf does, with its metadata of the machine."""
        warmups = [(1, first)] if first else None
        metadata = {"name": name, "unit": "second"}
        run = pyperf.Run(values, warmups=warmups, metadata=metadata)
        self.benchmarks.append(pyperf.Benchmark([run]))

    def judge(self, case: Case, times: Times) -> None:
        """Compare what is required with what was measured."""
        for wanted in case.requirements:
            used = Watched(times)
            try:
                values = wanted.value(used)
            except KeyError:  # a contender is missing
                values = []
            measured = statistics.median(values) if values else None
            bounds = wanted.limit, wanted.aim, wanted.at_least
            check = Check(case.group, case.name, wanted.text, measured, *bounds)
            if values:
                check.low, check.high = quartiles(values)
                others = self.others.get((case.group, case.name))
                check.doubt = doubt(used.keys_read, times, others, case.base)
            self.checks.append(check)


class Watched(dict[Key, list[float]]):
    """Times that remember whose were looked at."""

    def __init__(self, times: Times) -> None:
        super().__init__(times)
        self.keys_read: set[Key] = set()

    def __getitem__(self, key: Key) -> list[float]:
        self.keys_read.add(key)
        return super().__getitem__(key)


def doubt(keys: set[Key], times: Times, others: float | None, base: str) -> str:
    """Return why times on several cores can't decide, or nothing.

    Libraries that synchronise at every operation lose far more to a neighbour than
    symgd does, and a peer that is slower on two cores than on one was hampered by
    something: in both cases the ratio would flatter symgd.
    """
    several = [key for key in keys if key[1] > 1]
    if several and others is not None and others >= DISTURBED:
        return f"other processes used {others:.1f} cores"
    for name, cores in several:
        alone = times.get((name, 1))
        if name != base and alone:
            slower = statistics.median(times[name, cores]) / statistics.median(alone)
            if slower > SLOWER:
                return f"{name} is {slower:.1f} times slower on {cores} cores than on 1"
    return ""


def ratio(above: Key, below: Key) -> Callable[[Times], list[float]]:
    """Return the function that forms the ratio of two contenders' times."""
    return lambda times: [
        a / b for a, b in zip(times[above], times[below], strict=True)
    ]


def over_best(above: Key, below: Sequence[Key]) -> Callable[[Times], list[float]]:
    """Return the function that forms the ratio to the fastest of several."""

    def value(times: Times) -> list[float]:
        present = [key for key in below if key in times]
        if not present:
            raise KeyError(below)
        best = min(present, key=lambda key: statistics.median(times[key]))
        return ratio(above, best)(times)

    return value


def quartiles(values: list[float]) -> tuple[float, float]:
    """Return the quartiles; of three values or fewer the ends."""
    ordered = sorted(values)
    return ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]


ALL_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
HAMPERED = 2.0 * max(1, len(ALL_CORES))  # all cores explain half of it


def confine(cores: set[int]) -> None:
    """Confine all threads of the process."""
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):  # it has ended
            os.sched_setaffinity(int(thread), cores)


@contextlib.contextmanager
def confined_to_all() -> Iterator[None]:
    """Lift the confinement for a while."""
    if not ALL_CORES:
        yield
        return
    before = os.sched_getaffinity(0)
    confine(ALL_CORES)
    try:
        yield
    finally:
        confine(before)


@contextlib.contextmanager
def confined(cores: int) -> Iterator[None]:
    """Confine all threads of the process to so many cores, where the system can."""
    if cores == 0 or not ALL_CORES:
        yield
        return
    confine(set(sorted(ALL_CORES)[-cores:]))
    try:
        yield
    finally:
        confine(ALL_CORES)


def timed(call: Callable[[], Any], loops: int = 1) -> float:
    """Return the seconds of one call, the mean of some."""
    begun = pyperf.perf_counter()
    for _ in range(loops):
        call()
    return (pyperf.perf_counter() - begun) / loops


def race(case: Case, rounds: int, least_seconds: float, report: Report) -> None:
    """Time a case's contenders, and enter rows and checks into the report.

    Parameters
    ----------
    rounds : int
    least_seconds : float
        A shorter call is repeated within a round.
    """
    begun = pyperf.perf_counter()
    rows = {
        each.key: Row(case.group, case.name, each.name, each.cores, unit=case.unit)
        for each in case.contenders
    }
    ready = {}
    for each in case.contenders:
        with confined(each.cores):
            if call := prepared(each, rows[each.key], least_seconds):
                ready[each] = call
    times: Times = {each.key: [] for each in ready}
    order, shuffled = list(ready), random.Random(0)
    neighbours, collecting = Neighbours(), gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            shuffled.shuffle(order)  # nobody always follows the same one
            for each in order:
                call, loops = ready[each]
                with confined(each.cores):
                    if loops > 1:  # so short that what ran before would be felt
                        call()
                    times[each.key].append(timed(call, loops) / each.share)
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    report.others[case.group, case.name] = neighbours.cores()
    for each in ready:
        row = rows[each.key]
        values = times[each.key]
        row.each = statistics.median(values) / case.work
        base = (case.base, each.cores)
        if base in times:
            ratios = ratio(each.key, base)(times)
            row.ratio = statistics.median(ratios)
            row.low, row.high = quartiles(ratios)
        name = f"{case.group} / {case.name} / {each.name}"
        name += f" / {each.cores} cores" if each.cores else ""
        report.record(name, values, row.first)
    report.rows += rows.values()
    report.judge(case, times)
    say(f"{case.group} {case.name}: {pyperf.perf_counter() - begun:.0f} s")


def prepared(
    contender: Contender, row: Row, least_seconds: float
) -> tuple[Callable[[], Any], int] | None:
    """Build a contender, check its result; return the call and how often to loop."""
    begun = pyperf.perf_counter()
    try:
        call = contender.build()
        if call is None:
            row.note = "not possible here"
            return None
        result = call()
        row.first = pyperf.perf_counter() - begun
        contender.check(result)
    except AssertionError as error:
        words = " ".join(str(error).split())
        row.note = f"its result disagrees: {words[:200]}"
    except Exception as error:  # a peer's failure is a row of the table
        row.note = (
            f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        )
    else:
        if contender.share < 1:
            row.note = f"{contender.share:.2g} of the work, scaled"
        if contender.cores == 0:
            return call, 1
        once = timed(call)
        if not hampered(call, once, row):
            return call, max(1, round(least_seconds / max(once, 1e-7)))
    say(f"  {contender.name}: {row.note}")
    return None


def hampered(call: Callable[[], Any], seconds: float, row: Row) -> bool:
    """Whether a contender suffers from being confined, more than cores can explain.

    Then its threads wait for each other on one core, which says nothing about it: the
    time must not count.
    """
    with confined_to_all():
        free = timed(call)
    if seconds <= HAMPERED * free:
        return False
    seconds = min(timed(call) for _ in range(3))  # once more: a neighbour may be guilty
    with confined_to_all():
        free = min(timed(call) for _ in range(3))
    if seconds <= HAMPERED * free:
        return False
    row.note = f"left out: {seconds / free:.0f} times slower when confined to its cores"
    return True


def say(text: str) -> None:
    """Tell what goes on, on standard error."""
    print(text, file=sys.stderr, flush=True)
