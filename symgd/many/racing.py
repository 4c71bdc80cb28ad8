"""Several methods on one objective, from one start, on the same footing.

Elsewhere: a benchmark of optimizers.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from symgd.descent import settings as arguments
from symgd.descent.driving import drive
from symgd.descent.history import Trace
from symgd.descent.methods import run_of
from symgd.descent.optimize import find_start
from symgd.descent.reporting import result_of
from symgd.descent.result import Result
from symgd.descent.run import Run
from symgd.descent.settings import Seed, Settings
from symgd.errors import InputError, unknown_name
from symgd.language.plain import plain_number
from symgd.many import pieces
from symgd.many.race_result import Race
from symgd.native.interrupts import Interrupts
from symgd.native.status import CUT, RUNNING, Status
from symgd.objectives import points
from symgd.objectives.meant import within
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds
from symgd.rules import family
from symgd.rules.rule import Rule

if TYPE_CHECKING:
    from symgd.language.formula import Formula

Maker: TypeAlias = Callable[[Settings], Run]

LONG = 0.02  # seconds that need no second measurement
MEASURING = 0.1  # seconds for measuring again what is shorter
MOST_REPEATS = 20
MOST_ROWS = 100_000  # of a trace


def race(
    objective: Formula | Objective,
    x0: Any = None,
    methods: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    bounds: Any = None,
    maxiter: int = 10_000,
    gtol: float | None = None,
    ftol: float = 0.0,
    patience: int = 0,
    target: float | None = None,
    time_limit: float | None = None,
    rng: Seed = None,
    trace: bool | int = True,
    progress: bool = False,
    subject_to: Any = None,
    executor: Any = None,
    **hyperparameters: Formula,
) -> Race:
    """Minimise with several methods from the same start, and compare them.

    Each run is the one that :func:`minimize` would make; what is not described here
    is as there.

    Parameters
    ----------
    objective : str, SymPy expression or Objective
    x0 : sequence, mapping by name, or None
        The start of all runs; None chooses one, once.
    methods : sequence or mapping of label to method, optional
        A method is a name (``"auto"`` or a rule's), a :class:`Rule`, or a pair of one
        of them and a mapping of its hyperparameters. Where there are no labels, the
        names are, with what differs if a name comes more than once. None is the
        default method and all built-in rules.
    time_limit : float, optional
        In seconds, for each run.
    trace : bool or int
        True keeps the iterates of all runs, k every k-th one; of a run of more than
        100 000 updates, that many, evenly spaced. They are of a repetition of the run,
        so that recording them costs no time in the race.
    progress : bool
        Whether to show how many methods are compiled and have run.
    subject_to : str, relation, sequence of these, or mapping by name, optional
        As there: only ``"auto"`` can keep to constraints, and is the default then.
    executor : concurrent.futures.Executor or Dask's Client, optional
        What makes the runs, each as a piece of its own: results have the same bits as
        without. Times are then those of its workers, which may not be alike, or do
        other work at the same time: to compare times, race without one.
    **hyperparameters : float or str
        For every rule that has them, unless a pair gives it another value.

    Returns
    -------
    Race
        A run that diverges is a row of its table. After Ctrl-C it holds the runs so
        far, the last one INTERRUPTED.

    Raises
    ------
    FormulaError, InputError
        As :func:`minimize` does, and for equal labels; before anything runs.

    Examples
    --------
    >>> done = race("x**2 + 3*y**2", [1, 1], ["gd", ("gd", {"step_size": 0.2})])
    >>> list(done)
    ['gd step_size=0.01', 'gd step_size=0.2']
    >>> done.fastest
    'gd step_size=0.2'
    >>> done["gd step_size=0.2"].nit, done["gd step_size=0.01"].nit
    (38, 947)
    """
    given = within(objective, subject_to, x0, bounds)
    arguments.refuse_of_scipy(hyperparameters, given)
    settings = Settings.checked(
        sign=1.0,
        maxiter=maxiter,
        gtol=gtol,
        ftol=ftol,
        patience=patience,
        target=target,
        time_limit=time_limit,
        trace=trace,
        progress=progress,
    ).of(given)
    given = given.sized(x0)
    limits = points.read_bounds(bounds, given.space)
    if x0 is not None:
        x0 = points.read_point(x0, given.space, limits)
    methods = everybody(given) if methods is None else methods
    auto = functools.partial(run_of, given, limits, method="auto", hyperparameters={})
    entries = labelled(methods, hyperparameters, {"auto": auto})
    return raced(given, entries, limits, settings, x0, rng, executor)


def raced(
    given: Objective,
    entries: Mapping[str, Entry],
    limits: Bounds,
    settings: Settings,
    x0: Any,
    rng: Seed = None,
    executor: Any = None,
) -> Race:
    """Let methods run, one after the other, or where an executor has them run."""
    lanes: dict[str, Lane] = {}
    start, source = array("d"), ""
    results: dict[str, Result] = {}
    with _told(2 * len(entries), settings.progress) as tell:
        for label, entry in entries.items():
            tell(f"compiling {label}")
            lanes[label] = Lane(given, entry, limits, settings)
            run = lanes[label].run  # or the error that says why there is none
            if not start:
                _, start, source = find_start(run, x0, limits, rng)
            if executor is None:
                _prepare(run, start)
        with Interrupts() as interrupts:
            way = (lanes, start, interrupts, tell)
            ended = _in_turn(*way) if executor is None else _elsewhere(*way, executor)
            for label, (result, trace) in ended:
                result.objective, result.start_source = given, source
                result.trace, results[label] = trace, result
            interrupts.answered = True  # by what is missing
    missing = [label for label in lanes if label not in results]
    results = {label: results[label] for label in lanes if label in results}
    return Race(results, given.space.values(start), missing)


# --------------------------------------------------------------- who takes part


def everybody(objective: Objective) -> list[str]:
    """Return the names of all methods that can minimise an objective."""
    solvers = ["auto"] if objective.iteration is None else []
    return solvers if objective.constraints else [*solvers, *family.BUILT_IN]


@dataclass(frozen=True)
class Entry:
    """A method of a race, and the hyperparameters that it is given."""

    method: str | Rule
    hyperparameters: dict[str, Any]
    solver: Maker | None  # what makes its runs, unless it is a rule

    @property
    def rule(self) -> Rule | None:
        """The rule, if it is one."""
        return None if self.solver else family.find(self.method)

    @property
    def name(self) -> str:
        """What the method is called."""
        return self.rule.name if self.rule else str(self.method)

    @property
    def settings(self) -> dict[str, Any]:
        """All its hyperparameters, so that equal ones compare equal."""
        usual = self.rule.hyperparameters if self.rule else {}
        values = {**usual, **self.hyperparameters}
        plain = {name: plain_number(value) for name, value in values.items()}
        return {k: str(values[k]) if v is None else v for k, v in plain.items()}

    def maker(self, objective: Objective, bounds: Bounds) -> Maker:
        """Return what makes its runs."""

        def make(settings: Settings) -> Run:
            return run_of(
                objective, bounds, settings, self.method, self.hyperparameters
            )

        return self.solver or make


def labelled(
    methods: Any, shared: Mapping[str, Any], solvers: Mapping[str, Maker]
) -> dict[str, Entry]:
    """Return the methods by label, with the hyperparameters that all are given.

    Those that aren't rules are named, with what makes their runs.
    """
    if isinstance(methods, (str, Rule)) or not hasattr(methods, "__iter__"):
        problem = "methods takes a list, such as ['gd', 'adam'], or a mapping of labels"
        raise InputError(f"{problem} to methods, not {methods!r}")
    named = isinstance(methods, Mapping)
    items = methods.values() if named else methods
    entries = [_entry(item, solvers) for item in items]
    if not entries:
        raise InputError("methods is empty: there is nothing to race")
    _check_shared(entries, shared)
    entries = [_sharing(entry, shared) for entry in entries]
    labels = list(map(str, methods)) if named else _labels(entries)
    for label in labels:
        if labels.count(label) > 1:
            problem = f"the race has {label!r} twice; tell them apart by labels"
            raise InputError(f"{problem}: methods={{'one': ..., 'other': ...}}")
    return dict(zip(labels, entries, strict=True))


def _entry(item: Any, solvers: Mapping[str, Maker]) -> Entry:
    """Return a method and its hyperparameters, the names of both checked."""
    method, given = item, {}
    if isinstance(item, Sequence) and not isinstance(item, str):
        if len(item) != 2 or not isinstance(item[1], Mapping):
            example = "such as ('gd', {'step_size': 0.1})"
            problem = "a method of a race is a name, a Rule, or a pair of one of them"
            raise InputError(f"{problem} and its hyperparameters, {example}: {item!r}")
        method, given = item
    solver = solvers.get(method) if isinstance(method, str) else None
    entry = Entry(method, {str(name): value for name, value in given.items()}, solver)
    for name in entry.hyperparameters:
        if entry.rule is None:
            raise arguments.no_hyperparameters(name)
        if name not in entry.rule.hyperparameters:
            what = f"hyperparameter of {entry.name!r}"
            none = f"rule {entry.name!r} has none"
            raise unknown_name(what, name, entry.rule.hyperparameters, none)
    return entry


def _check_shared(entries: Sequence[Entry], shared: Mapping[str, Any]) -> None:
    """Refuse a hyperparameter that no rule of the race has."""
    rules = [entry.rule for entry in entries if entry.rule]
    known = list(dict.fromkeys(name for rule in rules for name in rule.hyperparameters))
    for name in shared:
        if name == "method":
            raise InputError("a race takes several: methods=['gd', 'adam'], say")
        if name not in known:
            none = "none, no method of the race has any"
            raise unknown_name("hyperparameter of the race", name, known, none)


def _sharing(entry: Entry, shared: Mapping[str, Any]) -> Entry:
    known = entry.rule.hyperparameters if entry.rule else {}
    ours = {name: value for name, value in shared.items() if name in known}
    own = {**ours, **entry.hyperparameters}
    return dataclasses.replace(entry, hyperparameters=own)


def _labels(entries: Sequence[Entry]) -> list[str]:
    """Return the names, and what differs between those of the same name."""
    labels = []
    for entry in entries:
        alike = [other.settings for other in entries if other.name == entry.name]
        words = [
            f"{name}={str(value).removesuffix('.0')}"
            for name, value in entry.settings.items()
            if any(other.get(name) != value for other in alike)
        ]
        labels.append(" ".join([entry.name, ", ".join(words)]).strip())
    return labels


# ------------------------------------------------------------------- the runs


class Lane:
    """A method of a race, on its way: what a worker is sent.

    Parameters
    ----------
    objective : Objective
    entry : Entry
    limits : Bounds
    settings : Settings
    """

    def __init__(
        self, objective: Objective, entry: Entry, limits: Bounds, settings: Settings
    ) -> None:
        self.objective, self.settings = objective, settings
        self.entry, self.limits = entry, limits

    def made(self, settings: Settings) -> Run:
        """Return a new run."""
        return self.entry.maker(self.objective, self.limits)(settings)

    @functools.cached_property
    def run(self) -> Run:
        """The run, without a trace."""
        return self.made(dataclasses.replace(self.settings, every=0))

    def __getstate__(self) -> dict[str, Any]:
        # What is compiled belongs to a process.
        return {name: each for name, each in vars(self).items() if name != "run"}

    def ended(self, start: array[float]) -> tuple[Result, Trace | None]:
        """Make the run; return its result, and the iterates of a repetition."""
        run, trace = self.run, None
        ended = _timed(run, start)
        unknown = run.t < 0  # f at the start, when the time was over
        if self.settings.every and not unknown and ended != Status.INTERRUPTED:
            again = self.made(_repeating(self.settings, run, ended))
            trace = _traced(again, start)
        return result_of(run, ended, self.objective, start, ""), trace


Arrivals: TypeAlias = Iterator[tuple[str, tuple[Result, Trace | None]]]


def _in_turn(
    lanes: Mapping[str, Lane],
    start: array[float],
    interrupts: Interrupts,
    tell: Callable[[str], None],
) -> Arrivals:
    """Yield the ends of all runs, until one is interrupted."""
    for label, lane in lanes.items():
        tell(f"running {label}")
        result, trace = lane.ended(start)
        yield label, (result, trace)
        if result.status == Status.INTERRUPTED or interrupts.noted:
            return


def _elsewhere(
    lanes: Mapping[str, Lane],
    start: array[float],
    interrupts: Interrupts,
    tell: Callable[[str], None],
    executor: Any,
) -> Arrivals:
    """Yield the ends of all runs as an executor brings them."""
    labels = list(lanes)

    def part(rows: slice) -> tuple[Lane, array[float]]:
        return lanes[labels[rows.start]], start

    given = (executor, _ended_alone, part, len(labels), interrupts)
    for rows, ended in pieces.done(*given, first=1, most=1):
        tell(f"{labels[rows.start]} has run")
        yield labels[rows.start], ended


def _ended_alone(
    given: tuple[Lane, array[float]],
) -> tuple[Result, Trace | None]:
    """Return the end of a run: what a worker does."""
    lane, start = given
    _prepare(lane.run, start)
    return lane.ended(start)


def _prepare(run: Run, start: Sequence[float]) -> None:
    """Compile what a run may need, so that it is not in its time."""
    run.begin_in_time(start)
    run.prepare()


def _timed(run: Run, start: Sequence[float]) -> Status:
    """Make a run, and set its seconds: if it is short, those of the best of a few."""
    run.seconds = 0.0
    ended = drive(run, run.begin_in_time(start))
    if ended in CUT or run.seconds >= LONG:
        return ended
    last = run.settings.maxiter
    for _ in range(int(min(MOST_REPEATS, MEASURING / max(run.seconds, 1e-9)))):
        status = run.begin(start)
        begun = time.perf_counter()
        while status == RUNNING and run.t < last:
            status = run.advance(last)
        run.seconds = min(run.seconds, time.perf_counter() - begun)
    return ended


def _repeating(settings: Settings, run: Run, ended: Status) -> Settings:
    """Return the settings that repeat a run, also one that was cut short."""
    last = run.t if ended in CUT else settings.maxiter
    every = max(settings.every, -(-run.t // MOST_ROWS))
    return dataclasses.replace(settings, maxiter=last, time_limit=math.inf, every=every)


def _traced(run: Run, start: Sequence[float]) -> Trace | None:
    """Return the iterates of a run, or None if it was interrupted."""
    interrupted = drive(run, run.begin_in_time(start)) == Status.INTERRUPTED
    return None if interrupted else run.trace()


@contextmanager
def _told(steps: int, wanted: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that is told what comes next, to show it on standard error."""
    if not wanted:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # No thread of its own, which would take time from what is measured.
    with Progress(console=Console(stderr=True), auto_refresh=False) as bar:
        task = bar.add_task("", total=steps)

        def tell(what: str) -> None:
            bar.update(task, description=what, refresh=True)
            bar.advance(task)

        yield tell
