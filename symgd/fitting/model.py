"""A model as a fit reads it: which of its names are columns, and its formulas."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgd.errors import InputError, guess, slip, unknown_name
from symgd.fitting import by_labels, ties
from symgd.fitting.by_labels import NONE, Labelled
from symgd.fitting.losses import Loss
from symgd.fitting.row_formulas import RowFormulas, row_formulas, unused
from symgd.fitting.ties import Tie
from symgd.language import formula, naming
from symgd.language.formula import Formula
from symgd.language.functions import CONSTANTS
from symgd.language.plain import is_python
from symgd.language.python.python_functions import PythonFormula, read_function
from symgd.language.python.values import RowByRow

MEANT = ("target", "sigma", "weights")  # columns that the model doesn't name


@dataclass(frozen=True)
class Model:
    """A model, once read.

    Attributes
    ----------
    columns, parameters : tuple of str
        The model's names, in natural order.
    meant : dict of str to symbol
        What stands for those of ``MEANT``.
    formulas : RowFormulas
    ties : tuple of Tie
        Parameters that are not free.
    written : str
        The model as it was given, if that isn't what is fitted.
    labelled : Labelled
        Which parameters there are for each label.
    pooled : RowFormulas, optional
        The same with one for all labels, where that may be.
    """

    columns: tuple[str, ...]
    parameters: tuple[str, ...]
    meant: dict[str, sp.Symbol]
    formulas: RowFormulas
    ties: tuple[Tie, ...] = ()
    written: str = ""
    labelled: Labelled = NONE
    pooled: RowFormulas | None = None


def read(
    model: Formula | Callable[..., Any],
    names: tuple[str, ...],
    target: str,
    varying: tuple[str, ...],
    loss: Loss,
    declared: tuple[str, ...] = (),
    not_free: tuple[Tie, ...] = (),
    labelled: Labelled = NONE,
) -> Model:
    """Return a model, the one of an earlier fit if there was one.

    Parameters
    ----------
    model : str, SymPy expression or Python function
        The parameters of a function are in the order of its arguments.
    names : tuple of str
        Of all columns.
    declared : tuple of str
        Parameters that have a start or bounds by name; they may be E or pi.
    varying : tuple of str
        Which of sigma and weights aren't 1.
    not_free : tuple of Tie
    labelled : Labelled
        The columns in brackets, and their labels.

    Raises
    ------
    FormulaError
        If the model can't be read.
    InputError
        If there is no such target, or the model has no parameters, reads the target,
        or has a parameter in place of a column.
    """
    if not isinstance(target, str):
        problem = "target is the name of a column of the data"
        advice = "; numbers go into the data" if hasattr(target, "__len__") else ""
        raise InputError(f"{problem}, not {type(target).__name__}{advice}")
    if is_python(model):
        found = _of_function(model, names)
        with found.placed():
            given = names, target, varying, loss, found.variables, not_free, labelled
            return _read(found.text, *given)
    by_name = frozenset((*declared, *(tie.name for tie in not_free)))
    constants = by_name.intersection(CONSTANTS)
    if isinstance(model, str) and naming.is_parameter_e(model, (*names, *by_name)):
        constants |= {"E"}
    parts = names, target, varying, loss, by_name, constants, not_free, labelled
    kept = isinstance(model, (str, sp.Basic))
    known, doubts = (_known if kept else _known.__wrapped__)(model, *parts)
    for told in doubts:
        warnings.warn(told, stacklevel=4)
    return known


@functools.lru_cache(maxsize=64)
def _known(
    model: Formula,
    names: tuple[str, ...],
    target: str,
    varying: tuple[str, ...],
    loss: Loss,
    by_name: frozenset[str],
    constants: frozenset[str],
    not_free: tuple[Tie, ...],
    labelled: Labelled,
) -> tuple[Model, list[str]]:
    """Return a model, and what is to be said of it."""
    meant = tuple(sorted(constants))
    known = _read.__wrapped__(
        model, names, target, varying, loss, meant, not_free, labelled
    )
    if not isinstance(model, str):
        return known, []
    idle = [name for name in names if name not in (*known.columns, target)]
    return known, _doubts(model, known.parameters, by_name, idle)


def _doubts(
    model: str, parameters: Sequence[str], named: Set[str], idle: Sequence[str]
) -> list[str]:
    """Return what is to be said of parameters that nobody named.

    Something else may be meant, or a column of nearly their name that isn't used.
    """
    told = list(naming.misread(model, parameters, named))
    for name in sorted({*parameters} - named):
        if hint := slip(name, idle):
            told.append(
                f"{name!r} is a parameter here, as no column is called so{hint}"
            )
    return told


def _of_function(model: Any, names: tuple[str, ...]) -> PythonFormula:
    """Return the formula of a model that is a Python function, of columns by name."""
    columns = dict.fromkeys(names, RowByRow())
    found = read_function(model, columns=columns, literal=True)
    if found.data:
        name = next(iter(found.data))
        problem = f"the model reads the array {name!r}, which is no column of the data"
        raise InputError(f"{problem}: add it to the data, and name an argument so")
    written = naming.written_names(found.text, found.variables)
    if idle := [name for name in found.variables if name not in written]:
        raise InputError(f"the model doesn't depend on its argument {idle[0]!r}")
    return found


@functools.lru_cache(maxsize=64)
def _read(
    model: Formula,
    names: tuple[str, ...],
    target: str,
    varying: tuple[str, ...],
    loss: Loss,
    meant_names: tuple[str, ...],
    not_free: tuple[Tie, ...],
    labelled: Labelled,
) -> Model:
    known = {n: formula.symbol(n) for n in (*names, *meant_names)}
    expression = by_labels.read(model, known)
    if target not in names:
        raise unknown_name("column for the target", target, names)
    found = {s.name for s in expression.free_symbols if s.is_Symbol}
    written = naming.written_names(model, known) if isinstance(model, str) else ()
    used = formula.natural_order({*found, *written})  # also what cancels
    columns = tuple(name for name in used if name in names)
    parameters = tuple(name for name in used if name not in columns)
    if {*meant_names} == {*parameters}:
        parameters = meant_names  # in the order in which they are declared
    whole, pooled = expression, None
    if labelled.columns:
        every = (each for name in parameters for each in labelled.names(name))
        parameters = tuple(formula.natural_order(every))
        by_labels.check_count(len(parameters))
        expression = by_labels.written_out(expression, labelled)
        if not any("[" in tie.told for tie in not_free):
            pooled = ties.put_into(by_labels.pooled(whole), not_free)
    if not_free and parameters:
        not_free = ties.resolved(not_free, parameters, names)
        expression = ties.put_into(expression, not_free)
        parameters = _free(parameters, not_free)
    if not parameters:
        listed = ", ".join(columns) or "none"
        problem = "the model has no parameters: all of its names are columns"
        raise InputError(f"{problem} ({listed})")
    _check_columns(columns, parameters, names, target)
    taken = {*used, *parameters}
    meant = {what: unused(what, taken) for what in MEANT}
    named = {"weights" if what == "trials" else what for what in varying}
    factors = [meant[what] if what in named else sp.S.One for what in MEANT[1:]]
    letters = tuple(map(formula.symbol, parameters))
    formulas = row_formulas(expression, letters, meant["target"], *factors, loss)
    given = "" if whole is expression else formula.text_of(whole)
    of_pool = None
    if pooled is not None:
        others = {s.name for s in pooled.free_symbols} - {*columns}
        own = tuple(map(formula.symbol, formula.natural_order(others)))
        of_pool = row_formulas(pooled, own, meant["target"], *factors, loss)
    parts = (columns, parameters, meant, formulas, not_free, given)
    return Model(*parts, labelled, of_pool)


def _free(parameters: tuple[str, ...], not_free: tuple[Tie, ...]) -> tuple[str, ...]:
    """Return the free parameters: also those that only others are tied to."""
    held = {tie.name for tie in not_free}
    others = {s.name for tie in not_free for s in tie.value.free_symbols}
    free = formula.natural_order({*parameters, *others} - held)
    if not free:
        told = ", ".join(tie.told for tie in not_free)
        raise InputError(f"no parameter is left to be fitted: {told}")
    return tuple(free)


def label_columns(
    model: Formula | Callable[..., Any], names: tuple[str, ...]
) -> dict[str, str]:
    """Return the column in brackets of each name that has one."""
    if is_python(model):
        return {}  # brackets in a function are of vectors
    if not by_labels.has_brackets(model):
        return {}
    expression = by_labels.read(model, {name: formula.symbol(name) for name in names})
    return by_labels.columns_of(expression, names)


def _check_columns(
    columns: tuple[str, ...],
    parameters: tuple[str, ...],
    names: tuple[str, ...],
    target: str,
) -> None:
    if target in columns:
        problem = f"the target {target!r} is in the model"
        raise InputError(f"{problem}, which is to predict it: rename the parameter")
    others = [name for name in names if name != target]
    hints = [f"{name!r}{hint}" for name in parameters if (hint := guess(name, others))]
    if not columns and (hints or len(parameters) > 1):
        problem = f"the model uses none of the columns {', '.join(others)}"
        advice = f"{', '.join(hints)} is no column" if hints else ""
        listed = ", ".join(parameters)
        advice = advice or f"its names, {listed}, are all parameters"
        if odd := [name for name in others if not name.isidentifier()]:
            advice += f"; {odd[0]!r} can't be a name in a formula: rename that column"
        raise InputError(f"{problem}: {advice}")
