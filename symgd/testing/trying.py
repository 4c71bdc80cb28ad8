"""How a check is tried: Hypothesis draws, and what fails is told as one message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import hypothesis
import numpy as np
from hypothesis import errors
from hypothesis import strategies as st

from symgd.descent.history import Trace
from symgd.descent.optimize import minimize
from symgd.descent.result import Result
from symgd.errors import InputError
from symgd.objectives.objective import Objective
from symgd.rules.rule import Rule
from symgd.testing.drawn_objectives import objective_in, starting_points
from symgd.testing.pasted import run_lines
from symgd.testing.quadratics import ConvexQuadratic, stable_step_sizes


def tried(
    check: Callable[[Any], None], cases: st.SearchStrategy[Any], examples: int
) -> None:
    """Run a check on so many drawn cases, the same ones each time.

    Raises
    ------
    AssertionError
        That of the smallest case which fails.
    InputError
        If no case can be drawn.
    """
    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,  # the first case compiles
        derandomize=True,
        database=None,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    try:
        settings(hypothesis.given(cases)(check))()
    except AssertionError as error:
        raise AssertionError(str(error)) from None
    except (errors.Unsatisfiable, errors.InvalidArgument) as error:
        raise InputError(f"nothing to check can be drawn: {error}") from None


class Case(NamedTuple):
    """What one run of a rule is given.

    Attributes
    ----------
    problem : ConvexQuadratic or Objective
    start : ndarray
    hyperparameters : dict
    """

    problem: Any
    start: np.ndarray
    hyperparameters: dict[str, Any]

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        return objective_in(self.problem)

    @property
    def quadratic(self) -> ConvexQuadratic:
        """The problem, where its curvature and minimum are known."""
        if not isinstance(self.problem, ConvexQuadratic):
            raise InputError("on: draw from convex_quadratics(), where all is known")
        return self.problem

    def run(self, rule: Rule, maxiter: int, **options: Any) -> Result:
        """Minimise; the end is maxiter, or where the gradient is exactly 0."""
        how = {**self.hyperparameters, "maxiter": maxiter, "gtol": 0.0, **options}
        return minimize(self.objective, self.start, method=rule, **how)

    def path(self, rule: Rule, maxiter: int, **options: Any) -> Trace:
        """Return all iterates of a run."""
        trace = self.run(rule, maxiter, trace=True, **options).trace
        assert trace is not None
        return trace

    def rounding(self, path: Trace) -> float:
        """Return how far values on a path may be off: terms of f may cancel."""
        if not isinstance(self.problem, ConvexQuadratic):
            return 1e-13 * float(np.abs(path.fun).max())
        size = np.abs(path.x).max() + np.abs(self.problem.minimiser).max()
        return 1e-14 * self.problem.largest * float(size) ** 2

    def lines(self, rule: Rule, maxiter: int, **options: Any) -> str:
        """Return the run as lines to paste."""
        how = {**self.hyperparameters, "maxiter": maxiter, "gtol": 0.0, **options}
        return run_lines(self.objective, self.start, rule, how)


@st.composite
def cases(
    draw: Callable,
    problems: Any,
    hyperparameters: Mapping[str, Any],
    limit: float = 10.0,
) -> Case:
    """Draw a problem, a start, and hyperparameters that may depend on the problem.

    A hyperparameter is a number, a schedule, a strategy, or a function of the problem
    that returns one of these.
    """
    problem = draw(problems)
    start = draw(starting_points(problem, limit))
    values = {}
    for name, value in hyperparameters.items():
        value = value(problem) if callable(value) else value
        values[name] = draw(value) if isinstance(value, st.SearchStrategy) else value
    return Case(problem, start, values)


def with_steps(
    rule: Rule, given: Mapping[str, Any], steps: Any = stable_step_sizes
) -> dict[str, Any]:
    """Return hyperparameters, with drawn step sizes if the rule has any.

    Raises
    ------
    InputError
        If the rule has no hyperparameter of such a name.
    """
    for name in given:
        if name not in rule.hyperparameters:
            rule.schedule(name, 0.0)  # raises, with a guess
    usual = {"step_size": steps} if "step_size" in rule.hyperparameters else {}
    return usual | dict(given)
