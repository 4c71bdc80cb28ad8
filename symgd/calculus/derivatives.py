"""Exact derivatives of expressions, with symgd's choices at kinks.

Symbolic differentiation, forward over the expression's graph (what is shared is
differentiated once), with rules of our own where SymPy's compare all pairs, multiply
out, or rewrite a comparison: which argument of a maximum, or which branch, is active is
decided by the numbers that the value itself is computed from.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from symgd.errors import FormulaError
from symgd.language.as_written import choice
from symgd.language.composed import divided, times_log
from symgd.language.formula import text_of
from symgd.language.nodes import NOT_REAL, SHARES, contains, kept
from symgd.language.quick import applied, direction, power, product, slope, total
from symgd.language.signs import reaches_0

MOST_FACTORS = 8  # of a product that is differentiated factor by factor
HUGE = 1e100  # a coefficient whose powers may be beyond float64; likewise 1/HUGE
MOST_TERMS = 8  # of a sum that is written out in others, or multiplied by numbers


def gradient(
    expression: sp.Expr, variables: tuple[sp.Symbol, ...]
) -> sp.ImmutableMatrix:
    """Return the column of first derivatives.

    A sum is differentiated term by term, each term only by the variables that it
    holds, so that the cost of a long sum of short terms grows with its length.

    At a kink the value is a subgradient: ``sign(0) = 0``, all tied arguments of a
    ``Max`` have equal shares, and the derivative of a jump is 0.

    Raises
    ------
    FormulaError
        If there is no derivative, or it isn't real.
    """
    symbols = _Symbols()
    by = {variable: _Derivative(variable, symbols) for variable in variables}
    parts: dict[sp.Symbol, list[sp.Expr]] = {v: [] for v in variables}
    for term in sp.Add.make_args(expression):
        for variable in symbols.of(term) & by.keys():
            parts[variable].append(by[variable].checked(term))
    return sp.ImmutableMatrix([total(*parts[v]) for v in variables])


def hessian(column: sp.Matrix, variables: tuple[sp.Symbol, ...]) -> sp.ImmutableMatrix:
    """Return the symmetric matrix of derivatives of a gradient; raises likewise."""
    n, symbols = len(variables), _Symbols()
    by = [_Derivative(variable, symbols) for variable in variables]
    lower = {(i, j): by[j].checked(column[i]) for i in range(n) for j in range(i + 1)}
    return sp.ImmutableMatrix(n, n, lambda i, j: lower[max(i, j), min(i, j)])


class _Symbols:
    """The symbols in each node of some expressions, each found once."""

    def __init__(self) -> None:
        self._known: dict[sp.Basic, frozenset[sp.Symbol]] = {}
        self._halves: dict[sp.Basic, list[sp.Expr]] = {}
        self._holding: dict[sp.Basic, dict[sp.Symbol, list[sp.Expr]]] = {}
        self.real: set[sp.Basic] = set()  # nodes of derivatives that were looked at

    def of(self, node: sp.Basic) -> frozenset[sp.Symbol]:
        """Return the symbols in a node."""
        if not node.args:
            return frozenset((node,) if isinstance(node, sp.Symbol) else ())
        if (known := self._known.get(node)) is None:
            known = frozenset().union(*map(self.of, node.args))
            self._known[node] = known
        return known

    def holding(self, node: sp.Basic, symbol: sp.Symbol) -> list[sp.Expr]:
        """Return the arguments of a node that hold a symbol."""
        if (known := self._holding.get(node)) is None:
            known = self._holding[node] = {}
            for argument in node.args:
                for each in self.of(argument):
                    known.setdefault(each, []).append(argument)
        return known.get(symbol, [])

    def halves(self, node: sp.Mul) -> list[sp.Expr]:
        """Return the products of the first and of the other half of many factors."""
        if (known := self._halves.get(node)) is None:
            factors, middle = tuple(map(_whole, node.args)), len(node.args) // 2
            known = [_product(factors[:middle]), _product(factors[middle:])]
            self._halves[node] = known
        return known


def _divides(factor: sp.Expr) -> bool:
    base, exponent = factor.as_base_exp()
    return bool(exponent.is_Integer and exponent.is_negative and not base.is_number)


class _Derivative:
    """The derivatives by one variable, of each node once."""

    def __init__(self, variable: sp.Symbol, symbols: _Symbols) -> None:
        self.variable = variable
        self.symbols = symbols
        self._known: dict[sp.Basic, sp.Expr] = {variable: sp.S.One}

    def checked(self, term: sp.Expr) -> sp.Expr:
        """Return the derivative of a term, or raise FormulaError."""
        try:
            derivative = self.of(term)
        except RecursionError:
            problem = "the formula is nested too deeply to differentiate"
            raise FormulaError(problem, text_of(term)) from None
        except _NoDerivative as jump:
            what = f"{text_of(jump.node)} has no derivative by {self.variable.name}"
            problem = f"{what} that a descent can use, in"
            raise FormulaError(problem, text_of(term)) from None
        if contains(derivative, NOT_REAL, self.symbols.real):
            name = self.variable.name
            problem = f"the derivative by {name} is not real and finite, of"
            raise FormulaError(problem, text_of(term))
        return derivative

    def moves(self, node: sp.Basic) -> bool:
        """Return whether the variable is in a node."""
        return self.variable in self.symbols.of(node)

    def of(self, node: sp.Expr) -> sp.Expr:
        """Return the derivative of a node."""
        if not self.moves(node):
            return sp.S.Zero
        if (known := self._known.get(node)) is None:
            known = self._known[node] = self._of(node)
        return known

    def _of(self, node: sp.Expr) -> sp.Expr:
        for kind in type(node).__mro__:
            rule = getattr(self, f"_of_{kind.__name__}", None)
            if rule is not None:
                return rule(node)
        raise _NoDerivative(node)

    def _of_Add(self, node: sp.Add) -> sp.Expr:
        return total(*map(self.of, self.symbols.holding(node, self.variable)))

    def _of_Mul(self, node: sp.Mul) -> sp.Expr:
        """Return the sum over factors; of many, by halves, so that products are shared.

        The halves stay products of their own: multiplied out, there would be as many
        products of all others as there are factors.
        """
        if len(node.args) <= MOST_FACTORS:
            factors = tuple(map(_whole, node.args))
            return total(
                *(
                    product(*factors[:i], self.of(factor), *factors[i + 1 :])
                    for i, factor in enumerate(factors)
                    if self.moves(factor)
                )
            )
        one, two = self.symbols.halves(node)
        pairs = (one, two), (two, one)
        moving = [(kept(self.of(h)), other) for h, other in pairs if self.moves(h)]
        return total(*(product(*pair) for pair in moving))

    def _of_Pow(self, node: sp.Pow) -> sp.Expr:
        base, exponent = node.args
        whole = _whole(base)
        if _is_root(exponent) and reaches_0(base):
            return product(exponent, _in_valley(whole, exponent - 1), self.of(base))
        if isinstance(base, sp.cosh) and exponent.is_number:
            (x,) = base.args  # cosh and sinh overflow, their quotient doesn't
            return exponent * node * sp.tanh(x) * self.of(x)
        one = isinstance(base, (sp.Add, sp.Function, sp.Symbol))
        if exponent.is_number and (one or (base.is_Mul and _is_root(exponent))):
            scaled = product(self.of(base), exponent)
            return product(power(whole, exponent - 1), scaled)
        if exponent.is_number or base.is_number or base.is_positive:
            below = power(base, sp.S.NegativeOne)
            inner = product(self.of(base), exponent, below)
            if not self.moves(exponent):
                return product(node, inner)
            outer = product(self.of(exponent), applied(sp.log, base))
            return product(node, total(outer, inner))
        # The base may be 0, where exponent/base and log(base) are no numbers.
        not_0 = ((sp.S.One, sp.Eq(base, 0, evaluate=False)), (base, True))
        by_exponent = node * sp.log(choice(*not_0))
        by_base = exponent * base ** (exponent - 1)
        return by_exponent * self.of(exponent) + by_base * self.of(base)

    def _of_Max(self, node: sp.Max) -> sp.Expr:
        share = SHARES[sp.Max if isinstance(node, sp.Max) else sp.Min]
        moving = self.symbols.holding(node, self.variable)
        return total(*(product(share(a, node), self.of(a)) for a in moving))

    _of_Min = _of_Max

    def _of_Piecewise(self, node: sp.Piecewise) -> sp.Expr:
        branches = [(self.of(value), condition) for value, condition in node.args]
        if len({value for value, _ in branches}) == 1 and branches[-1][1] == sp.true:
            return branches[0][0]
        return choice(*branches)

    def _of_times_log(self, node: times_log) -> sp.Expr:
        """Return the derivative, which is 0 likewise, unless x is no longer there."""
        x, y = node.args
        outer = self.of(x)
        known = outer.is_number
        by_x = product(outer, node.logarithm) if known else node.func(outer, y)
        by_y = (
            product(exponent, _quotient(x, base), self.of(base))
            for base, exponent in node.factors
            if self.moves(base)
        )
        return total(by_x, *by_y)

    def _of_divided(self, node: divided) -> sp.Expr:
        above, below = node.args
        return total(
            _quotient(self.of(above), below),
            product(sp.S.NegativeOne, _quotient(node, below), self.of(below)),
        )

    def _of_kept(self, node: sp.Expr) -> sp.Expr:
        return kept(self.of(node.args[0]))

    def _constant_between_jumps(self, node: sp.Expr) -> sp.Expr:
        return sp.S.Zero

    _of_sign = _of_real_sign = _of_Heaviside = _of__Share = _constant_between_jumps
    _of_held = _constant_between_jumps

    def _of_Abs(self, node: sp.Abs) -> sp.Expr:
        (x,) = node.args
        return product(self.of(x), direction(x) or sp.sign(x))

    def _of_floor(self, node: sp.Expr) -> sp.Expr:
        raise _NoDerivative(node)

    _of_ceiling = _of_Mod = _of_floor

    def _of_atan(self, node: sp.atan) -> sp.Expr:
        """Return the derivative, of y/x as (x*dy - y*dx)/(x**2 + y**2): x may be 0."""
        factors = sp.Mul.make_args(node.args[0])
        below = [power(f, sp.S.NegativeOne) for f in factors if _divides(f)]
        if not below:
            return self._of_Function(node)
        y, x = product(*(f for f in factors if not _divides(f))), product(*below)
        turned = total(product(x, self.of(y)), product(sp.S.NegativeOne, y, self.of(x)))
        size = total(power(x, sp.Integer(2)), power(y, sp.Integer(2)))
        return product(turned, power(size, sp.S.NegativeOne))

    def _of_Function(self, node: sp.Function) -> sp.Expr:
        moving = [(i, a) for i, a in enumerate(node.args, 1) if self.moves(a)]
        outer = [slope(node) if i == 1 else node.fdiff(i) for i, _ in moving]
        if any(_is_unknown(each, node.args) for each in outer):
            raise _NoDerivative(node)
        pairs = zip(outer, moving, strict=True)
        return total(*(product(each, self.of(a)) for each, (_, a) in pairs))


def _quotient(above: sp.Expr, below: sp.Expr) -> sp.Expr:
    """Return a quotient that is 0 where both are, unless they cancel."""
    if isinstance(above, sp.Add) and isinstance(below, sp.Add):
        one, other = above.as_coefficients_dict(), below.as_coefficients_dict()
        ratios = {one[term] / coefficient for term, coefficient in other.items()}
        if len(one) == len(other) and len(ratios) == 1:
            return ratios.pop()
    plain = product(above, power(below, sp.S.NegativeOne))
    factors = (factor.as_base_exp() for factor in sp.Mul.make_args(plain))
    divides = any(base == below and e.is_negative for base, e in factors)
    return divided(above, below) if divides and not above.is_number else plain


def _is_root(exponent: sp.Expr) -> bool:
    positive = exponent.is_number and exponent.is_positive
    return bool(positive and not exponent.is_integer)


def _in_valley(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    """Return a power of what is least where it is 0, and there 0 if that is infinite.

    The derivative of the base is 0 there, and so is the product: the limit, or at the
    tip of a norm a subgradient.
    """
    raised = power(base, exponent)
    if not exponent.is_negative:
        return raised
    return choice((sp.S.Zero, sp.Eq(base, 0, evaluate=False)), (raised, True))


def _is_unknown(slope: sp.Expr, arguments: tuple[sp.Expr, ...]) -> bool:
    """Return whether SymPy doesn't know a function's derivative.

    Its arguments, which may be long, aren't looked into.
    """
    pending: list[sp.Basic] = [slope]
    while pending:
        part = pending.pop()
        if isinstance(part, (sp.Derivative, sp.Subs, sp.DiracDelta)):
            return True
        if part not in arguments:
            pending.extend(part.args)
    return False


class _NoDerivative(Exception):
    """A node jumps, or SymPy knows no derivative of it."""

    def __init__(self, node: sp.Expr) -> None:
        super().__init__(node)
        self.node = node


def _whole(node: sp.Expr) -> sp.Expr:
    """Return a sum as one that stays whole, if it is long or has extreme coefficients.

    Each of n variables of ``(x1 + x2 + ...)**2`` would have n terms; and 2e200 times
    the terms of ``1e200*x - 3`` is beyond float64, as 2e-200 times ``1e-200*x`` is.
    """
    if not isinstance(node, sp.Add):
        return node
    is_long = len(node.args) > MOST_TERMS
    return kept(node) if is_long or any(map(_is_extreme, node.args)) else node


def _is_extreme(term: sp.Expr) -> bool:
    number = term.as_coeff_Mul()[0]
    return bool(number.is_Float and number and not 1.0 / HUGE < abs(number) < HUGE)


def _product(factors: Iterable[sp.Expr]) -> sp.Expr:
    """Return a product that stays one factor of what it is multiplied with."""
    return kept(product(*factors))
