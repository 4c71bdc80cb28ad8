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
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from symgd.calculus.sizes import lengths
from symgd.calculus.structure import size_names
from symgd.errors import FormulaError, InputError
from symgd.language.as_written import decided
from symgd.language.formula import Shapes, names_in, symbol, text_of
from symgd.language.formula import array as array_of
from symgd.language.nodes import Sum
from symgd.language.relations import Relation, read_relation
from symgd.native.machine import address
from symgd.objectives.numbers_given import named
from symgd.objectives.whole_arrays import shapes_of_data

# It stands above: what is asked of one are its names, arrays and parameters.
Objective = Any
_OF_SCIPY = ("LinearConstraint", "NonlinearConstraint", "dict")
INTO = {"==": (0.0, 0.0), "<=": (-math.inf, 0.0), ">=": (0.0, math.inf)}


class Constraints:
    """Relations that a point is to satisfy, each with a name.

    Parameters
    ----------
    given : str, relation, sequence of these, or mapping by name
    names : iterable of str
        What is declared: such names are no constants.
    shapes : Shapes, optional
        What is known of arrays.
    """

    def __init__(
        self, given: Any, names: Iterable[str] = (), shapes: Shapes | None = None
    ) -> None:
        shapes = Shapes() if shapes is None else shapes
        self.relations: list[Relation] = []
        self.labels: list[str] = []
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
        for name, each in pairs:
            if not isinstance(each, (str, sp.Basic, bool)):
                raise _not_ours(each)
            taken = shapes.taken | self.names()
            shapes = dataclasses.replace(shapes, taken=frozenset(taken))
            relation = read_relation(each, known, shapes)
            arrays = {**_lengths_in(_family(relation)), **shapes.arrays}
            shapes = dataclasses.replace(shapes, arrays=arrays)
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
            for part in (*relation.parts(), *sides, _chosen(relation.condition, 1)):
                plain, indexed = names_in(part)
                found |= plain | set(indexed)
        return found


class RowBlock(NamedTuple):
    """Rows of one relation that are alike."""

    relation: int
    body: sp.Expr
    low: float
    high: float
    multiplier: str
    limits: tuple[Any, ...]
    condition: Any

    @property
    def has_gaps(self) -> bool:
        """Whether there may be indices without a row."""
        ends = (end for _, *ends in self.limits for end in ends)
        inside = {name for end in ends for name in end.free_symbols}
        indices = {index for index, *_ in self.limits}
        return self.condition != sp.true or not inside.isdisjoint(indices)


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
    """

    constraints: Constraints
    function: Objective
    blocks: tuple[RowBlock, ...]
    variables: tuple[str, ...]

    def with_function(self, function: Objective) -> Lagrangian:
        """Return the same with a copy of the Lagrangian."""
        return dataclasses.replace(self, function=function)

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
    def gaps(self) -> frozenset[int]:
        """The rows that stand for no relation: of indices that a family leaves out."""
        blocks = [block for block in self.blocks if block.has_gaps]
        if not blocks:
            return frozenset()
        # Each multiplier stands in this as often as there is such a relation.
        rows = sum(_term(block._replace(body=sp.S.One)) for block in blocks)
        whole, gradient = self.function, array("d", bytes(8 * self.function.space.size))
        counted = whole.with_expression(rows).kernel("evaluation")
        point, words = array("d", gradient), whole.parameter_values()
        counted(address(point), address(words), address(gradient))
        pairs = [(b, whole.space.places(b.multiplier, "multiplier")) for b in blocks]
        each = (k for _, places in pairs for k in places)
        return frozenset(k - self.size for k in each if gradient[k] == 0.0)

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
    shapes: Mapping[str, Sequence[int]] | None = None,
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
    shapes : mapping of str to sequence of int, optional
        What is known of arrays beside data and the formula.
    **more
        What else an objective takes: data and sizes.
    """
    constraints = (
        given
        if isinstance(given, Constraints)
        else Constraints(
            given,
            (*(declared or ()), *parameters),
            _shapes(expression, parameters, shapes or {}, more.get("data")),
        )
    )
    taken = {*parameters, *(declared or ()), *constraints.names()}
    taken |= {each.name for each in expression.free_symbols}
    factor = _unused("objective", taken)
    taken.add(factor)
    blocks = _blocks(constraints, taken)
    total = symbol(factor) * expression + sum(map(_term, blocks))
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


def _shapes(
    expression: sp.Expr,
    parameters: Iterable[str],
    told: Mapping[str, Sequence[int]],
    data: Any,
) -> Shapes:
    """Return what relations may know of arrays: those of the formula, and data."""
    plain, _ = names_in(expression)
    arrays = {**_lengths_in(expression), **told, **shapes_of_data(data)}
    scalars = frozenset({*plain, *parameters})
    return Shapes(arrays, scalars, taken=frozenset({*plain, *arrays, *scalars}))


def _lengths_in(expression: sp.Expr) -> dict[str, Sequence[Any]]:
    """Return the lengths of arrays, by names of sizes where a formula tells them."""
    _, ranks = names_in(expression)
    sizes = size_names(expression)
    return {
        name: lengths(expression, sizes, name, rank) for name, rank in ranks.items()
    }


def _family(relation: Relation) -> sp.Expr:
    """Return a sum over all relations of a family, in which its arrays are reached."""
    whole = sum(relation.parts())
    chosen = _chosen(relation.condition, whole)
    return Sum(chosen, *relation.limits) if relation.limits else chosen


def _check_conditions(constraints: Constraints, variables: Iterable[str]) -> None:
    """Refuse a family whose indices would depend on where the point is."""
    for relation in constraints.relations:
        plain, indexed = names_in(_chosen(relation.condition, 1))
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


def _blocks(constraints: Constraints, taken: set[str]) -> list[RowBlock]:
    """Return the rows of all relations, equalities first."""
    found = []
    for place, relation in enumerate(constraints.relations):
        for body, low, high in _rows(relation):
            name = _unused("multiplier", taken)
            taken.add(name)
            family = relation.limits, relation.condition
            found.append(RowBlock(place, body, low, high, name, *family))
    return sorted(found, key=lambda block: block.low != block.high)


def _rows(relation: Relation) -> list[tuple[sp.Expr, float, float]]:
    """Return what is to be between which numbers, for a relation: one row, or two."""
    body, low, high = relation.parts()
    if relation.sense != "between":
        return [(body, *INTO[relation.sense])]
    if low.is_number and high.is_number:
        if not low <= high:
            problem = f"{low} is above {high}"
            raise InputError(f"no point satisfies {relation.text!r}: {problem}")
        return [(body, float(low), float(high))]
    return [(body - low, *INTO[">="]), (body - high, *INTO["<="])]


def _term(block: RowBlock) -> sp.Expr:
    """Return what a block adds to the Lagrangian."""
    if not block.limits:
        return symbol(block.multiplier) * block.body
    places = [index - first for index, first, _ in reversed(block.limits)]
    one = sp.Indexed(array_of(block.multiplier), *places)
    return Sum(_chosen(block.condition, one * block.body), *block.limits)


def _chosen(condition: Any, value: Any) -> Any:
    """Return a value where a condition holds, and else 0."""
    return decided((sp.sympify(value), condition), (sp.S.Zero, sp.true))


def _unused(name: str, taken: set[str]) -> str:
    number = 0
    while (found := f"{name}_{number}" if number else name) in taken:
        number += 1
    return found


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
