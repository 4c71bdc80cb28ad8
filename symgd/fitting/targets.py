"""A target that is a formula of columns, as ``log(y)``."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgd.errors import FormulaError, InputError, guess, unknown_name
from symgd.fitting.rows import Rows
from symgd.fitting.tables import FitTable
from symgd.language import formula


def made(target: Any, table: FitTable) -> set[str]:
    """Make a column of a target that is a formula; return the columns it is of.

    Raises
    ------
    FormulaError
        If it is no formula.
    InputError
        If it has other names than those of columns.

    Examples
    --------
    >>> table = FitTable({"y": [1.0, 4.0]})
    >>> made("sqrt(y)", table)
    {'y'}
    >>> table.arrays(["sqrt(y)"])
    {'sqrt(y)': array([1., 2.])}
    """
    plain = not isinstance(target, str) or target.isidentifier()
    if plain or target in table.names:
        return set()
    known = {name: formula.symbol(name) for name in table.names}
    try:
        expression = formula.read(target, known)
    except FormulaError:
        if guess(target, known):  # of a column that is called "signal [mV]", say
            raise unknown_name("column for the target", target, known) from None
        raise
    names = formula.natural_order(s.name for s in expression.free_symbols)
    for name in names:
        if name not in known:
            hint = guess(name, known)
            problem = f"the target {target!r} has {name!r}{hint}, which is no column"
            raise InputError(f"{problem}; columns: {', '.join(known)}")
    if not names:
        raise InputError(f"the target {target!r} has no column in it")
    columns = {formula.symbol(name): _numbers(table, name) for name in names}
    with np.errstate(all="ignore"):  # what isn't finite is missing
        table.made[target] = Rows([expression], (), columns).each([])[:, 0].copy()
    return {*names}


def _numbers(table: FitTable, name: str) -> np.ndarray:
    """Return a column with NaN where it is missing."""
    try:
        column = np.ma.filled(np.ma.asarray(table.raw(name), dtype=np.float64), np.nan)
    except (TypeError, ValueError):
        return table.arrays([name])[name]  # or the error that says why not
    return np.ascontiguousarray(column)
