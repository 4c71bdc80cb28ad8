"""What the paths of a rule must keep: descent, monotone state, a rate, another rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from symgd.errors import InputError, unknown_name
from symgd.rules.family import find
from symgd.rules.rule import Rule
from symgd.testing.drawn_objectives import smooth_objectives
from symgd.testing.pasted import failure
from symgd.testing.quadratics import convex_quadratics
from symgd.testing.trying import Case, cases, tried, with_steps

ROUNDING = 1e-13  # of the largest coordinate on a path
STEPS = st.floats(1e-5, 10.0)


def check_descent(
    rule: str | Rule,
    *,
    on: st.SearchStrategy[Any] | None = None,
    maxiter: int = 50,
    examples: int = 100,
    **hyperparameters: Any,
) -> None:
    """Check that no update of a rule increases the value.

    Parameters
    ----------
    rule : str or Rule
    on : strategy of ConvexQuadratic or Objective, optional
        By default ``convex_quadratics()``.
    maxiter : int
        How many updates.
    examples : int
        How many runs are drawn.
    **hyperparameters
        Each a number, a schedule, a strategy, or a function of the drawn problem that
        returns one of these; by default ``step_size=stable_step_sizes``, and those of
        the rule.

    Raises
    ------
    AssertionError
        With the smallest run that goes up, as lines to paste.

    Examples
    --------
    >>> check_descent("gd")
    >>> check_descent("momentum", momentum=0.9)
    Traceback (most recent call last):
        ...
    AssertionError: momentum goes up: f is ... after update ..., ... after the one
    before:
    symgd.minimize(..., method="momentum", step_size=..., momentum=0.9, maxiter=...)
    """
    rule = find(rule)

    def descends(case: Case) -> None:
        path = case.path(rule, maxiter)
        f = path.fun
        up = np.flatnonzero(np.diff(f) > case.rounding(path))
        if len(up):
            k = int(up[0])
            problem = f"{rule.name} goes up: f is {f[k + 1]!s} after update {k + 1}"
            problem += f", {f[k]!s} after the one before"
            raise AssertionError(failure(problem, case.lines(rule, k + 1)))

    given = with_steps(rule, hyperparameters)
    tried(descends, cases(convex_quadratics() if on is None else on, given), examples)


def check_monotone(
    rule: str | Rule,
    name: str,
    *,
    decreasing: bool = False,
    on: st.SearchStrategy[Any] | None = None,
    maxiter: int = 50,
    examples: int = 100,
    **hyperparameters: Any,
) -> None:
    """Check that what a rule computes never decreases, in any coordinate.

    Parameters
    ----------
    rule : str or Rule
    name : str
        What an equation of the rule assigns: state, or an intermediate result.
    decreasing : bool
        Whether it must never increase instead.
    on, maxiter, examples, **hyperparameters
        As in :func:`check_descent`; by default on ``smooth_objectives()`` with step
        sizes of all sizes.

    Raises
    ------
    AssertionError
        With the smallest run in which it decreases, as lines to paste.
    InputError
        If no equation assigns this name.

    Examples
    --------
    >>> check_monotone("amsgrad", "vhat")
    >>> check_monotone("adam", "v")
    Traceback (most recent call last):
        ...
    AssertionError: v of adam decreases: from ... to ... in update ..., coordinate ...
    """
    rule = find(rule)
    watched, column, first = _watched(rule, name)
    sign, verb = (-1.0, "increases") if decreasing else (1.0, "decreases")

    def is_monotone(case: Case) -> None:
        path = case.path(watched, maxiter)[column][first:]
        rows = path[:, None] if path.ndim == 1 else path
        wrong = np.argwhere(sign * np.diff(rows, axis=0) < 0)
        if len(wrong):
            row, k = wrong[0]
            before, after, t = rows[row, k], rows[row + 1, k], int(row) + 1 + first
            where = f"in update {t}, coordinate {case.objective.space[int(k)]}"
            problem = f"{name} of {rule.name} {verb}: from {before!s} to {after!s}"
            lines = f'{case.lines(watched, t)[:-1]}, trace=True).trace["{column}"]'
            raise AssertionError(failure(f"{problem} {where}", lines))

    given = with_steps(rule, hyperparameters, STEPS)
    tried(
        is_monotone, cases(smooth_objectives() if on is None else on, given), examples
    )


def _watched(rule: Rule, name: str) -> tuple[Rule, str, int]:
    """Return a rule whose trace has a name, its column, and the first row that counts.

    What isn't state is kept as such, by one more equation.
    """
    if name in rule.state:
        return rule, name, 0
    assigned = list(dict.fromkeys(each for each, _ in rule.assignments))
    if name not in assigned or name == "x":
        raise unknown_name(f"name in the equations of {rule.name!r}", name, assigned)
    column = f"{name}_seen"
    while column in assigned or column in rule.hyperparameters:
        column += "_"
    line = f"{column} = {name} if t > 0 else {column}"
    texts = rule.text.splitlines()
    last = 1 + len(rule.assignments)
    lines = [*texts[:last], f"    {line}", *texts[last:]]
    return Rule.from_text("\n".join(lines)), column, 1


def check_equivalent(
    first: str | Rule,
    second: str | Rule,
    *,
    rtol: float = 1e-9,
    on: st.SearchStrategy[Any] | None = None,
    maxiter: int = 30,
    examples: int = 100,
    **hyperparameters: Any,
) -> None:
    """Check that two rules have the same path.

    Parameters
    ----------
    first, second : str or Rule
    rtol : float
        How far iterates may differ, of the largest coordinate so far; 0 compares bits.
    on, maxiter, examples
        As in :func:`check_descent`.
    **hyperparameters
        As there; each goes to the rules that have it, the same value to both.

    Raises
    ------
    AssertionError
        With the smallest run in which they differ, as lines to paste.

    Examples
    --------
    >>> check_equivalent("momentum", "gd", momentum=0.0, rtol=0)
    >>> check_equivalent("adam", "amsgrad")
    Traceback (most recent call last):
        ...
    AssertionError: adam and amsgrad differ: x is ... after update ..., and ...
    """
    rules = find(first), find(second)
    given: dict[str, Any] = {}
    for name, value in hyperparameters.items():
        having = [rule for rule in rules if name in rule.hyperparameters]
        given |= with_steps((having or [rules[0]])[0], {name: value})
    both = all("step_size" in rule.hyperparameters for rule in rules)
    if both:
        given = with_steps(rules[0], {}) | given
    else:
        given = {k: v for k, v in given.items() if k in hyperparameters}

    def agree(case: Case) -> None:
        ways = [_of_rule(case, rule) for rule in rules]
        pairs = zip(ways, rules, strict=True)
        one, other = (way.path(r, maxiter).x for way, r in pairs)
        rows = min(len(one), len(other))  # where the gradient is 0, a run is over
        one, other = one[:rows], other[:rows]
        limits = rtol * np.maximum.accumulate(np.abs(one).max(axis=1))
        apart = np.flatnonzero(np.abs(one - other).max(axis=1) > limits)
        if len(apart):
            k = int(apart[0])
            problem = f"{rules[0].name} and {rules[1].name} differ: x is "
            problem += f"{one[k].tolist()} after update {k}, and {other[k].tolist()}"
            texts = [w.lines(r, k) for w, r in zip(ways, rules, strict=True)]
            raise AssertionError(failure(problem, "\n".join(texts)))

    tried(agree, cases(convex_quadratics() if on is None else on, given), examples)


def _of_rule(case: Case, rule: Rule) -> Case:
    """Return a case with the hyperparameters that a rule has."""
    own = {k: v for k, v in case.hyperparameters.items() if k in rule.hyperparameters}
    return case._replace(hyperparameters=own)


def check_rate(
    rule: str | Rule,
    bound: Callable[[np.ndarray, float, float, float], Any],
    *,
    of: str = "value",
    on: st.SearchStrategy[Any] | None = None,
    maxiter: int = 50,
    examples: int = 100,
    **hyperparameters: Any,
) -> None:
    """Check that a rule is at least as quick as a theorem says, on convex quadratics.

    Parameters
    ----------
    rule : str or Rule
    bound : callable
        ``bound(k, mu, L, R)`` returns the largest error after k updates; k is an array
        0, 1, 2, ..., mu and L are the smallest and largest curvature, R is the
        distance from the start to the minimiser.
    of : {"value", "distance"}
        Whether the bound is of the value above the minimum, or of the distance to the
        minimiser.
    on : strategy of ConvexQuadratic, optional
        By default ``convex_quadratics()``.
    maxiter, examples, **hyperparameters
        As in :func:`check_descent`; a step size that the theorem prescribes is a
        function: ``step_size=lambda quadratic: 1/quadratic.largest``.

    Raises
    ------
    AssertionError
        With the smallest run that is too slow, as lines to paste.

    Examples
    --------
    Drori and Teboulle 2014 for the value, and the classical factor for the distance:

    >>> check_rate(
    ...     "gd",
    ...     lambda k, mu, L, R: L * R**2 / (4 * k + 2),
    ...     step_size=lambda quadratic: 1 / quadratic.largest,
    ... )
    >>> check_rate(
    ...     "gd",
    ...     lambda k, mu, L, R: ((L - mu) / (L + mu)) ** k * R,
    ...     of="distance",
    ...     step_size=lambda quadratic: 2 / (quadratic.largest + quadratic.smallest),
    ... )
    """
    rule = find(rule)
    if of not in ("value", "distance"):
        raise InputError(f'of must be "value" or "distance", not {of!r}')

    def is_quick(case: Case) -> None:
        known, trace = case.quadratic, case.path(rule, maxiter)
        lengths = np.linalg.norm(trace.x - known.minimiser, axis=1)
        errors = trace.fun if of == "value" else lengths
        k = np.arange(len(errors))
        limits = np.broadcast_to(
            bound(k, known.smallest, known.largest, float(lengths[0])), k.shape
        )
        size = np.abs(trace.x).max() + np.abs(known.minimiser).max()
        noise = case.rounding(trace) if of == "value" else ROUNDING * size
        slow = np.flatnonzero(errors > limits * (1 + 1e-9) + noise)
        if len(slow):
            t = int(slow[0])
            problem = f"{rule.name} is too slow: its {of} after update {t} is off by "
            problem += f"{errors[t]!s}, and the bound is {limits[t]!s}"
            raise AssertionError(failure(problem, case.lines(rule, t)))

    given = with_steps(rule, hyperparameters, rule.hyperparameters.get("step_size"))
    tried(is_quick, cases(convex_quadratics() if on is None else on, given), examples)
