"""From text, or a SymPy expression, to a checked SymPy expression.

Text is read with ``ast.parse`` and rebuilt through an allow-list; it never reaches
``eval``, ``sympify`` or any other interpreter. Size, depth and the growth of constants
are bounded before SymPy evaluates anything. SymPy expressions pass the same
allow-list, node by node, because generated code is built from them too.
"""

from __future__ import annotations

import ast
import functools
import math
import numbers
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import sympy as sp
from sympy.printing.str import StrPrinter

from symgd import mistakes
from symgd.errors import FormulaError, guess, shortened
from symgd.functions import CONSTANTS, FUNCTIONS, NODES, REAL, Function

MAX_LENGTH = 100_000
MAX_NODES = 50_000
MAX_DEPTH = 100
MAX_BITS = 10_000  # of one exact power of numbers; all constants together: 20 times

Formula: TypeAlias = str | sp.Basic | int | float

_CONDITION_NODES = (
    sp.And,
    sp.Or,
    sp.Not,
    sp.ITE,
    sp.core.relational.Relational,
    sp.logic.boolalg.BooleanTrue,
    sp.logic.boolalg.BooleanFalse,
)
_EXPRESSION_NODES = (sp.Add, sp.Mul, sp.Pow, sp.Piecewise, *NODES)
_NOT_REAL = (sp.I, sp.zoo, sp.oo, -sp.oo, sp.nan)
_SYMPY_FAILURES = (
    *(ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError),
)
_RELATIONS: dict[type, Any] = {
    ast.Lt: sp.Lt,
    ast.LtE: sp.Le,
    ast.Gt: sp.Gt,
    ast.GtE: sp.Ge,
    ast.Eq: sp.Eq,
    ast.NotEq: sp.Ne,
}
_INDEXED = ("sum", "Sum", "prod", "Product")
_REDUCTIONS = ("dot", "norm", "mean")


def symbol(name: str) -> sp.Symbol:
    """Return the symbol that stands for a name in every formula: a real one."""
    return sp.Symbol(name, real=True)


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort names as people do: x2 before x10.

    >>> natural_order(["x10", "y", "x2"])
    ['x2', 'x10', 'y']
    """

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts if p]

    return sorted(names, key=key)


def read(
    formula: Formula,
    names: Mapping[str, sp.Expr] | None = None,
    closed: bool = False,
    functions: Mapping[str, Function] = FUNCTIONS,
) -> sp.Expr:
    """Return the SymPy expression of a formula.

    Parameters
    ----------
    formula : str, SymPy expression or number
        The formula; see the README for the language.
    names : mapping of str to SymPy expression, optional
        What names stand for; they hide the constants pi and E.
    closed : bool
        Whether any other name is an error, rather than a new variable.
    functions : mapping of str to Function, optional
        Those that text may call.

    Raises
    ------
    FormulaError
        If the formula is not one, with the place and, where one can be guessed, what
        to write instead.

    Examples
    --------
    >>> read("(1 - x)**2 + 100*(y - x**2)**2")
    (1 - x)**2 + 100*(-x**2 + y)**2
    >>> read("x if x > 0 else -x/2")
    Piecewise((x, x > 0), (-x/2, True))
    """
    if isinstance(formula, str):
        return _Reader(formula, names or {}, closed, functions).expression()
    if isinstance(formula, numbers.Real) and not isinstance(formula, (bool, sp.Basic)):
        exact = isinstance(formula, numbers.Rational)
        formula = sp.Rational(formula) if exact else sp.Float(float(formula))
    if isinstance(formula, sp.Basic):
        return _checked(formula, names or {}, closed)
    raise FormulaError(
        f"a formula is text or a SymPy expression, not {type(formula).__name__}"
    )


# ---------------------------------------------------------------- text to SymPy


class _Reader:
    """One walk over the syntax tree of one text; a method for each allowed node."""

    def __init__(
        self,
        text: str,
        names: Mapping[str, sp.Expr],
        closed: bool,
        functions: Mapping[str, Function],
    ) -> None:
        self.text = text
        self.names = names
        self.closed = closed
        self.functions = functions
        self.depth = 0
        self.bits = 0

    def expression(self) -> sp.Expr:
        # Comments and line breaks become spaces, so that places stay where they were.
        source = re.sub(r"\ufeff|#[^\n]*", lambda m: " " * len(m[0]), self.text)
        source = re.sub(r"\s", " ", source)
        if not source.strip():
            raise FormulaError("the formula is empty")
        if len(source) > MAX_LENGTH:
            raise FormulaError(
                f"the formula has {len(source)} characters; at most {MAX_LENGTH}"
            )
        if error := mistakes.lookalike(self.text, source):
            raise error
        self.margin = len(source) - len(source.lstrip())
        try:
            self.bytes = source.strip().encode()
            tree = ast.parse(self.bytes.decode(), mode="eval").body
        except (SyntaxError, ValueError) as refused:
            raise mistakes.explained(self.text, source, refused) from None
        except (RecursionError, MemoryError):
            raise self._too_deep() from None
        if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
            raise FormulaError(f"the formula has more than {MAX_NODES} operations")
        try:
            result = self._value(tree)
            if result.has(*_NOT_REAL):
                raise FormulaError("the formula is not finite and real", self.text)
            return result
        except (RecursionError, MemoryError):
            raise self._too_deep() from None
        except FormulaError:
            raise
        except _SYMPY_FAILURES as error:
            problem = f"SymPy can't build this formula: {error or type(error).__name__}"
            raise FormulaError(problem, self.text) from None

    def _too_deep(self) -> FormulaError:
        return FormulaError(
            f"the formula is nested too deeply (more than {MAX_DEPTH} levels) or is a "
            "chain of thousands of operators",
            shortened(self.text),
        )

    def _error(
        self, node: ast.expr, problem: str, suggestion: str | None = None
    ) -> FormulaError:
        # ast counts in bytes, people in characters
        start, end = (
            self.margin + len(self.bytes[:offset].decode(errors="ignore"))
            for offset in (node.col_offset, node.end_col_offset)
        )
        return FormulaError(problem, self.text, start, end, suggestion)

    def _source(self, node: ast.AST) -> str:
        return ast.get_source_segment(self.bytes.decode(), node) or ""

    # ------------------------------------------------------------ expressions

    def _value(self, node: ast.expr) -> sp.Expr:
        """Return the expression of a node that must be a number, not a condition."""
        method = getattr(self, "_read_" + type(node).__name__, None)
        if method is None:
            raise self._error(node, *mistakes.refusal(node, self._source(node)))
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._too_deep()
        result = method(node)
        self.depth -= 1
        return result

    def _read_Constant(self, node: ast.Constant) -> sp.Expr:
        number = node.value
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise self._error(node, *mistakes.refusal(node, self._source(node)))
        if isinstance(number, float):
            if math.isinf(number):
                raise self._error(node, "the number is too large for float64")
            return sp.Float(number)
        self._spend(node, number.bit_length())
        return self._sized(node, lambda: float(number), lambda: sp.Integer(number))

    def _read_Name(self, node: ast.Name) -> sp.Expr:
        if node.id in self.names:
            return self.names[node.id]
        if node.id in CONSTANTS:
            return CONSTANTS[node.id]
        if not self.closed:
            return symbol(node.id)
        known = ", ".join(natural_order(self.names)) or "none"
        hint = guess(node.id, self.names)
        raise self._error(node, f"unknown name {node.id!r}{hint}; known: {known}")

    def _read_UnaryOp(self, node: ast.UnaryOp) -> sp.Expr:
        if isinstance(node.op, ast.USub):
            return -self._value(node.operand)
        if isinstance(node.op, ast.UAdd):
            return self._value(node.operand)
        raise self._error(node, *mistakes.refusal(node, self._source(node)))

    def _read_BinOp(self, node: ast.BinOp) -> sp.Expr:
        if isinstance(node.op, (ast.Add, ast.Sub)):
            terms = [
                -self._value(term) if isinstance(op, ast.Sub) else self._value(term)
                for op, term in _chain(node, (ast.Add, ast.Sub))
            ]
            return self._combined(node, terms, lambda a, b: a + b, sp.Add)
        if isinstance(node.op, (ast.Mult, ast.Div)):
            factors = [
                self._inverse(factor)
                if isinstance(op, ast.Div)
                else self._value(factor)
                for op, factor in _chain(node, (ast.Mult, ast.Div))
            ]
            return self._combined(node, factors, lambda a, b: a * b, sp.Mul)
        if isinstance(node.op, ast.Pow):
            return self._power(node, self._value(node.left), self._value(node.right))
        if isinstance(node.op, ast.FloorDiv):
            return self._apply(node, "floor", [self._read_BinOp(_as_division(node))])
        if isinstance(node.op, ast.Mod):
            arguments = [self._value(node.left), self._value(node.right)]
            return self._apply(node, "Mod", arguments)
        raise self._error(node, *mistakes.refusal(node, self._source(node)))

    def _inverse(self, node: ast.expr) -> sp.Expr:
        divisor = self._value(node)
        if divisor.is_zero:
            raise self._error(node, "division by zero")
        return self._power(node, divisor, sp.Integer(-1))

    def _read_IfExp(self, node: ast.IfExp) -> sp.Expr:
        branches: list[tuple[Any, Any]] = []
        rest: ast.expr = node
        while isinstance(rest, ast.IfExp):
            branches.append((self._value(rest.body), self._condition(rest.test)))
            rest = rest.orelse
        return sp.Piecewise(*branches, (self._value(rest), True))

    def _read_Call(self, node: ast.Call) -> sp.Expr:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if isinstance(node.func, ast.Attribute) and node.func.attr in self.functions:
            problem = f"{self._source(node.func)!r}: functions have no prefix here"
            raise self._error(node.func, problem, f"write {node.func.attr}(...)")
        if name is None:
            problem = "a number or a product in parentheses can't be called"
            raise self._error(node, problem, self._as_product(node))
        if name in _INDEXED:
            problem = f"{name}(...) over an index is not supported in this version"
            raise self._error(node, problem, "write the terms out")
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            problem = f"{name} takes plain arguments only, no keywords and no stars"
            raise self._error(node, problem)
        if name == "Piecewise":
            return sp.Piecewise(*(self._branch(branch) for branch in node.args))
        if name not in self.functions:
            raise self._error(node.func, *self._unknown_function(name, node))
        row = self.functions[name]
        least, most = row.arity
        if len(node.args) < least or (most is not None and len(node.args) > most):
            number = f"{least}" if least == most else f"{least} to {most}"
            number = f"at least {least}" if most is None else number
            problem = f"{name} takes {number} argument(s), not {len(node.args)}"
            raise self._error(node, problem)
        return self._apply(node, name, [self._value(a) for a in node.args])

    def _as_product(self, node: ast.Call) -> str:
        text = self._source(node)
        called = (node.func.end_col_offset or 0) - node.col_offset
        opening = text.index("(", len(text.encode()[:called].decode(errors="ignore")))
        return f"write {text[:opening].rstrip()}*{text[opening:]} for a product"

    def _unknown_function(self, name: str, node: ast.Call) -> tuple[str, str | None]:
        if name in _REDUCTIONS:
            return f"{name}(...) reduces over coordinates: only rules have them", None
        hint = guess(name, [*self.functions, "Piecewise"])
        if len(name) == 1 or name in self.names:
            return f"{name!r} is not a function", self._as_product(node)
        known = ", ".join(sorted({row.name for row in self.functions.values()}))
        return f"unknown function {name!r}{hint}", f"known functions: {known}"

    def _branch(self, node: ast.expr) -> tuple[sp.Expr, Any]:
        if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
            problem = "a branch of Piecewise is a pair (expression, condition)"
            raise self._error(node, problem)
        return self._value(node.elts[0]), self._condition(node.elts[1])

    # ------------------------------------------------------------- conditions

    def _condition(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return sp.true if node.value else sp.false
        if isinstance(node, ast.BoolOp):
            parts = [self._condition(value) for value in node.values]
            return (sp.And if isinstance(node.op, ast.And) else sp.Or)(*parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return sp.Not(self._condition(node.operand))
        if isinstance(node, ast.Compare):
            values = [self._value(v) for v in (node.left, *node.comparators)]
            if all(type(op) in _RELATIONS for op in node.ops):
                pairs = zip(node.ops, values, values[1:], strict=False)
                return sp.And(*(_RELATIONS[type(op)](a, b) for op, a, b in pairs))
        raise self._error(node, "a condition is expected here, such as x > 0")

    # -------------------------------------------------- SymPy, kept within bounds

    def _combined(self, node: ast.expr, parts: list[Any], plain: Any, op: Any) -> Any:
        numbers = [part for part in parts if part.is_number]
        if len(numbers) > 1:
            self._sized(
                node,
                lambda: functools.reduce(plain, map(float, numbers)),
                lambda: sp.S.Zero,
            )
        return op(*parts)

    def _power(self, node: ast.expr, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        """Raise to a power once it is known that no number in it can explode."""
        if exponent.is_Float and float(2 * exponent).is_integer():
            exponent = sp.Rational(exponent)  # x**0.5 is sqrt(x), x**2.0 is x**2
        constant = sp.Mul(*(f for f in sp.Mul.make_args(base) if f.is_number))
        if base == -1 and exponent.is_number and not exponent.is_integer:
            raise self._error(node, f"{self._source(node)} is not a real number")
        if not exponent.is_number or constant in (1, -1):
            return base**exponent
        if constant.is_zero and exponent.is_negative:
            raise self._error(node, "division by zero")
        power = abs(float(exponent))
        if constant.is_Rational:
            self._spend(
                node, power * max(constant.p.bit_length(), constant.q.bit_length())
            )
        else:
            self._spend(node, power * 64 if exponent.is_Integer else 64)
        number = float(constant)
        if not base.is_number and not exponent.is_Integer:
            number = abs(number)
        return self._sized(
            node,
            lambda: math.pow(number, float(exponent)),
            lambda: base**exponent,
            nonzero=not (constant.is_zero or constant.has(sp.Float)),
        )

    def _apply(self, node: ast.expr, name: str, arguments: list[sp.Expr]) -> sp.Expr:
        row = self.functions[name]
        if name == "pow":
            return self._power(node, *arguments)
        if row.build is sp.exp:
            self._bound_powers_in_exponent(node, arguments[0])
        if name == "polygamma" and arguments[0] not in range(21):
            raise self._error(node, "the order of polygamma is a whole number to 20")
        if all(argument.is_number for argument in arguments):
            return self._sized(
                node,
                lambda: _numeric(row, [float(argument) for argument in arguments]),
                lambda: row.build(*_unexpanded(row.name, arguments)),
            )
        return row.build(*arguments)

    def _bound_powers_in_exponent(self, node: ast.expr, exponent: sp.Expr) -> None:
        for term in sp.Add.make_args(exponent):
            # SymPy rewrites exp(n*log(2)) as the exact power 2**n
            if term.is_number and term.has(sp.log):
                self._spend(node, abs(float(term)) * 64)

    def _spend(self, node: ast.expr, bits: float) -> None:
        self.bits += min(int(min(bits, 1e9)), 1 << 30)
        if bits > MAX_BITS or self.bits > 20 * MAX_BITS:
            raise self._error(node, "the constant is too large, or has too many digits")

    def _sized(
        self, node: ast.expr, approximate: Any, build: Any, nonzero: bool = False
    ) -> Any:
        """Build a constant if, computed in floats first, it is a finite real number."""
        try:
            number = approximate()
        except OverflowError:
            number = math.inf
        except (ValueError, ArithmeticError, TypeError):
            number = math.nan
        place = self._source(node)
        if number != number or isinstance(number, complex):
            raise self._error(node, f"{shortened(place)} is not a real number")
        if math.isinf(number):
            raise self._error(node, f"{shortened(place)} is too large for float64")
        if nonzero and number == 0.0:
            raise self._error(node, f"{shortened(place)} is too small for float64")
        return build()


def _numeric(row: Function, arguments: list[float]) -> float:
    if row.arity[1] is None:
        return functools.reduce(row.numeric, arguments)
    return row.numeric(*arguments)


def _unexpanded(name: str, arguments: list[sp.Expr]) -> list[sp.Expr]:
    """Make large integers floats where SymPy would expand them, as loggamma(10**9)."""
    if name not in ("loggamma", "polygamma", "digamma"):
        return arguments
    return [sp.Float(a) if a.is_Integer and a > 200 else a for a in arguments]


def _chain(
    node: ast.expr, operators: tuple[type, ...]
) -> list[tuple[ast.operator | None, ast.expr]]:
    """Return the parts of a left-nested chain a + b - c ... without recursion."""
    parts: list[tuple[ast.operator | None, ast.expr]] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, operators):
        parts.append((node.op, node.right))
        node = node.left
    parts.append((None, node))
    return parts[::-1]


def _as_division(node: ast.BinOp) -> ast.BinOp:
    return ast.copy_location(ast.BinOp(node.left, ast.Div(), node.right), node)


# ----------------------------------------------------------- SymPy expressions


def _checked(
    expression: sp.Basic, names: Mapping[str, sp.Expr], closed: bool
) -> sp.Expr:
    """Pass a SymPy expression through the allow-list, with real symbols throughout."""
    symbols: dict[str, sp.Symbol] = {}
    rebuilt: dict[sp.Basic, sp.Basic] = {}

    def refuse(node: sp.Basic, problem: str) -> FormulaError:
        return FormulaError(f"{shortened(str(node), 60)}: {problem}")

    def leaf(node: sp.Basic) -> sp.Basic:
        if isinstance(node, sp.Symbol):
            if symbols.setdefault(node.name, node) != node:
                raise refuse(node, "two different symbols have this name")
            if node.is_real is False:
                raise refuse(node, "the symbol is not real")
            if node.name in names:
                return names[node.name]
            if not closed:
                return symbol(node.name)
            known = ", ".join(natural_order(names)) or "none"
            raise refuse(node, f"unknown name{guess(node.name, names)}; known: {known}")
        if node in (sp.true, sp.false):
            return node
        if not (isinstance(node, sp.Expr) and node.is_number and node.is_real):
            raise refuse(node, "not a finite real number")
        if isinstance(node, sp.Number) and math.isinf(_float(node)):
            raise refuse(node, "the number is too large for float64")
        return node

    def bounded(node: sp.Basic, arguments: list[Any]) -> None:
        """Refuse a constant that would explode if SymPy evaluated it."""
        try:
            if isinstance(node, sp.Pow):
                base, exponent = arguments
                number = math.pow(float(base), float(exponent))
                if base.is_Rational and exponent.is_Integer:
                    bits = max(base.p.bit_length(), base.q.bit_length())
                    number = number if abs(exponent) * bits <= MAX_BITS else math.inf
            elif type(node) in NODES:
                number = _numeric(NODES[type(node)], [float(a) for a in arguments])
            else:
                return
        except OverflowError:
            number = math.inf
        except _SYMPY_FAILURES:
            number = math.nan
        if not math.isfinite(number):
            raise refuse(node, "the constant is too large, or not real")

    def rebuild(node: sp.Basic, depth: int) -> sp.Basic:
        if node in rebuilt:
            return rebuilt[node]
        if depth > MAX_DEPTH:
            raise FormulaError(f"the expression is nested over {MAX_DEPTH} levels deep")
        if not node.args:
            result = leaf(node)
        else:
            allowed = (*_EXPRESSION_NODES, *_CONDITION_NODES)
            pair = isinstance(node, sp.functions.elementary.piecewise.ExprCondPair)
            if not isinstance(node, allowed) and not pair:
                kind = type(node).__name__
                raise refuse(node, f"{kind} is not part of the formula language")
            arguments = [rebuild(argument, depth + 1) for argument in node.args]
            build = REAL.get(node.func, node.func)
            if not any(argument.free_symbols for argument in arguments):
                bounded(node, arguments)
            try:
                result = build(*arguments)
            except _SYMPY_FAILURES as error:
                raise refuse(node, f"SymPy can't build it: {error}") from None
        if len(rebuilt) > MAX_NODES:
            raise FormulaError(f"the expression has more than {MAX_NODES} parts")
        rebuilt[node] = result
        return result

    if isinstance(expression, _CONDITION_NODES) or not isinstance(expression, sp.Expr):
        raise refuse(expression, "an expression is expected")
    return rebuild(expression, 0)


def _float(number: sp.Expr) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def constant(formula: Formula, what: str) -> float:
    """Return the float64 value of a formula without variables, such as ``pi/2``."""
    expression = read(formula, closed=True)
    number = _float(expression)
    if not math.isfinite(number):
        raise FormulaError(f"{what} must be a finite number", str(formula))
    return number


# --------------------------------------------------------------- back to text


class _FormulaPrinter(StrPrinter):
    """Print an expression so that :func:`read` gives it back."""

    def _print_Float(self, expr: sp.Float) -> str:
        return repr(float(expr))

    def _print_Relational(self, expr: Any) -> str:
        return f"{self._print(expr.lhs)} {expr.rel_op} {self._print(expr.rhs)}"

    def _print_And(self, expr: Any) -> str:
        return " and ".join(f"({self._print(a)})" for a in expr.args)

    def _print_Or(self, expr: Any) -> str:
        return " or ".join(f"({self._print(a)})" for a in expr.args)

    def _print_ITE(self, expr: Any) -> str:
        test, yes, no = (self._print(argument) for argument in expr.args)
        return f"(({test}) and ({yes})) or (not ({test}) and ({no}))"

    def _print_Not(self, expr: Any) -> str:
        return f"not ({self._print(expr.args[0])})"


def text_of(expression: sp.Basic) -> str:
    """Return an expression as a formula, with every number exact.

    >>> text_of(read("x**2/3 + 0.1*abs(y)"))
    'x**2/3 + 0.1*Abs(y)'
    """
    return _FormulaPrinter().doprint(expression)
