"""What an objective is told: a formula, and what its names stand for.

Here it is checked for contradictions and completed; it is read in ``objective``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from symgd.errors import InputError
from symgd.language.identifiers import name_of
from symgd.language.plain import constant, count
from symgd.native.threads import threads_of
from symgd.objectives.whole_arrays import (
    IndexedText,
    of_arrays,
    split_sizes,
    with_indices,
)

if TYPE_CHECKING:
    import sympy as sp

    from symgd.language.formula import Measured
    from symgd.objectives.python_objective import FunctionRead


class Called(NamedTuple):
    """A Python function as a formula, with what it is called with beside a point."""

    function: Any
    args: Any = ()
    start: Any = None

    def read(self, *given: Any) -> FunctionRead:
        """Return what it says: see :func:`function_read`."""
        from symgd.objectives.python_objective import function_read

        return function_read(self.function, *given, args=self.args, start=self.start)


class Statement(NamedTuple):
    """What an objective is made of, as :class:`Objective` takes it.

    Attributes
    ----------
    shapes : mapping of str to tuple
        Of arrays, beside those that data and a start tell.
    measured : Measured, optional
        How long arrays are, where that isn't what indices reach.
    placed : function
        Makes the context in which errors show where in a Python function they are.
    """

    formula: Any
    variables: Any = None
    parameters: Mapping[str, float] | None = None
    data: Any = None
    sizes: Mapping[str, Any] | None = None
    iteration: str | sp.Symbol | None = None
    missing: str = "error"
    workers: int | None = None
    subject_to: Any = None
    shapes: Mapping[str, tuple[int, ...]] | None = None
    measured: Measured | None = None
    placed: Callable[[], Any] = contextlib.nullcontext

    def of_function(self, called: Called) -> Statement:
        """Return the same with the formula that a Python function is read as."""
        read = called.read(self.variables, self.parameters, self.data, self.sizes)
        formula = read.formula
        sizes: dict[str, Any] = dict(read.sizes)
        told = {n: formula.shapes[n] for n in read.variables if n in formula.shapes}
        sizes |= {name: tuple(shape) for name, shape in told.items()}
        return self._replace(
            formula=formula.text,
            variables=read.variables,
            parameters=read.parameters,
            data=read.data,
            sizes=sizes,
            measured=read.measured,
            placed=formula.placed,
        )

    def beside(self, known: Statement) -> Statement:
        """Return the same, completed by what another objective was told."""
        if self.subject_to is not None and known.subject_to is not None:
            raise InputError("the objective has its constraints already")
        changes: dict[str, Any] = {"formula": known.formula}
        for name in ("variables", "parameters", "workers", "subject_to"):
            if getattr(self, name) is None:
                changes[name] = getattr(known, name)
        changes["iteration"] = self.iteration or known.iteration
        if self.data is None:
            changes |= {"data": known.data, "measured": known.measured}
            changes["missing"] = known.missing
            if self.sizes is None:
                changes |= {"sizes": known.sizes, "shapes": known.shapes}
        return self._replace(**changes)

    def checked(self) -> Statement:
        """Return the same with names and numbers checked, the iteration among them."""
        if self.parameters is not None and not isinstance(self.parameters, Mapping):
            problem = "parameters must be a mapping of names to numbers"
            raise InputError(f"{problem}, such as {{'a': 3}}, not {self.parameters!r}")
        names = None if self.variables is None else _names(self.variables)
        parameters = self.parameters or {}
        values = {name_of(k): constant(v, str(k)) for k, v in parameters.items()}
        iteration = None if self.iteration is None else name_of(self.iteration)
        if iteration is not None:
            if iteration in values:
                problem = f"{iteration!r} is both a parameter and the iteration"
                raise InputError(problem)
            values[iteration] = 1.0
        if names is not None and (both := set(names) & set(values)):
            raise InputError(f"{sorted(both)[0]!r} is both a variable and a parameter")
        workers = None if self.workers is None else threads_of(self.workers)
        sizes, shapes = split_sizes(self.sizes or {})
        return self._replace(
            variables=names,
            parameters=values,
            iteration=iteration,
            workers=workers,
            sizes=sizes,
            shapes={**(self.shapes or {}), **shapes},
        )

    def with_indices(self) -> Statement:
        """Return the same with indices, if the formula is a text with whole arrays."""
        if not isinstance(self.formula, str):
            return self
        names, sizes = tuple(self.variables or ()), self.sizes
        lengths = sizes if isinstance(sizes, Mapping) else {}
        given = (names, self.parameters or {}, self.data, self.missing, lengths)
        known = self.shapes or {}
        whole = with_indices(self.formula, *given, known)
        if whole is None:
            return self
        shapes = {**known, **whole.shapes}
        sizes = {k: n for k, n in lengths.items() if k not in shapes}
        return self._replace(sizes=sizes, shapes=shapes).of_indexed(whole)

    def of_indexed(self, whole: IndexedText) -> Statement:
        """Return the same with a formula whose arrays have indices."""
        measured = whole.measured
        if self.measured is not None:
            measured = measured.joined(self.measured)
        return self._replace(formula=whole.formula, measured=measured)

    def with_lengths(self, expression: sp.Expr) -> Statement:
        """Return the same with sizes that are said of arrays as their shapes."""
        if not isinstance(self.sizes, Mapping):
            return self
        sizes, shapes = of_arrays(self.sizes, expression)
        return self._replace(sizes=sizes, shapes={**shapes, **(self.shapes or {})})

    def whole_sizes(self) -> dict[str, int]:
        """Return the sizes, which are to be whole numbers."""
        sizes = self.sizes or {}
        if not isinstance(sizes, Mapping):
            problem = "sizes must be a mapping of names to whole numbers"
            raise InputError(f"{problem}, such as {{'n': 100}}, not {sizes!r}")
        return {name_of(k): count(f"the size {k}", n) for k, n in sizes.items()}


def _names(names: Iterable[str | sp.Symbol]) -> tuple[str, ...]:
    if isinstance(names, str) or getattr(names, "is_Symbol", False):
        names = [n for n in str(names).replace(",", " ").split() if n]
    result = tuple(map(name_of, names))
    if len(set(result)) < len(result):
        repeated = next(name for name in result if result.count(name) > 1)
        raise InputError(f"{repeated!r} stands twice in variables")
    return result
