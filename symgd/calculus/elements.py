"""Derivatives of formulas with sums, as formulas with sums.

Each access inside of a sum contributes to one element of the gradient. Where its index
is the sum's own, shifted, the sum has one term for that element, and is solved for it;
otherwise a condition picks the terms.

Symbolic differentiation of indexed sums; a Jacobian-vector product is here
``directional``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgd.calculus.largest import reached, share, ties
from symgd.calculus.program import named_as, outermost, place_of, slopes
from symgd.language.formula import array, symbol
from symgd.language.nodes import (
    DETERMINANTS,
    FACTORED,
    REPEATED,
    Determinant,
    Maximum,
    Product,
    Solution,
    Sum,
    Table,
    inverse,
    replaced,
    replaced_free,
    unused,
)

DIRECTION = "[v]"  # before a variable's name: its part of a direction


def directional(expression: sp.Expr, variables: Iterable[str]) -> sp.Expr:
    """Return the derivative along a direction, an array or a scalar for each variable.

    Its gradient is the product of the Hessian with the direction.
    """
    variables = frozenset(variables)

    def along(node: sp.Expr) -> sp.Expr:
        sums = outermost(node, *REPEATED, *FACTORED)
        named = {each: named_as(f"[s{k}]", each) for k, each in enumerate(sums)}
        back = {name: each for each, name in named.items()}
        flat = replaced(node, named)
        terms = []
        for access, slope in slopes(flat, variables, named.values()).items():
            if access in back:
                terms.append(slope * inside(back[access]))
            else:
                name, indices = place_of(access)
                way = DIRECTION + name
                terms.append(slope * (array(way)[indices] if indices else symbol(way)))
        return replaced(sp.Add(*terms), back)

    def inside(node: sp.Expr) -> sp.Expr:
        if isinstance(node, DETERMINANTS):
            (matrix,) = node.args
            column, row = places(matrix)
            slope = along(matrix.function) * inverse(matrix, column, row)
            weight = node if type(node) is Determinant else sp.S.One
            return weight * Sum(slope, *matrix.limits)
        if isinstance(node, Solution):
            return _solution_along(node, along)
        if isinstance(node, sp.Sum):
            return node.func(along(node.function), *node.limits)
        if isinstance(node, Maximum):
            way = along(node.function) * reached(node.function, node)
            return Sum(way, *node.limits) / ties(node, node)
        other = {own: unused(own, "other", node) for own, *_ in node.limits}
        return Sum(along(node.function) * _others(node, other), *node.limits)

    return along(expression)


def places(table: Table) -> list[sp.Expr]:
    """Return where an element is, counted from 0: the indices less where they begin."""
    return [index - low for index, low, _ in table.limits]


def _solution_along(node: Solution, along: Callable[[sp.Expr], sp.Expr]) -> Solution:
    """Return A^-1 (dB - dA X) for what solves A X = B, likewise an element."""
    matrix, right, *element = node.args
    change, side = along(matrix.function), along(right.function)
    known = matrix, right, change, side
    apart = {limit[0]: unused(limit[0], "own", *known) for limit in right.limits}
    (column, first, last), (row, low, _) = matrix.limits
    inner = unused(column, "inner", *known)
    limits = [(apart[index], *ends) for index, *ends in right.limits]
    *across, (own, begin, _) = limits
    change = replaced_free(change, {row: own - begin + low, column: inner})
    columns = [index - start for index, start, _ in across]
    solved = Solution(matrix, right, inner - first, *columns)
    rest = replaced_free(side, apart) - Sum(change * solved, (inner, first, last))
    return Solution(matrix, Table(rest, *limits), *element)


def _others(node: sp.Expr, names: Mapping[sp.Symbol, sp.Symbol]) -> sp.Expr:
    """Return the product of all factors but the one at the product's own indices.

    Those of the others have other names.
    """
    same = sp.And(*(sp.Eq(names[own], own) for own, *_ in node.limits))
    body = sp.Piecewise((1, same), (replaced_free(node.function, names), True))
    limits = [tuple(part.xreplace(names) for part in limit) for limit in node.limits]
    return Product(body, *limits)


# --------------------------------------------------------------- gradient, to be shown


@dataclass(frozen=True)
class _Term:
    """A value summed over limits, innermost first, where equations hold."""

    value: sp.Expr
    limits: tuple[Sequence[sp.Expr], ...]
    indices: tuple[sp.Expr, ...]  # of the access


def gradient_entry(
    expression: sp.Expr, variable: str, free: Sequence[sp.Symbol], ends: Sequence[Any]
) -> sp.Expr:
    """Return the derivative by a scalar, or by the element of an array at free indices.

    Parameters
    ----------
    expression : SymPy expression
    variable : str
    free : sequence of symbols
        The indices of the element; none for a scalar.
    ends : sequence of expressions or None
        The array's lengths, where they are known: indices are below.
    """
    taken = {s.name for s in (*expression.atoms(sp.Symbol), *free)}
    terms = _terms(expression, variable, sp.S.One, (), frozenset(taken))
    return sp.Add(*(_solved(term, free, ends) for term in terms))


def _terms(
    node: sp.Expr,
    variable: str,
    factor: sp.Expr,
    limits: tuple[Any, ...],
    taken: frozenset[str],
) -> list[_Term]:
    sums = outermost(node, *REPEATED, *FACTORED)
    named = {each: named_as(f"[s{k}]", each) for k, each in enumerate(sums)}
    back = {name: each for each, name in named.items()}
    terms = []
    flat = replaced(node, named)
    for access, slope in slopes(flat, {variable}, named.values()).items():
        value = factor * replaced(slope, back)
        if access not in back:
            terms.append(_Term(value, limits, place_of(access)[1]))
            continue
        inner = back[access]
        if isinstance(inner, FACTORED):
            for table, weight in _weighted(inner, taken):
                around = (*table.limits, *limits)
                names = taken | {limit[0].name for limit in table.limits}
                of_table = table.function, variable, value * weight, around
                terms += _terms(*of_table, names)
            continue
        others = sp.S.One
        if isinstance(inner, sp.Product):
            own = [limit[0] for limit in inner.limits]
            fresh = dict(zip(own, free_indices(len(own), taken), strict=True))
            others = _others(inner, fresh)
        elif isinstance(inner, Maximum):
            others = share(inner)
        around = (*inner.limits, *limits)
        terms += _terms(inner.function, variable, value * others, around, taken)
    return terms


def _weighted(node: sp.Expr, taken: frozenset[str]) -> Iterator[tuple[Table, sp.Expr]]:
    """Yield the matrices of which a node is made, and its slope by their elements."""
    matrix, *others = node.args
    every = _renamed(matrix, taken)
    column, row = places(every)
    if isinstance(node, DETERMINANTS):
        slope = inverse(matrix, column, row)
        yield every, node * slope if type(node) is Determinant else slope
        return
    right, *element = others
    known = Solution(matrix, right, column, *element[1:])
    yield every, -inverse(matrix, element[0], row) * known
    *across, _ = right.limits
    pairs = zip(across, element[1:], strict=True)
    side = {index: place + low for (index, low, _), place in pairs}
    one = Table(replaced_free(right.function, side), right.limits[-1])
    each = _renamed(one, taken)
    yield each, inverse(matrix, element[0], *places(each))


def _renamed(table: Table, taken: Iterable[str]) -> Table:
    """Return the same with indices that have no name that is taken."""
    free = free_indices(len(table.limits), taken)
    names = {limit[0]: new for limit, new in zip(table.limits, free, strict=True)}
    return replaced(table, names)


def _solved(term: _Term, free: Sequence[sp.Symbol], ends: Sequence[Any]) -> sp.Expr:
    """Return a term as a sum over what its equations leave of its limits."""
    value, limits, conditions = term.value, list(term.limits), []
    equations = list(zip(term.indices, free, ends, strict=True))
    for place, (index, element, end) in enumerate(equations):
        index = equations[place][0]
        which = _solvable(index, limits)
        if which is None:
            conditions.append(sp.Eq(index, element))
            continue
        own, low, high = limits.pop(which)
        slope = index.xreplace({own: own + 1}) - index
        known = {own: sp.expand(own + (element - index) / sp.expand(slope))}
        value = replaced_free(value, known)
        limits = [tuple(part.xreplace(known) for part in limit) for limit in limits]
        equations = [(i.xreplace(known), e, n) for i, e, n in equations]
        conditions = [condition.xreplace(known) for condition in conditions]
        conditions += _between(element, low, known[own], high, end)
    if conditions:
        value = sp.Piecewise((value, sp.And(*conditions)), (0, True))
    return Sum(value, *limits) if limits else value


def _solvable(index: sp.Expr, limits: Sequence[Any]) -> int | None:
    """Return which limit's index can be had from an access's index."""
    for which, limit in enumerate(limits):
        slope = sp.expand(index.xreplace({limit[0]: limit[0] + 1}) - index)
        if slope in (1, -1) and not index.has(sp.Indexed, sp.floor, sp.Mod):
            return which
    return None


def _between(
    element: sp.Symbol, low: sp.Expr, own: sp.Expr, high: sp.Expr, end: Any
) -> list[Any]:
    """Return the conditions for low <= own <= high that don't hold for all elements."""
    conditions = []
    for least, most in ((low, own), (own, high)):
        gap = sp.expand(most - least)  # at least 0
        slope = gap.coeff(element)
        rest = sp.expand(gap - slope * element)
        if slope == 1 and rest != 0:
            conditions.append(sp.Ge(element, -rest))
        elif slope == -1 and (end is None or sp.expand(rest - end) != -1):
            conditions.append(sp.Le(element, rest))
        elif slope not in (1, -1):
            conditions.append(sp.Ge(gap, 0))
    return conditions


def free_indices(rank: int, taken: Iterable[str]) -> list[sp.Symbol]:
    """Return names for the indices of an element that a formula doesn't use."""
    used = set(taken)
    letters = ("k", "l", "m", "p", "q", "r")
    more = (f"{letter}{k}" for k in itertools.count(1) for letter in letters)
    names = (name for name in (*letters, *itertools.islice(more, len(used) + rank)))
    return [symbol(name) for name in names if name not in used][:rank]
