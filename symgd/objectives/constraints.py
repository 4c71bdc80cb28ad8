"""The constraints of an objective, and its Lagrangian, from which all derivatives come.

The Lagrangian is ``s*f(x) + sum(y[k]*c[k](x))``, as a formula of x, y and s. So its
gradient holds the constraints' values and f beside that by x, and its Hessian their
Jacobian and the gradient of f beside second derivatives: two native functions tell
all, and new numbers compile nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgd.errors import FormulaError, InputError
from symgd.language.formula import names_in, symbol, text_of
from symgd.language.relations import Relation, read_relation
from symgd.objectives.bound_rows import BoundRow, bound_rows
from symgd.objectives.numbers_given import named
from symgd.objectives.row_blocks import (
    RowBlock,
    blocks_of,
    chosen,
    numbers_of,
    square,
    term,
    unused,
)

# It stands above: what is asked of one are its names, arrays and parameters.
Objective = Any
_OF_SCIPY = ("LinearConstraint", "NonlinearConstraint", "dict")


class Constraints:
    """Relations that a point is to satisfy, each with a name.

    Parameters
    ----------
    given : str, relation, sequence of these, or mapping by name
    names : iterable of str
        What is declared: such names are no constants.
    """

    def __init__(self, given: Any, names: Iterable[str] = ()) -> None:
        known = {name: symbol(name) for name in names}
        if isinstance(given, Mapping) and any(map(callable, given.values())):
            raise _not_ours(given)
        if isinstance(given, Mapping):
            pairs = [(str(name), each) for name, each in named(given).items()]
        elif isinstance(given, (str, sp.Basic, bool)):
            pairs = [("", given)]
        elif isinstance(given, Iterable):
            pairs = [("", each) for each in given]
        else:
            raise _not_ours(given)
        if not pairs:
            raise InputError("subject_to is empty: leave it out")
        self.relations: list[Relation] = []
        self.labels: list[str] = []
        for name, each in pairs:
            if not isinstance(each, (str, sp.Basic, bool)):
                raise _not_ours(each)
            relation = read_relation(each, known)
            if not any(part.free_symbols for part in relation.parts()):
                raise FormulaError("there is no variable in a constraint", str(each))
            label, number = name or relation.text, 2
            while label in self.labels:
                label, number = f"{name or relation.text} ({number})", number + 1
            self.relations.append(relation)
            self.labels.append(label)

    @property
    def texts(self) -> list[tuple[str, str]]:
        """The names and the relations, as plain text."""
        pairs = zip(self.labels, self.relations, strict=True)
        return [(label, relation.text) for label, relation in pairs]

    def names(self) -> set[str]:
        """Return all names that are in them."""
        found: set[str] = set()
        for relation in self.relations:
            sides = (each for limit in relation.limits for each in limit)
            for part in (*relation.parts(), *sides, chosen(relation.condition, 1)):
                plain, indexed = names_in(part)
                found |= plain | set(indexed)
        return found


@dataclasses.dataclass(frozen=True)
class Lagrangian:
    """An objective with constraints, as it is computed.

    Attributes
    ----------
    constraints : Constraints
    function : Objective
        The Lagrangian, of the variables, a multiplier for each row, and the
        objective's factor.
    blocks : list of RowBlock
        Equalities first.
    variables : tuple of str
        Those of the objective.
    patterns : dict
        What runs have found out of its derivatives, by the variables that move.
    """

    constraints: Constraints
    function: Objective
    blocks: tuple[RowBlock, ...]
    variables: tuple[str, ...]
    patterns: dict[bytes, Any] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )

    @functools.cached_property
    def augmented(self) -> Objective:
        """The same without constraints: squares of what they are beyond their sides.

        It is ``s*f(x) + sum(b[k]**2)/2``, where ``b[k]`` is how far ``c[k](x) + y[k]``
        is beyond the sides: an augmented Lagrangian in units of its weight, 1/s, of the
        same names.
        """
        factor = symbol(self.function.variables[-1])
        terms = sp.Add.make_args(self.function.expression)
        own = sp.Add(*(each for each in terms if factor in each.free_symbols))
        return self.function.with_expression(own + sum(map(square, self.blocks)))

    def with_function(self, function: Objective) -> Lagrangian:
        """Return the same with a copy of the Lagrangian."""
        same = function.arrays is self.function.arrays
        patterns = self.patterns if same else {}
        return dataclasses.replace(self, function=function, patterns=patterns)

    def arrays_of(self, expression: sp.Expr) -> Any:
        """Return what names stand for in the objective alone; None if all are plain."""
        arrays = self.function.arrays
        if arrays is None:
            return None
        ranks = {name: arrays.ranks[name] for name in self.variables}
        shapes = arrays.shapes and {name: arrays.shapes[name] for name in ranks}
        own = {"variables": self.variables, "ranks": ranks, "shapes": shapes}
        return arrays.of(expression).replaced(**own)

    def shapes_told(self) -> contextlib.AbstractContextManager[None]:
        """Let errors of lengths be about constraints, not about their multipliers."""
        return _named_as(self.constraints, self.blocks)

    @property
    def texts(self) -> list[tuple[str, str]]:
        """The names and the relations, as plain text."""
        return self.constraints.texts

    @property
    def size(self) -> int:
        """How many coordinates a point has."""
        return self.function.space.size - self.rows - 1

    @functools.cached_property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(self.heights)

    @functools.cached_property
    def heights(self) -> list[int]:
        """How many rows each block has."""
        space = self.function.space
        return [len(space.places(b.multiplier, "multiplier")) for b in self.blocks]

    @functools.cached_property
    def sides(self) -> tuple[array[float], array[float]]:
        """Between which numbers each row is to be."""
        low, high = array("d"), array("d")
        for block, height in zip(self.blocks, self.heights, strict=True):
            low.extend([block.low] * height)
            high.extend([block.high] * height)
        for k in self.gaps:
            if k >= self.equalities:
                low[k], high[k] = -math.inf, math.inf
        return low, high

    @functools.cached_property
    def bound_rows(self) -> list[BoundRow]:
        """The rows that are bounds of a variable."""
        given = self.blocks, self.heights, self.variables, self.gaps
        return bound_rows(self.function, *given)

    @functools.cached_property
    def gaps(self) -> frozenset[int]:
        """The rows that stand for no relation: of indices that a family leaves out."""
        blocks = [block for block in self.blocks if block.has_gaps]
        if not blocks:
            return frozenset()
        there = numbers_of(
            self.function, [(b, sp.S.One) for b in blocks], [0.0] * self.size
        )
        places = self.function.space.places
        each = (k for b in blocks for k in places(b.multiplier, "multiplier"))
        return frozenset(k - self.size for k in each if there[k - self.size] == 0.0)

    @property
    def equalities(self) -> int:
        """How many rows are equalities: the first ones."""
        pairs = zip(self.blocks, self.heights, strict=True)
        return sum(height for block, height in pairs if block.low == block.high)

    def by_name(self, numbers: Sequence[float]) -> dict[str, Any]:
        """Return what there is of each row, by the relations' names; sums of two."""
        values = self.function.space.values([0.0] * self.size + [*numbers, 0.0])
        found: dict[str, Any] = {}
        for block in self.blocks:
            label = self.constraints.labels[block.relation]
            value = values[block.multiplier]
            found[label] = value + found[label] if label in found else value
        order = [label for label in self.constraints.labels if label in found]
        return {label: found[label] for label in order}

    def by_name_at(self, x: Sequence[float], rows: Sequence[float]) -> dict[str, Any]:
        """Return what relations are at a point: of a chain, what is in the middle.

        Parameters
        ----------
        x : sequence of float
        rows : sequence of float
            What each row is there; a chain may be two.
        """
        firsts = itertools.accumulate(self.heights, initial=0)
        chains: dict[int, list[tuple[int, int, RowBlock]]] = {}
        for first, height, block in zip(
            firsts, self.heights, self.blocks, strict=False
        ):
            chains.setdefault(block.relation, []).append((first, height, block))
        pairs = [each for each in chains.values() if len(each) > 1]
        if not pairs:
            return self.by_name(rows)
        bodies = [
            (block, self.constraints.relations[block.relation].body)
            for (*_, block), _ in pairs
        ]
        middles, found = numbers_of(self.function, bodies, x), array("d", rows)
        for (first, height, _), (second, *_) in pairs:
            found[first : first + height] = middles[first : first + height]
            found[second : second + height] = array("d", bytes(8 * height))
        return self.by_name(found)

    @functools.cached_property
    def in_order(self) -> list[int]:
        """The rows in the order in which relations were given."""
        firsts = itertools.accumulate(self.heights, initial=0)
        rows = zip(self.blocks, firsts, self.heights, strict=False)
        ordered = sorted(rows, key=lambda row: row[0].relation)
        return [k for _, first, count in ordered for k in range(first, first + count)]

    def name_of(self, row: int) -> str:
        """Return the name of a row: its relation's, with indices in a family."""
        name = self.function.space[self.size + row]
        for block in self.blocks:
            if name == block.multiplier or name.startswith(f"{block.multiplier}["):
                label = self.constraints.labels[block.relation]
                label = f"({label})" if block.limits and " " in label else label
                return label + name.removeprefix(block.multiplier)
        raise AssertionError


def constrained(
    make: Callable[..., Objective],
    expression: sp.Expr,
    declared: Sequence[str] | None,
    given: Any,
    parameters: Mapping[str, float],
    **more: Any,
) -> Lagrangian:
    """Return the Lagrangian of a formula within constraints.

    Parameters
    ----------
    make : callable
        Makes an objective.
    expression : SymPy expression
        What is minimised.
    declared : sequence of str, optional
        Its variables, where they are given.
    given : relations
        As :class:`Constraints` takes them.
    parameters : mapping of str to float
    **more
        What else an objective takes: data and sizes.
    """
    constraints = (
        given
        if isinstance(given, Constraints)
        else Constraints(given, (*(declared or ()), *parameters))
    )
    taken = {*parameters, *(declared or ()), *constraints.names()}
    taken |= {each.name for each in expression.free_symbols}
    factor = unused("objective", taken)
    taken.add(factor)
    blocks = blocks_of(constraints.relations, taken)
    total = symbol(factor) * expression + sum(map(term, blocks))
    own = [*(block.multiplier for block in blocks), factor]
    told = "; ".join(text for _, text in constraints.texts)
    shown = f"{text_of(expression)}, subject to {told}"
    with _told_as(shown, text_of(total)), _named_as(constraints, blocks):
        if declared is None:
            found = make(total, None, parameters=parameters, **more).variables
            declared = [name for name in found if name not in own]
        function = make(total, [*declared, *own], parameters=parameters, **more)
    _check_conditions(constraints, declared)
    if function.arrays is not None:
        function.arrays.formula = shown  # for errors that come later
    return Lagrangian(constraints, function, tuple(blocks), tuple(declared))


def _check_conditions(constraints: Constraints, variables: Iterable[str]) -> None:
    """Refuse a family whose indices would depend on where the point is."""
    for relation in constraints.relations:
        plain, indexed = names_in(chosen(relation.condition, 1))
        for name in sorted({*plain, *indexed} & set(variables)):
            problem = f"which constraints there are can't depend on the variable {name}"
            raise FormulaError(problem, relation.text)


@contextlib.contextmanager
def _named_as(constraints: Constraints, blocks: Iterable[RowBlock]) -> Iterator[None]:
    """Let an error of a multiplier, which is nobody's, be one of the constraint."""
    try:
        yield
    except FormulaError as error:
        for block in blocks:
            if error.problem.startswith(f"no element of {block.multiplier} is used"):
                label = constraints.labels[block.relation]
                problem = f"the constraint {label!r} has no index: its range is empty"
                raise FormulaError(problem, error.formula) from None
        raise


@contextlib.contextmanager
def _told_as(shown: str, total: str) -> Iterator[None]:
    """Let errors show what was given, not the Lagrangian that was made of it."""
    try:
        yield
    except FormulaError as error:
        if error.formula != total:
            raise
        told = error.problem, shown, None, None, error.suggestion
        raise FormulaError(*told) from None


def _not_ours(given: Any) -> Exception:
    """Return the error for what other libraries take, with the same as a relation."""
    what = type(given).__name__
    if isinstance(given, Mapping) or what in _OF_SCIPY:
        shown = _as_relation(given) or "x + 2*y <= 1"
        problem = f"subject_to takes relations, not SciPy's {what}: write"
        return InputError(f"{problem} subject_to={shown!r}, say")
    return FormulaError(
        f"a constraint is a relation, such as 'x + y <= 1', not of type {what}"
    )


def _as_relation(given: Any) -> str:
    """Return the first row of SciPy's linear constraint as text, or nothing."""
    if type(given).__name__ != "LinearConstraint":
        return ""
    row = map(float, np.atleast_2d(given.A)[0])
    terms = [f"{a:g}*x{k}" for k, a in enumerate(row, 1) if a]
    total = " + ".join(terms).replace("+ -", "- ") or "0"
    low, high = (float(np.ravel(side)[0]) for side in (given.lb, given.ub))
    if low == high:
        return f"{total} == {low:g}"
    before = f"{low:g} <= " if low > -math.inf else ""
    return f"{before}{total}" + (f" <= {high:g}" if high < math.inf else "")
