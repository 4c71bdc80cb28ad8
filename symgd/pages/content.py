"""What a page holds: the formula, the methods, what native runs did, all as data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from symgd.descent.optimize import minimize
from symgd.errors import FormulaError, InputError, SymgdError
from symgd.language.formula import text_of
from symgd.objectives.objective import Objective
from symgd.pages.programs import Scheduled
from symgd.pages.views import View
from symgd.plotting.as_typed import SYMBOLS, typeset
from symgd.plotting.mathml import latex_of, mathml_of
from symgd.rules import family
from symgd.rules.rule import Rule

MOST_VARIABLES = 10  # the text of the code grows with them
COMPARED = 24  # iterates of native runs that a page compares its own with, at most
MOST_NUMBERS = 300  # of such iterates, so that a page stays small
LARGEST = 6  # rows of a Hessian that is written out
USUAL = ("gd", "momentum", "amsgrad")
SLOPED = {"gd": 1.0, "momentum": 0.3, "nesterov": 0.3}  # of 1/L, the curvature's
FARTHEST = 0.2  # of the window's width, the first step of one of them
SHORT = 0.02  # of it, a step of the others
SCALED = {  # rules whose steps don't grow with the gradient
    *("adagrad", "rmsprop", "adam", "amsgrad", "amsgrad_torch", "adamax"),
    *("nadam", "adamw", "lion"),
}
LOGARITHMIC = ("step_size", "eps", "weight_decay")
BELOW_ONE = 0.9999  # the largest momentum


class Method:
    """A rule on a page: its hyperparameters, and how its first steps went natively."""

    def __init__(self, rule: Rule, values: Mapping[str, Any]) -> None:
        self.rule = rule
        self.values: dict[str, Any] = {
            name: rule.text_of(name, v) for name, v in values.items()
        }

    @property
    def scheduled(self) -> Scheduled:
        """The rule, and which hyperparameters are formulas in t."""
        texts = [v if isinstance(v, str) else None for v in self.values.values()]
        return Scheduled(self.rule, tuple(texts))

    def data(self, label: str, first: np.ndarray | None) -> dict[str, Any]:
        """Return what the page is told."""
        known = family.BUILT_IN.get(self.rule.name) == self.rule
        return {
            "name": label,
            "builtIn": self.rule.name if known else None,
            "text": None if known else self.rule.text,
            "width": 1 + len(self.rule.state),
            "maths": equations_of(self.rule),
            "hyper": [_slider(k, v) for k, v in self.values.items()],
            "native": [] if first is None else first.tolist(),
        }


def equations_of(rule: Rule) -> list[str]:
    """Return a rule's lines as MathML, with the letters that papers use."""
    used = {latex_of(name) for name, _ in rule.read()} | set(map(latex_of, rule.state))
    names = {k: letter for k, letter in SYMBOLS.items() if letter not in used}
    lines = []
    for (name, text), (_, expression) in zip(
        rule.assignments, rule.read(), strict=True
    ):
        left = latex_of(name)
        typed = typeset(text, rf"{left} \leftarrow ", names)
        lines.append(typed or mathml_of(expression, left, sign="<-"))
    return lines


def _slider(name: str, value: float | str) -> dict[str, Any]:
    """Return a hyperparameter and the range of its slider."""
    if isinstance(value, str):
        return {"name": name, "text": value, "value": 0.0}
    log = name in LOGARITHMIC and value > 0.0
    below_one = not log and 0.0 <= value < 1.0
    low = value / 1e3 if log else 0.0 if value >= 0.0 else 2.0 * value
    high = value * 1e3 if log else BELOW_ONE if below_one else 2.0 * abs(value)
    if name == "eps" and log:
        low, high = min(1e-12, value), max(1.0, value)
    return {"name": name, "value": value, "log": log, "low": low, "high": high}


def methods_of(
    asked: Iterable[Any] | None, objective: Objective, view: View
) -> list[Method]:
    """Return the methods of a page: those asked for, with steps that fit the formula.

    A step size that nobody gave is chosen: of gd and its relatives by the curvature
    along the default method's path, of those that divide by the gradient's size by the
    window's.
    """
    methods = []
    steep, width = _steepest(objective, view), float(np.ptp(view.window, axis=1).min())
    slope = float(np.abs(objective.grad(view.run.start)).max())
    for each in USUAL if asked is None else asked:
        name, given = (each, {}) if isinstance(each, str | Rule) else each
        rule = family.find(name)
        values = rule.with_defaults(given)
        if "step_size" in values and "step_size" not in given:
            values["step_size"] = _step_size(rule, objective, steep, slope, width)
        methods.append(Method(rule, values))
    if not methods:
        raise InputError("a page needs at least one method")
    return methods


def _steepest(objective: Objective, view: View) -> float:
    """Return the largest curvature along the path, 0 if it isn't known."""
    assert view.run.trace is not None
    path = view.run.trace.x
    points = path[:: max(1, len(path) // 16)]
    try:
        matrices = [objective.hess(x) for x in (*points, view.run.x)]
    except FormulaError:
        return 0.0
    finite = [m for m in matrices if np.isfinite(m).all()]
    return max((float(np.abs(np.linalg.eigvalsh(m)).max()) for m in finite), default=0)


def _step_size(
    rule: Rule, objective: Objective, steep: float, slope: float, width: float
) -> Any:
    """Return a step size with one digit."""
    default = rule.hyperparameters["step_size"]
    if family.BUILT_IN.get(rule.name) != rule:
        return default
    if rule.name in SLOPED:
        far = FARTHEST if objective.is_smooth else SHORT
        fast = far * width / slope if slope > 0.0 else default
        flat = SLOPED[rule.name] / steep if steep > 0.0 else fast
        return _one_digit(min(flat, fast))
    if rule.name in SCALED:
        return _one_digit(SHORT * width)
    return default


def _one_digit(value: float) -> float:
    """Return a number rounded down to one digit.

    >>> _one_digit(0.00123), _one_digit(27.0)
    (0.001, 20.0)
    """
    power = math.floor(math.log10(value))
    return float(f"{math.floor(value / 10.0**power + 1e-9)}e{power}")


def data_of(
    objective: Objective, view: View, methods: Sequence[Method], bounds: Any
) -> dict[str, Any]:
    """Return what the page is told of a formula, as plain data."""
    run = view.run
    assert run.trace is not None
    limits, rows = run.bounds, _spread(len(run.trace), len(run.x))
    numbers = len(methods) * len(run.x)
    compared = max(4, min(COMPARED, MOST_NUMBERS // numbers))
    return {
        "smooth": objective.is_smooth,
        "formula": text_of_objective(objective),
        "variables": list(objective.variables),
        "parameters": dict(objective.parameters),
        "start": run.start.tolist(),
        "window": view.window.tolist(),
        "bounds": None if limits is None else [[*map(_bound, row)] for row in limits],
        "minima": [{"x": x.tolist(), "f": f} for x, f in view.minima],
        "auto": {
            "path": [[float(f"{v:.6g}") for v in x] for x in run.trace.x[rows]],
            "f": [float(f"{v:.6g}") for v in run.trace.fun[rows]],
            "told": run.headline,
            "status": run.status.name,
            "nit": run.nit,
        },
        "methods": [
            method.data(label, _first(objective, run.start, method, bounds, compared))
            for method, label in zip(methods, _labels(methods), strict=True)
        ],
    }


def _spread(count: int, n: int) -> list[int]:
    """Return places of a history: the first ones, some of the rest, and the last."""
    most = max(10, MOST_NUMBERS // n)
    later = range(most, count, max(1, count // most))
    return [*range(min(most, count)), *later, count - 1]


def _bound(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _labels(methods: Sequence[Method]) -> list[str]:
    """Return names that are told apart."""
    names: list[str] = []
    for method in methods:
        name, number = method.rule.name, 2
        while name in names:
            name, number = f"{method.rule.name} {number}", number + 1
        names.append(name)
    return names


def _first(
    objective: Objective, start: np.ndarray, method: Method, bounds: Any, count: int
) -> np.ndarray | None:
    """Return the first iterates of a native run; None where it can't begin."""
    try:
        run = minimize(
            objective,
            start,
            method=method.rule,
            bounds=bounds,
            maxiter=count,
            trace=True,
            **method.values,
        )
    except SymgdError:
        return None
    assert run.trace is not None
    return run.trace.x


def check(objective: Objective) -> None:
    """Refuse what a page can't show."""
    if objective.arrays is not None:
        raise InputError("a page shows formulas of single numbers: this has arrays")
    if objective.iteration is not None:
        raise InputError("a page shows no formula that changes from update to update")
    if len(objective.variables) > MOST_VARIABLES:
        raise InputError(
            f"a page shows at most {MOST_VARIABLES} variables: "
            f"this formula has {len(objective.variables)}"
        )


def text_of_objective(objective: Objective) -> str:
    """Return the formula as it was typed, where it was."""
    return objective.text or text_of(objective.expression)


_PARTIAL = r"\frac{\partial f}{\partial %s}"


def formulas_of(objective: Objective) -> dict[str, str]:
    """Return the formula, its gradient and its Hessian as MathML."""
    names = [latex_of(name) for name in objective.variables]
    name = f"f({', '.join(names)})"
    gradient = "".join(
        f"<div>{mathml_of(slope, _PARTIAL % own)}</div>"
        for own, slope in zip(names, objective.gradient, strict=True)
    )
    return {
        "formula": typeset(text_of_objective(objective), rf"{name} = ")
        or mathml_of(objective.expression, name),
        "gradient": gradient,
        "hessian": _hessian(objective),
    }


def _hessian(objective: Objective) -> str:
    if len(objective.variables) > LARGEST:
        return f"<p>The Hessian is written out up to {LARGEST} variables.</p>"
    try:
        matrix = objective.hessian
    except FormulaError as error:
        return f"<p>It is not defined: {escape(error.problem)}</p>"
    shown = mathml_of(matrix, r"\nabla^2 f")
    return f"<div>{shown}</div>"
