"""SymPy expressions pass the allow-list, node by node: code is generated from them.

Validation of an expression tree against a whitelist.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import sympy as sp

from symgd.errors import FormulaError, guess, shortened
from symgd.language.as_written import made
from symgd.language.folding import Folding, numeric
from symgd.language.functions import NODES, ORDERS, REAL, REWRITTEN
from symgd.language.identifiers import name_of
from symgd.language.indexing import Scope, Uses, check_bound, check_index
from symgd.language.mistakes import OBJECTIVES_ONLY, whole_order
from symgd.language.nodes import (
    CONDITIONS,
    EXPRESSIONS,
    FACTORED,
    MAX_BITS,
    MAX_DEPTH,
    MAX_NODES,
    REPEATED,
    SYMPY_FAILURES,
    Maximum,
    Product,
    Sum,
    Table,
    array,
    natural_order,
    symbol,
)

_ALLOWED = (
    *(*EXPRESSIONS, *CONDITIONS, *REWRITTEN),
    sp.functions.elementary.piecewise.ExprCondPair,
)

_ADVICE = {
    "Integral": "write .doit() if SymPy finds it, or the sum of a quadrature",
    "Derivative": "write .doit()",
    "Limit": "write .doit()",
}
_KINDS: dict[type, Any] = {
    sp.Sum: Sum,
    sp.Product: Product,
    Maximum: Maximum,
    Table: Table,
}


def checked(
    expression: sp.Basic, names: Mapping[str, sp.Expr], closed: bool, arrays: bool
) -> sp.Expr:
    """Pass an expression through the allow-list, see ``language.formula.read``."""
    if isinstance(expression, CONDITIONS) or not isinstance(expression, sp.Expr):
        raise _refused(expression, "an expression is expected")
    return _Checker(names, closed, arrays).rebuilt(expression, 0, Scope())


def as_float(number: sp.Expr) -> float:
    """Return the float64 of a number, infinity if it is too large."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _refused(
    node: sp.Basic, problem: str, suggestion: str | None = None
) -> FormulaError:
    problem = f"{shortened(str(node), 60)}: {problem}"
    return FormulaError(problem, suggestion=suggestion)


class _Checker:
    """One walk over one expression, which is rebuilt with real symbols throughout."""

    def __init__(
        self, names: Mapping[str, sp.Expr], closed: bool, arrays: bool
    ) -> None:
        self.names = names
        self.closed = closed
        self.arrays = arrays
        self.symbols: dict[str, sp.Basic] = {}
        self.memory: dict[Any, sp.Basic] = {}
        self.uses = Uses()
        self.folding = Folding()

    def rebuilt(self, node: sp.Basic, depth: int, scope: Scope) -> sp.Basic:
        key = node, frozenset(scope.indices.items())
        if key in self.memory:
            return self.memory[key]
        if depth > MAX_DEPTH:
            raise FormulaError(f"the expression is nested over {MAX_DEPTH} levels deep")
        try:
            result = self._rebuilt(node, depth + 1, scope)
        except FormulaError:
            raise
        except SYMPY_FAILURES as error:
            raise _refused(node, f"SymPy can't build it: {error}") from None
        if len(self.memory) > MAX_NODES:
            raise FormulaError(f"the expression has more than {MAX_NODES} parts")
        self.memory[key] = result
        return result

    def _rebuilt(self, node: sp.Basic, depth: int, scope: Scope) -> sp.Basic:
        if isinstance(node, sp.Symbol):
            return self._name(node, name_of(node.name), scope)
        if isinstance(node, sp.Idx):
            return self._name(node, name_of(node.label), scope)
        if isinstance(node, sp.IndexedBase):
            raise _refused(node, "an indexed name needs an index here")
        if isinstance(node, (sp.Indexed, *REPEATED)):
            if not self.arrays:
                raise _refused(node, OBJECTIVES_ONLY)
            is_access = isinstance(node, sp.Indexed)
            build = self._access if is_access else self._repeated
            return build(node, depth, scope)
        if isinstance(node, FACTORED):
            return self._of_matrix(node, depth, scope)
        if not node.args:
            return _number(node)
        if not isinstance(node, _ALLOWED):
            kind = type(node).__name__
            problem = f"{kind} is not part of the formula language"
            raise _refused(node, problem, _ADVICE.get(kind))
        arguments = [self.rebuilt(argument, depth, scope) for argument in node.args]
        if node.func in REWRITTEN:
            return REWRITTEN[node.func](*arguments)
        if isinstance(node, sp.LambertW) and len(node.args) > 1:
            raise _refused(node, "only the principal branch is known: LambertW(x)")
        if arguments[0] not in ORDERS.get(node.func, arguments):
            raise _refused(node, whole_order(NODES[node.func].name))
        if not any(argument.free_symbols for argument in arguments):
            _check_size(node, arguments)
        return made(REAL.get(node.func, node.func), arguments)

    def _name(self, node: sp.Basic, name: str, scope: Scope) -> sp.Expr:
        if scope.indices.get(name, node) != node:
            raise _refused(node, "the index of the sum is another symbol of this name")
        if name in scope.indices:
            return symbol(name)
        self._check_known(node, name)
        with _naming(node):
            self.uses.plain(name)
        return self.names.get(name, symbol(name))

    def _check_known(self, node: sp.Basic, name: str) -> None:
        if self.symbols.setdefault(name, node) != node:
            raise _refused(node, "two different symbols have this name")
        if node.is_real is False:
            raise _refused(node, "the symbol is not real")
        if self.closed and name not in self.names:
            known = ", ".join(natural_order(self.names)) or "none"
            hint = guess(name, self.names)
            raise _refused(node, f"unknown name{hint}; known: {known}")

    def _access(self, node: sp.Indexed, depth: int, scope: Scope) -> sp.Expr:
        label = getattr(node.base, "label", None)
        if not isinstance(label, sp.Symbol):
            raise _refused(node, "only a name can have an index")
        indices = [self.rebuilt(index, depth, scope) for index in node.indices]
        name = name_of(label.name)
        with _naming(node):
            self.uses.indexed(name, len(indices))
            for index in indices:
                check_index(index, name)
        self._check_known(label, name)
        return sp.Indexed(array(name), *indices)

    def _of_matrix(self, node: Any, depth: int, scope: Scope) -> sp.Basic:
        if not self.arrays:
            raise _refused(node, OBJECTIVES_ONLY)
        parts = [self.rebuilt(part, depth, scope) for part in node.args]
        around = {symbol(name) for name in scope.indices}
        for part in parts:
            if isinstance(part, Table) and part.free_symbols & around:
                raise _refused(node, "the matrix varies with the index of a sum around")
        return node.func(*parts)

    def _repeated(self, node: Any, depth: int, scope: Scope) -> sp.Expr:
        limits: list[Any] = []
        for index, *ends in reversed(node.limits):
            name = name_of(index.label if isinstance(index, sp.Idx) else index)
            bounds = [self.rebuilt(end, depth, scope) for end in ends]
            with _naming(node):
                for bound in bounds:
                    check_bound(bound)
                self.uses.index(name)
                scope = scope.within(name, index, tuple(bounds))
            limits.insert(0, (symbol(name), *bounds))
        body = self.rebuilt(node.function, depth, scope)
        kind = next(kind for each, kind in _KINDS.items() if isinstance(node, each))
        if kind is Table:
            return Table(body, *limits)
        with _naming(node):
            return self.folding.built(kind, body, limits)


@contextlib.contextmanager
def _naming(node: sp.Basic) -> Iterator[None]:
    """Begin errors of what knows only a part with the whole."""
    try:
        yield
    except FormulaError as error:
        raise _refused(node, error.problem, error.suggestion) from None


def _number(node: sp.Basic) -> sp.Basic:
    if node in (sp.true, sp.false):
        return node
    if not (isinstance(node, sp.Expr) and node.is_number and node.is_real):
        raise _refused(node, "not a finite real number")
    if isinstance(node, sp.Number) and math.isinf(as_float(node)):
        raise _refused(node, "the number is too large for float64")
    return node


def _check_size(node: sp.Basic, arguments: list[Any]) -> None:
    """Refuse a constant that would explode if SymPy evaluated it."""
    try:
        if isinstance(node, sp.Pow):
            base, exponent = arguments
            number = math.pow(float(base), float(exponent))
            if base.is_Rational and exponent.is_Integer:
                bits = max(base.p.bit_length(), base.q.bit_length())
                number = number if abs(exponent) * bits <= MAX_BITS else math.inf
        elif type(node) in NODES:
            number = numeric(NODES[type(node)], [float(a) for a in arguments])
        else:
            return
    except OverflowError:
        number = math.inf
    except SYMPY_FAILURES:
        number = math.nan
    if not math.isfinite(number):
        raise _refused(node, "the constant is too large, or not real")
