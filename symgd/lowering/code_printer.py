"""Print an expression as float64 arithmetic in Python.

It contracts products and sums to fused multiply-adds (FMA), and orders operations by
latency, as an instruction scheduler does.
"""

from __future__ import annotations

import dataclasses
import enum
import heapq
import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import sympy as sp
from sympy.printing.printer import Printer

from symgd.errors import FormulaError
from symgd.language.formula import text_of
from symgd.language.functions import NODES
from symgd.language.nodes import is_constant

_CHEAP, _DIVISION, _CALL = 1, 4, 8  # latencies, in additions


@dataclasses.dataclass(frozen=True)
class _Code:
    """A piece of code, how tightly it binds, and when its value is ready."""

    text: str
    binds: int
    ready: float

    def inside(self, binds: int) -> str:
        return self.text if self.binds >= binds else f"({self.text})"


_CONDITIONAL, _COMPARISON, _SUM, _PRODUCT, _NEGATION, _POWER, _ATOM = range(7)


class Style(enum.Enum):
    """What generated code is for.

    Only PYTHON, which people read and Python runs, has conditionals of which one side
    is evaluated; compiled code evaluates both sides and chooses. All have the same
    bits.
    """

    PYTHON = enum.auto()
    LATENCY = enum.auto()  # one descent: what matters is how soon a result is ready
    THROUGHPUT = enum.auto()  # many: how much work it is


class NumericPrinter(Printer):
    """Print one expression as float64 arithmetic, in the order that is ready first."""

    def __init__(
        self,
        places: Mapping[sp.Symbol, str],
        late: Iterable[sp.Symbol],
        style: Style,
    ) -> None:
        super().__init__()
        self.branches = style is Style.PYTHON
        self.fuses_doubling = style is not Style.THROUGHPUT
        self._written: dict[sp.Expr, _Code] = {}  # what has a name
        late = set(late)
        self.names = {
            s: _Code(place, _ATOM, 1e6 if s in late else 0.0)
            for s, place in places.items()
        }

    def define(self, target: sp.Symbol, expression: sp.Expr) -> None:
        """Make a common subexpression known, and when it will be ready."""
        code = self._written[expression] = self._code(expression)
        self.names[target] = _Code(target.name, _ATOM, code.ready)

    def doprint(self, expr: Any) -> str:
        """Return the code of an expression, as lambdify asks for it."""
        if isinstance(expr, str):
            return expr
        return (self._written.get(expr) or self._code(expr)).text

    def _code(self, expr: Any) -> _Code:
        if isinstance(expr, sp.Expr) and is_constant(expr):
            return self._number(expr)
        for kind in type(expr).__mro__:
            method = getattr(self, "_code_" + kind.__name__, None)
            if method is not None:
                return method(expr)
        if type(expr) in NODES:
            return self._call(NODES[type(expr)].name, expr.args)
        raise FormulaError(f"{text_of(expr)}: {type(expr).__name__} can't be computed")

    def _number(self, expr: sp.Expr) -> _Code:
        if expr is sp.nan:
            return _Code("nan", _ATOM, 0.0)
        try:  # a quotient of Python's integers is correctly rounded
            rational = isinstance(expr, sp.Rational)
            number = expr.p / expr.q if rational else float(expr.evalf(50))
        except (ArithmeticError, TypeError):
            number = math.inf
        if not math.isfinite(number):
            shown = str(expr) if expr.is_Float else text_of(expr)
            problem = f"a coefficient, {shown}, is too large for float64, or no number"
            raise FormulaError(f"{problem}: write it in other units")
        return _Code(repr(number), _NEGATION if number < 0 else _ATOM, 0.0)

    def _code_Symbol(self, expr: sp.Symbol) -> _Code:
        return self.names[expr]

    def _code_Add(self, expr: sp.Add) -> _Code:
        """Add the two terms that are ready first, again and again."""
        heap: list[tuple[float, int, list[_Code] | _Code]] = []
        for order, term in enumerate(_numbers_merged(expr)):
            factors = _with_sign(self._factors(term))
            whole = self._product(factors)
            heap.append((whole.ready, order, factors if len(factors) > 1 else whole))
        heapq.heapify(heap)
        order = len(heap)
        while len(heap) > 1:
            (_, _, a), (_, _, b) = heapq.heappop(heap), heapq.heappop(heap)
            code = self._sum(a, b)
            heapq.heappush(heap, (code.ready, order, code))
            order += 1
        last = heap[0][2]
        return last if isinstance(last, _Code) else self._product(last)

    def _sum(self, a: list[_Code] | _Code, b: list[_Code] | _Code) -> _Code:
        if isinstance(b, _Code) and not isinstance(a, _Code):
            a, b = b, a  # fuse the product, whichever it is
        addend = a if isinstance(a, _Code) else self._product(a)
        if isinstance(b, _Code):
            ready = max(addend.ready, b.ready) + _CHEAP
            if b.text.startswith("-") and b.binds > _SUM:
                return _Code(f"{addend.inside(_SUM)} - {b.text[1:]}", _SUM, ready)
            if addend.text.startswith("-") and addend.binds > _SUM:
                return _Code(f"{b.inside(_SUM)} - {addend.text[1:]}", _SUM, ready)
            return _Code(f"{addend.inside(_SUM)} + {b.inside(_PRODUCT)}", _SUM, ready)
        *rest, last = sorted(b, key=lambda code: code.ready)
        first = self._product(rest)
        ready = max(addend.ready, first.ready, last.ready) + _CHEAP
        if not self.fuses_doubling and _is_doubling(b, addend):
            code = self._sum(addend, self._product(b))
            return dataclasses.replace(code, ready=ready)  # the order stays the same
        return _Code(f"fma({first.text}, {last.text}, {addend.text})", _ATOM, ready)

    def _factors(self, term: sp.Expr) -> list[_Code]:
        """Return the factors of a product; [quotient] if it has a denominator."""
        if is_constant(term):
            return [self._number(term)]
        if isinstance(term, sp.Mul):
            factors = _numbers_merged(term)
            below = [1 / f for f in factors if _is_inverse(f)]
            if below:
                above = [f for f in factors if not _is_inverse(f)]
                return [self._quotient(above, below)]
            return [code for f in factors for code in self._factors(f)]
        if isinstance(term, sp.Pow) and term.exp.is_Integer and 1 < term.exp <= 3:
            base = self._code(term.base)
            if base.binds == _ATOM and "(" not in base.text:
                return [base] * int(term.exp)
        return [self._code(term)]

    def _quotient(self, above: list[sp.Expr], below: list[sp.Expr]) -> _Code:
        numerator = self._code(sp.Mul(*above))
        denominator = self._code(sp.Mul(*below))
        ready = max(numerator.ready, denominator.ready) + _DIVISION
        text = f"{numerator.inside(_PRODUCT)}/{denominator.inside(_POWER)}"
        return _Code(text, _PRODUCT, ready)

    def _code_Mul(self, expr: sp.Mul) -> _Code:
        return self._product(self._factors(expr))

    def _product(self, factors: list[_Code]) -> _Code:
        """Multiply the two factors that are ready first, again and again."""
        factors = _with_sign(factors)
        heap = [(code.ready, order, code) for order, code in enumerate(factors)]
        heapq.heapify(heap)
        order = len(heap)
        while len(heap) > 1:
            (_, _, a), (_, _, b) = heapq.heappop(heap), heapq.heappop(heap)
            text = f"{a.inside(_PRODUCT)}*{b.inside(_NEGATION)}"
            code = _Code(text, _PRODUCT, max(a.ready, b.ready) + _CHEAP)
            heapq.heappush(heap, (code.ready, order, code))
            order += 1
        return heap[0][2]

    def _code_Pow(self, expr: sp.Pow) -> _Code:
        base, exponent = expr.args
        if _is_inverse(expr):
            below = self._code(1 / expr)
            text = f"1.0/{below.inside(_POWER)}"
            return _Code(text, _PRODUCT, below.ready + _DIVISION)
        if exponent == sp.Rational(1, 2):
            code = self._code(base)
            return _Code(f"sqrt({code.text})", _ATOM, code.ready + _DIVISION)
        code = self._code(base)
        whole = _whole_exponent(exponent)
        if whole is not None:  # numba unrolls a literal one into products
            ready = code.ready + _CHEAP * whole.bit_length()
            return _Code(f"{code.inside(_ATOM)}**{whole}", _POWER, ready)
        power = self._code(exponent)
        ready = max(code.ready, power.ready) + 2 * _CALL
        return _Code(f"power({code.text}, {power.text})", _ATOM, ready)

    def _code_kept(self, expr: Any) -> _Code:
        return self._code(expr.args[0])

    def _code_floor(self, expr: Any) -> _Code:
        """Round a quotient, which is exact where it is whole; x*(1/49) may be less."""
        above, below = expr.args[0].as_numer_denom()
        if not below.is_Integer or below == 1:
            return self._call(NODES[type(expr)].name, expr.args)
        quotient = self._quotient([above], [below])
        name = NODES[type(expr)].name
        return _Code(f"{name}({quotient.text})", _ATOM, quotient.ready + _CALL)

    _code_ceiling = _code_floor

    def _code_exp(self, expr: sp.exp) -> _Code:
        return self._call("exp", expr.args)

    def _code_Piecewise(self, expr: sp.Piecewise) -> _Code:
        codes = [(self._code(branch), self._code(test)) for branch, test in expr.args]
        # In compiled code both sides are computed: there a guard is for nothing.
        guarded = [code for code, _ in codes if code.text != "nan"]
        is_guard = not self.branches and 0 < len(guarded) < len(codes) == 2
        text = "nan"
        if expr.args[-1][1] == sp.true:
            text = codes.pop()[0].inside(_COMPARISON)
        ready = 0.0
        for branch, test in reversed(codes):
            text = self._alternative(test, branch, text)
            ready = max(ready, branch.ready, test.ready) + _CHEAP
        if is_guard:  # as ready as it is where sides are branches
            return dataclasses.replace(guarded[0], ready=ready)
        return _Code(text, _CONDITIONAL if self.branches else _ATOM, ready)

    def _alternative(self, test: _Code, yes: _Code, no: str) -> str:
        if not self.branches:
            return f"choose({test.text}, {yes.text}, {no})"
        taken, condition = yes.inside(_COMPARISON), test.inside(_COMPARISON)
        return f"{taken} if {condition} else {no}"

    def _code_Relational(self, expr: Any) -> _Code:
        a, b = self._code(expr.lhs), self._code(expr.rhs)
        text = f"{a.inside(_SUM)} {expr.rel_op} {b.inside(_SUM)}"
        return _Code(text, _COMPARISON, max(a.ready, b.ready) + _CHEAP)

    def _code_ITE(self, expr: Any) -> _Code:
        test, yes, no = (self._code(part) for part in expr.args)
        ready = max(yes.ready, no.ready, test.ready)
        if not self.branches:
            both = f"(({test.text}) & ({yes.text}))"
            other = f"((({test.text}) ^ True) & ({no.text}))"
            return _Code(f"{both} | {other}", _CONDITIONAL, ready)
        text = f"({yes.text}) if ({test.text}) else ({no.text})"
        return _Code(text, _CONDITIONAL, ready)

    def _code_And(self, expr: Any) -> _Code:
        return self._joined(" and " if self.branches else " & ", expr.args)

    def _code_Or(self, expr: Any) -> _Code:
        return self._joined(" or " if self.branches else " | ", expr.args)

    def _code_Not(self, expr: Any) -> _Code:
        code = self._code(expr.args[0])
        text = f"not ({code.text})" if self.branches else f"({code.text}) ^ True"
        return _Code(text, _CONDITIONAL, code.ready)

    def _joined(self, word: str, parts: Iterable[Any]) -> _Code:
        codes = [self._code(part) for part in parts]
        text = word.join(f"({code.text})" for code in codes)
        return _Code(text, _CONDITIONAL, max(code.ready for code in codes))

    def _code_BooleanTrue(self, expr: Any) -> _Code:
        return _Code("True", _ATOM, 0.0)

    def _code_BooleanFalse(self, expr: Any) -> _Code:
        return _Code("False", _ATOM, 0.0)

    def _code_MinMaxBase(self, expr: Any) -> _Code:
        name = NODES[type(expr)].name
        codes = deque(sorted(map(self._code, expr.args), key=lambda code: code.ready))
        while len(codes) > 1:
            a, b = codes.popleft(), codes.popleft()
            ready = max(a.ready, b.ready) + _CHEAP
            codes.append(_Code(f"{name}({a.text}, {b.text})", _ATOM, ready))
        return codes[0]

    def _call(self, name: str, arguments: Iterable[sp.Expr]) -> _Code:
        codes = [self._code(argument) for argument in arguments]
        text = f"{name}({', '.join(code.text for code in codes)})"
        return _Code(text, _ATOM, max(code.ready for code in codes) + _CALL)


def _is_doubling(factors: list[_Code], addend: _Code) -> bool:
    """Return whether ``2*x + number`` has the same bits without fusing.

    Doubling is exact. Where throughput counts, adders are often idle and multipliers
    aren't; where latency counts, one fused operation is quicker than two additions.
    """
    two = len(factors) == 2 and {"2.0", "-2.0"} & {code.text for code in factors}
    try:
        return bool(two) and abs(float(addend.text)) < 1e290
    except ValueError:
        return False


def _with_sign(factors: list[_Code]) -> list[_Code]:
    """Drop factors of -1 and negate the factor that is ready first instead."""
    rest = [code for code in factors if code.text != "-1.0"]
    odd = (len(factors) - len(rest)) % 2 == 1
    if not rest:
        return [_Code("-1.0" if odd else "1.0", _NEGATION, 0.0)]
    if odd:
        first = min(range(len(rest)), key=lambda i: rest[i].ready)
        code = rest[first]
        negated = f"-{code.inside(_PRODUCT)}"
        if code.text.startswith("-") and code.binds == _NEGATION:
            negated = code.text[1:]
        rest[first] = _Code(negated, _NEGATION, code.ready)
    return rest


def _numbers_merged(node: sp.Add | sp.Mul) -> list[sp.Expr]:
    """Return the operands, all constants as one: it is rounded once."""
    numbers = [a for a in node.args if is_constant(a)]
    if len(numbers) < 2:
        return list(node.args)
    rest = [a for a in node.args if not is_constant(a)]
    return [node.func(*numbers, evaluate=False), *rest]


def _is_inverse(node: sp.Expr) -> bool:
    if not isinstance(node, sp.Pow) or is_constant(node):
        return False
    return bool(node.exp.is_number and node.exp.is_negative)


def _whole_exponent(exponent: sp.Expr) -> int | None:
    if exponent.is_number and 0 <= exponent <= 64 and float(exponent).is_integer():
        return int(exponent)
    return None
