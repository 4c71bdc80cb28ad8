"""A rule as a reader would run it: line by line, with as many digits as wanted.

It shares nothing with the loops: SymPy's numbers, one assignment after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import sympy as sp

from symgd.arithmetic.counter_based import standard_normal
from symgd.language.formula import symbol
from symgd.rules.evaluations import KINDS as DERIVATIVES
from symgd.rules.evaluations import f, g, hvp
from symgd.rules.random_numbers import noise
from symgd.rules.reductions import KINDS, OF_ARRAYS, dot, mean
from symgd.rules.rule import Rule

ExactNumbers: TypeAlias = list[Any]  # one SymPy number for each coordinate
BEGUN = "[x]"  # the name of x where the update began


class ExactEvaluation(Protocol):
    """An objective with exact numbers."""

    def __call__(self, x: ExactNumbers) -> tuple[Any, ExactNumbers]:
        """Return the value and the gradient at a point."""

    def product(self, x: ExactNumbers, vector: ExactNumbers) -> ExactNumbers:
        """Return the product of the Hessian at a point with a vector."""


def interpreted(
    rule: Rule,
    evaluation: ExactEvaluation,
    start: Sequence[float],
    hyperparameters: Mapping[str, Any],
    steps: int,
    digits: int,
) -> list[dict[str, ExactNumbers]]:
    """Return x and the state of a rule, at the start and after each update.

    Parameters
    ----------
    rule : Rule
    evaluation : ExactEvaluation
        The objective.
    start : sequence of float
    hyperparameters : mapping
        All that the rule has: numbers, or schedules as text.
    steps : int
    digits : int
        In which it is computed.
    """
    lines, n = rule.read(), len(start)
    given = {k: rule.schedule(k, v) for k, v in hyperparameters.items()}
    known: dict[str, ExactNumbers] = {"x": [_exact(each, digits) for each in start]}
    value, slope = evaluation(known["x"])
    known |= {"f": [value] * n, "g": slope, BEGUN: known["x"]}

    def constants(t: int) -> dict[str, ExactNumbers]:
        at = {symbol("t"): sp.Integer(t)}
        numbers = (sp.sympify(each).xreplace(at) for each in given.values())
        exact = (_exact(each, digits) for each in numbers)
        return {k: [v] * n for k, v in zip(given, exact, strict=True)}

    first = known | constants(1)
    starts = rule.initial.items()
    known |= {k: _at(e, first, digits, evaluation) for k, e in starts}
    path = [{name: known[name] for name in ("x", *rule.state)}]
    for t in range(1, steps + 1):
        known |= constants(t) | {"t": [sp.Integer(t)] * n}
        for name, expression in lines:
            known = known | {name: _at(expression, known, digits, evaluation)}
        path.append({name: known[name] for name in ("x", *rule.state)})
        value, slope = evaluation(known["x"])
        known |= {"f": [value] * n, "g": slope, BEGUN: known["x"]}
    return path


def _exact(number: Any, digits: int) -> sp.Expr:
    """Return a number with so many digits; a float at its exact value."""
    if isinstance(number, sp.Expr):
        return number.evalf(digits)
    return sp.Float(float(number), digits)


def _at(
    expression: sp.Expr,
    known: Mapping[str, ExactNumbers],
    digits: int,
    evaluation: ExactEvaluation,
) -> ExactNumbers:
    """Return an expression for each coordinate."""
    n, known, reduced = len(known["x"]), dict(known), expression
    while inner := _innermost(reduced):
        for node in inner:
            read = () if isinstance(node, noise) else node.args
            parts = [_at(each, known, digits, evaluation) for each in read]
            name = f"{node.func.__name__} {len(known)}"
            known[name] = _over_all(node, parts, digits, evaluation, known)
            reduced = reduced.xreplace({node: symbol(name)})
    names = [each.name for each in reduced.free_symbols]
    return [
        reduced.xreplace({symbol(name): known[name][k] for name in names}).evalf(digits)
        for k in range(n)
    ]


def _innermost(expression: sp.Expr) -> list[sp.Expr]:
    """Return the reductions and evaluations in which there is no other."""
    kinds = (*KINDS, *DERIVATIVES, noise)
    found = expression.atoms(*kinds)
    return [e for e in found if not any(part.has(*kinds) for part in e.args)]


def _over_all(
    node: sp.Expr,
    parts: list[ExactNumbers],
    digits: int,
    evaluation: ExactEvaluation,
    known: Mapping[str, ExactNumbers],
) -> ExactNumbers:
    """Return, for each coordinate, what all of them are needed for; or its noise."""
    n = len(known["x"])
    if isinstance(node, noise):
        seed, t, stream = known["seed"][0], known["t"][0], node.stream
        drawn = (standard_normal(*map(float, (seed, t, k, stream))) for k in range(n))
        return [_exact(each, digits) for each in drawn]
    if isinstance(node, f):
        return [evaluation(parts[0])[0]] * n
    if isinstance(node, g):
        return evaluation(parts[0])[1]
    if isinstance(node, hvp):
        return evaluation.product(known[BEGUN], parts[0])
    if isinstance(node, OF_ARRAYS):  # a variable is an array of its own
        return [_over_one(node, each) for each in zip(*parts, strict=True)]
    if isinstance(node, mean):
        return [sp.Add(*parts[0]) / n] * n
    one, other = parts if isinstance(node, dot) else (parts[0], parts[0])
    total = sp.Add(*(a * b for a, b in zip(one, other, strict=True)))
    return [total if isinstance(node, dot) else sp.sqrt(total).evalf(digits)] * n


def _over_one(node: sp.Expr, numbers: Sequence[Any]) -> Any:
    """Return a reduction over an array of one number, or of two of them."""
    if isinstance(node, dot):
        return numbers[0] * numbers[1]
    return numbers[0] if isinstance(node, mean) else abs(numbers[0])
