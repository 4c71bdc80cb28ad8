"""Formulas as tapes: lists of operations that run on many boxes at once.

Each node of an expression is there once. A tape is no code: nothing is compiled for a
formula. Elsewhere: expression graphs, hash consing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from symgd.errors import SymgdError
from symgd.kernels import operations as op
from symgd.kernels.shared import shared
from symgd.language.functions import (
    cbrt,
    exp_less,
    log_cosh,
    real_abs,
    real_sign,
    sigmoid,
    softplus,
)
from symgd.language.nodes import kept, share_of_max, share_of_min
from symgd.native.machine import address

DIGITS = 40  # of constants such as pi, before they are enclosed
_LARGEST = 1.7976931348623157e308
LARGEST_POWER = 400  # that is multiplied out
ROOTS = 40  # halves in an exponent that is a power of a root

UNARY = {
    sp.exp: op.EXP,
    sp.log: op.LOG,
    sp.sin: op.SIN,
    sp.cos: op.COS,
    sp.tan: op.TAN,
    sp.asin: op.ASIN,
    sp.acos: op.ACOS,
    sp.atan: op.ATAN,
    sp.sinh: op.SINH,
    sp.cosh: op.COSH,
    sp.tanh: op.TANH,
    sp.asinh: op.ASINH,
    sp.acosh: op.ACOSH,
    sp.atanh: op.ATANH,
    sp.erf: op.ERF,
    sp.erfc: op.ERFC,
    sp.Abs: op.ABS,
    real_abs: op.ABS,
    sp.sign: op.SIGN,
    real_sign: op.SIGN,
    sp.Heaviside: op.STEP,
    sp.floor: op.FLOOR,
    cbrt: op.CBRT,
    log1p: op.LOG1P,
    expm1: op.EXPM1,
    sigmoid: op.SIGMOID,
    softplus: op.SOFTPLUS,
    log_cosh: op.LOG_COSH,
}


class NotEnclosed(SymgdError):
    """There is no operation on boxes for a node."""

    def __init__(self, node: Any) -> None:
        super().__init__(f"nothing is proven about {type(node).__name__}")
        self.node = node


class Enclosed(NamedTuple):
    """Of each output and box: the ends of its values, and its decoration."""

    low: np.ndarray
    high: np.ndarray
    known: np.ndarray


def ends_of(value: sp.Expr) -> tuple[float, float]:
    """Return the nearest float64 on both sides of a number; twice itself if it is one.

    >>> ends_of(sp.Rational(1, 2)), ends_of(sp.pi)[1] - ends_of(sp.pi)[0] > 0
    ((0.5, 0.5), True)
    """
    exact = _fraction(value)
    if exact is None:
        digits = value.evalf(DIGITS)
        if not (digits.is_Float and digits.is_finite):
            raise NotEnclosed(value)
        # evalf promises its digits; the last ones are given away.
        middle = _fraction(sp.Rational(digits))
        assert middle is not None
        spread = abs(middle) / 10 ** (DIGITS - 10)
        return _below(middle - spread), -_below(-middle - spread)
    return _below(exact), -_below(-exact)


def _fraction(value: sp.Expr) -> Fraction | None:
    if value.is_Rational:
        return Fraction(int(value.p), int(value.q))
    return Fraction(float(value)) if value.is_Float else None


def _below(exact: Fraction) -> float:
    """Return the largest float64 that isn't above a fraction."""
    try:
        near = float(exact)
    except OverflowError:
        return _LARGEST if exact > 0 else -math.inf
    if math.isinf(near):
        return _LARGEST if near > 0 else near
    return near if Fraction(near) <= exact else math.nextafter(near, -math.inf)


class Tape:
    """The operations of some expressions.

    Parameters
    ----------
    outputs : iterable of SymPy expressions
    variables : sequence of symbols
        In the order of the rows of boxes.

    Raises
    ------
    NotEnclosed
        If there is a node that has no operation.
    """

    def __init__(
        self, outputs: Iterable[sp.Expr], variables: Sequence[sp.Symbol]
    ) -> None:
        self.size = self.variables = len(variables)
        self._known: dict[Any, int] = {v: i for i, v in enumerate(variables)}
        self._rows: list[tuple[int, ...]] = []
        self._powers: list[float] = []
        self._constants: list[tuple[int, float, float]] = []
        self.outputs = np.array([self._register(sp.sympify(e)) for e in outputs], int)
        self._tape = np.array(self._rows, np.int64).reshape(-1, 5)
        self._exponents = np.array(self._powers, np.float64)

    def __call__(self, lower: np.ndarray, upper: np.ndarray) -> Enclosed:
        """Enclose the outputs on boxes; their sides are (variables, boxes)."""
        boxes = lower.shape[1]
        low, high = np.empty((self.size, boxes)), np.empty((self.size, boxes))
        known = np.full((self.size, boxes), op.SMOOTH, np.int64)
        low[: self.variables], high[: self.variables] = lower, upper
        for register, below, above in self._constants:
            low[register], high[register] = below, above
        if boxes and len(self._tape):
            arrays = (self._tape, self._exponents, low, high, known)
            sizes = (len(self._tape), self.size, boxes)
            shared("intervals").call(*sizes, *map(address, arrays))
        where = self.outputs
        return Enclosed(low[where], high[where], known[where])

    # ---------------------------------------------------------------- building

    def _new(self) -> int:
        self.size += 1
        return self.size - 1

    def _emit(
        self, kind: int, i: int, j: int = 0, m: int = 0, exponent: float = 0.0
    ) -> int:
        key = (kind, i, j, m, exponent)
        if key not in self._known:
            self._known[key] = register = self._new()
            self._rows.append((kind, register, i, j, m))
            self._powers.append(exponent)
        return self._known[key]

    def _constant(self, value: sp.Expr) -> int:
        key = ("constant", *ends_of(value))
        if key not in self._known:
            self._known[key] = self._new()
            self._constants.append((self._known[key], *key[1:]))
        return self._known[key]

    def _chain(self, kind: int, registers: Sequence[int]) -> int:
        first, *rest = registers
        for each in rest:
            first = self._emit(kind, first, each)
        return first

    def _register(self, node: sp.Expr) -> int:
        if node not in self._known:
            self._known[node] = self._made(node)
        return self._known[node]

    def _all(self, nodes: Iterable[sp.Expr]) -> list[int]:
        return [self._register(node) for node in nodes]

    def _made(self, node: Any) -> int:
        if node.is_Symbol or node in (sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I):
            raise NotEnclosed(node)
        if not node.args or node.is_Rational or node.is_NumberSymbol:
            return self._constant(node)
        for kind in type(node).__mro__:
            if kind in UNARY and len(node.args) == 1:
                return self._emit(UNARY[kind], self._register(node.args[0]))
            if kind is sp.Heaviside:
                return self._emit(op.STEP, self._register(node.args[0]))
            if kind in _BUILDERS:
                return _BUILDERS[kind](self, node)
        raise NotEnclosed(node)

    def _sum(self, node: sp.Add) -> int:
        return self._chain(op.ADD, self._all(node.args))

    def _mul(self, node: sp.Mul) -> int:
        above, below = [], []
        for factor in node.args:
            base, exponent = factor.as_base_exp()
            if factor.is_Pow and exponent.is_Rational and exponent.is_negative:
                below.append(sp.Pow(base, -exponent, evaluate=False))
            else:
                above.append(factor)
        negative = bool(above) and above[0] is sp.S.NegativeOne
        top = self._all(above[negative:] or [sp.S.One])
        product = self._chain(op.MUL, top)
        if negative:
            product = self._emit(op.NEG, product)
        if not below:
            return product
        bottom = self._all(b.base if b.exp == 1 else b for b in below)
        return self._emit(op.DIV, product, self._chain(op.MUL, bottom))

    def _pow(self, node: sp.Pow) -> int:
        base, exponent = node.args
        if base == sp.E:
            return self._emit(op.EXP, self._register(exponent))
        if exponent.is_Rational:
            if exponent.is_negative:
                one = self._constant(sp.S.One)
                return self._emit(op.DIV, one, self._raised(base, -exponent))
            return self._raised(base, exponent)
        inner = self._register(base)
        scaled = (self._register(exponent), self._emit(op.LOG, inner))
        power = self._emit(op.EXP, self._emit(op.MUL, *scaled))
        # Of what is negative, powers may be there at single points: nothing is known.
        positive = self._emit(op.LESS_EQUAL, self._constant(sp.S.Zero), inner)
        return self._emit(op.SELECT, positive, power, self._nowhere())

    def _raised(self, base: sp.Expr, exponent: sp.Rational) -> int:
        """Return a power whose exponent is a positive number."""
        inner = self._register(base)
        if exponent == 1:
            return inner
        if exponent.is_Integer:
            if exponent > LARGEST_POWER:
                raise NotEnclosed(sp.Pow(base, exponent))
            if exponent == 2:
                return self._emit(op.SQUARE, inner)
            return self._emit(op.POWER, inner, exponent=float(exponent))
        if exponent.q == 2 and exponent.p < ROOTS:
            root = self._emit(op.SQRT, inner)
            if exponent.p == 1:
                return root
            return self._emit(op.POWER, root, exponent=float(exponent.p))
        low, high = ends_of(exponent)
        if low == high:
            return self._emit(op.REAL_POWER, inner, exponent=low)
        logarithm = self._emit(op.LOG, inner)
        scaled = self._emit(op.MUL, self._constant(exponent), logarithm)
        return self._emit(op.EXP, scaled)

    def _extreme(self, node: Any) -> int:
        kind = op.MAX if isinstance(node, sp.Max) else op.MIN
        return self._chain(kind, self._all(node.args))

    def _share(self, node: Any) -> int:
        argument, extreme = node.args
        others = self._all(a for a in extreme.args if a != argument)
        mine = self._register(argument)
        if isinstance(node, share_of_max):
            return self._emit(op.SHARE, mine, self._chain(op.MAX, others))
        least = self._chain(op.MIN, others)
        return self._emit(op.SHARE, self._emit(op.NEG, mine), self._emit(op.NEG, least))

    def _kept(self, node: Any) -> int:
        return self._register(node.args[0])

    def _difference(self, node: Any) -> int:
        return self._emit(op.EXP, self._register(node.args[0] - node.args[1]))

    def _ceiling(self, node: Any) -> int:
        inner = self._emit(op.NEG, self._register(node.args[0]))
        return self._emit(op.NEG, self._emit(op.FLOOR, inner))

    def _pieces(self, node: sp.Piecewise) -> int:
        value = self._nowhere()
        for branch, condition in reversed(node.args):
            if condition == sp.true:
                value = self._register(branch)
            else:
                decided = self._condition(condition)
                value = self._emit(op.SELECT, decided, self._register(branch), value)
        return value

    def _nowhere(self) -> int:
        return self._emit(op.NOWHERE, self._constant(sp.S.Zero))

    def _condition(self, condition: Any) -> int:
        if condition in (sp.true, sp.false):
            return self._constant(sp.Integer(int(condition == sp.true)))
        if isinstance(condition, (sp.And, sp.Or)):
            kind = op.AND if isinstance(condition, sp.And) else op.OR
            return self._chain(kind, [self._condition(c) for c in condition.args])
        if isinstance(condition, sp.Not):
            return self._emit(op.NOT, self._condition(condition.args[0]))
        if not isinstance(condition, sp.core.relational.Relational):
            raise NotEnclosed(condition)
        one, two = self._all((condition.lhs, condition.rhs))
        if isinstance(condition, (sp.Eq, sp.Ne)):
            sides = (op.LESS_EQUAL, one, two), (op.LESS_EQUAL, two, one)
            same = self._chain(op.AND, [self._emit(*side) for side in sides])
            return same if isinstance(condition, sp.Eq) else self._emit(op.NOT, same)
        if isinstance(condition, (sp.Gt, sp.Ge)):
            one, two = two, one
        strict = isinstance(condition, (sp.Gt, sp.Lt))
        return self._emit(op.LESS if strict else op.LESS_EQUAL, one, two)


_BUILDERS: dict[Any, Callable[[Tape, Any], int]] = {
    sp.Add: Tape._sum,
    sp.Mul: Tape._mul,
    sp.Pow: Tape._pow,
    sp.Max: Tape._extreme,
    sp.Min: Tape._extreme,
    share_of_max: Tape._share,
    share_of_min: Tape._share,
    kept: Tape._kept,
    exp_less: Tape._difference,
    sp.ceiling: Tape._ceiling,
    sp.Piecewise: Tape._pieces,
}
