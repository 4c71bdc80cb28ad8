"""Common subexpressions, found under the conditions that guard them.

This is common subexpression elimination (CSE); its one function is ``share``.
"""

from __future__ import annotations

import functools
import heapq
import itertools
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import sympy as sp

from symgd.calculus.removable import removable
from symgd.calculus.stable import both_sides
from symgd.errors import FormulaError
from symgd.language.as_written import choice, made
from symgd.language.composed import Composed
from symgd.language.nodes import SHARES, is_constant, kept, ties
from symgd.language.quick import power, product
from symgd.lowering.limits import Logarithms, strongest, with_limits

MAX_OPERATIONS = 20_000
MOST_NESTED = 8  # factors of a product that may be 0 and are looked at one by one
LONGEST_CHOICE = 16  # branches that are written as one expression
SHARES_OF = tuple(SHARES.values())
_ORDER = functools.cmp_to_key(sp.Basic.compare)

# Where an expression is evaluated: the conditions on the way there, each with the
# value that it must have. () is everywhere.
_Guard = tuple[tuple[Any, bool], ...]


def share(
    outputs: tuple[sp.Expr, ...], late: Set[sp.Symbol] = frozenset()
) -> tuple[list[tuple[sp.Symbol, sp.Expr]], tuple[sp.Expr, ...]]:
    """Name every subexpression that is needed more than once.

    A subexpression that is only needed inside a branch gets a name that is computed
    inside the same branch, as a conditional expression. Sums and products that differ
    by a constant factor only, as a - b and 2*b - 2*a do, share one name; but a product
    of a late symbol has none, so that it is fused into each sum that waits for it.

    Parameters
    ----------
    outputs : tuple of expressions
    late : set of symbols
        Symbols whose values arrive last.

    Returns
    -------
    shared : list of (symbol, expression)
        In the order in which they can be computed.
    reduced : tuple of expressions
        The outputs, written with those symbols.
    """
    sharing = _Sharing(outputs, late)
    reduced = tuple(sharing.rewritten(output, ()) for output in outputs)
    return sharing.shared, reduced


class _Sharing:
    """Counts the uses of subexpressions, then names those that are reused."""

    def __init__(self, outputs: tuple[sp.Expr, ...], late: Set[sp.Symbol]) -> None:
        self.shared: list[tuple[sp.Symbol, sp.Expr]] = []
        self.done: dict[tuple[sp.Basic, _Guard], sp.Basic] = {}
        self.multiples = _multiples(outputs, late)
        self.bases = {base for factor, base in self.multiples.values() if factor != 1}
        self.counts: Counter[tuple[sp.Basic, _Guard]] = Counter()
        self._count(outputs)

    # ------------------------------------------------------------- counting

    def _count(self, outputs: tuple[sp.Expr, ...]) -> None:
        """Count uses under each guard, from the outermost guard inwards.

        So a use inside a branch, of what is computed outside of it anyway, counts
        there.
        """
        pending: dict[_Guard, deque[sp.Basic]] = {}
        order: list[tuple[int, int, _Guard]] = []

        def add(node: sp.Basic, guard: _Guard) -> None:
            if guard not in pending:
                pending[guard] = deque()
                heapq.heappush(order, (len(guard), next(ages), guard))
            pending[guard].append(node)

        ages = itertools.count()
        for output in outputs:
            add(output, ())
        while order:
            guard = heapq.heappop(order)[2]
            queue = pending.pop(guard, deque())
            while queue:
                node = self._split(queue.popleft())[1]
                if _is_trivial(node):
                    continue
                if isinstance(node, section) and guard:
                    add(node, ())
                    continue
                home = self._home(node, guard)
                uses = 2 if isinstance(node, section) else 1  # it has a name anyway
                self.counts[node, guard if home is None else home] += uses
                if home is not None:
                    continue
                if len(self.counts) > MAX_OPERATIONS:
                    raise FormulaError(
                        f"the formula and its derivatives have over {MAX_OPERATIONS} "
                        "different operations, too many to compile"
                    )
                if not isinstance(node, (sp.Piecewise, sp.ITE)):
                    queue.extend(_parts(node))
                    continue
                for part, added in _guarded_parts(node):
                    if added:
                        add(part, guard + added)
                    else:
                        queue.append(part)

    def _split(self, node: sp.Basic) -> tuple[sp.Expr, sp.Basic]:
        """Return a factor and the rest, if others differ from the node by one."""
        if not isinstance(node, (sp.Add, sp.Mul)):
            return sp.S.One, node
        if node not in self.multiples:
            factor, base = _primitive(node)
            known = (factor, base) if base in self.bases else (sp.S.One, node)
            self.multiples[node] = known
        return self.multiples[node]

    def _home(self, node: sp.Basic, guard: _Guard) -> _Guard | None:
        """Return the outermost guard, from () to this one, under which it is used."""
        for length in range(len(guard) + 1):
            if (node, guard[:length]) in self.counts:
                return guard[:length]
        return None

    # ------------------------------------------------------------ rewriting

    def rewritten(self, node: sp.Basic, guard: _Guard) -> Any:
        """Return a node in terms of names, as it is evaluated under a guard."""
        if _is_trivial(node):
            return node
        factor, base = self._split(node)
        home = self._home(base, guard)
        guard = guard if home is None else home
        if (base, guard) not in self.done:
            result = self._rebuilt(base, guard)
            condition = isinstance(base, sp.logic.boolalg.Boolean)
            if self.counts[base, guard] > 1 and not condition:
                name = sp.Symbol(f"c{len(self.shared)}", real=True)
                self.shared.append((name, _under(self._conditions(guard), result)))
                result = name
            self.done[base, guard] = result
        result = self.done[base, guard]
        return result if factor == 1 else product(factor, result)

    def _conditions(self, guard: _Guard) -> list[tuple[Any, bool]]:
        """Return a guard with its conditions rewritten, each where it is evaluated."""
        return [
            (self.rewritten(condition, guard[:place]), wanted)
            for place, (condition, wanted) in enumerate(guard)
        ]

    def _rebuilt(self, node: sp.Basic, guard: _Guard) -> Any:
        if isinstance(node, (sp.Piecewise, sp.ITE)):
            parts = [
                self.rewritten(part, guard + added)
                for part, added in _guarded_parts(node)
            ]
            if isinstance(node, sp.ITE):
                return sp.ITE(*parts, evaluate=False)
            pairs = zip(parts[1::2], parts[::2], strict=True)
            return choice(*pairs)
        if isinstance(node, sp.Pow) and node.exp.is_Rational:
            return self._rebuilt_power(node, guard)
        arguments = [self.rewritten(argument, guard) for argument in node.args]
        if all(new is old for new, old in zip(arguments, node.args, strict=True)):
            return node
        return made(node.func, arguments)

    def _rebuilt_power(self, node: sp.Pow, guard: _Guard) -> Any:
        base, exponent = node.args
        if exponent.is_negative and exponent != -1:
            return power(
                self.rewritten(power(base, -exponent), guard), sp.S.NegativeOne
            )
        if exponent.q == 2 and exponent != sp.Rational(1, 2):
            root = self.rewritten(power(base, sp.S.Half), guard)
            return self.rewritten(base, guard) ** (exponent - sp.Rational(1, 2)) * root
        return power(self.rewritten(base, guard), exponent)


def _multiples(
    outputs: tuple[sp.Expr, ...], late: Set[sp.Symbol]
) -> dict[sp.Basic, tuple[sp.Expr, sp.Basic]]:
    """Return each sum and product as a factor and what several are multiples of."""
    alike: dict[Any, list[sp.Basic]] = {}
    seen: set[sp.Basic] = set()
    pending: list[sp.Basic] = list(outputs)
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        pending.extend(node.args)
        if isinstance(node, sp.Add):
            alike.setdefault(_proportions(node), []).append(node)
        elif isinstance(node, sp.Mul):
            alike.setdefault(node.as_coeff_Mul()[1], []).append(node)
    known: dict[sp.Basic, tuple[sp.Expr, sp.Basic]] = {}
    for nodes in alike.values():
        known |= {node: (sp.S.One, node) for node in nodes}
        own = [n for n in nodes if isinstance(n, sp.Add) or not late & set(n.args)]
        if len(own) < 2:
            continue
        parts = {node: _primitive(node) for node in own}
        uses = Counter(base for _, base in parts.values())
        for node, (factor, base) in parts.items():
            if uses[base] > 1 and not _is_trivial(base):
                known[node] = factor, base
    return known


def _proportions(node: sp.Add) -> frozenset[tuple[sp.Expr, sp.Expr]]:
    """Return the terms with their coefficients, which multiples have in common."""
    pairs = [term.as_coeff_Mul() for term in node.args]
    if any(factor.is_Float for factor, _ in pairs):  # of one kind, divided sooner
        pairs = [(sp.Float(factor), term) for factor, term in pairs]
    unit = min(pairs, key=lambda pair: hash(pair[1]))[0]  # whichever: the same for all
    return frozenset((term, factor / unit) for factor, term in pairs)


def _primitive(node: sp.Add | sp.Mul) -> tuple[sp.Expr, sp.Basic]:
    if isinstance(node, sp.Mul):
        return node.as_coeff_Mul()
    content, base = node.primitive()
    if _is_rather_negative(base):
        content, base = -content, product(sp.S.NegativeOne, base)
    return content, base


def _is_rather_negative(node: sp.Add) -> bool:
    """Return whether most terms are; of as many, the last in an order without signs."""
    pairs = [term.as_coeff_Mul() for term in node.args]
    signs = [factor < 0 for factor, _ in pairs]
    if 2 * sum(map(bool, signs)) != len(signs):
        return 2 * sum(map(bool, signs)) > len(signs)
    return bool(max(pairs, key=lambda pair: _ORDER(pair[1]))[0] < 0)


def _parts(node: sp.Basic) -> tuple[sp.Basic, ...]:
    """Return the operands of a node as the printer will need them."""
    if isinstance(node, sp.Pow) and node.exp.is_Rational:
        base, exponent = node.args
        if exponent.is_negative and exponent != -1:
            return (power(base, -exponent),)
        if exponent.q == 2 and exponent != sp.Rational(1, 2):
            root = power(base, sp.S.Half)
            return (base, root, root)  # twice: it is worth a name
        return (base,)
    return node.args


def _guarded_parts(node: sp.Basic) -> list[tuple[sp.Basic, _Guard]]:
    """Return the conditions and branches of a node, each with the guard it adds."""
    if isinstance(node, sp.ITE):
        test, yes, no = node.args
        return [(test, ()), (yes, ((test, True),)), (no, ((test, False),))]
    parts: list[tuple[sp.Basic, _Guard]] = []
    passed: _Guard = ()
    for branch, condition in node.args:
        parts.append((condition, passed))
        taken = passed if condition == sp.true else (*passed, (condition, True))
        parts.append((branch, taken))
        passed = (*passed, (condition, False))
    return parts


def _under(guard: list[tuple[Any, bool]], expression: sp.Expr) -> sp.Expr:
    """Return an expression that is only evaluated where the guard holds."""
    for condition, wanted in reversed(guard):
        branches = (expression, sp.nan) if wanted else (sp.nan, expression)
        expression = choice((branches[0], condition), (branches[1], True))
    return expression


def prepared(
    outputs: Iterable[sp.Expr], symbols: Mapping[sp.Symbol, sp.Symbol]
) -> tuple[sp.Expr, ...]:
    """Return expressions with other symbols, and with steps as branches.

    ``step*rest`` becomes a branch, so that an infinite rest can't become 0*inf;
    likewise a choice of which one branch is 0. And x*log(x) is 0 at 0.
    """
    done: dict[sp.Basic, Any] = {}
    counts: dict[sp.Basic, Any] = {}
    known = Logarithms()

    def renewed(node: Any) -> Any:
        if not node.args:
            return symbols.get(node, node) if node.is_Symbol else node
        if node not in done:
            done[node] = rebuilt(node)
        return done[node]

    def rebuilt(node: Any) -> Any:
        if isinstance(node, removable):
            return renewed(both_sides(node))
        if isinstance(node, Composed):
            return renewed(node.composed())
        arguments = [renewed(argument) for argument in node.args]
        if isinstance(node, sp.Add) and (edges := strongest(node)):
            there = [tuple(map(renewed, each)) for each in edges]
            return choice(*there, (made(node.func, arguments), True))
        if isinstance(node, sp.Mul):
            for place in sorted(
                range(len(node.args)), key=lambda k: _order(node.args[k])
            ):
                base, times = _with_power(node.args[place])
                if not isinstance(base, (sp.Heaviside, sp.Piecewise, *SHARES_OF)):
                    break
                rest = without(node, arguments, place)
                if isinstance(base, sp.Heaviside):
                    x, at_zero = arguments[place].args
                    return _branch(x, at_zero, rest)
                if isinstance(base, SHARES_OF):
                    return shared_out(base, rest, times)
                if _vanishes_somewhere(base):
                    return _inside(arguments[place], rest)
            if (limit := with_limits(arguments, known)) is not None:
                return limit
        if isinstance(node, SHARES_OF):
            return shared_out(node, sp.S.One)
        if isinstance(node, sp.Piecewise):
            return _in_sections([pair.args for pair in arguments])
        return made(node.func, arguments)

    def without(node: sp.Mul, arguments: Sequence[Any], place: int) -> Any:
        """Return a product without one factor; in it, others that may be 0 go first."""
        others = [*node.args[:place], *node.args[place + 1 :]]
        if sum(map(_may_be_nothing, others)) in range(1, MOST_NESTED):
            return renewed(sp.Mul(*others))
        return product(*arguments[:place], *arguments[place + 1 :])

    def shared_out(share: Any, rest: sp.Expr, times: int = 1) -> sp.Expr:
        argument, extreme = map(renewed, share.args)
        if extreme not in counts:
            counts[extreme] = ties(extreme)
        chosen = share.func(argument, extreme, evaluate=False).as_branches()
        raised = choice(*((value**times, where) for value, where in chosen.args))
        return product(
            _inside(raised, rest), power(counts[extreme], -sp.Integer(times))
        )

    return tuple(renewed(output) for output in outputs)


def _with_power(factor: sp.Expr) -> tuple[sp.Expr, int]:
    """Return a share and what power of it a factor is; else the factor."""
    base, exponent = factor.as_base_exp()
    if isinstance(base, SHARES_OF) and exponent.is_Integer and exponent > 0:
        return base, int(exponent)
    return factor, 1


def _order(factor: sp.Expr) -> int:
    """Return 0 for shares, 1 for other steps, 2 for all else.

    What a share doesn't choose may be infinite, other choices included.
    """
    base, _ = _with_power(factor)
    if isinstance(base, SHARES_OF):
        return 0
    return 1 if isinstance(base, (sp.Heaviside, sp.Piecewise)) else 2


def _may_be_nothing(factor: sp.Expr) -> bool:
    base, _ = _with_power(factor)
    if isinstance(base, sp.Piecewise):
        return _vanishes_somewhere(base)
    return isinstance(base, (sp.Heaviside, *SHARES_OF))


def _branch(x: sp.Expr, at_zero: sp.Expr, rest: sp.Expr) -> sp.Expr:
    branches = ((rest, x > 0), (sp.S.Zero, x < 0), (at_zero * rest, True))
    return choice(*branches)


def _vanishes_somewhere(node: sp.Piecewise) -> bool:
    return any(e == 0 for e, _ in node.args)


def _inside(chosen: sp.Piecewise, rest: sp.Expr) -> sp.Expr:
    """Return a product as a choice of products, 0 where the choice is 0."""
    return _in_sections(
        [(e if e == 0 else product(e, rest), c) for e, c in chosen.args]
    )


class section(kept):
    """The later branches of a long choice, computed for themselves, under a name.

    Nested, they would be too deep for Python's parser, and each would be guarded by all
    conditions before.
    """


def _in_sections(branches: Sequence[Any]) -> sp.Piecewise:
    parts = list(branches)
    while len(parts) > LONGEST_CHOICE + 1:
        last = parts[-LONGEST_CHOICE:]
        parts[-LONGEST_CHOICE:] = [(section(choice(*last)), sp.true)]
    return choice(*parts)


def _is_trivial(node: sp.Basic) -> bool:
    """Whether a name for the node would save nothing: x, 2, 2*x, sqrt(2)."""
    if isinstance(node, sp.Mul) and len(node.args) == 2:
        return node.args[0].is_Number and node.args[1].is_Symbol
    return not node.args or (isinstance(node, sp.Expr) and is_constant(node))
