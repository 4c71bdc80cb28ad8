"""What an objective is made of whose formula is a Python function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgd.errors import InputError
from symgd.language.formula import Measured, symbol
from symgd.language.identifiers import name_of
from symgd.language.python.python_functions import PythonFormula, read_function
from symgd.objectives.data import DataTable


@dataclass(frozen=True, eq=False)
class FunctionRead:
    """A Python function that was read, with all that an objective needs of it.

    Attributes
    ----------
    formula : PythonFormula
    variables : tuple of str
    parameters : dict of str to float
    data : mapping, or what the user gave
        None where the formula has no arrays.
    sizes : dict of str to int
    measured : Measured
        Which sizes are the length of an array.
    """

    formula: PythonFormula
    variables: tuple[str, ...]
    parameters: dict[str, float]
    data: Any
    sizes: dict[str, int]
    measured: Measured


def function_read(
    function: Any,
    variables: Iterable[Any] | None = None,
    parameters: Mapping[str, float] | None = None,
    data: Any = None,
    sizes: Mapping[str, int] | None = None,
    *,
    args: Any = (),
    start: Any = None,
) -> FunctionRead:
    """Return a Python function as an objective needs it.

    ``args`` follow the first argument, as SciPy has them, and ``start`` tells lengths.
    """
    meant = tuple(map(name_of, variables or ()))
    table = DataTable(data)
    columns = {name: _column(table, data, name) for name in table.names}
    following = args if isinstance(args, (tuple, list)) else (args,)
    found = read_function(
        function,
        args=following,
        parameters={name_of(name): value for name, value in (parameters or {}).items()},
        columns=columns,
        start=start,
        meant=meant,
    )
    order = meant or found.variables
    if {*order} != {*found.variables}:
        told = ", ".join(found.variables)
        raise InputError(f"the variables of the function are {told}, not {order}")
    return FunctionRead(
        found,
        order,
        found.parameters,
        _data(found, data, table),
        {**found.sizes, **(sizes or {})},
        _measured(found, sizes or {}),
    )


def _measured(found: PythonFormula, sizes: Mapping[str, int]) -> Measured:
    exact = ((name, 0, sp.Integer(n)) for name, n in found.exact.items())
    named = (
        (array, axis, symbol(name))
        for name, (array, axis) in found.lengths.items()
        if name not in sizes
    )
    return Measured((*exact, *named))


def _column(table: DataTable, data: Any, name: str) -> Any:
    return data[name] if isinstance(data, Mapping) else table.arrays([name])[name]


def _data(found: PythonFormula, data: Any, table: DataTable) -> Any:
    """Return the data of a formula: what was given, where that is all."""
    if not found.data:
        return None
    given: Sequence[str] = table.names
    if data is not None and {*found.data} <= {*given}:
        return data
    return found.data
