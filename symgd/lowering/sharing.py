"""Common subexpressions, found under the conditions that guard them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import sympy as sp

from symgd.errors import FormulaError

MAX_OPERATIONS = 20_000

# Where an expression is evaluated: the conditions on the way there, each with the
# value that it must have. () is everywhere.
_Guard = tuple[tuple[Any, bool], ...]


def share(
    outputs: tuple[sp.Expr, ...],
) -> tuple[list[tuple[sp.Symbol, sp.Expr]], tuple[sp.Expr, ...]]:
    """Name every subexpression that is needed more than once.

    A subexpression that is only needed inside a branch gets a name that is computed
    inside the same branch, as a conditional expression. Sums that differ by a
    constant factor only, as a - b and 2*b - 2*a do, share one name.

    Returns
    -------
    shared : list of (symbol, expression)
        In the order in which they can be computed.
    reduced : tuple of expressions
        The outputs, written with those symbols.
    """
    counts = _uses(outputs)
    return _Sharing(counts).rewrite(outputs)


def _key(node: sp.Basic) -> tuple[sp.Expr, sp.Basic]:
    """Return a factor and the rest: what is shared is the rest."""
    if isinstance(node, sp.Add):
        content, primitive = node.primitive()
        if primitive.could_extract_minus_sign():
            content, primitive = -content, -primitive
        return content, primitive
    return sp.S.One, node


def _parts(node: sp.Basic) -> tuple[sp.Basic, ...]:
    """Return the operands of a node as the printer will need them."""
    if isinstance(node, sp.Pow) and node.exp.is_Rational:
        base, exponent = node.args
        if exponent.is_negative:
            return (_key(base**-exponent)[1],) if exponent != -1 else (base,)
        if exponent.q == 2 and exponent != sp.Rational(1, 2):
            return (base, sp.sqrt(base), sp.sqrt(base))  # twice: it is worth a name
        return (base,)
    if isinstance(node, sp.Add):
        return _key(node)[1].args
    return node.args


def _guarded_parts(node: sp.Piecewise) -> list[tuple[sp.Basic, _Guard]]:
    """Return the conditions and branches of a node, each with the guard it adds."""
    parts: list[tuple[sp.Basic, _Guard]] = []
    passed: _Guard = ()
    for branch, condition in node.args:
        parts.append((condition, passed))
        taken = passed if condition == sp.true else (*passed, (condition, True))
        parts.append((branch, taken))
        passed = (*passed, (condition, False))
    return parts


def _uses(outputs: tuple[sp.Expr, ...]) -> Counter[tuple[sp.Basic, _Guard]]:
    """Count the uses of each subexpression under each guard.

    Guards are visited from the outermost inwards, so that a use inside a branch of
    what is computed outside of it anyway counts there.
    """
    counts: Counter[tuple[sp.Basic, _Guard]] = Counter()
    pending: dict[_Guard, deque[sp.Basic]] = {(): deque(outputs)}
    while pending:
        guard = min(pending, key=len)
        queue = pending.pop(guard)
        while queue:
            node = _key(queue.popleft())[1]
            if _is_trivial(node):
                continue
            outer = _computed_at(counts, node, guard)
            counts[node, guard if outer is None else outer] += 1
            if outer is not None:
                continue
            if len(counts) > MAX_OPERATIONS:
                raise FormulaError(
                    f"the formula and its derivatives have over {MAX_OPERATIONS} "
                    "different operations, too many to compile"
                )
            if isinstance(node, sp.Piecewise):
                for part, added in _guarded_parts(node):
                    pending.setdefault(guard + added, deque()).append(part)
                queue.extend(pending.pop(guard, ()))
            else:
                queue.extend(_parts(node))
    return counts


def _computed_at(
    counts: Mapping[tuple[sp.Basic, _Guard], int], node: sp.Basic, guard: _Guard
) -> _Guard | None:
    """Return the outermost guard, from () to this one, under which a node is used."""
    for length in range(len(guard) + 1):
        if (node, guard[:length]) in counts:
            return guard[:length]
    return None


class _Sharing:
    """Rewrites expressions with a symbol for whatever is used twice."""

    def __init__(self, counts: Counter[tuple[sp.Basic, _Guard]]) -> None:
        self.counts = counts
        self.shared: list[tuple[sp.Symbol, sp.Expr]] = []
        self.done: dict[tuple[sp.Basic, _Guard], sp.Basic] = {}

    def rewrite(self, outputs: tuple[sp.Expr, ...]) -> tuple[Any, Any]:
        reduced = tuple(self._rewritten(output, ()) for output in outputs)
        return self.shared, reduced

    def _rewritten(self, node: sp.Basic, guard: _Guard) -> Any:
        if _is_trivial(node):
            return node
        factor, rest = _key(node)
        home = _computed_at(self.counts, rest, guard)
        guard = guard if home is None else home
        used_again = self.counts[rest, guard] > 1
        if not used_again and factor != 1:
            factor, rest = sp.S.One, node
        if (rest, guard) not in self.done:
            result = self._rebuilt(rest, guard)
            if used_again and not isinstance(rest, sp.logic.boolalg.Boolean):
                name = sp.Symbol(f"c{len(self.shared)}", real=True)
                self.shared.append((name, _under(self._conditions(guard), result)))
                result = name
            self.done[rest, guard] = result
        return (
            factor * self.done[rest, guard] if factor != 1 else self.done[rest, guard]
        )

    def _conditions(self, guard: _Guard) -> list[tuple[Any, bool]]:
        """Return a guard with its conditions rewritten, each where it is evaluated."""
        return [
            (self._rewritten(condition, guard[:place]), wanted)
            for place, (condition, wanted) in enumerate(guard)
        ]

    def _rebuilt(self, node: sp.Basic, guard: _Guard) -> Any:
        if isinstance(node, sp.Piecewise):
            parts = [
                self._rewritten(part, guard + added)
                for part, added in _guarded_parts(node)
            ]
            pairs = zip(parts[1::2], parts[::2], strict=True)
            return sp.Piecewise(*pairs, evaluate=False)
        if isinstance(node, sp.Pow) and node.exp.is_Rational:
            return self._rebuilt_power(node, guard)
        arguments = [self._rewritten(argument, guard) for argument in node.args]
        return node.func(*arguments)

    def _rebuilt_power(self, node: sp.Pow, guard: _Guard) -> Any:
        base, exponent = node.args
        if exponent.is_negative and exponent != -1:
            return 1 / self._rewritten(base**-exponent, guard)
        if exponent.q == 2 and exponent != sp.Rational(1, 2):
            root = self._rewritten(sp.sqrt(base), guard)
            return self._rewritten(base, guard) ** (exponent - sp.Rational(1, 2)) * root
        return self._rewritten(base, guard) ** exponent


def _under(guard: list[tuple[Any, bool]], expression: sp.Expr) -> sp.Expr:
    """Return an expression that is only evaluated where the guard holds."""
    for condition, wanted in reversed(guard):
        branches = (expression, sp.nan) if wanted else (sp.nan, expression)
        expression = sp.Piecewise(
            (branches[0], condition), (branches[1], True), evaluate=False
        )
    return expression


def lazy_kinks(expression: sp.Expr) -> sp.Expr:
    """Write step*rest as a branch, so that an infinite rest can't become 0*inf.

    Heaviside functions stand in the derivatives of Max and Min; at a tie each side
    counts half.
    """

    def branch(product: sp.Expr) -> sp.Expr:
        step = next(f for f in product.args if isinstance(f, sp.Heaviside))
        x, at_zero = step.args
        rest = sp.Mul(*(f for f in product.args if f is not step))
        rest = branch(rest) if _is_stepped(rest) else rest
        return sp.Piecewise(
            (rest, x > 0), (sp.S.Zero, x < 0), (at_zero * rest, True), evaluate=False
        )

    return expression.replace(_is_stepped, branch)


def _is_stepped(node: sp.Basic) -> bool:
    return isinstance(node, sp.Mul) and any(
        isinstance(f, sp.Heaviside) for f in node.args
    )


def _is_trivial(node: sp.Basic) -> bool:
    """Whether a name for the node would save nothing: x, 2, 2*x, sqrt(2)."""
    if isinstance(node, sp.Mul) and len(node.args) == 2:
        return node.args[0].is_Number and node.args[1].is_Symbol
    return not node.args or (isinstance(node, sp.Expr) and not node.free_symbols)
