"""Sums as loops: the value and the gradient of an objective as nests of loops.

The derivative is taken by access. Only the body of a sum is differentiated, by each of
the array elements and scalars that it reads, as if they were unrelated; the loop then
adds each derivative to the place of the gradient that was read (Griewank and Walther
2008, "Evaluating Derivatives", chapter 3: reverse mode, here with a loop for a node).
So the cost of deriving, and the size of the code, don't depend on any length.

Elsewhere this is an intermediate representation, and reverse-mode automatic
differentiation (backpropagation, adjoints) of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import sympy as sp

from symgd.calculus import derivatives
from symgd.calculus.largest import reached, ties, where_reached
from symgd.calculus.lifting import Lifted, System, element, is_own, slopes_of
from symgd.calculus.unmoved import Unmoved
from symgd.language.nodes import Maximum, Sum, replaced
from symgd.language.signs import is_nonnegative

SUM, PRODUCT, MAXIMUM = "sum", "product", "maximum"
LARGEST = "largest"  # of sizes; NaN and infinity are larger than all numbers
FINITE = "finite"  # 0 if all numbers are finite, else NaN


@dataclass(frozen=True)
class Loop:
    """An index that runs from ``start`` up to, not including, ``stop``."""

    index: sp.Symbol
    start: sp.Expr
    stop: sp.Expr


@dataclass(frozen=True)
class Total:
    """What a loop makes of a value in each iteration; known by a name after it.

    ``kind`` is one of those above.
    """

    name: sp.Symbol
    value: sp.Expr
    kind: str = SUM


@dataclass(frozen=True)
class Let:
    """A name for a value."""

    name: sp.Symbol
    value: sp.Expr


@dataclass(frozen=True)
class Add:
    """A contribution to the gradient by one element of an array, or by a scalar."""

    array: str
    indices: tuple[sp.Expr, ...]
    value: sp.Expr


@dataclass(frozen=True)
class Nest:
    """A loop: in each iteration the steps are done, then totals and adds are made."""

    loop: Loop
    steps: tuple[Step, ...]
    totals: tuple[Total, ...]
    adds: tuple[Add, ...] = ()


@dataclass(frozen=True)
class Region:
    """A box of elements and what is computed for each: names, a slope, and totals."""

    starts: tuple[sp.Expr, ...]
    stops: tuple[sp.Expr, ...]
    lets: tuple[Let, ...]
    slope: sp.Expr
    totals: tuple[Total, ...]


@dataclass(frozen=True)
class Gather:
    """Loops over all elements of an array; an element's slope is its regions' sum.

    It is added to what is there already if other steps contribute, too.
    """

    array: str
    rank: int
    regions: tuple[Region, ...]
    adds: bool = False

    @property
    def totals(self) -> tuple[Total, ...]:
        """All totals; what names are known after the loops."""
        return tuple(t for region in self.regions for t in region.totals)


FACTOR, SOLVE, SOLVE_BACK, FACTOR_BACK = range(4)  # as ``kernels.dense`` has them


@dataclass(frozen=True)
class Dense:
    """A matrix is factored, a system solved, or the way back of these.

    Attributes
    ----------
    kind : int
        One of the above.
    matrix, right : System
        ``right`` is the matrix itself where there is no other side.
    """

    kind: int
    matrix: System
    right: System
    totals: tuple[Total, ...] = ()  # what it gives is in arrays


Step: TypeAlias = Nest | Let | Gather | Dense


@dataclass(frozen=True)
class Program:
    """Steps, then a value and the last contributions to the gradient.

    ``systems`` tell of the arrays of its own.
    """

    steps: tuple[Step, ...]
    value: sp.Expr
    adds: tuple[Add, ...]
    systems: tuple[System, ...] = ()


def value_program(expression: sp.Expr) -> Program:
    """Return the program of the value alone."""
    steps, value, _ = _Writer(()).scope(expression, 0)
    return Program(steps, value, ())


def gradient_program(expression: sp.Expr, variables: Iterable[str]) -> Program:
    """Return the program of value and gradient.

    Parameters
    ----------
    expression : SymPy expression
        With sums, products and accesses to arrays.
    variables : iterable of str
        The names of scalars and arrays by which it is differentiated.
    """
    lifted = Lifted(expression)
    writer = _Writer((*variables, *lifted.results))
    steps, value, adds = writer.scope(lifted.rest, 0, lambda _: sp.S.One)
    if not lifted.systems:
        return Program(steps, value, _collected(adds))
    first = [step for each in lifted.systems for step in writer.computed(each)]
    back, adds = writer.led_back(lifted, adds)
    whole = (*first, *_of_slopes(steps), *back)
    return Program(whole, value, _collected(adds), tuple(lifted.systems))


def outermost(expression: sp.Basic, *kinds: type) -> list[sp.Basic]:
    """Return the nodes of some kinds that are inside no other such node, each once."""
    found: dict[sp.Basic, None] = {}
    pending = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, kinds):
            found[node] = None
        else:
            pending.extend(reversed(node.args))
    return list(found)


def index_at(depth: int) -> sp.Symbol:
    """Return the index of the loops at a depth, by a name that no formula can have."""
    return sp.Symbol(f"[i{depth}]", real=True)


_Adjoint: TypeAlias = Callable[[sp.Expr], sp.Expr]
_Scope: TypeAlias = tuple[tuple[Step, ...], sp.Expr, list[Add]]


_ASKED_FIRST = (sp.Product, Maximum)  # what their slopes depend on is their value


class _Writer:
    """Writes the steps of nested scopes; a scope is the body of a loop, or the whole.

    A scope is an expression in which each of its own sums has a name. Its adjoint is
    the derivative of the objective by it; a function of the scope's expression, as the
    adjoint of a product's factor depends on the factor.
    """

    def __init__(self, variables: Iterable[str]) -> None:
        self.variables = frozenset(variables)
        self.names = 0
        self.systems: dict[str, System] = {}

    def name(self, meaning: sp.Expr = sp.S.NegativeOne) -> sp.Symbol:
        self.names += 1
        return named_as(f"[t{self.names}]", meaning)

    def scope(
        self,
        expression: sp.Expr,
        depth: int,
        adjoint: _Adjoint | None = None,
        compared: bool = False,
    ) -> _Scope:
        """Return the steps before an expression, the expression, and what is added.

        What is compared gets a name, a factor with 0 or a body with its maximum: it is
        computed by itself then, with the same bits wherever it is.
        """
        sums = Unmoved(expression, self.name)
        inner, named = sums.inner, sums.outermost
        own, value = self.steps_named(sums.value)
        own += [Let(self.name(), value)] if compared else []
        result = own[-1].name if compared else value
        known = {node: self.valued(node, name, depth) for node, name in inner.items()}
        first = [step for steps in known.values() for step in steps]
        if adjoint is None:
            for node, name in named.items():
                first += self.valued(node, name, depth)
            return (*first, *own), result, []
        reached = adjoint(result)
        found = slopes(value, self.variables, (*inner.values(), *named.values()))
        around = self.variables
        self.variables = around.union(name.name for name in inner.values())
        then: list[Step] = []
        adds: list[Add] = []
        for node, name in named.items():
            slope = reached * found.pop(name, sp.S.Zero)
            late = {*named.values(), *_defined(own)}
            ready = not slope.atoms(sp.Symbol) & late
            if slope == 0 or isinstance(node, _ASKED_FIRST) or not ready:
                factors = self.valued(node, name, depth)
                first += factors
                if slope != 0:
                    then += self.descended(node, None, depth, slope, adds, factors)
            else:
                first += self.descended(node, name, depth, slope, adds)
        for node, name in reversed(inner.items()):
            slope = reached * found.pop(name, sp.S.Zero)
            slope += sp.Add(*(add.value for add in adds if add.array == name.name))
            if slope != 0:
                then += self.descended(node, None, depth, slope, adds, known[node])
        adds = [add for add in adds if add.array in around]
        self.variables = around
        for access, slope in found.items():
            array, indices = place_of(access)
            adds.append(Add(array, indices, reached * slope))
        return (*first, *own, *then), result, adds

    def steps_named(self, value: sp.Expr) -> tuple[list[Let], sp.Expr]:
        """Return names for what is asked whether it reaches a maximum, and the rest."""
        pairs: dict[Any, Any] = {n: n.args for n in outermost(value, reached)}
        bodies = dict.fromkeys(body for body, _ in pairs.values())
        names = {body: self.name() for body in bodies}
        # A maximum that is written out is one of these names.
        chosen = {
            node: where_reached(names[body], replaced(largest, names))
            for node, (body, largest) in pairs.items()
        }
        steps = [Let(name, body) for body, name in names.items()]
        return steps, replaced(value, chosen)

    def valued(self, node: sp.Expr, name: sp.Symbol, depth: int) -> list[Step]:
        """Return the steps that give a sum or a product its name."""
        if not isinstance(node, sp.Product):
            return [self.loops(node, depth, [name])[0]]
        product, zeros = self.name(), self.name()
        nest, _ = self.loops(node, depth, [product, zeros])
        none = sp.Eq(zeros, 0)
        return [nest, Let(name, sp.Piecewise((product, none), (sp.S.Zero, True)))]

    def descended(
        self,
        node: sp.Expr,
        name: sp.Symbol | None,
        depth: int,
        slope: sp.Expr,
        adds: list[Add],
        factors: Sequence[Step] = (),
    ) -> list[Step]:
        """Return the steps that add what a sum contributes to the gradient.

        With a name, they compute its value on the way. What doesn't depend on the loop
        goes to ``adds``.
        """
        steps: list[Step] = []
        if not (slope.is_Number or slope.is_Symbol):
            named = Let(self.name(), slope)
            steps.append(named)
            slope = named.name
        adjoint = _of_term(slope)
        if isinstance(node, sp.Product):
            nest, whole = factors[0], factors[-1]
            assert isinstance(nest, Nest)
            assert isinstance(whole, Let)
            product, zeros = (total.name for total in nest.totals)
            adjoint = _of_factor(slope, whole.name, product, zeros)
        if isinstance(node, Maximum):
            nest, count = factors[-1], self.name()
            assert isinstance(nest, Nest)
            largest = nest.totals[0].name
            steps.append(self.loops(ties(node, largest), depth, [count])[0])
            adjoint = _of_largest(slope / count, largest)
        names = [] if name is None else [name]
        nest, outer = self.loops(node, depth, names, adjoint)
        adds += outer
        return [*steps, nest]

    def computed(self, system: System) -> list[Step]:
        """Return the steps that write a matrix and factor it, or solve its system."""
        (column, low, last), (row, first, end) = system.table.limits
        steps, value, _ = self.scope(system.table.function, 2)
        add = Add(system.name, (row, column), value)
        inner = Nest(Loop(column, low, last + 1), tuple(steps), (), (add,))
        filled = Nest(Loop(row, first, end + 1), (inner,), ())
        self.systems[system.name] = system
        matrix = self.systems[system.matrix or system.name]
        return [filled, Dense(SOLVE if system.matrix else FACTOR, matrix, system)]

    def led_back(self, lifted: Lifted, adds: list[Add]) -> tuple[list[Step], list[Add]]:
        """Return what leads slopes back from systems to variables, the last first."""
        names, steps = {*lifted.results}, list[Step]()
        for system in reversed(lifted.systems):
            own = [add for add in adds if add.array in names]
            adds = [add for add in adds if add.array not in names]
            if own:
                once = Loop(index_at(0), sp.S.Zero, sp.S.One)
                steps.append(Nest(once, (), (), _collected(own)))
            matrix = self.systems[system.matrix or system.name]
            kind = SOLVE_BACK if system.matrix else FACTOR_BACK
            steps.append(Dense(kind, matrix, system))
            (column, *_), (row, *_) = system.table.limits
            slope = element(slopes_of(system.name), row, column)
            every = Sum(system.table.function, *system.table.limits)
            nest, outer = self.loops(every, 0, [], _of_term(slope))
            if outer or _adds_something(nest):
                steps.append(nest)
            adds += outer
        return list(_of_slopes(steps)), adds

    def loops(
        self,
        node: sp.Expr,
        depth: int,
        names: list[sp.Symbol],
        adjoint: _Adjoint | None = None,
    ) -> tuple[Nest, list[Add]]:
        """Return the loops of a sum or product, and what is to be added after them."""
        renamed: dict[sp.Basic, sp.Basic] = {}
        loops: list[Loop] = []
        for index, low, high in reversed(node.limits):
            own = index_at(depth + len(loops))
            loops.append(Loop(own, low.xreplace(renamed), high.xreplace(renamed) + 1))
            renamed[index] = own
        body = replaced(node.function, renamed)
        factor, largest = isinstance(node, sp.Product), isinstance(node, Maximum)
        compared = factor or largest
        steps, value, adds = self.scope(body, depth + len(loops), adjoint, compared)
        values = [value]
        if factor and names:
            zero = sp.Eq(value, 0)
            values = [sp.Piecewise((1, zero), (value, True))]
            values.append(sp.Piecewise((1, zero), (0, True)))
        kinds = [PRODUCT if factor else MAXIMUM if largest else SUM, SUM]
        totals: list[Total] = []
        while loops:
            inner = [self.name() if len(loops) > 1 else name for name in names]
            totals = list(map(Total, inner, values, kinds))
            nest, adds = self.closed(loops.pop(), steps, totals, adds)
            steps, values = (nest,), list(inner)
        return nest, adds

    def closed(
        self, loop: Loop, steps: Sequence[Step], totals: list[Total], adds: list[Add]
    ) -> tuple[Nest, list[Add]]:
        """Return a loop around steps; what doesn't move with it is added after it."""
        moving = {loop.index, *_defined(steps)}
        kept, outer = [], []
        for add in _collected(adds):
            if any(index.atoms(sp.Symbol) & moving for index in add.indices):
                kept.append(add)
            else:
                totals.append(Total(self.name(), add.value))
                outer.append(Add(add.array, add.indices, totals[-1].name))
        return Nest(loop, tuple(steps), tuple(totals), tuple(kept)), outer


def named_as(name: str, meaning: sp.Expr) -> sp.Symbol:
    """Return a symbol for an expression, which keeps that it is nowhere negative."""
    known = {"nonnegative": True} if is_nonnegative(meaning) else {}
    return sp.Symbol(name, real=True, **known)


def slopes(
    value: sp.Expr, variables: Iterable[str], names: Iterable[sp.Symbol]
) -> dict[sp.Basic, sp.Expr]:
    """Return the derivatives, where not 0, by accesses to variables and by names.

    Parameters
    ----------
    value : SymPy expression
        Without sums: they have names.
    variables : iterable of str
        Of scalars and arrays.
    names : iterable of symbols
        The sums' names.
    """
    variables = frozenset(variables)
    accesses = outermost(value, sp.Indexed)
    places = {a: sp.Symbol(f"[a{k}]", real=True) for k, a in enumerate(accesses)}
    flat = replaced(value, places)
    by: dict[sp.Symbol, sp.Basic] = {
        place: access
        for access, place in places.items()
        if place_of(access)[0] in variables
    }
    scalars = {s for s in flat.atoms(sp.Symbol) if s.name in variables}
    by |= {s: s for s in (*names, *sorted(scalars, key=lambda s: s.name))}
    column = derivatives.gradient(flat, tuple(by))
    back = {place: access for access, place in places.items()}
    pairs = zip(by.values(), column, strict=True)
    return {access: replaced(d, back) for access, d in pairs if d != 0}


def _of_slopes(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return steps that add to the slopes of a program's own arrays, not to these."""
    return tuple(
        replace(
            step,
            steps=_of_slopes(step.steps),
            adds=tuple(
                replace(add, array=slopes_of(add.array)) if is_own(add.array) else add
                for add in step.adds
            ),
        )
        if isinstance(step, Nest)
        else step
        for step in steps
    )


def _adds_something(step: Step) -> bool:
    """Return whether a loop contributes to anything."""
    return isinstance(step, Nest) and bool(
        step.adds or step.totals or any(map(_adds_something, step.steps))
    )


def _of_term(slope: sp.Expr) -> _Adjoint:
    """Return the adjoint of a term: the sum's own."""
    return lambda _: slope


def _of_factor(
    slope: sp.Expr, whole: sp.Symbol, product: sp.Symbol, zeros: sp.Symbol
) -> _Adjoint:
    """Return the adjoint of a factor: the product of all others, also where one is 0.

    ``product`` is of those that are not 0, ``zeros`` the number of others.
    """

    def adjoint(factor: sp.Expr) -> sp.Expr:
        alone = sp.Piecewise((product, sp.Eq(factor, 0)), (sp.S.Zero, True))
        others = sp.Piecewise(
            (whole / factor, sp.Eq(zeros, 0)),
            (alone, sp.Eq(zeros, 1)),
            (sp.S.Zero, True),
        )
        return slope * others

    return adjoint


def _of_largest(slope: sp.Expr, largest: sp.Symbol) -> _Adjoint:
    """Return the adjoint of a maximum's body: its share of the slope."""
    return lambda body: slope * where_reached(body, largest)


def place_of(access: sp.Basic) -> tuple[str, tuple[sp.Expr, ...]]:
    """Return the name and the indices of an access, or of a scalar, which has none."""
    if isinstance(access, sp.Indexed):
        return str(access.base.label), tuple(access.indices)
    return access.name, ()


def _defined(steps: Iterable[Step]) -> set[sp.Symbol]:
    """Return the names that steps define."""
    names: set[sp.Symbol] = set()
    for step in steps:
        totals = (step,) if isinstance(step, Let) else step.totals
        names |= {total.name for total in totals}
    return names


def _collected(adds: Iterable[Add]) -> tuple[Add, ...]:
    """Return contributions to the same place as one."""
    values: dict[tuple[str, tuple[sp.Expr, ...]], list[sp.Expr]] = {}
    for add in adds:
        values.setdefault((add.array, add.indices), []).append(add.value)
    return tuple(Add(*place, sp.Add(*parts)) for place, parts in values.items())
