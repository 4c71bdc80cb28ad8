"""SciPy's constraints: refused, with the same as relations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symgd.errors import FormulaError, InputError

KINDS = ("LinearConstraint", "NonlinearConstraint", "dict")
SHOWN = 3  # rows


def not_ours(given: Any, variables: Sequence[str] = ()) -> Exception:
    """Return the error for what other libraries take, with the same as relations.

    Parameters
    ----------
    given : object
    variables : sequence of str
        Those of the objective, as far as they are known.
    """
    what = type(given).__name__
    if isinstance(given, Mapping) or what in KINDS:
        shown = as_relations(given, variables)
        problem = f"subject_to takes relations, not SciPy's {what}"
        if shown:
            return InputError(f"{problem}: write subject_to={shown}")
        example = "'x**2 + y <= 1'"
        why = "a function can't be differentiated, so write its formula"
        return InputError(f"{problem}: {why}, subject_to={example} say")
    return FormulaError(
        f"a constraint is a relation, such as 'x + y <= 1', not of type {what}"
    )


def refuse(given: Any, variables: Sequence[str] = ()) -> None:
    """Raise InputError for ``constraints=``, which SciPy's functions take."""
    several = isinstance(given, Iterable) and not isinstance(given, (str, Mapping))
    first = next(iter(given), None) if several else given
    if isinstance(first, Mapping) or type(first).__name__ in KINDS:
        raise not_ours(first, variables)
    problem = "unknown argument 'constraints': they are relations here"
    raise InputError(f"{problem}: subject_to=['x + y == 10', 'x*y <= 2']")


def as_relations(given: Any, variables: Sequence[str] = ()) -> str:
    """Return SciPy's linear constraint as Python text, or nothing."""
    if type(given).__name__ != "LinearConstraint":
        return ""
    dense = given.A.toarray() if hasattr(given.A, "toarray") else given.A
    matrix = np.atleast_2d(np.asarray(dense, dtype=np.float64))
    count = matrix.shape[1]
    fits = len(variables) == count
    names = variables if fits else [f"x{k}" for k in range(1, count + 1)]
    sides = (np.broadcast_to(side, len(matrix)) for side in (given.lb, given.ub))
    rows = [
        _relation(row, names, float(low), float(high))
        for row, low, high in zip(matrix, *sides, strict=True)
    ]
    if len(rows) == 1:
        return repr(rows[0])
    more = ", ..." if len(rows) > SHOWN else ""
    return f"[{', '.join(map(repr, rows[:SHOWN]))}{more}]"


def _relation(
    row: Iterable[float], names: Iterable[str], low: float, high: float
) -> str:
    ones = {1.0: "", -1.0: "-"}
    pairs = [(float(a), name) for a, name in zip(row, names, strict=True) if a]
    terms = (f"{ones.get(a, f'{a:g}*')}{name}" for a, name in pairs)
    total = " + ".join(terms).replace("+ -", "- ") or "0"
    if low == high:
        return f"{total} == {low:g}"
    before = f"{low:g} <= " if low > -math.inf else ""
    return f"{before}{total}" + (f" <= {high:g}" if high < math.inf else "")
