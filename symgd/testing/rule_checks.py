"""All that holds for any rule: the promises that symgd makes of it, one by one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from symgd.descent.history import Trace
from symgd.errors import InputError, unknown_name
from symgd.many.descents import minimize_many
from symgd.native.status import Status
from symgd.rules.family import find
from symgd.rules.reductions import KINDS
from symgd.rules.rule import Rule
from symgd.testing.interpreter import ExactNumbers, interpreted
from symgd.testing.pasted import failure
from symgd.testing.quadratics import (
    ConvexQuadratic,
    convex_quadratics,
    stable_step_sizes,
)
from symgd.testing.trying import Case, cases, tried, with_steps

UPDATES = 20
FEW = 5  # updates that are interpreted
DIGITS = 15, 40  # of the interpreter; 15 are those of float64
LANES = 9
WITHIN = 1e-9
GTOL = 1e-8
FEWEST = 5  # runs: the first that is drawn is trivial


class _Trial(NamedTuple):
    """A rule, and what is drawn for it."""

    rule: Rule
    given: Mapping[str, Any]
    examples: int

    def cases(self, **options: Any) -> st.SearchStrategy[Case]:
        """Draw quadratics, starts, and hyperparameters."""
        return cases(convex_quadratics(2, 100.0, **options), self.given)


def check_rule(
    rule: str | Rule,
    *,
    scales: Mapping[str, Mapping[str, float]] | None = None,
    examples: int = 20,
    **hyperparameters: Any,
) -> None:
    """Check all that holds for any rule.

    On convex quadratics of two variables, with small steps: iterates stay finite; new
    names change no bit; other orders of the coordinates change nothing else; a run
    that goes on from a checkpoint has the same bits; the native loop computes what the
    equations say, line by line with 40 digits; a descent among many has the bits of
    one alone. And the laws of scale that ``scales`` states.

    Parameters
    ----------
    rule : str or Rule
    scales : mapping, optional
        How hyperparameters must be scaled so that the path stays the same: in other
        units of ``"f"``, of ``"x"``, or both. ``{"f": {"step_size": -1}}`` says that
        with f times c, and the step size times 1/c, all iterates are the same;
        ``{"x": {"step_size": 2}}`` that with x times c, and the step size times c**2,
        all iterates are c times as large.
    examples : int
        How many runs are drawn for each promise.
    **hyperparameters
        As in :func:`check_descent`; by default steps below a quarter of 2/L.

    Raises
    ------
    AssertionError
        With what isn't kept, and the smallest run, as lines to paste.

    Examples
    --------
    >>> check_rule("gd", scales={"f": {"step_size": -1}, "x": {"step_size": 2}})
    >>> check_rule("momentum", scales={"f": {}})
    Traceback (most recent call last):
        ...
    AssertionError: momentum has another path when f is ... times as large: ...
    """
    rule = find(rule)
    _check_scales(rule, scales or {})
    trial = _Trial(rule, with_steps(rule, hyperparameters, _small), examples)
    for promise in (_finite, _interpreted, _renamed, _permuted, _resumed, _in_lanes):
        promise(trial)
    for unit, powers in (scales or {}).items():
        _scaled(trial, unit, powers)


def _small(quadratic: ConvexQuadratic) -> st.SearchStrategy[float]:
    return stable_step_sizes(quadratic, most=0.25)


def _check_scales(rule: Rule, scales: Mapping[str, Mapping[str, float]]) -> None:
    for unit, powers in scales.items():
        if unit not in ("f", "x"):
            raise unknown_name("unit of scales", unit, ("f", "x"))
        for name in powers:
            if name not in rule.hyperparameters:
                rule.schedule(name, 0.0)  # raises, with a guess


def _columns(trace: Trace) -> Iterator[tuple[str, np.ndarray]]:
    """Return iterates and state, by name."""
    yield "x", trace.x
    for name in trace.names:
        if name not in ("t", "x", "fun", "grad_norm"):
            yield name, np.asarray(trace[name])


def _compare(one: Trace, other: Trace, problem: str, lines: str) -> None:
    """Raise AssertionError if two runs differ in a bit of iterates or state."""
    for (name, mine), (_, theirs) in zip(_columns(one), _columns(other), strict=True):
        if mine.tobytes() != theirs.tobytes():
            raise AssertionError(failure(f"{problem}: {name} differs", lines))


# -------------------------------------------------------------------- the promises


def _finite(trial: _Trial) -> None:
    """Check that iterates, and all state, are finite numbers."""

    def check(case: Case) -> None:
        # Without an end, distances would be squared until nothing is left of them.
        result = case.run(trial.rule, 10 * UPDATES, gtol=GTOL)
        if result.status == Status.DIVERGED:
            problem = f"{trial.rule.name} is not finite: {result.message}"
            lines = case.lines(trial.rule, 10 * UPDATES, gtol=GTOL)
            raise AssertionError(failure(problem, lines))

    tried(check, trial.cases(), trial.examples)


def _renamed(trial: _Trial) -> None:
    """Check that variables called as the rule's own letters change no bit."""
    rule = trial.rule
    letters = ("g", *rule.state, "t")[:2]

    def check(case: Case) -> None:
        renamed = case._replace(problem=case.quadratic.renamed(*letters))
        one, other = (each.path(rule, UPDATES) for each in (case, renamed))
        problem = f"{rule.name} has another path when variables are called {letters}"
        _compare(one, other, problem, renamed.lines(rule, UPDATES))

    tried(check, trial.cases(), trial.examples)


def _permuted(trial: _Trial) -> None:
    """Check that another order of the coordinates is another order of the iterates."""
    rule = trial.rule
    if rule.asks_for("noise"):  # whose numbers belong to places
        return
    reads_all = any(e.has(*KINDS) or "f" in map(str, e.free_symbols)
                    for e in rule.updates.values())  # fmt: skip

    def check(case: Case) -> None:
        turned = case._replace(
            problem=case.quadratic.permuted([1, 0]), start=case.start[::-1]
        )
        paths = [each.path(rule, UPDATES) for each in (case, turned)]
        one, other = paths[0].x, paths[1].x[:, ::-1]
        same = one.tobytes() == other.tobytes()
        if reads_all and not same:  # sums are added in another order
            same = len(one) == len(other) and np.allclose(one, other, WITHIN, 0.0)
        if not same:
            problem = f"{rule.name} has another path in another order of coordinates"
            texts = (each.lines(rule, UPDATES) for each in (case, turned))
            raise AssertionError(failure(problem, "\n".join(texts)))

    tried(check, trial.cases(separable=True), trial.examples)


def _resumed(trial: _Trial) -> None:
    """Check that a run which goes on from a checkpoint has the bits of one without."""
    rule = trial.rule

    def check(case: Case) -> None:
        whole = case.path(rule, UPDATES)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "run.npz")
            case.path(rule, UPDATES // 3, checkpoint=file)
            resumed = case.path(rule, UPDATES, checkpoint=file)
        problem = f"{rule.name} goes on otherwise from a checkpoint at {UPDATES // 3}"
        _compare(whole, resumed, problem, case.lines(rule, UPDATES))

    tried(check, trial.cases(), max(FEWEST, trial.examples // 4))


def _interpreted(trial: _Trial) -> None:
    """Check that the native loop computes what the equations say."""
    rule = trial.rule

    def check(case: Case) -> None:
        trace = case.path(rule, FEW)
        hyper = {**rule.hyperparameters, **case.hyperparameters}
        start, ways = case.start.tolist(), []
        for digits in DIGITS:
            evaluation = _Exactly(case.quadratic, digits)
            steps = len(trace.x) - 1
            ways.append(interpreted(rule, evaluation, start, hyper, steps, digits))
        largest = dict.fromkeys(("x", *rule.state), 1e-300)
        for t, (rough, row) in enumerate(zip(*ways, strict=True)):
            for name in row:
                computed = np.broadcast_to(trace[name][t], 2)
                exact = _floats(row[name])
                largest[name] = max(largest[name], np.abs(exact).max())
                size = WITHIN * largest[name]  # of what may have cancelled
                # Where rounding grows, nobody can tell.
                assume((np.abs(_floats(rough[name]) - exact) <= size / 100).all())
                if not (np.abs(computed - exact) <= size).all():
                    problem = f"{name} of {rule.name} is {computed.tolist()} after "
                    problem += f"update {t}, and {exact.tolist()} by its equations"
                    lines = case.lines(rule, t)
                    raise AssertionError(failure(problem, lines))

    tried(check, trial.cases(), trial.examples)


class _Exactly:
    """Value and gradient of a quadratic with so many digits."""

    def __init__(self, quadratic: ConvexQuadratic, digits: int) -> None:
        import sympy as sp

        number = np.vectorize(lambda v: sp.Float(float(v), digits), otypes="O")
        self.matrix = number(quadratic.matrix)
        self.minimiser = number(quadratic.minimiser)

    def __call__(self, x: ExactNumbers) -> tuple[Any, ExactNumbers]:
        """Return value and gradient."""
        away = np.array(x, dtype=object) - self.minimiser
        gradient = self.matrix @ away
        return away @ gradient / 2, gradient.tolist()

    def product(self, x: ExactNumbers, vector: ExactNumbers) -> ExactNumbers:
        """Return the Hessian's product with a vector; it is the same everywhere."""
        del x
        return (self.matrix @ np.array(vector, dtype=object)).tolist()


def _floats(numbers: ExactNumbers) -> np.ndarray:
    return np.array([float(each) for each in numbers])


def _in_lanes(trial: _Trial) -> None:
    """Check that a descent among many has the bits of one alone."""
    rule = trial.rule

    def check(case: Case) -> None:
        starts = case.start + np.arange(LANES)[:, None]
        how = {"gtol": 0.0, "maxiter": UPDATES, **case.hyperparameters}
        many = minimize_many(case.objective, starts, method=rule, **how)
        for i, start in enumerate(starts):
            one = case._replace(start=start)
            alone = one.run(rule, UPDATES)
            same = many[i].x.tobytes() == alone.x.tobytes()
            if not (same and many[i].status == alone.status):
                problem = f"{rule.name} ends elsewhere among many than alone"
                lines = one.lines(rule, UPDATES)
                raise AssertionError(failure(problem, lines))

    tried(check, trial.cases(), max(FEWEST, trial.examples // 2))


def _scaled(trial: _Trial, unit: str, powers: Mapping[str, float]) -> None:
    """Check that with hyperparameters in other units the path is the same."""
    rule = trial.rule

    def check(drawn: tuple[Case, int]) -> None:
        case, power = drawn
        factor = 2.0**power
        all_of = {**rule.hyperparameters, **case.hyperparameters}
        scaled = case._replace(
            problem=case.quadratic.scaled(**{unit: factor}),
            start=case.start * (factor if unit == "x" else 1.0),
            hyperparameters=case.hyperparameters
            | {k: _times(all_of[k], factor**p, k) for k, p in powers.items()},
        )
        one, x = (each.path(rule, UPDATES).x for each in (case, scaled))
        expected = one * (factor if unit == "x" else 1.0)
        rows = min(len(expected), len(x))  # where the gradient is 0, a run is over
        expected, x = expected[:rows], x[:rows]
        if not np.allclose(x, expected, WITHIN, WITHIN * np.abs(expected).max()):
            problem = f"{rule.name} has another path when {unit} is {factor} times as "
            problem += f"large: x is {x[-1].tolist()}, not {expected[-1].tolist()}"
            texts = (each.lines(rule, UPDATES) for each in (case, scaled))
            raise AssertionError(failure(problem, "\n".join(texts)))

    drawn = st.tuples(trial.cases(), st.integers(-8, 8))
    tried(check, drawn, trial.examples)


def _times(value: Any, factor: float, name: str) -> float | str:
    if isinstance(value, str):
        return f"{factor!r}*({value})"
    if isinstance(value, (int, float)):
        return factor * value
    raise InputError(f"{name} is no number and no text, so it can't be scaled")
