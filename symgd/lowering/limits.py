"""Products of 0 and infinity that have a limit: x*log(x), exp(-1/x)/x at 0.

They come from users, as in an entropy, and from derivatives, as that of x**b by b.
Whatever the arguments, the product is the limit, so that a start or a row there is no
error. A product that has none stays NaN.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import sympy as sp
from sympy.codegen.cfunctions import expm1

from symgd.language.as_written import choice
from symgd.language.functions import real_abs, sigmoid
from symgd.language.nodes import kept
from symgd.language.quick import product as product_of
from symgd.language.signs import is_nonnegative

MOST_TERMS = 8  # of a sum whose common factors are looked for
MOST_NAMES = 4  # looked at in one factor, so that cost stays linear

_Growing = tuple[sp.Expr, bool]
_Pair = tuple[int, int, Any]  # the places of two factors, and where their product is 0


def with_limits(
    factors: Sequence[sp.Expr], known: Logarithms | None = None
) -> sp.Expr | None:
    """Return a product whose 0*infinity is a limit; None where there is none of it.

    ``known`` is kept by who asks for many products, in which parts occur again.

    >>> x, y = sp.symbols("x y", real=True)
    >>> with_limits([x, y, sp.log(x)])
    y*Piecewise((0, Eq(x, 0)), (x*log(x), True))
    >>> with_limits([y, sp.log(x)])
    """
    known = known or Logarithms()
    product, pairs = _Factors(factors, known), []
    # What makes x**(n - 2) finite isn't spent on x**n.
    for large in sorted(range(len(factors)), key=lambda k: _shift(factors[k])):
        if large not in product.taken and (found := product.vanishing(large)):
            small, large, where = found
            pair = product_of(factors[small], factors[large])
            pairs.append(choice((sp.S.Zero, where), (pair, True)))
            product.taken |= {small, large}
    gone = _where_one_outdoes_others(factors, known)
    if not pairs and not gone:
        return None
    left = [f for place, f in enumerate(factors) if place not in product.taken]
    whole = product_of(*left, *pairs)
    if not gone:
        return whole
    return choice(*((sp.S.Zero, where) for where in gone), (whole, True))


def _shift(factor: sp.Expr) -> float:
    """Return the number in an exponent that isn't one: -2 of x**(n - 2)."""
    exponent = factor.as_base_exp()[1]
    return 0.0 if exponent.is_number else float(exponent.as_coeff_Add()[0])


def strongest(total: sp.Add) -> list[tuple[sp.Expr, sp.Basic]]:
    """Return what a sum that is infinite minus infinite is, and where.

    The derivatives of ``x*log(x)**2`` and of ``sqrt(x) + x*log(x)`` are such sums at
    the edge of their domain: a power outgrows a logarithm and each lesser power.

    >>> x = sp.Symbol("x", real=True)
    >>> strongest(1 / sp.sqrt(x) + sp.log(x) + 3)
    [(3 + 1/sqrt(x), Eq(x, 0))]
    """
    if len(total.args) > MOST_TERMS:
        return []
    orders = {term: _infinite_orders(term) for term in total.args}
    found = []
    for zero in dict.fromkeys(zero for each in orders.values() for zero in each):
        group = {term: known[zero] for term, known in orders.items() if zero in known}
        most = max(group.values())
        weaker = [term for term, order in group.items() if order != most]
        if weaker and any(map(_has_edge, group.values())):
            rest = sp.Add(*(term for term in total.args if term not in weaker))
            found.append((rest, sp.Eq(zero, 0, evaluate=False)))
    return found


def _has_edge(order: tuple[sp.Expr, sp.Expr]) -> bool:
    """Return whether a term ends where it is infinite: roots and logarithms do."""
    power, logarithms = order
    return bool(logarithms > 0 or not power.is_integer)


def _infinite_orders(term: sp.Expr) -> dict[sp.Expr, tuple[sp.Expr, sp.Expr]]:
    """Return n and k of z**-n*log(z)**k, by what is 0 there.

    None where another factor may vanish with it.
    """
    found: dict[sp.Expr, tuple[sp.Expr, sp.Expr]] = {}
    others = []
    for factor in sp.Mul.make_args(term):
        base, power = factor.as_base_exp()
        is_log = isinstance(base, sp.log)
        zero = base.args[0] if is_log else base
        n, k = found.get(zero, (sp.S.Zero, sp.S.Zero))
        if is_log and power.is_number and power.is_positive:
            found[zero] = n, k + power
        elif power.is_number and power.is_negative and _is_name(zero):
            found[zero] = n - power, k
        else:
            others.append(base)
    names = {x for zero in found for x in zero.free_symbols}
    vanishes = any(not names.isdisjoint(base.free_symbols) for base in others)
    return {} if vanishes else found


def _is_name(node: sp.Expr) -> bool:
    """Return whether a node is a name, or a number plus one or a multiple of it."""
    name = node.as_coeff_Add()[1].as_coeff_Mul()[1]
    return isinstance(name, (sp.Symbol, sp.Indexed))


def _where_one_outdoes_others(
    factors: Sequence[sp.Expr], known: Logarithms
) -> list[sp.Basic]:
    """Return where one factor vanishes at x = 0, faster than others grow.

    As in ``x*(k/x)**(n - 1)/(1 + (k/x)**n)**2``, which comes from the derivative of a
    quotient by a sum of which one term divides by x, in ``exp(-(k/x)**n)*(k/x)**n``
    and ``sigmoid(n*log(x))*log(x)``.
    """
    candidates = [(f, x) for f in factors if f.args for x in known.vanishing_with(f)]
    having: dict[sp.Expr, list[sp.Expr]] = {x: [] for _, x in candidates}
    for factor in factors if candidates else ():
        for x in known.names_in(factor) & having.keys():
            having[x].append(factor)
    found: dict[sp.Basic, None] = {}
    for small, x in candidates:
        others = [factor for factor in having[x] if factor is not small]
        order = _whole_order(small, others, x, known) if others else None
        if order is None or (order.is_number and not order > 0):
            continue
        where = [sp.Eq(part, 0, evaluate=False) for part in (small, x)]
        if not order.is_number:
            where.append(sp.Gt(order, 0, evaluate=False))
        found[sp.And(*where, evaluate=False)] = None
    return list(found)


def _whole_order(
    small: sp.Expr, others: Sequence[sp.Expr], x: sp.Expr, known: Logarithms
) -> sp.Expr | None:
    """Return the order in x of a product where its small factor vanishes with x.

    That is ``n`` where it is as x**n; None where that isn't known.
    """
    if (rate := _rate(small, x)) is not None:
        mine, opposite = rate, -rate
    elif (exponent := _infinite_exponent(small)) is not None:
        less = (_is_outdone(f, small, exponent) or _is_power(f, x) for f in others)
        return sp.oo if _outgrows_log(exponent, x) and all(less) else None
    else:
        mine, opposite = _order_in(small, x), None
    orders = [mine]
    for factor in others:
        is_one = opposite is not None and _rate(factor, x) == opposite
        if known.of(factor) or is_one or _slope_in_log(factor, x) is not None:
            orders.append(sp.S.Zero)  # any power outgrows a logarithm
        else:
            orders.append(_order_in(factor, x))
    return None if None in orders else sp.Add(*orders)


def _infinite_exponent(small: sp.Expr) -> sp.Expr | None:
    """Return what is infinite where exp(g), 1/(exp(g) + c) or 1/expm1(g) vanishes."""
    base, power = small.as_base_exp()
    if isinstance(small, sp.exp):
        base = small
    elif not (power.is_number and power.is_negative):
        return None
    found = [f for f in sp.Add.make_args(base) if not f.is_number]
    if len(found) != 1 or not isinstance(found[0], (sp.exp, expm1)):
        return None
    exponent = found[0].args[0]
    return exponent.args[0] if isinstance(exponent, kept) else exponent


def _is_outdone(factor: sp.Expr, small: sp.Expr, exponent: sp.Expr) -> bool:
    """Return whether a factor is exp(k*g), 1/expm1(k*g) or so, and less than infinite.

    Or it is so by less than exp(g) or expm1(g)**-n, the small one, vanishes.
    """
    if (own := _infinite_exponent(factor)) is None:
        return False
    times = sp.Mul(own, sp.Pow(exponent, -1))
    if not (times.is_number and times.is_extended_real):
        return False
    if not isinstance(factor, sp.exp):
        return True
    return bool(times > -1 if isinstance(small, sp.exp) else times < -small.exp)


def _is_power(node: sp.Expr, x: sp.Expr) -> bool:
    """Return whether a node is infinite at x = 0 by no more than some power of x."""
    if node == x or not node.has(x):
        return True
    if isinstance(node, sp.Pow):
        return not node.exp.has(x) and _is_power(node.base, x)
    if isinstance(node, sp.exp):
        return _slope_in_log(node.args[0], x) is not None
    if isinstance(node, sp.Piecewise):
        return all(_is_power(branch, x) for branch, _ in node.args)
    is_made_of = isinstance(node, (sp.Add, sp.Mul, sp.log, sp.Abs, real_abs, kept))
    return is_made_of and all(_is_power(part, x) for part in node.args)


def _outgrows_log(node: sp.Expr, x: sp.Expr) -> bool:
    """Return whether a node that is infinite at x = 0 is so by more than n*log(x).

    As 1/x is, a square of log(x), and what they are factors or terms of.
    """
    if isinstance(node, kept):
        return _outgrows_log(node.args[0], x)
    if isinstance(node, sp.Add):
        return any(_outgrows_log(term, x) for term in node.args)
    order, logarithms = sp.S.Zero, sp.S.Zero
    for factor in sp.Mul.make_args(node):
        base, power = factor.as_base_exp()
        if not factor.has(x):
            continue
        if (slope := _slope_in_log(base, x)) is not None and power.is_number:
            logarithms += power if slope != 0 else 0
        elif isinstance(base, sp.Add):  # if it vanishes, exp(g) doesn't
            continue
        elif (own := _order_in(factor, x)) is not None:
            order += own
        else:
            return False
    if order == 0:
        return bool(logarithms > 1)
    return bool(order.is_negative or not order.is_number)  # as it's infinite there


def _rate(factor: sp.Expr, x: sp.Expr) -> sp.Expr | None:
    """Return n of sigmoid(n*log(x) + c), and of exp(n*log(x) + c)."""
    if not isinstance(factor, (sigmoid, sp.exp)):
        return None
    return _slope_in_log(factor.args[0], x)


def _slope_in_log(node: sp.Expr, x: sp.Expr) -> sp.Expr | None:
    """Return n of n*log(x) + c."""
    if not node.has(x):
        return sp.S.Zero
    if isinstance(node, sp.log):
        return _order_in(node.args[0], x)
    if isinstance(node, kept):
        return _slope_in_log(node.args[0], x)
    if isinstance(node, sp.Mul):
        mine = [factor for factor in node.args if factor.has(x)]
        others = (factor for factor in node.args if not factor.has(x))
        slope = _slope_in_log(mine[0], x) if len(mine) == 1 else None
        return None if slope is None else sp.Mul(slope, *others)
    if isinstance(node, sp.Add):
        slopes = [_slope_in_log(term, x) for term in node.args]
        return None if None in slopes else sp.Add(*slopes)
    if isinstance(node, sp.Piecewise) and (branch := _branch_of(node, x)) is not None:
        return _slope_in_log(branch, x)
    return None


def _branch_of(node: sp.Piecewise, x: sp.Expr) -> sp.Expr | None:
    """Return the branch that has x; None where several do."""
    branches = [pair.expr for pair in node.args if pair.expr.has(x)]
    return branches[0] if len(branches) == 1 else None


def _order_in(node: sp.Expr, x: sp.Expr) -> sp.Expr | None:
    """Return n where a node is as x**n near x = 0; of a sum, of the term that has x."""
    if node == x or not node.has(x):
        return sp.S.One if node == x else sp.S.Zero
    if isinstance(node, kept):
        return _order_in(node.args[0], x)
    if isinstance(node, sp.Piecewise):
        branch = _branch_of(node, x)
        return None if branch is None else _order_in(branch, x)
    if isinstance(node, sp.Pow) and not node.exp.has(x):
        inner = _order_in(node.base, x)
        return None if inner is None else inner * node.exp
    if isinstance(node, (sp.Mul, sp.Add)):
        orders = [_order_in(part, x) for part in node.args if part.has(x)]
        known = None not in orders and (isinstance(node, sp.Mul) or len(orders) == 1)
        return sp.Add(*orders) if known else None
    return None


class _Factors:
    """The factors of one product, by what makes them 0; taken are those with a pair."""

    def __init__(self, factors: Sequence[sp.Expr], known: Logarithms) -> None:
        self.factors = factors
        self.known = known
        self.taken: set[int] = set()

    @functools.cached_property
    def _powers(self) -> dict[sp.Expr, list[tuple[int, sp.Expr]]]:
        """The places and exponents of the factors that may vanish, by what does."""
        powers: dict[sp.Expr, list[tuple[int, sp.Expr]]] = {}
        for place, factor in enumerate(self.factors):
            base, exponent = factor.as_base_exp()
            if isinstance(base, (sp.Abs, real_abs)):
                base = base.args[0]
            if not exponent.is_number or exponent.is_positive:
                powers.setdefault(base, []).append((place, exponent))
        return powers

    @functools.cached_property
    def _exponentials(self) -> dict[sp.Expr, list[int]]:
        """The places of the exponentials, by what a power in them divides by."""
        places: dict[sp.Expr, list[int]] = {}
        for place, factor in enumerate(self.factors):
            for power in factor.args[0].atoms(sp.Pow) if _is_exp(factor) else ():
                if power.exp.is_number and power.exp.is_negative:
                    places.setdefault(power.base, []).append(place)
        return places

    @functools.cached_property
    def _falling(self) -> dict[_Growing, list[int]]:
        """The places of what exponentials may let vanish, by these."""
        places: dict[_Growing, list[int]] = {}
        for place, factor in enumerate(self.factors):
            if (exponent := _exponent(factor)) is not None:
                for inner in exponent.atoms(sp.exp):
                    places.setdefault(_growing(inner), []).append(place)
        return places

    def vanishing(self, large: int) -> _Pair | None:
        """Return a factor that vanishes where another is infinite, and where."""
        factor = self.factors[large]
        for inner in self.known.of(factor):
            zeros = _zeros(inner)
            for small, power in self._small(large, _either_sign(zeros)):
                where: Any = sp.Eq(inner, 0, evaluate=False)
                # x**b, where b may be 0 or less, and x*log(x*y), where y may be 0
                if not power.is_number or len(zeros) > 1:
                    nought = sp.Eq(self.factors[small], 0, evaluate=False)
                    where = sp.And(nought, where, evaluate=False)
                return small, large, where
        if (pair := self._of_a_power(large)) is not None:
            return pair
        return self._of_an_exponential(large) or self._of_two(large)

    def _small(self, large: int, zeros: Sequence[sp.Expr]) -> list[tuple[int, sp.Expr]]:
        """Return the other factors that are powers of one of some zeros."""
        found = [pair for zero in zeros for pair in self._powers.get(zero, ())]
        gone = {large, *self.taken}
        return sorted((p for p in found if p[0] not in gone), key=lambda pair: pair[0])

    def _of_a_power(self, large: int) -> _Pair | None:
        """Return how x makes x*(x/k)**(n - 1) vanish, whatever n > 0 is."""
        factor = self.factors[large]
        if not isinstance(factor, sp.Pow):
            return None
        if factor.exp.is_number:
            return self._of_its_own_power(large)
        for zero in sp.Mul.make_args(factor.base):
            zeros = () if zero.is_number else (zero,)
            for small, power in self._small(large, _either_sign(zeros)):
                if power.is_number:
                    nought = sp.Eq(self.factors[small], 0, evaluate=False)
                    vanishes = sp.Gt(factor.exp + power, 0, evaluate=False)
                    return small, large, sp.And(nought, vanishes, evaluate=False)
        return None

    def _of_its_own_power(self, large: int) -> _Pair | None:
        """Return how x**n makes 1/x vanish, and x makes 1/sqrt(x*y) vanish."""
        factor = self.factors[large]
        if not factor.exp.is_negative:
            return None
        zeros = sp.Mul.make_args(factor.base)
        for small, power in self._small(large, _either_sign(zeros)):
            nought: Any = sp.Eq(self.factors[small], 0, evaluate=False)
            if power.is_number and power + factor.exp > 0:
                return small, large, nought
            if not power.is_number and len(zeros) == 1:
                nought = sp.Eq(factor.base, 0, evaluate=False)
                vanishes = sp.Gt(factor.exp + power, 0, evaluate=False)
                return small, large, sp.And(nought, vanishes, evaluate=False)
        return None

    def _of_an_exponential(self, large: int) -> _Pair | None:
        """Return the exponential that vanishes faster than a power grows."""
        factor = self.factors[large]
        if not (isinstance(factor, sp.Pow) and factor.exp.is_number):
            return None
        if not factor.exp.is_negative or factor.base.is_number:
            return None
        for small in self._exponentials.get(factor.base, ()):
            if small not in self.taken:
                nought = sp.Eq(self.factors[small], 0, evaluate=False)
                return small, large, nought
        return None

    def _of_two(self, large: int) -> _Pair | None:
        """Return how exp(x) is made to vanish by exp(-exp(x))."""
        for inner in self.known.exponentials(self.factors[large]):
            for small in self._falling.get(_growing(inner), ()):
                if small != large and small not in self.taken:
                    nought = sp.Eq(self.factors[small], 0, evaluate=False)
                    return small, large, nought
        return None


class Logarithms:
    """The logarithms by which alone a factor is infinite, of each node once.

    And the exponentials by which it may be, the names in it, and those with which it
    may vanish.
    """

    def __init__(self) -> None:
        self._arguments: dict[sp.Basic, tuple[sp.Expr, ...]] = {}
        self._divides: dict[sp.Basic, bool] = {}
        self._exponentials: dict[sp.Basic, tuple[sp.Expr, ...]] = {}
        self._infinite: dict[sp.Basic, tuple[sp.Expr, ...]] = {}
        self._names: dict[sp.Basic, set[sp.Basic]] = {}

    def of(self, factor: sp.Expr) -> tuple[sp.Expr, ...]:
        """Return their arguments, each once."""
        if not factor.args:
            return ()
        if (known := self._arguments.get(factor)) is None:
            known = self._arguments[factor] = self._of(factor)
        return known

    def _of(self, factor: sp.Expr) -> tuple[sp.Expr, ...]:
        if isinstance(factor, kept):
            return self.of(factor.args[0])
        if isinstance(factor, sp.log):
            return (factor.args[0],)
        if isinstance(factor, sp.Pow) and factor.exp.is_Integer and factor.exp > 0:
            return self.of(factor.base)
        if not isinstance(factor, sp.Add) or self.divides(factor):
            return ()
        parts = (f for term in factor.args for f in sp.Mul.make_args(term))
        return tuple(dict.fromkeys(inner for part in parts for inner in self.of(part)))

    def vanishing_with(self, factor: sp.Expr) -> tuple[sp.Expr, ...]:
        """Return with which names 1/(1 + k/x), exp(-k/x), sigmoid(log(x)) may vanish.

        Not all of many.
        """
        base, exponent = factor.as_base_exp()
        if isinstance(factor, (sp.exp, sigmoid)):
            return self._infinite_with(factor.args[0])
        divides = exponent.is_number and exponent.is_negative
        if isinstance(base, (sp.Add, expm1)) and divides:
            return self._infinite_with(base)
        return ()

    def _infinite_with(self, node: sp.Basic) -> tuple[sp.Expr, ...]:
        """Return the names that a node divides by somewhere, or has logarithms of."""
        if not node.args or isinstance(node, sp.Indexed):
            return ()
        if (known := self._infinite.get(node)) is None:
            parts = [x for part in node.args for x in self._infinite_with(part)]
            if isinstance(node, sp.log) or _divides(node):
                bases = (f.as_base_exp()[0] for f in sp.Mul.make_args(node.args[0]))
                parts += (b for b in bases if isinstance(b, (sp.Symbol, sp.Indexed)))
            known = tuple(dict.fromkeys(parts))[:MOST_NAMES]
            self._infinite[node] = known
        return known

    def names_in(self, factor: sp.Expr) -> set[sp.Basic]:
        """Return the names in a factor."""
        if (known := self._names.get(factor)) is None:
            known = self._names[factor] = factor.atoms(sp.Symbol, sp.Indexed)
        return known

    def exponentials(self, factor: sp.Expr) -> tuple[sp.Expr, ...]:
        """Return the exponentials by which a factor may be infinite."""
        if not factor.args:
            return ()
        if (known := self._exponentials.get(factor)) is None:
            known = self._exponentials[factor] = self._exponentials_of(factor)
        return known

    def _exponentials_of(self, factor: sp.Expr) -> tuple[sp.Expr, ...]:
        if _is_exp(factor):
            return (factor,)
        if isinstance(factor, sp.Pow) and factor.exp.is_Integer and factor.exp > 0:
            return self.exponentials(factor.base)
        if not isinstance(factor, (sp.Add, sp.Mul)):
            return ()
        found = (inner for part in factor.args for inner in self.exponentials(part))
        return tuple(dict.fromkeys(found))

    def divides(self, node: sp.Basic) -> bool:
        """Return whether there is a power in a node that may be infinite."""
        if (known := self._divides.get(node)) is None:
            known = isinstance(node, sp.Pow) and _is_inverse(node)
            known = known or any(map(self.divides, node.args))
            self._divides[node] = known
        return known


def _divides(node: sp.Basic) -> bool:
    return isinstance(node, sp.Pow) and node.exp.is_number and node.exp.is_negative


def _is_exp(factor: sp.Expr) -> bool:
    return isinstance(factor, sp.exp)


def _exponent(factor: sp.Expr) -> sp.Expr | None:
    """Return x of exp(x) or of 1/(exp(x) - 1), unless that can't vanish."""
    base, exponent = factor.as_base_exp()
    if isinstance(base, expm1) and exponent.is_negative:
        (x,) = base.args
        x = x.args[0] if isinstance(x, kept) else x
        return None if is_nonnegative(-x) else x
    return factor.args[0] if _is_exp(factor) else None


def _growing(factor: sp.exp) -> _Growing:
    """Return what grows like an exponential, whatever its rate is."""
    rate, inner = factor.args[0].as_coeff_Mul()
    return inner, bool(rate > 0)


def _either_sign(zeros: Sequence[sp.Expr]) -> list[sp.Expr]:
    return [*zeros, *(-zero for zero in zeros)]


def _is_inverse(node: sp.Pow) -> bool:
    return not (node.exp.is_number and node.exp.is_positive) and not node.is_number


def _zeros(inner: sp.Expr) -> list[sp.Expr]:
    """Return the factors of which each makes a logarithm's argument 0."""
    zeros = []
    for factor in sp.Mul.make_args(inner):
        base, exponent = factor.as_base_exp()
        if exponent.is_number and exponent.is_negative:
            continue
        if isinstance(base, (sp.Abs, real_abs)):
            base = base.args[0]
        if not base.is_number:
            zeros.append(base)
    return zeros
