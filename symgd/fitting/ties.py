"""Parameters that are not free: fixed at a number, or tied to others by a formula.

They are put into the model before anything else is made of it, so that what is fitted
has the free ones only. Elsewhere: frozen parameters, equality constraints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from symgd.errors import FormulaError, InputError, shortened, unknown_name
from symgd.fitting.by_labels import with_names
from symgd.language import formula
from symgd.language.identifiers import name_of
from symgd.language.nodes import replaced
from symgd.objectives.numbers_given import as_number


@dataclass(frozen=True)
class Tie:
    """A parameter that is not free.

    Attributes
    ----------
    name : str
    value : SymPy expression
        In the free parameters; as it was given, before it was resolved.
    text : str
        The formula as it was written; "" of a number.
    """

    name: str
    value: sp.Expr
    text: str

    @property
    def kind(self) -> str:
        """Whether it is "fixed" or "tied"."""
        return "tied" if self.text else "fixed"

    @property
    def told(self) -> str:
        """What it is, for people."""
        return f"{self.name} = {self.text or formula.text_of(self.value)}"


def read(fixed: Any, tied: Any) -> tuple[Tie, ...]:
    """Return what was given by name: numbers, and formulas.

    >>> [tie.told for tie in read({"c": 0.0}, {"b": "2*a"})]
    ['c = 0', 'b = 2*a']

    Raises
    ------
    FormulaError, InputError
        If something isn't a number or a formula, or stands in both.
    """
    if fixed is None and tied is None:
        return ()
    numbers, formulas = _mapping("fixed", fixed), _mapping("tied", tied)
    if both := [name for name in numbers if name in formulas]:
        raise InputError(f"{both[0]!r} is fixed and tied: give one of them")
    ties = [Tie(name, _number(name, value), "") for name, value in numbers.items()]
    return (*ties, *(_formula(name, value) for name, value in formulas.items()))


def _mapping(what: str, given: Any) -> dict[str, Any]:
    example = '{"c": 0}' if what == "fixed" else '{"b": "2*a"}'
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        problem = f"{what} is a mapping of names, as {example}"
        raise InputError(f"{problem}, not {shortened(repr(given))}")
    return {name_of(name): value for name, value in given.items()}


def _number(name: str, value: Any) -> sp.Expr:
    """Return a number as a formula has it, a whole one exactly."""
    if isinstance(value, (str, sp.Basic)):
        try:
            formula.constant(value, f"fixed {name}")
        except FormulaError as error:
            problem = f"fixed {name} = {value} is no number ({error.problem})"
            raise InputError(f"{problem}; a formula goes into tied") from None
        return formula.read(value, closed=True)
    number = as_number(value, f"fixed {name} = ")
    if number - number != 0.0:
        raise InputError(f"fixed {name} = {number} is not a finite number")
    return formula.read(int(number) if number % 1.0 == 0.0 else number)


def _formula(name: str, value: Any) -> Tie:
    if not isinstance(value, (str, sp.Basic)):
        problem = f"{name!r} is tied to {shortened(repr(value))}, which is no formula"
        raise InputError(f"{problem}: a number goes into fixed")
    expression = with_names(value, {})
    return Tie(name, expression, formula.text_of(expression))


def resolved(
    ties: Iterable[Tie], parameters: Iterable[str], columns: Iterable[str]
) -> tuple[Tie, ...]:
    """Return ties by free parameters alone: each may have been to another one.

    Parameters
    ----------
    parameters, columns : iterable of str
        The model's parameters, and all columns of the data.

    Raises
    ------
    InputError
        If one is of no parameter, or of a column, or of itself in the end.
    """
    ties = tuple(ties)
    columns, known = {*columns}, {*parameters}
    for tie in ties:
        known |= {s.name for s in tie.value.free_symbols}
    for tie in ties:
        if tie.name in columns:
            raise InputError(f"{tie.name!r} is a column, and can't be {tie.kind}")
        if tie.name not in known:
            accepted = formula.natural_order(known - columns)
            raise unknown_name(f"{tie.kind} parameter", tie.name, accepted)
        if varying := columns & {s.name for s in tie.value.free_symbols}:
            problem = f"{tie.told} depends on the column {min(varying)!r}"
            raise InputError(f"{problem}: write it into the model")
    done: dict[sp.Basic, sp.Expr] = {}
    waiting = {formula.symbol(tie.name): tie for tie in ties}
    while waiting:
        ready = [s for s, t in waiting.items() if not t.value.free_symbols & {*waiting}]
        if not ready:
            told = ", ".join(tie.told for tie in waiting.values())
            raise InputError(f"parameters are tied to themselves in the end: {told}")
        values = {s: replaced(waiting.pop(s).value, done) for s in ready}
        done |= values
    if lost := [tie for tie in ties if _is_infinite(done[formula.symbol(tie.name)])]:
        raise InputError(f"{lost[0].told} is not finite")
    return tuple(replace(tie, value=done[formula.symbol(tie.name)]) for tie in ties)


def _is_infinite(value: sp.Expr) -> bool:
    return bool(value.has(sp.nan, sp.zoo, sp.oo, -sp.oo))


def put_into(model: sp.Expr, ties: Iterable[Tie]) -> sp.Expr:
    """Return a model in free parameters alone.

    >>> a, b, t = sp.symbols("a b t", real=True)
    >>> put_into(a * sp.exp(-b * t), read({"b": 2}, None))
    a*exp(-2*t)
    """
    ties = tuple(ties)
    values = {formula.symbol(tie.name): tie.value for tie in ties}
    model = replaced(model, values)
    if _is_infinite(model):
        told = ", ".join(tie.told for tie in ties)
        raise InputError(f"the model is not finite with {told}")
    return model


def check_is_free(what: str, given: Any, ties: Iterable[Tie]) -> None:
    """Refuse a start or bounds of what isn't free."""
    for tie in ties:
        if isinstance(given, Mapping) and tie.name in map(name_of, given):
            problem = f"{tie.name!r} is in {what}, and {tie.kind}: {tie.told}"
            raise InputError(f"{problem}; leave out one of them")
