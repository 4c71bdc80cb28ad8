"""Rules that tell curvature from how a formula is composed, node by node.

Elsewhere: disciplined convex programming, with ranges of inner functions by intervals,
and with a test of functions of one affine form that needs no list of atoms.

Source: Grant, Boyd and Ye 2006, "Disciplined convex programming".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from symgd.calculus import derivatives
from symgd.errors import FormulaError
from symgd.insight import exact, univariate
from symgd.insight.boxes import Box, sign_proven
from symgd.insight.deadlines import is_past
from symgd.insight.second_derivatives import range_of
from symgd.insight.tape import NotEnclosed, Tape
from symgd.insight.univariate import CONCAVE, CONVEX, T
from symgd.language.functions import real_abs

AFFINE, NONE = CONVEX | CONCAVE, 0
PIECES = 512  # boxes on which the sign of a derivative is looked for


def mirrored(bits: int) -> int:
    """Return the curvature of -f."""
    return (bits & CONVEX) << 1 | (bits & CONCAVE) >> 1


class Rules:
    """The curvature of the nodes of a formula on a box.

    Parameters
    ----------
    variables : sequence of symbols
    box : Box
    deadline : float
        Of ``time.monotonic()``: after it, nothing more is found.

    Attributes
    ----------
    reasons : dict
        Why, of each node that was looked at.
    open : expression or None
        The first, innermost node about which no rule tells anything.
    """

    def __init__(
        self, variables: Sequence[sp.Symbol], box: Box, deadline: float
    ) -> None:
        self.symbols, self.box, self.deadline = tuple(variables), box, deadline
        self._known: dict[sp.Expr, int] = {}
        self.reasons: dict[sp.Expr, str] = {}
        self.open: sp.Expr | None = None

    def __call__(self, node: sp.Expr) -> int:
        """Return which of convex and concave a node is proven to be."""
        if node not in self._known:
            if is_past(self.deadline):
                return NONE
            self._known[node], self.reasons[node] = self._judged(node)
            if not self._known[node] and self.open is None:
                self.open = node
        return self._known[node]

    def range(self, node: sp.Expr) -> tuple[float, float, int]:
        """Enclose a node."""
        low, high, known = range_of(node, self.symbols, self.box)
        if low < 0 and exact.is_norm_squared(node, self._names(node)):
            low = 0.0
        return low, high, known

    def _names(self, node: sp.Expr) -> list[sp.Symbol]:
        return [s for s in self.symbols if s in node.free_symbols]

    def _box(self, names: Sequence[sp.Symbol]) -> Box:
        return self.box.part([self.symbols.index(s) for s in names])

    def _judged(self, node: sp.Expr) -> tuple[int, str]:
        if not node.free_symbols or exact.is_affine(node):
            return AFFINE, "affine"
        names = self._names(node)
        if (found := exact.quadratic(node, names)) is not None:
            return _of_quadratic(found.hessian)
        one = univariate.as_one(node, names, self._box(names))
        if one is not None and self._cancels(node, one.phi, one.box):
            one = None
        if one is not None and (bits := univariate.bits_of(one)):
            way = "at least" if bits & CONVEX else "at most"
            reason = f"a function of {one.form} alone, whose second derivative"
            return bits, f"{reason} is {way} 0 there"
        if node.is_Add:
            return self._sum(node)
        if node.is_Mul:
            return self._product(node)
        if isinstance(node, (sp.Max, sp.Min)):
            return self._extreme(node)
        return self._composed(node)

    def _cancels(self, node: sp.Expr, phi: sp.Expr, box: Box) -> bool:
        """Return whether what may be undefined is gone, as of (x - y)/(y - x)."""
        return not self.range(node)[2] and bool(range_of(phi, [T], box)[2])

    # -------------------------------------------------------------------- nodes

    def _sum(self, node: sp.Add) -> tuple[int, str]:
        parts = exact.separated(node)
        if len(parts) > 1:
            bits = AFFINE
            for part in parts:
                bits &= self(part)
            return bits, "a sum of such terms of other variables each"
        bits = AFFINE
        for term in node.args:
            bits &= self(term)
        return (bits, "a sum of such terms") if bits else self._joined(node)

    def _joined(self, node: sp.Add) -> tuple[int, str]:
        """Return the curvature of a sum whose terms are joined by their variables."""
        groups: dict[frozenset[Any], list[sp.Expr]] = {}
        for term in node.args:
            groups.setdefault(frozenset(term.free_symbols), []).append(term)
        if len(groups) in (1, len(node.args)):
            return NONE, ""
        bits = AFFINE
        for terms in groups.values():
            bits &= self(sp.Add(*terms))
        return bits, "a sum of such terms, joined by their variables"

    def _product(self, node: sp.Mul) -> tuple[int, str]:
        factor, rest = node.as_independent(*self.symbols, as_Add=False)
        if factor != 1:
            bits = self(rest)
            low, high, known = range_of(factor, [T], Box([0.0], [0.0]))
            if known and low >= 0:
                return bits, self.reasons.get(rest, "")
            negative = known and high <= 0
            return (mirrored(bits) if negative else NONE), self.reasons.get(rest, "")
        above = [a for a in node.args if not _is_below(a)]
        below = [1 / a for a in node.args if _is_below(a)]
        if len(above) == len(below) == 1:
            (up,), (down,) = above, below
            square = up.is_Pow and up.exp == 2 and exact.is_affine(up.base)
            if square and self.range(down)[0] > 0 and self(down) & CONCAVE:
                return CONVEX, "the square of what is affine over what is concave"
        return NONE, ""

    def _extreme(self, node: Any) -> tuple[int, str]:
        bits = CONVEX if isinstance(node, sp.Max) else CONCAVE
        for argument in node.args:
            bits &= self(argument)
        which = "largest of convex" if bits & CONVEX else "smallest of concave"
        return bits, f"the {which} functions"

    # -------------------------------------------------------------- compositions

    def _composed(self, node: sp.Expr) -> tuple[int, str]:
        if isinstance(node, (sp.Abs, real_abs)):
            return self._absolute(node.args[0])
        if (found := self._power(node)) is not None:
            return found
        if isinstance(node, sp.log) and self._is_sum_of_exponentials(node.args[0]):
            return CONVEX, "the logarithm of a sum of exponentials of convex functions"
        if node.is_Pow:
            inner = node.base if node.exp.is_Rational else node.exp
            if not inner.free_symbols or (node.base.free_symbols and inner is node.exp):
                return NONE, ""
        elif len(node.args) == 1:
            (inner,) = node.args
        else:
            return NONE, ""
        return self._monotone(node, inner)

    def _absolute(self, inner: sp.Expr) -> tuple[int, str]:
        bits, (low, high, _) = self(inner), self.range(inner)
        if bits == AFFINE:
            return CONVEX, "the absolute value of what is affine"
        if low >= 0 or high <= 0:
            return bits if low >= 0 else mirrored(bits), "an absolute value of one sign"
        return NONE, ""

    def _power(self, node: sp.Expr) -> tuple[int, str] | None:
        if not (node.is_Pow and node.exp.is_Rational):
            return None
        base, exponent = node.args
        names = self._names(base)
        if exponent >= sp.S.Half and exact.is_norm_squared(base, names):
            return CONVEX, "a power of a norm of what is affine"
        low, _, known = self.range(base)
        if exponent > 0 and low >= 0 and known > 0:
            bits = self(base) & (CONVEX if exponent > 1 else CONCAVE)
            return (bits, "a power of what is never negative") if bits else None
        if exponent < 1:
            return None
        at_least_0 = isinstance(base, (sp.Abs, real_abs)) or (
            isinstance(base, sp.Max) and any(a.is_nonnegative for a in base.args)
        )
        if at_least_0 and self(base) & CONVEX:
            return CONVEX, "a power of a convex function that is never negative"
        return None

    def _is_sum_of_exponentials(self, total: sp.Expr) -> bool:
        for term in sp.Add.make_args(total):
            factor, rest = term.as_independent(*self.symbols, as_Add=False)
            if not factor.is_nonnegative:
                return False
            if rest == 1:
                continue
            if not (isinstance(rest, sp.exp) and self(rest.args[0]) & CONVEX):
                return False
        return True

    def _monotone(self, node: sp.Expr, inner: sp.Expr) -> tuple[int, str]:
        """Return the curvature of phi(g), by the signs of phi' and phi''."""
        if not (bits := self(inner)):
            return NONE, ""
        low, high, _ = self.range(inner)
        box = Box([low], [high])
        phi = node.xreplace({inner: T})
        if phi.free_symbols != {T} or range_of(phi, [T], box)[2] < 2:
            return NONE, ""
        try:
            first = derivatives.gradient(phi, (T,))
            second = derivatives.hessian(first, (T,))[0, 0]
            signs = {
                (what, sign): sign_proven(Tape([sign * e], [T]), box, PIECES)
                for what, e in (("slope", first[0]), ("bend", second))
                for sign in (1, -1)
            }
        except (FormulaError, NotEnclosed):
            return NONE, ""
        up, down = signs["slope", 1], signs["slope", -1]
        found = NONE
        if signs["bend", 1] and ((bits & CONVEX and up) or (bits & CONCAVE and down)):
            found |= CONVEX
        if signs["bend", -1] and ((bits & CONCAVE and up) or (bits & CONVEX and down)):
            found |= CONCAVE
        return found, f"a monotone function of {inner}"


def _is_below(factor: sp.Expr) -> bool:
    return bool(factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative)


def _of_quadratic(hessian: exact.Matrix) -> tuple[int, str]:
    if len(hessian) > exact.MOST_SIZE:
        return NONE, ""
    for bit, matrix in ((CONVEX, hessian), (CONCAVE, exact.negated(hessian))):
        if exact.falling_direction(matrix) is None:
            kind = "positive" if bit == CONVEX else "negative"
            return bit, f"a quadratic with a {kind} semidefinite matrix, in fractions"
    return NONE, ""
