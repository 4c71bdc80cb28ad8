"""Functions of one affine form: convex where their second derivative says so.

Covers what no rule on the formula's nodes can: exp(t) - t, t*log(t), t**2 + cos(t).
With kinks, as abs and max have them, each piece between kinks must be convex, and the
slope must not fall from one to the next. Where it is smooth only between the ends of
its range, as t*log(t) from 0 on, the distance from an end is written as exp(s).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from symgd.calculus import derivatives
from symgd.errors import FormulaError
from symgd.insight.boxes import Box, sign_proven
from symgd.insight.exact import is_affine, rational, slopes
from symgd.insight.factors import factored
from symgd.insight.second_derivatives import range_of
from symgd.insight.tape import NotEnclosed, Tape
from symgd.kernels.operations import SMOOTH
from symgd.language.functions import (
    log_cosh,
    real_abs,
    real_sign,
    sigmoid,
    softplus,
)
from symgd.language.nodes import parts_of

CONVEX, CONCAVE = 1, 2
# What is the limit of what is beside it, where that is finite.
ELEMENTARY = (
    *(sp.Add, sp.Mul, sp.Pow, sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.atan, sp.asin),
    *(
        sp.acos,
        sp.sinh,
        sp.cosh,
        sp.tanh,
        sp.asinh,
        sp.acosh,
        sp.atanh,
        sp.erf,
        sp.erfc,
    ),
    *(log1p, expm1, sigmoid, softplus, log_cosh),
)
LONG = 80  # operations of a second derivative that SymPy is asked to simplify
MOST_KINKS = 12
T = sp.Symbol("t", real=True)


class OfOne(NamedTuple):
    """phi(t), t an affine form of the variables, that lies in a range."""

    phi: sp.Expr
    form: sp.Expr
    box: Box


def as_one(
    expression: sp.Expr, variables: Sequence[sp.Symbol], box: Box
) -> OfOne | None:
    """Return an expression as a function of one affine form, if it is one."""
    if len(variables) == 1:
        phi = expression.xreplace({variables[0]: T})
        return OfOne(phi, variables[0], box)
    forms: set[sp.Expr] = set()
    phi = _replaced(expression, forms)
    if phi is None or len(forms) != 1 or phi.free_symbols - {T}:
        return None
    (form,) = forms
    low, high, _ = range_of(form, variables, box)
    return OfOne(phi, form, Box([low], [high]))


def _replaced(node: sp.Expr, forms: set[sp.Expr]) -> sp.Expr | None:
    """Write affine parts as a*t + b; each with a t of its own is too many."""
    if not node.free_symbols:
        return node
    if is_affine(node):
        return _affine_replaced(node, forms)
    arguments = list(node.args)
    if node.is_Add:
        flat = [a for a in arguments if a.free_symbols and is_affine(a)]
        arguments = [a for a in arguments if a not in flat]
        arguments += [sp.Add(*flat)] if flat else []
    inner = [_replaced(a, forms) for a in arguments]
    if len(forms) > 1 or any(i is None for i in inner):
        return None
    return node.func(*inner)


def _affine_replaced(node: sp.Expr, forms: set[sp.Expr]) -> sp.Expr | None:
    by = slopes(node)
    first = next(iter(by.values()))
    constant = node.xreplace(dict.fromkeys(by, sp.S.Zero))
    form = sp.Add(*(name * (slope / first) for name, slope in by.items()))
    forms.add(form)
    return first * T + constant


def bits_of(given: OfOne) -> int:
    """Return what is proven of a function on its range: convex, concave, both."""
    try:
        if _is_smooth(given.phi, given.box):
            return _bits_of_second(_second(given.phi), given.box)
        return _kinked(given) or _between_ends(given)
    except (NotEnclosed, FormulaError):
        return 0


def _is_smooth(phi: sp.Expr, box: Box) -> bool:
    return range_of(phi, [T], box)[2] == SMOOTH


def _second(phi: sp.Expr) -> sp.Expr:
    first = derivatives.gradient(phi, (T,))
    return derivatives.hessian(first, (T,))[0, 0]


def _bits_of_second(second: sp.Expr, box: Box) -> int:
    """Return for which signs a second derivative is proven, as it is or simplified."""
    for simpler in (lambda e: e, sp.factor_terms, _simplified):
        second = simpler(second)
        bits = sum(
            bit
            for bit, sign in ((CONVEX, 1), (CONCAVE, -1))
            if sign_proven(Tape([sign * second], [T]), box)
        )
        if bits:
            return bits
    return 0


def _simplified(second: sp.Expr) -> sp.Expr:
    return second if second.count_ops() > LONG else factored(second) or second


# ----------------------------------------------------------------------- ends


class _Half(NamedTuple):
    """A range up to an end, and how what is said there is written."""

    written: Callable[[sp.Expr], sp.Expr]
    box: Box


def _between_ends(given: OfOne) -> int:
    """Return what is proven of what is smooth between the ends, not at both of them."""
    if not (parts := _smooth_halves(given)):
        return 0
    second, bits = _second(given.phi), CONVEX | CONCAVE
    for half in parts:
        bits &= _bits_of_second(half.written(second), half.box)
    return bits


def is_smooth_between_ends(given: OfOne) -> bool:
    """Return whether a function is proven to be smooth, but for the ends of its range.

    At an end what is elementary is the limit of what is beside it, or infinite, or not
    defined; what has conditions may be anything, and isn't looked at.
    """
    return bool(_smooth_halves(given))


def _smooth_halves(given: OfOne) -> list[_Half]:
    """Return the two halves of a range, that join; none if one may not be smooth."""
    if not all(isinstance(e, ELEMENTARY) for e in parts_of(given.phi) if e.args):
        return []
    low, high = float(given.box.lower[0, 0]), float(given.box.upper[0, 0])
    middle = _between(low, high)
    if not low < middle < high:
        return []
    made = []
    for end, sign in ((low, 1), (high, -1)):
        half = _Half(lambda e: e, Box([min(end, middle)], [max(end, middle)]))
        if not _is_smooth(given.phi, half.box):
            if math.isinf(end):
                return []
            beside = rational(end) + sign * sp.exp(T)
            far = math.log(abs(middle - end))  # and a little beyond the middle
            upper = far + 1e-14 * (1 + abs(far))
            written = functools.partial(_written, beside)
            half = _Half(written, Box([-math.inf], [upper]))
            if not _is_smooth(written(given.phi), half.box):
                return []
        made.append(half)
    return made


def _between(low: float, high: float) -> float:
    if math.isinf(high):
        return low + 1.0 if math.isfinite(low) else 0.0
    return high - 1.0 if math.isinf(low) else 0.5 * low + 0.5 * high


def _written(beside: sp.Expr, expression: sp.Expr) -> sp.Expr:
    """Return an expression near an end, of the logarithm of the distance."""
    return sp.expand_log(expression.xreplace({T: beside}))


# ---------------------------------------------------------------------- kinks


class _NotPieces(Exception):
    """The kinks aren't where something affine is 0."""


def _kinked(given: OfOne) -> int:
    low, high = float(given.box.lower[0, 0]), float(given.box.upper[0, 0])
    try:
        kinks = sorted(k for k in _kinks(given.phi) if low <= k <= high)
        cuts = [k for k in kinks if low < k < high]
        if not cuts or len(cuts) > MOST_KINKS:
            return 0
        pieces = _pieces(given.phi, cuts, low, high)
        if not _joined(given.phi, pieces, kinks):
            return 0
        return sum(bit for bit in (CONVEX, CONCAVE) if _bends(pieces, cuts, bit))
    except (_NotPieces, NotEnclosed, FormulaError, TypeError, ValueError):
        return 0


def _kinks(phi: sp.Expr) -> set[sp.Rational]:
    """Return where the arguments of what has kinks are 0, exactly."""
    found: set[Any] = set()
    for node in parts_of(phi):
        if isinstance(node, (sp.Abs, real_abs, sp.sign, real_sign, sp.Heaviside)):
            found |= _root(node.args[0])
        elif isinstance(node, (sp.Max, sp.Min)):
            for a, b in itertools.combinations(node.args, 2):
                found |= _root(a - b)
        elif isinstance(node, sp.core.relational.Relational):
            found |= _roots_of_condition(node)
    return found


def _roots_of_condition(node: Any) -> set[Any]:
    absolute, other = node.lhs, node.rhs
    if isinstance(other, (sp.Abs, real_abs)):
        absolute, other = other, absolute
    if isinstance(absolute, (sp.Abs, real_abs)) and other.is_Rational:
        (inner,) = absolute.args
        return _root(inner - other) | _root(inner + other)
    return _root(node.lhs - node.rhs)


def _root(inner: sp.Expr) -> set[Any]:
    inner = sp.expand(inner)
    if T not in inner.free_symbols:
        return set()
    if not is_affine(inner):
        raise _NotPieces
    root = -inner.xreplace({T: sp.S.Zero}) / inner.diff(T)
    if not root.is_Rational:
        raise _NotPieces
    return {root}


def _pieces(
    phi: sp.Expr, cuts: list[Any], low: float, high: float
) -> list[tuple[sp.Expr, Box]]:
    """Return the formula of each piece and its ends, a little wider than exact ones."""
    first = rational(low) if math.isfinite(low) else cuts[0] - 1
    last = rational(high) if math.isfinite(high) else cuts[-1] + 1
    edges = [first, *cuts, last]
    sides = [low, *map(float, cuts), high]
    made = []
    for k, (a, b) in enumerate(itertools.pairwise(edges)):
        ends = [sides[k], sides[k + 1]]
        if k:
            ends[0] = float(np.nextafter(ends[0], -np.inf)) if ends[0] > a else ends[0]
        if k + 1 < len(edges) - 1:
            ends[1] = float(np.nextafter(ends[1], np.inf)) if ends[1] < b else ends[1]
        made.append((_resolved(phi, (a + b) / 2), Box([ends[0]], [ends[1]])))
    return made


def _resolved(node: Any, middle: Any) -> Any:
    """Return a formula as it is around a point."""
    if not node.args or T not in node.free_symbols:
        return node
    if isinstance(node, (sp.Abs, real_abs)):
        inner = _resolved(node.args[0], middle)
        return inner if _at(inner, middle) > 0 else -inner
    if isinstance(node, (sp.sign, real_sign)):
        return sp.sign(_at(_resolved(node.args[0], middle), middle))
    if isinstance(node, (sp.Max, sp.Min)):
        choose = max if isinstance(node, sp.Max) else min
        inner = [_resolved(a, middle) for a in node.args]
        return choose(inner, key=lambda each: _at(each, middle))
    if isinstance(node, sp.Piecewise):
        for branch, condition in node.args:
            if condition == sp.true or condition.xreplace({T: middle}) == sp.true:
                return _resolved(branch, middle)
        raise _NotPieces
    return node.func(*(_resolved(a, middle) for a in node.args))


def _at(expression: sp.Expr, where: Any) -> sp.Rational:
    """Return an exact value."""
    value = expression.xreplace({T: where})
    if not value.is_Rational:
        raise _NotPieces
    return value


def _joined(phi: sp.Expr, pieces: list[tuple[sp.Expr, Box]], kinks: list[Any]) -> bool:
    """Return whether at each kink the pieces beside it have the formula's value."""
    for kink in kinks:
        value = phi.xreplace({T: kink})
        for piece, box in pieces:
            beside = float(box.lower[0, 0]) <= kink <= float(box.upper[0, 0])
            if beside and not _is_0(piece.xreplace({T: kink}) - value):
                return False
    return True


def _bends(pieces: list[tuple[sp.Expr, Box]], cuts: list[Any], bit: int) -> bool:
    """Return whether all pieces bend one way, and so do the kinks between them."""
    sign = 1 if bit == CONVEX else -1
    for piece, box in pieces:
        if range_of(piece, [T], box)[2] < 1:
            return False
        if not sign_proven(Tape([sign * _second(piece)], [T]), box):
            return False
    between = zip(itertools.pairwise(piece for piece, _ in pieces), cuts, strict=True)
    for (left, right), cut in between:
        rise = (_slope(right) - _slope(left)).xreplace({T: cut})
        if not _is_at_least_0(sign * rise):
            return False
    return True


def _slope(piece: sp.Expr) -> sp.Expr:
    return derivatives.gradient(piece, (T,))[0]


def _is_0(value: sp.Expr) -> bool:
    return value == 0 or (value.is_number and sp.expand(value) == 0)


def _is_at_least_0(value: sp.Expr) -> bool:
    if _is_0(value):
        return True
    if not value.is_number:
        return False
    low, _, known = range_of(value, [T], Box([0.0], [0.0]))
    return low >= 0 and known > 0
