"""Parameters that differ from label to label, beside those that all rows share.

``a[set]*exp(-b*t)`` has one ``a`` for each label in the column ``set``, and one ``b``.
Written out, a parameter of labels is a sum over them of a parameter, which is called
``a[run1]``, times a column that is 1 where the label is run1, and else 0. Elsewhere:
global fits, data sets fitted simultaneously.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgd.errors import FormulaError, InputError, unknown_name
from symgd.language import formula
from symgd.language.formula import Formula
from symgd.language.identifiers import name_of
from symgd.language.nodes import Product, Sum, replaced

MOST = 200  # parameters, all told


@dataclass(frozen=True)
class Labelled:
    """Which parameters a model has for each label.

    Attributes
    ----------
    columns : dict of str to str
        The column of labels of each of them.
    labels : dict of str to tuple of str
        The labels of each column.
    """

    columns: dict[str, str]
    labels: dict[str, tuple[str, ...]]

    def __hash__(self) -> int:
        return hash((*self.columns.items(), *self.labels.items()))

    def names(self, name: str) -> list[str]:
        """Return the parameters that a name stands for.

        >>> Labelled({"a": "set"}, {"set": ("run1", "run2")}).names("a")
        ['a[run1]', 'a[run2]']
        """
        if name not in self.columns:
            return [name]
        return [f"{name}[{label}]" for label in self.labels[self.columns[name]]]

    def spread(self, given: Any, what: str, held: Iterable[str] = ()) -> Any:
        """Return a mapping with what is given for a name given for all its labels.

        It may be a number or a pair for all of them but those that are held, or a
        mapping by label.
        """
        if not self.columns or not isinstance(given, Mapping):
            return given
        result: dict[str, Any] = {}
        for name, value in given.items():
            labels = self.labels.get(self.columns.get(name_of(name), ""), ())
            if isinstance(value, Mapping) and labels:
                for label, each in value.items():
                    if str(label) not in labels:
                        raise unknown_name(f"label of {name} in {what}", label, labels)
                    result[f"{name}[{label}]"] = each
            else:
                every = self.names(name_of(name))
                free = [each for each in every if not labels or each not in held]
                result |= dict.fromkeys(free, value)
        return result


NONE = Labelled({}, {})


def read(model: Formula, names: Mapping[str, sp.Expr]) -> sp.Expr:
    """Return a model, in which names may have a column in brackets.

    >>> read("a[s]*t", {"s": sp.Symbol("s", real=True)})
    t*a[s]
    """
    if not has_brackets(model):
        return formula.read(model, names)
    expression = formula.read(model, names, arrays=True)
    if expression.has(Sum, Product):
        return formula.read(model, names)  # which says that there are none
    return expression


def has_brackets(model: Formula) -> bool:
    """Return whether a name of a model is indexed."""
    if isinstance(model, sp.Basic):
        return model.has(sp.Indexed)
    return isinstance(model, str) and "[" in model


def columns_of(expression: sp.Expr, names: Iterable[str]) -> dict[str, str]:
    """Return the column of labels for each name that has one.

    Raises
    ------
    FormulaError
        If it is a column that has an index.
    InputError
        If something else stands in brackets, or a column does before them.
    """
    names, found = {*names}, dict[str, str]()
    for access in sorted(expression.atoms(sp.Indexed), key=str):
        base, told = str(access.base.label), formula.text_of(access)
        column = str(access.indices[0])
        if len(access.indices) > 1 or not access.indices[0].is_Symbol:
            problem = f"{told}: in brackets stands the name of a column of labels"
            raise InputError(f"{problem}, as in a[set]")
        if base in names and column not in names:
            problem = f"{base!r} is a column: use {base}: it stands for each row"
            raise FormulaError(problem, told)
        if column not in names:
            raise unknown_name(f"column of labels in {told}:", column, sorted(names))
        if base in names:
            raise InputError(f"{told}: {base!r} is a column, and no parameter")
        if found.setdefault(base, column) != column:
            problem = f"{base!r} has labels of {found[base]!r} and of {column!r}"
            raise InputError(f"{problem}: two parameters need two names")
    outside = _outside(expression)
    if both := sorted({*found} & outside):
        problem = f"{both[0]!r} stands with brackets and without them"
        raise InputError(f"{problem}: two parameters need two names")
    if both := sorted({*found.values()} & outside):
        problem = f"{both[0]!r} stands in brackets, as labels, and outside, as numbers"
        raise InputError(f"{problem}: give two columns")
    return found


def _outside(expression: sp.Expr) -> set[str]:
    """Return the names that stand anywhere but in an indexed name."""
    blank = dict.fromkeys(expression.atoms(sp.Indexed), sp.S.One)
    return {s.name for s in expression.xreplace(blank).free_symbols}


def indicator(column: str, label: str) -> sp.Symbol:
    """Return what is 1 in rows of a label, 0 in others."""
    return formula.symbol(f"[{column} = {label}]")


def written_out(expression: sp.Expr, labelled: Labelled) -> sp.Expr:
    """Return a model in which each parameter of labels is a sum over them."""
    if not labelled.columns:
        return expression
    values = {}
    for access in expression.atoms(sp.Indexed):
        base, column = str(access.base.label), str(access.indices[0])
        values[access] = sp.Add(
            *(
                formula.symbol(f"{base}[{label}]") * indicator(column, label)
                for label in labelled.labels[column]
            )
        )
    return replaced(expression, values)


def pooled(expression: sp.Expr) -> sp.Expr:
    """Return a model in which all labels have the same parameters."""
    accesses = expression.atoms(sp.Indexed)
    bases = {each: formula.symbol(str(each.base.label)) for each in accesses}
    return replaced(expression, bases)


def with_names(quantity: Formula, names: Mapping[str, sp.Expr]) -> sp.Expr:
    """Return a formula of parameters, in which ``a[run1]`` is one of them.

    >>> with_names("a[run1]/a[2]", {}).free_symbols == {
    ...     formula.symbol("a[run1]"), formula.symbol("a[2]")
    ... }
    True
    """
    expression = read(quantity, names)
    accesses = expression.atoms(sp.Indexed)
    plain = {a: formula.symbol(f"{a.base.label}[{a.indices[0]}]") for a in accesses}
    return replaced(expression, plain) if plain else expression


def of_model(
    arrays: Mapping[str, np.ndarray], columns: Iterable[str], labelled: Labelled
) -> dict[sp.Symbol, np.ndarray]:
    """Return the columns that a model has: numbers, then one for each label."""
    columns = tuple(columns)
    plain = [name for name in columns if name not in labelled.labels]
    held = {formula.symbol(name): arrays[name] for name in plain}
    for column, labels in labelled.labels.items():
        for place, label in enumerate(labels):
            of_label = arrays[column] == place
            held[indicator(column, label)] = of_label.astype(np.int8)
    return held


def check_count(count: int) -> None:
    """Refuse more parameters than formulas can hold."""
    if count > MOST:
        problem = f"there are {count} parameters, one for each label"
        raise InputError(f"{problem}; a fit has at most {MOST} of that kind")
