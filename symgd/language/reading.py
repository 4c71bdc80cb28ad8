"""From text to SymPy: a walk over Python's syntax tree that knows what it allows.

Text is read with ``ast.parse`` and rebuilt node by node; it never reaches ``eval``,
``sympify`` or any other interpreter. Size, depth and the growth of constants are
bounded before SymPy evaluates anything.

This is the parser; ``printing`` is its inverse.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

import sympy as sp

from symgd.errors import FormulaError, guess, shortened
from symgd.language import mistakes
from symgd.language.as_written import both, decided, either, relation
from symgd.language.folding import Folding, numeric
from symgd.language.functions import (
    CONSTANTS,
    ORDERS,
    REDUCING,
    RENAMED,
    Function,
    real_abs,
)
from symgd.language.indexing import Scope, Uses, check_bound, check_index
from symgd.language.nodes import (
    DETERMINANTS,
    MAX_BITS,
    MAX_DEPTH,
    MAX_NODES,
    NOT_REAL,
    SYMPY_FAILURES,
    Determinant,
    LogAbsDeterminant,
    LogDeterminant,
    Maximum,
    Product,
    Solution,
    Sum,
    Table,
    array,
    inverse,
    natural_order,
    rows_of,
    symbol,
    values_of,
)
from symgd.language.notation.extents import Measured
from symgd.language.notation.indexed_form import Shapes, indexed
from symgd.language.notation.spellings import respelt
from symgd.language.quick import applied, is_plain, power, product, total
from symgd.language.retyping import suggestion

MAX_LENGTH = 100_000

_RELATIONS: dict[type, Any] = {
    ast.Lt: sp.Lt,
    ast.LtE: sp.Le,
    ast.Gt: sp.Gt,
    ast.GtE: sp.Ge,
    ast.Eq: sp.Eq,
    ast.NotEq: sp.Ne,
}
_REPEATED: dict[str, type[Sum | Product | Maximum]] = {
    "sum": Sum,
    "Sum": Sum,
    "prod": Product,
    "Product": Product,
    "max": Maximum,
    "min": Maximum,  # of the opposite
}
_REDUCTIONS = ("dot", "norm", "mean")
_OF_MATRICES = {kind.what: kind for kind in DETERMINANTS}
_LOGARITHMS = {sp.Abs: LogAbsDeterminant, real_abs: LogAbsDeterminant}


class Reader:
    """One walk over the syntax tree of one text; a method for each allowed node."""

    def __init__(
        self,
        text: str,
        names: Mapping[str, sp.Expr],
        closed: bool,
        functions: Mapping[str, Function],
        arrays: bool,
        shapes: Shapes | None = None,
    ) -> None:
        self.text = text
        self.shapes = Shapes() if shapes is None else shapes
        self.names = names
        self.closed = closed
        self.functions = functions
        self.arrays = arrays
        self.scope = Scope()
        self.uses = Uses()
        self.folding = Folding()
        self.depth = 0
        self.bits = 0
        self.has_whole_arrays = False
        self.measured = Measured()

    def expression(self) -> sp.Expr:
        """Return the expression of the text, see ``language.formula.read``."""
        tree = self._tree()
        with self._understood():
            result = self._value(self._indexed(tree))
        if result.has(*NOT_REAL):
            raise FormulaError("the formula is not finite and real", self.text)
        return result

    def _tree(self, opening: str = "", closing: str = "") -> ast.expr:
        """Return the syntax tree of the text, perhaps in brackets."""
        # Comments and line breaks become spaces, so that places stay where they were.
        source = re.sub(r"\ufeff|#[^\n]*", lambda m: " " * len(m[0]), self.text)
        source = re.sub(r"\s", " ", source)
        if not source.strip():
            raise FormulaError("the formula is empty")
        if len(source) > MAX_LENGTH:
            raise FormulaError(
                f"the formula has {len(source)} characters; at most {MAX_LENGTH}"
            )
        for found in (mistakes.latex, mistakes.lookalike):
            if error := found(self.text, source):
                raise error
        self.margin = len(source) - len(source.lstrip()) - len(opening)
        try:
            self.bytes = f"{opening}{source.strip()}{closing}".encode()
            tree = ast.parse(self.bytes.decode(), mode="eval").body
        except (SyntaxError, ValueError) as refused:
            raise mistakes.explained(self.text, source, refused) from None
        except (RecursionError, MemoryError):
            raise self._too_deep() from None
        if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
            raise FormulaError(f"the formula has more than {MAX_NODES} operations")
        with self._understood():
            return respelt(tree, self._error)

    def _indexed(self, tree: ast.expr) -> ast.expr:
        """Return a tree in which whole arrays are written with indices."""
        if not self.arrays:
            return tree
        result, measured = indexed(tree, self.shapes, self._source, self._error)
        self.measured = self.measured.joined(measured)
        self.has_whole_arrays = result is not tree
        return result

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """Make what goes wrong while a tree is read an error of the formula."""
        try:
            yield
        except (RecursionError, MemoryError):
            raise self._too_deep() from None
        except FormulaError:
            raise
        except SYMPY_FAILURES as error:
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

    def _source(self, node: ast.expr) -> str:
        return self.bytes[node.col_offset : node.end_col_offset].decode()

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
        if node.id in self.scope.indices:
            return self.scope.indices[node.id]
        with self._at(node):
            self.uses.plain(node.id)
        if node.id in CONSTANTS and node.id not in self.names:
            return CONSTANTS[node.id]
        return self._meaning(node)

    def _meaning(self, node: ast.Name) -> sp.Expr:
        if node.id in self.names:
            return self.names[node.id]
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
            return self._combined(node, terms, lambda a, b: a + b, total)
        if isinstance(node.op, (ast.Mult, ast.Div)):
            factors = [
                self._inverse(factor)
                if isinstance(op, ast.Div)
                else self._value(factor)
                for op, factor in _chain(node, (ast.Mult, ast.Div))
            ]
            return self._combined(node, factors, lambda a, b: a * b, product)
        if isinstance(node.op, ast.Pow):
            self._refuse_power_of_function(node)
            return self._power(node, self._value(node.left), self._value(node.right))
        if isinstance(node.op, ast.FloorDiv):
            return self._apply(node, "floor", [self._read_BinOp(_as_division(node))])
        if isinstance(node.op, ast.Mod):
            arguments = [self._value(node.left), self._value(node.right)]
            return self._apply(node, "Mod", arguments)
        raise self._error(node, *mistakes.refusal(node, self._source(node)))

    def _refuse_power_of_function(self, node: ast.BinOp) -> None:
        """Refuse sin**2(x), which would be a number that is called."""
        function, call = node.left, node.right
        named = isinstance(function, ast.Name) and function.id in self.functions
        if named and isinstance(call, ast.Call) and isinstance(call.func, ast.Constant):
            name, power = self._source(function), self._source(call.func)
            inner = ", ".join(map(self._source, call.args))
            problem = "a power stands after what is raised"
            raise self._error(node, problem, f"write {name}({inner})**{power}")

    def _inverse(self, node: ast.expr) -> sp.Expr:
        divisor = self._value(node)
        if not is_plain(divisor) and divisor.is_zero:
            raise self._error(node, "division by zero")
        shown = self._source(node)
        told = f"1/{shown}" if isinstance(node, ast.Constant) else f"1/({shown})"
        return self._power(node, divisor, sp.Integer(-1), told)

    def _read_IfExp(self, node: ast.IfExp) -> sp.Expr:
        branches: list[tuple[Any, Any]] = []
        rest: ast.expr = node
        while isinstance(rest, ast.IfExp):
            branches.append((self._value(rest.body), self._condition(rest.test)))
            rest = rest.orelse
        return decided(*branches, (self._value(rest), sp.true))

    def _read_Call(self, node: ast.Call) -> sp.Expr:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if isinstance(node.func, ast.Attribute) and node.func.attr in self.functions:
            problem = f"{self._source(node.func)!r}: functions have no prefix here"
            raise self._error(node.func, problem, f"write {node.func.attr}(...)")
        if isinstance(node.func, ast.Attribute) and _is_dotted(node):
            source = self._source(node.func)
            raise self._error(node.func, *mistakes.prefixed(node.func.attr, source))
        if name is None:
            problem = "a number or a product in parentheses can't be called"
            raise self._error(node, problem, self._as_product(node))
        loops = [isinstance(argument, ast.GeneratorExp) for argument in node.args]
        if name in _REPEATED and (_REPEATED[name] is not Maximum or loops == [True]):
            return self._repeated(node, name)
        if name in _OF_MATRICES and loops == [True]:
            matrix = self._matrix(node, node.args[0])
            return _OF_MATRICES[name](matrix)
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            problem = f"{name} takes plain arguments only, no keywords and no stars"
            raise self._error(node, problem)
        if any(loops):
            raise self._error(node, *mistakes.no_generator(name))
        if name == "Piecewise":
            return decided(*(self._branch(branch) for branch in node.args))
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

    def _as_product(self, node: ast.Call) -> str | None:
        """Return what to write where a call is a product, in the whole formula."""
        return suggestion(self.bytes.decode()) if len(node.args) == 1 else None

    def _unknown_function(self, name: str, node: ast.Call) -> tuple[str, str | None]:
        known = mistakes.unknown_function(name)
        if name in _REDUCTIONS:
            problem = f"{name}(...) is for objectives and rules only"
            return problem, known[1] if known and self.arrays else None
        if known:
            return known
        if len(name) == 1 or name in self.names:
            return f"{name!r} is not a function", self._instead_of_call(name, node)
        hint = guess(name, [*self.functions, *REDUCING, *RENAMED, "Piecewise", "where"])
        listed = ", ".join(sorted({row.name for row in self.functions.values()}))
        return f"unknown function {name!r}{hint}", f"known functions: {listed}"

    def _instead_of_call(self, name: str, node: ast.Call) -> str | None:
        """Return what x(x - 1), x(1) or f(x) may be."""
        product = self._as_product(node)
        inner = node.args[0] if len(node.args) == 1 else None
        if isinstance(inner, ast.Constant) and self.arrays:
            element = f"write {name}[{self._source(inner)}] for an element"
            also = f", or {product[6:]}" if product else ""
            return f"{element} (they are counted from 0){also}"
        if name in "fghFGHφψ" or product is None:
            return f"write the formula of {name} in its place"
        return product

    def _branch(self, node: ast.expr) -> tuple[sp.Expr, Any]:
        if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
            problem = "a branch of Piecewise is a pair (expression, condition)"
            raise self._error(node, problem)
        return self._value(node.elts[0]), self._condition(node.elts[1])

    # ------------------------------------------------- indexed names and sums

    @contextlib.contextmanager
    def _at(self, node: ast.expr) -> Iterator[None]:
        """Give errors of what knows no text the place of a node."""
        try:
            yield
        except FormulaError as error:
            if error.formula:
                raise
            raise self._error(node, error.problem, error.suggestion) from None

    def _read_Subscript(self, node: ast.Subscript) -> sp.Expr:
        if not self.arrays:  # a column, or a coordinate, is written without its index
            whole = node.value.id if isinstance(node.value, ast.Name) else None
            suggestion = whole and f"use {whole}: it stands for each row or coordinate"
            raise self._error(node, mistakes.OBJECTIVES_ONLY, suggestion)
        if not isinstance(node.value, ast.Name):
            if _of_whole_matrix(node.value):
                return self._solution(node, node.value)
            if isinstance(node.value, ast.Call):
                self._value(node.value)  # it may be what is wrong
            raise self._error(node, *mistakes.refusal(node, self._source(node)))
        name, inner = node.value.id, node.slice
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        with self._at(node):
            self.uses.indexed(name, len(parts))
        if self._meaning(node.value) != symbol(name):
            raise self._error(node, f"{name!r} stands for an expression: no index")
        return sp.Indexed(array(name), *(self._index(part, name) for part in parts))

    def _index(self, node: ast.expr, name: str) -> sp.Expr:
        value = self._value(node)
        with self._at(node):
            check_index(value, name)
        return value

    def _repeated(self, node: ast.Call, name: str) -> sp.Expr:
        kind, falls = _REPEATED[name], name == "min"
        if not self.arrays:
            raise self._error(node, mistakes.OBJECTIVES_ONLY)
        enclosing = self.scope
        limits: list[Any] = []
        conditions: list[Any] = []
        for index, ends, tests in self._clauses(node):
            limits.insert(0, self._limit(index, *ends))
            conditions += [self._condition(test) for test in tests]
        inner = node.args[0]
        body = self._value(inner.elt if isinstance(inner, ast.GeneratorExp) else inner)
        if conditions and kind is Maximum:
            raise self._error(node, *mistakes.no_condition(name))
        body = -body if falls else body
        if conditions:
            body = decided((body, both(*conditions)), (kind.empty, sp.true))
        self.scope = enclosing
        with self._at(node):
            result = self.folding.built(kind, body, limits)
        result = -result if falls else result
        if result.is_Rational:
            self._spend(node, max(result.p.bit_length(), result.q.bit_length()))
        return result

    def _solution(self, node: ast.Subscript, call: ast.Call) -> sp.Expr:
        """Return an element of an inverse, or of what solves a linear system."""
        inner = node.slice
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        places = [self._index(part, self._source(call.func)) for part in parts]
        matrix = self._matrix(call, call.args[0])
        if len(call.args) == 1:
            return inverse(matrix, *places)
        right = self._table(call, call.args[1])
        if len(places) != len(right.limits) or rows_of(right) != rows_of(matrix):
            problem = "solve(A, b)[i] has as many rows in b as in A, and an index for"
            raise self._error(node, f"{problem} each of b")
        return Solution(matrix, right, *places)

    def _matrix(self, node: ast.Call, inner: ast.expr) -> Table:
        """Return a square matrix."""
        matrix = self._table(node, inner)
        if len(matrix.limits) != 2 or len({*map(values_of, matrix.limits)}) != 1:
            name = self._source(node.func)
            problem = f"{name} is of a square matrix, of two indices in one range"
            advice = f"write {name}(A[i, j] for i in range(n) for j in range(n))"
            raise self._error(node, problem, advice)
        return matrix

    def _table(self, node: ast.Call, inner: ast.expr) -> Table:
        """Return a matrix, or the right side of a system, element by element."""
        enclosing = self.scope
        limits: list[Any] = []
        one = ast.copy_location(ast.Call(node.func, [inner], []), node)
        for index, ends, tests in self._clauses(one):
            if tests:
                raise self._error(
                    node, "a matrix has no conditions: write a if c else b"
                )
            limits.insert(0, self._limit(index, *ends))
        assert isinstance(inner, ast.GeneratorExp)
        table = Table(self._value(inner.elt), *limits)
        self.scope = enclosing
        for name, meaning in enclosing.indices.items():
            if table.free_symbols & meaning.free_symbols:
                problem = f"the matrix varies with {name!r}, the index of a sum around"
                advice = "up to 4 rows, of a length that is known, it may"
                raise self._error(node, problem, advice)
        return table

    def _clauses(self, node: ast.Call) -> Iterator[tuple[ast.expr, Any, Any]]:
        """Yield index, (first, last, step) and conditions, the outermost first.

        What is inside is read after this, when the index is known.
        """
        if wrong := mistakes.form_of_sum(node):
            raise self._error(node, *wrong)
        if isinstance(node.args[0], ast.GeneratorExp):
            for clause in node.args[0].generators:
                yield clause.target, self._range(clause.iter), clause.ifs
        else:
            for limit in reversed(node.args[1:]):
                assert isinstance(limit, ast.Tuple)
                index, first, last = limit.elts
                yield index, (self._bound(first), self._bound(last), 1), ()

    def _range(self, node: ast.expr) -> tuple[sp.Expr, sp.Expr, int]:
        assert isinstance(node, ast.Call)
        bounds = [self._bound(a) for a in node.args]
        if len(bounds) == 1:
            bounds.insert(0, sp.S.Zero)
        start, stop, step = (*bounds, sp.S.One)[:3]
        if not step.is_Integer or step == 0:
            raise self._error(node, "the step of a range is a whole number, not 0")
        return start, stop - sp.sign(step), step

    def _bound(self, node: ast.expr) -> sp.Expr:
        value = self._value(node)
        with self._at(node):
            check_bound(value)
        return value

    def _limit(
        self, node: ast.expr, first: sp.Expr, last: sp.Expr, step: int
    ) -> tuple[sp.Symbol, sp.Expr, sp.Expr]:
        """Take an index into the scope; one with a step stands for a multiple."""
        assert isinstance(node, ast.Name)
        index = meaning = symbol(node.id)
        bounds = first, last
        if step != 1:
            meaning = first + step * index
            count = (last - first) / step
            bounds = sp.S.Zero, count if step == -1 else sp.floor(count)
        with self._at(node):
            self.uses.index(node.id)
            self.scope = self.scope.within(node.id, meaning, (first, last))
        return (index, *bounds)

    # ------------------------------------------------------------- conditions

    def _condition(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return sp.true if node.value else sp.false
        if isinstance(node, ast.BoolOp):
            parts = [self._condition(value) for value in node.values]
            return (both if isinstance(node.op, ast.And) else either)(*parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return sp.Not(self._condition(node.operand))
        if isinstance(node, ast.IfExp):
            parts = [self._condition(p) for p in (node.test, node.body, node.orelse)]
            return sp.ITE(*parts)
        if isinstance(node, ast.Compare):
            values = [self._value(v) for v in (node.left, *node.comparators)]
            if all(type(op) in _RELATIONS for op in node.ops):
                pairs = zip(node.ops, values, values[1:], strict=False)
                return both(
                    *(relation(_RELATIONS[type(op)], a, b) for op, a, b in pairs)
                )
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

    def _power(
        self, node: ast.expr, base: sp.Expr, exponent: sp.Expr, told: str = ""
    ) -> sp.Expr:
        """Raise to a power once it is known that no number in it can explode."""
        if exponent.is_Float and float(2 * exponent).is_integer():
            exponent = sp.Rational(exponent)  # x**0.5 is sqrt(x), x**2.0 is x**2
        constant = sp.Mul(*(f for f in sp.Mul.make_args(base) if f.is_number))
        if base == -1 and exponent.is_number and not exponent.is_integer:
            raise self._error(node, f"{self._source(node)} is not a real number")
        far = any(isinstance(f, sp.exp) for f in sp.Mul.make_args(base))
        if not exponent.is_number or constant in (1, -1) or exponent == 1:
            return power(base, exponent)
        if constant.is_zero and exponent.is_negative:
            raise self._error(node, "division by zero")
        size = abs(float(exponent))
        if constant.is_Rational:
            self._spend(
                node, size * max(constant.p.bit_length(), constant.q.bit_length())
            )
        else:
            self._spend(node, size * 64 if exponent.is_Integer else 64)
        number = float(constant)
        if not base.is_number and not exponent.is_Integer:
            number = abs(number)
        if far and constant.is_Float:  # it joins the exponent
            return power(base, exponent)
        return self._sized(
            node,
            lambda: math.pow(number, float(exponent)),
            lambda: power(base, exponent),
            nonzero=not (constant.is_zero or constant.has(sp.Float)),
            told=told,
        )

    def _apply(self, node: ast.expr, name: str, arguments: list[sp.Expr]) -> sp.Expr:
        row = self.functions[name]
        if name in ("log", "ln") and len(arguments) == 1:
            inner = arguments[0]
            if type(inner) is Determinant:
                return LogDeterminant(*inner.args)
            if inner.func in _LOGARITHMS and type(inner.args[0]) is Determinant:
                return LogAbsDeterminant(*inner.args[0].args)
        if name == "pow":
            return self._power(node, *arguments)
        if row.build is sp.exp:
            self._bound_powers_in_exponent(node, arguments[0])
        orders = ORDERS.get(row.node)
        if orders is not None and arguments[0] not in orders:
            raise self._error(node, mistakes.whole_order(name))
        if all(argument.is_number for argument in arguments):
            return self._sized(
                node,
                lambda: numeric(row, [float(argument) for argument in arguments]),
                lambda: row.build(*_unexpanded(row.name, arguments)),
            )
        try:
            return applied(row.build, *arguments)
        except OverflowError:
            place = shortened(self._source(node))
            problem = f"{place} has a factor that is too large for float64"
            raise self._error(node, problem) from None

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
        self,
        node: ast.expr,
        approximate: Any,
        build: Any,
        nonzero: bool = False,
        told: str = "",
    ) -> Any:
        """Build a constant if, computed in floats first, it is a finite real number."""
        try:
            number = approximate()
        except OverflowError:
            number = math.inf
        except (ValueError, ArithmeticError, TypeError):
            number = math.nan
        place = told or self._source(node)
        if number != number or isinstance(number, complex):
            raise self._error(node, f"{shortened(place)} is not a real number")
        if math.isinf(number):
            raise self._error(node, f"{shortened(place)} is too large for float64")
        if nonzero and number == 0.0:
            raise self._error(node, f"{shortened(place)} is too small for float64")
        result = build()
        # SymPy's exponents have no end, and the ratio of integers would have as many
        # digits: exp(-1e20) is 0.
        return sp.Float(float(result)) if result.is_Float else result


def _of_whole_matrix(node: ast.expr) -> TypeGuard[ast.Call]:
    """Return whether a call is solve(...) or inv(...) of elements in brackets."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return False
    tables = [isinstance(each, ast.GeneratorExp) for each in node.args]
    return all(tables) and {"inv": 1, "solve": 2}.get(node.func.id) == len(tables)


def _is_dotted(call: ast.Call) -> bool:
    """Return whether what is called is a name in a module, as np.sum is."""
    node = call.func
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


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
