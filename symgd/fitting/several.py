"""Several targets at once, as real and imaginary parts: one row for each of them.

The rows of a table are repeated, once for each target; a column says which target a row
is of, and the model is the formula of that target.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from symgd.errors import InputError, shortened, unknown_name
from symgd.fitting import by_labels
from symgd.fitting.tables import FitTable
from symgd.language import formula
from symgd.language.identifiers import name_of

WHICH = "[which target]"
VALUE = "[target]"


class Several(NamedTuple):
    """A fit of several targets, as one of a single target.

    Attributes
    ----------
    targets : tuple of str
    model : SymPy expression
    table : FitTable
        In which the target is called ``VALUE``.
    factors : dict
        Those of rows: sigma, weights and others.
    written : str
        The models, for people.
    """

    targets: tuple[str, ...]
    model: sp.Expr
    table: FitTable
    factors: dict[str, Any]
    written: str


def are_several(target: Any) -> bool:
    """Return whether a target is a list of names."""
    return isinstance(target, (list, tuple))


def as_one(
    model: Any, target: Any, table: FitTable, factors: Mapping[str, Any]
) -> Several:
    """Return the fit of a single target that fits of several are.

    Raises
    ------
    FormulaError, InputError
        If there isn't a model for each target, or a target is no column.
    """
    targets = tuple(name_of(each) if isinstance(each, str) else each for each in target)
    if targets and all(isinstance(each, numbers.Real) for each in targets):
        problem = "a target is the name of a column, or a list of names, not numbers"
        raise InputError(f"{problem}: put these into the data, and name them")
    for name in targets:
        if name not in table.names:
            raise unknown_name("column for the target", str(name), table.names)
    if len(set(targets)) < len(targets) or not targets:
        raise InputError(f"each target stands once in target, not {list(targets)!r}")
    names = {name: formula.symbol(name) for name in table.names}
    models = [by_labels.read(each, names) for each in _models(model, targets)]
    used = {s.name for each in models for s in each.free_symbols if s.is_Symbol}
    if inside := [name for name in targets if name in used]:
        problem = f"the target {inside[0]!r} is in a model"
        raise InputError(f"{problem}, which is to predict it: rename the parameter")
    columns = [name for name in table.names if name in used]
    rest = {name: table.raw(name) for name in columns}
    values = [np.asarray(table.raw(name)) for name in targets]
    stacked = repeated(rest, len(values[0]), len(targets))
    stacked[VALUE] = np.concatenate(values)
    own = {what: _of_each(what, each, targets, table) for what, each in factors.items()}
    which = formula.symbol(WHICH)
    cases = [(each, sp.Eq(which, k)) for k, each in enumerate(models[:-1])]
    written = ", ".join(
        f"{name}: {formula.text_of(each)}"
        for name, each in zip(targets, models, strict=True)
    )
    whole = sp.Piecewise(*cases, (models[-1], True))
    return Several(targets, whole, FitTable(stacked, table.missing), own, written)


def _told(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def repeated(columns: Mapping[str, Any], count: int, times: int) -> dict[str, Any]:
    """Return columns once for each target, and one that says which it is."""
    every = {name: np.tile(np.asarray(each), times) for name, each in columns.items()}
    return {**every, WHICH: np.repeat(np.arange(times, dtype=np.int8), count)}


def _models(model: Any, targets: tuple[str, ...]) -> list[Any]:
    if isinstance(model, Mapping):
        model = {name_of(name): each for name, each in model.items()}
        for name in model:
            if name not in targets:
                raise unknown_name("target of a model", str(name), targets)
        if lost := [name for name in targets if name not in model]:
            raise InputError(f"there is no model for the target {lost[0]!r}")
        return [model[name] for name in targets]
    if not isinstance(model, (list, tuple)) or len(model) != len(targets):
        many = len(model) if isinstance(model, (list, tuple)) else 1
        told = f"{_told(many, 'model')} for {_told(len(targets), 'target')}"
        problem = "each target has a model, in a list or by name"
        raise InputError(f"{told}: {problem}, not {shortened(repr(model))}")
    return list(model)


def _of_each(what: str, given: Any, targets: tuple[str, ...], table: FitTable) -> Any:
    """Return what is given for all targets, or one for each, for all rows."""
    if given is None or isinstance(given, (int, float)):
        return given
    if isinstance(given, np.ndarray) and given.ndim == 2:
        return given  # a covariance matrix of all rows
    each = list(given) if isinstance(given, (list, tuple)) else [given] * len(targets)
    if isinstance(given, Mapping):
        named = {name_of(name): value for name, value in given.items()}
        for name in named:
            if name not in targets:
                raise unknown_name(f"target in {what}", name, targets)
        each = [named.get(name, 1.0) for name in targets]
    if len(each) != len(targets):
        problem = f"{what} is one for all targets, or one for each, in a list"
        raise InputError(f"{problem}; there are {len(targets)} targets")
    count = len(np.asarray(table.raw(targets[0])))
    parts = []
    for value in each:
        if isinstance(value, str):
            value = name_of(value)
            if value not in table.names:
                raise unknown_name(f"column for {what}", value, table.names)
            value = table.raw(value)
        parts.append(np.broadcast_to(np.asarray(value, dtype=np.float64), (count,)))
    return np.concatenate(parts)
