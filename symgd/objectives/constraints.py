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
import warnings
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import sympy as sp

from symgd.calculus.sizes import lengths
from symgd.calculus.structure import size_names
from symgd.errors import FormulaError, InputError
from symgd.language.formula import (
    Measured,
    Shapes,
    names_in,
    natural_order,
    symbol,
    text_of,
)
from symgd.language.nodes import Sum
from symgd.language.relations import Relation, read_relation
from symgd.objectives.bound_rows import BoundRow, bound_rows
from symgd.objectives.numbers_given import named
from symgd.objectives.of_scipy import not_ours
from symgd.objectives.row_blocks import (
    RowBlock,
    blocks_of,
    chosen,
    numbers_of,
    square,
    term,
    unused,
)
from symgd.objectives.whole_arrays import shapes_of_data

# It stands above: what is asked of one are its names, arrays and parameters.
Objective = Any


class Constraints:
    """Relations that a point is to satisfy, each with a name.

    Parameters
    ----------
    given : str, relation, sequence of these, or mapping by name
    names : iterable of str
        What is declared: such names are no constants.
    variables : sequence of str
        Those of the objective: with them errors are told.
    shapes : Shapes, optional
        What is known of arrays.
    """

    def __init__(
        self,
        given: Any,
        names: Iterable[str] = (),
        variables: Sequence[str] = (),
        shapes: Shapes | None = None,
    ) -> None:
        shapes = Shapes() if shapes is None else shapes
        self.relations: list[Relation] = []
        self.labels: list[str] = []
        known = {name: symbol(name) for name in names}
        if isinstance(given, Mapping) and any(map(callable, given.values())):
            raise not_ours(given, variables)
        if isinstance(given, Mapping):
            pairs = [(str(name), each) for name, each in named(given).items()]
        elif isinstance(given, (str, sp.Basic, bool)):
            pairs = [("", given)]
        elif isinstance(given, Iterable):
            pairs = [("", each) for each in given]
        else:
            raise not_ours(given, variables)
        if not pairs:
            raise InputError("subject_to is empty: leave it out")
        for name, each in pairs:
            if not isinstance(each, (str, sp.Basic, bool)):
                raise not_ours(each, variables)
            taken = shapes.taken | self.names()
            shapes = dataclasses.replace(shapes, taken=frozenset(taken))
            relation = read_relation(each, known, shapes)
            found = _lengths_in(_family(relation), relation.measured)
            arrays = {**found, **shapes.arrays}
            shapes = dataclasses.replace(shapes, arrays=arrays)
            if not any(part.free_symbols for part in relation.parts()):
                raise FormulaError("there is no variable in a constraint", str(each))
            label, number = name or relation.text, 2
            while label in self.labels:
                label, number = f"{name or relation.text} ({number})", number + 1
            self.relations.append(relation)
            self.labels.append(label)

    @classmethod
    def of(cls, relations: Sequence[Relation]) -> Constraints:
        """Return relations that have been read, each called by its text."""
        made = object.__new__(cls)
        made.relations = list(relations)
        made.labels = [relation.text for relation in relations]
        return made

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
        squares = sum(map(square, self.blocks))
        return self.function.with_expression(self._of_objective + squares)

    @property
    def _of_objective(self) -> sp.Expr:
        """What the Lagrangian has of the objective, with its factor."""
        factor = symbol(self.function.variables[-1])
        terms = sp.Add.make_args(self.function.expression)
        return sp.Add(*(each for each in terms if factor in each.free_symbols))

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

    @contextlib.contextmanager
    def derivatives_told(self) -> Iterator[None]:
        """Let errors of derivatives be about what was given, not the Lagrangian."""
        try:
            yield
        except FormulaError as error:
            kind = error.problem.partition("(")[0]
            problem = f"{kind}(...) has no derivative that a descent can use"
            for relation in self.constraints.relations:
                nodes = map(sp.preorder_traversal, relation.parts())
                kinds = {type(node).__name__ for each in nodes for node in each}
                if kind in kinds:
                    raise FormulaError(problem, relation.text) from None
            factor = symbol(self.function.variables[-1])
            shown = text_of(self._of_objective.coeff(factor))
            raise FormulaError(problem, shown) from None

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
    def constants(self) -> array[float]:
        """What is added to the rest of each row, as far as it is a plain number."""
        found = array("d")
        for block, height in zip(self.blocks, self.heights, strict=True):
            found.extend([float(block.body.as_coeff_Add()[0])] * height)
        return found

    def small_sides(self, most: float) -> dict[int, float]:
        """Return sides that are numbers below one, but not 0, by row."""
        found: dict[int, float] = {}
        firsts = itertools.accumulate(self.heights, initial=0)
        for block, first, height in zip(
            self.blocks, firsts, self.heights, strict=False
        ):
            constant = float(block.body.as_coeff_Add()[0])
            sides = (side - constant for side in (block.low, block.high))
            size = max((abs(s) for s in sides if math.isfinite(s)), default=0.0)
            if 0.0 < size < most:
                found |= dict.fromkeys(range(first, first + height), size)
        return found

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
    shapes: Mapping[str, Sequence[int]] | None = None,
    measured: Measured | None = None,
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
    measured : Measured, optional
        How long the formula's arrays are, where that isn't what indices reach.
    **more
        What else an objective takes: data and sizes.
    """
    free = {each.name for each in expression.free_symbols} - set(parameters)
    measured = measured or Measured()
    constraints = (
        given
        if isinstance(given, Constraints)
        else Constraints(
            given,
            (*(declared or ()), *parameters),
            declared or natural_order(free),
            _shapes(expression, measured, parameters, shapes or {}, more.get("data")),
        )
    )
    if constraints is not given:
        _warn_of_slips(constraints.names() - set(parameters), expression)
    for relation in constraints.relations:
        measured = measured.joined(relation.measured)
    more = {**more, "parameters": parameters, "measured": measured}
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
            found = make(total, None, **more).variables
            declared = [name for name in found if name not in own]
        function = make(total, [*declared, *own], **more)
    _check_conditions(constraints, declared)
    if function.arrays is not None:
        function.arrays.formula = shown  # for errors that come later
    return Lagrangian(constraints, function, tuple(blocks), tuple(declared))


def _warn_of_slips(names: Iterable[str], expression: sp.Expr) -> None:
    """Warn of a name that only relations have, and that differs from one by case."""
    plain, indexed = names_in(expression)
    known = {name.casefold(): name for name in (*plain, *indexed)}
    for name in sorted(set(names) - set(known.values())):
        if meant := known.get(name.casefold()):
            told = f"{name!r}, which only relations have, is a variable of its own"
            warnings.warn(f"{told} (did you mean {meant!r}?)", stacklevel=8)


def _shapes(
    expression: sp.Expr,
    measured: Measured,
    parameters: Iterable[str],
    told: Mapping[str, Sequence[int]],
    data: Any,
) -> Shapes:
    """Return what relations may know of arrays: those of the formula, and data."""
    plain, _ = names_in(expression)
    arrays = _lengths_in(expression, measured)
    arrays |= {**told, **shapes_of_data(data)}
    scalars = frozenset({*plain, *parameters})
    return Shapes(arrays, scalars, taken=frozenset({*plain, *arrays, *scalars}))


def _lengths_in(expression: sp.Expr, measured: Measured) -> dict[str, Sequence[Any]]:
    """Return the lengths of arrays, by names of sizes where a formula tells them."""
    _, ranks = names_in(expression)
    sizes = size_names(expression)
    return {
        name: measured.of(name, lengths(expression, sizes, name, rank))
        for name, rank in ranks.items()
    }


def _family(relation: Relation) -> sp.Expr:
    """Return a sum over all relations of a family, in which its arrays are reached."""
    whole = sum(relation.parts())
    counted = chosen(relation.condition, whole)
    return Sum(counted, *relation.limits) if relation.limits else counted


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
