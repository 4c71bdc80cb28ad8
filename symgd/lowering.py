"""From SymPy expressions to native functions: the only place that generates code.

Every generated function is straight-line and scalar: ``sympy.lambdify`` with the
printer and the elimination of common subexpressions below, then ``numba.njit``. What
is generated keeps four promises that SymPy's own printers don't:

* numbers are exact: a constant becomes the nearest float64;
* a branch that is not taken is not evaluated, its common subexpressions included;
* products and sums are fused (``fma``) where, and only where, the source says so, so
  that the same formula has the same bits in every loop that it is inlined into;
* sums wait for their slowest term last, which shortens the chain of dependent
  operations from one iterate to the next.
"""

from __future__ import annotations

import ctypes
import functools
import heapq
import inspect
import math
import types
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import sympy as sp
from sympy.printing.printer import Printer

from symgd import derivatives
from symgd.errors import FormulaError
from symgd.formula import symbol, text_of
from symgd.functions import NODES
from symgd.intrinsics import NATIVE_TWINS, fma

JIT_OPTIONS: dict[str, Any] = {"error_model": "numpy"}
MAX_OPERATIONS = 20_000

_CHEAP, _DIVISION, _CALL = 1, 4, 8  # latencies, in additions

# ------------------------------------------------------------ public functions


def lower(
    name: str,
    arguments: Sequence[str],
    outputs: Sequence[sp.Expr],
    places: Mapping[sp.Symbol, str],
    late: Iterable[sp.Symbol] = (),
) -> types.FunctionType:
    """Return a plain Python function that computes a tuple of expressions.

    Parameters
    ----------
    name : str
        The function's name.
    arguments : sequence of str
        Its arguments' names.
    outputs : sequence of SymPy expressions
        What it returns, as a tuple of floats.
    places : mapping of symbol to str
        How each symbol is written in the code, for example ``x[0]``. A symbol that is
        not in it is an error: generated code has only names that symgd chose.
    late : iterable of symbols
        Symbols whose values arrive last: sums add the terms that hold them last.

    Raises
    ------
    FormulaError
        If an output can't be computed in float64 or is too large to compile.
    """
    # SymPy orders terms by name; numbered symbols make the code, and so the rounding,
    # independent of what the user called things.
    numbered = {
        s: sp.Symbol(f"s{place:05d}", real=True) for place, s in enumerate(places)
    }
    printer = _NumericPrinter(
        {numbered[s]: place for s, place in places.items()}, {numbered[s] for s in late}
    )

    def eliminate(expressions: Any) -> tuple[list[Any], Any]:
        shared, reduced = share(tuple(expressions))
        for target, expression in shared:
            printer.define(target, expression)
        return shared, reduced

    helpers = {row.name: jitted(row.numeric) for row in NODES.values()}
    function = sp.lambdify(
        list(arguments),
        tuple(_lazy_kinks(output.xreplace(numbered)) for output in outputs),
        modules=[{**helpers, "fma": fma, "sqrt": math.sqrt, "nan": math.nan}],
        printer=printer,
        use_imps=False,
        cse=eliminate,
    )
    function.__name__ = name
    return function


def source_of(function: Callable[..., Any]) -> str:
    """Return the source of a generated function."""
    source = inspect.getsource(function)
    return source.replace("_lambdifygenerated", function.__name__, 1)


def inlined(function: types.FunctionType) -> Any:
    """Compile a straight-line function so that every caller inlines it.

    Beyond some size LLVM stops inlining on its own, and with it keeping the state of
    a loop in registers.
    """
    native = {**function.__globals__, **NATIVE_TWINS}
    renewed = types.FunctionType(function.__code__, native, function.__name__)
    return numba.njit(forceinline=True, **JIT_OPTIONS)(renewed)


@functools.cache
def jitted(function: Callable[..., Any]) -> Any:
    """Compile a helper of the function table; numba knows the others itself."""
    if isinstance(function, types.FunctionType):
        return numba.njit(forceinline=True, **JIT_OPTIONS)(function)
    return function


# ------------------------------------------------------------ objectives and rules


class NativeFunction:
    """A compiled ``double f(double *x, double *p, double *out)``.

    Parameters
    ----------
    function : jitted straight-line function
        Takes x and p, returns a tuple.
    sizes : (int, int)
        The lengths of x and p.
    places : sequence of int
        Where in ``out`` the second, third, ... number of the tuple goes; the first is
        returned.

    Attributes
    ----------
    handle : int
        The address, as kernels take it (a Python function if jitting is disabled).
    """

    def __init__(
        self, function: Any, sizes: tuple[int, int], places: Sequence[int]
    ) -> None:
        n, k = sizes
        targets = np.array(places, dtype=np.int64)
        count = len(places)

        def write(x: Any, p: Any, out: Any) -> float:
            results = function(x, p)
            for i in range(count):
                out[targets[i]] = results[i + 1]
            return results[0]

        if numba.config.DISABLE_JIT:
            self.handle: Any = write
            self._call: Callable[..., float] = write
            return

        writing = numba.njit(forceinline=True, **JIT_OPTIONS)(write)

        def entry(x: Any, p: Any, out: Any) -> float:
            return writing(
                numba.carray(x, n), numba.carray(p, k), numba.carray(out, count)
            )

        vector = numba.types.CPointer(numba.types.float64)
        signature = numba.types.float64(vector, vector, vector)
        self._compiled = numba.cfunc(signature, **JIT_OPTIONS)(entry)
        self.handle = self._compiled.address
        pointers = (ctypes.c_void_p,) * 3
        call = ctypes.CFUNCTYPE(ctypes.c_double, *pointers)(self.handle)
        self._call = lambda x, p, out: call(*(a.ctypes.data for a in (x, p, out)))

    def __call__(self, x: np.ndarray, p: np.ndarray, out: np.ndarray) -> float:
        """Call the function from Python."""
        return self._call(x, p, out)


class NativeObjective:
    """The native functions of one formula, each compiled when it is first needed."""

    def __init__(
        self,
        expression: sp.Expr,
        gradient: tuple[sp.Expr, ...],
        variables: tuple[sp.Symbol, ...],
        parameters: tuple[sp.Symbol, ...],
    ) -> None:
        self.gradient = gradient
        self.variables = variables
        self.sizes = (len(variables), len(parameters))
        self._places = {s: f"x[{i}]" for i, s in enumerate(variables)}
        self._places |= {s: f"p[{i}]" for i, s in enumerate(parameters)}
        self._lowered = lower(
            "value_and_gradient", ("x", "p"), (expression, *gradient), self._places
        )
        self.source = source_of(self._lowered)

    @functools.cached_property
    def value_and_gradient(self) -> Any:
        """The straight-line function, to be inlined: (x, p) -> (f, g0, g1, ...)."""
        return inlined(self._lowered)

    @functools.cached_property
    def evaluate(self) -> NativeFunction:
        """Value returned, gradient written: what solvers and Python call."""
        return NativeFunction(self.value_and_gradient, self.sizes, range(self.sizes[0]))

    @functools.cached_property
    def second_derivatives(self) -> tuple[Any, list[int]]:
        """The entries of the Hessian that aren't 0, and their places in the matrix."""
        n = self.sizes[0]
        matrix = derivatives.hessian(sp.Matrix(self.gradient), self.variables)
        places = [place for place, entry in enumerate(matrix) if entry != 0]
        outputs = (sp.S.Zero, *(matrix[place] for place in places))
        lowered = lower("hessian", ("x", "p"), outputs, self._places)
        assert matrix.shape == (n, n)
        return inlined(lowered), places

    @functools.cached_property
    def evaluate_hessian(self) -> NativeFunction:
        """Write the Hessian, row by row, where it isn't 0."""
        return NativeFunction(
            self.second_derivatives[0], self.sizes, self.second_derivatives[1]
        )

    # ---- as Python calls them

    def value_and_grad(self, x: np.ndarray, p: np.ndarray) -> tuple[float, np.ndarray]:
        """Return value and gradient."""
        gradient = np.empty(self.sizes[0])
        return self.evaluate(x, p, gradient), gradient

    def value(self, x: np.ndarray, p: np.ndarray) -> float:
        """Return the value."""
        return self.value_and_grad(x, p)[0]

    def grad(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Return the gradient."""
        return self.value_and_grad(x, p)[1]

    def hess(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Return the Hessian."""
        matrix = np.zeros((self.sizes[0],) * 2)
        self.evaluate_hessian(x, p, matrix)
        return matrix

    # ---- as a user's own jitted function calls them

    @functools.cached_property
    def jitted_value(self) -> Any:
        """Return the value, from an array or a tuple."""
        function = self.value_and_gradient

        @numba.njit(**JIT_OPTIONS)
        def value(x: Any, p: Any = ()) -> float:
            return function(x, p)[0]

        return value

    @functools.cached_property
    def jitted_value_and_grad(self) -> Any:
        """Return value and gradient."""
        function, n = self.value_and_gradient, self.sizes[0]

        @numba.njit(**JIT_OPTIONS)
        def value_and_grad(x: Any, p: Any = ()) -> Any:
            results = function(x, p)
            gradient = np.empty(n)
            for i in range(n):
                gradient[i] = results[i + 1]
            return results[0], gradient

        return value_and_grad

    @functools.cached_property
    def jitted_grad(self) -> Any:
        """Return the gradient."""
        value_and_grad = self.jitted_value_and_grad

        @numba.njit(**JIT_OPTIONS)
        def grad(x: Any, p: Any = ()) -> Any:
            return value_and_grad(x, p)[1]

        return grad

    @functools.cached_property
    def jitted_hess(self) -> Any:
        """Return the Hessian."""
        function, places = self.second_derivatives
        targets, n = np.array(places, dtype=np.int64), self.sizes[0]

        @numba.njit(**JIT_OPTIONS)
        def hess(x: Any, p: Any = ()) -> Any:
            results = function(x, p)
            matrix = np.zeros(n * n)
            for i in range(len(targets)):
                matrix[targets[i]] = results[i + 1]
            return matrix.reshape(n, n)

        return hess


@functools.lru_cache(maxsize=256)
def native_objective(
    expression: sp.Expr,
    gradient: tuple[sp.Expr, ...],
    variables: tuple[sp.Symbol, ...],
    parameters: tuple[sp.Symbol, ...],
) -> NativeObjective:
    """Return the native form of a formula, compiled once however often it is asked."""
    return NativeObjective(expression, gradient, variables, parameters)


@functools.lru_cache(maxsize=256)
def native_update(
    updates: tuple[sp.Expr, ...],
    state: tuple[str, ...],
    hyperparameters: tuple[str, ...],
) -> Any:
    """Return a rule's update of one coordinate: (t, g, f, s, k, h) -> (x, state...).

    ``s[0, k]`` is the coordinate, ``s[1, k]``, ... its state; ``h`` are the
    hyperparameters.
    """
    slots = {symbol(name): f"s[{j}, k]" for j, name in enumerate(("x", *state))}
    hyper = {symbol(name): f"h[{j}]" for j, name in enumerate(hyperparameters)}
    given = {symbol(name): name for name in ("t", "g", "f")}
    arguments = ("t", "g", "f", "s", "k", "h")
    places = {**given, **slots, **hyper}
    return inlined(lower("update", arguments, updates, places, late=[symbol("g")]))


@functools.lru_cache(maxsize=256)
def native_schedule(schedules: tuple[sp.Expr | None, ...]) -> Any:
    """Return the hyperparameters of update t: (t, h) -> tuple.

    A hyperparameter without a schedule, None, is passed through from ``h``.
    """
    return inlined(lowered_schedule(schedules))


def lowered_schedule(schedules: tuple[sp.Expr | None, ...]) -> types.FunctionType:
    """Return the same as plain Python."""
    constants = [sp.Symbol(f"h{j}", real=True) for j in range(len(schedules))]
    outputs = [
        constants[j] if schedule is None else schedule
        for j, schedule in enumerate(schedules)
    ]
    places = {s: f"h[{j}]" for j, s in enumerate(constants)}
    return lower("schedule", ("t", "h"), outputs, {symbol("t"): "t", **places})


# ------------------------------------------------- common subexpressions, guarded

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
            if used_again and not isinstance(rest, _BOOLEAN):
                name = sp.Symbol(f"c{len(self.shared)}", real=True)
                self.shared.append((name, _under(guard_of(self, guard), result)))
                result = name
            self.done[rest, guard] = result
        return (
            factor * self.done[rest, guard] if factor != 1 else self.done[rest, guard]
        )

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


_BOOLEAN = (sp.logic.boolalg.Boolean,)


def guard_of(sharing: _Sharing, guard: _Guard) -> list[tuple[Any, bool]]:
    """Return a guard with its conditions rewritten, each where it is evaluated."""
    return [
        (sharing._rewritten(condition, guard[:place]), wanted)
        for place, (condition, wanted) in enumerate(guard)
    ]


def _under(guard: list[tuple[Any, bool]], expression: sp.Expr) -> sp.Expr:
    """Return an expression that is only evaluated where the guard holds."""
    for condition, wanted in reversed(guard):
        branches = (expression, sp.nan) if wanted else (sp.nan, expression)
        expression = sp.Piecewise(
            (branches[0], condition), (branches[1], True), evaluate=False
        )
    return expression


def _lazy_kinks(expression: sp.Expr) -> sp.Expr:
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


# ---------------------------------------------------------------------- printing


@dataclass(frozen=True)
class _Code:
    """A piece of code, how tightly it binds, and when its value is ready."""

    text: str
    binds: int
    ready: float

    def inside(self, binds: int) -> str:
        return self.text if self.binds >= binds else f"({self.text})"


_CONDITIONAL, _COMPARISON, _SUM, _PRODUCT, _NEGATION, _POWER, _ATOM = range(7)


class _NumericPrinter(Printer):
    """Print one expression as float64 arithmetic, in the order that is ready first."""

    def __init__(
        self, places: Mapping[sp.Symbol, str], late: Iterable[sp.Symbol]
    ) -> None:
        super().__init__()
        late = set(late)
        self.names = {
            s: _Code(place, _ATOM, 1e6 if s in late else 0.0)
            for s, place in places.items()
        }

    def define(self, target: sp.Symbol, expression: sp.Expr) -> None:
        """Make a common subexpression known, and when it will be ready."""
        self.names[target] = _Code(target.name, _ATOM, self._code(expression).ready)

    def doprint(self, expr: Any) -> str:
        return expr if isinstance(expr, str) else self._code(expr).text

    def _code(self, expr: Any) -> _Code:
        if isinstance(expr, sp.Expr) and not expr.free_symbols:
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
            raise FormulaError(
                f"{text_of(expr)} is too large for float64, or no number"
            )
        return _Code(repr(number), _NEGATION if number < 0 else _ATOM, 0.0)

    def _code_Symbol(self, expr: sp.Symbol) -> _Code:
        return self.names[expr]

    def _code_Add(self, expr: sp.Add) -> _Code:
        """Add the two terms that are ready first, again and again."""
        heap: list[tuple[float, int, list[_Code] | _Code]] = []
        for order, term in enumerate(expr.args):
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
            if b.text.startswith("-"):
                return _Code(f"{addend.inside(_SUM)} - {b.text[1:]}", _SUM, ready)
            if addend.text.startswith("-") and b.binds > _SUM:
                return _Code(f"{b.inside(_SUM)} - {addend.text[1:]}", _SUM, ready)
            return _Code(f"{addend.inside(_SUM)} + {b.inside(_SUM)}", _SUM, ready)
        *rest, last = sorted(b, key=lambda code: code.ready)
        first = self._product(rest)
        ready = max(addend.ready, first.ready, last.ready) + _CHEAP
        return _Code(f"fma({first.text}, {last.text}, {addend.text})", _ATOM, ready)

    def _factors(self, term: sp.Expr) -> list[_Code]:
        """Return the factors of a product; [quotient] if it has a denominator."""
        if isinstance(term, sp.Mul):
            denominators = [1 / f for f in term.args if _is_inverse(f)]
            if denominators:
                return [self._quotient(term, denominators)]
            return [code for f in term.args for code in self._factors(f)]
        if isinstance(term, sp.Pow) and term.exp.is_Integer and 1 < term.exp <= 3:
            base = self._code(term.base)
            if base.binds == _ATOM and "(" not in base.text:
                return [base] * int(term.exp)
        return [self._code(term)]

    def _quotient(self, term: sp.Mul, denominators: list[sp.Expr]) -> _Code:
        numerator = self._code(sp.Mul(*(f for f in term.args if not _is_inverse(f))))
        below = self._code(sp.Mul(*denominators))
        ready = max(numerator.ready, below.ready) + _DIVISION
        text = f"{numerator.inside(_PRODUCT)}/{below.inside(_POWER)}"
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
        return _Code(f"{code.inside(_ATOM)}**{power.inside(_ATOM)}", _POWER, ready)

    def _code_exp(self, expr: sp.exp) -> _Code:
        return self._call("exp", expr.args)

    def _code_Piecewise(self, expr: sp.Piecewise) -> _Code:
        codes = [(self._code(branch), self._code(test)) for branch, test in expr.args]
        text = "nan"
        if expr.args[-1][1] == sp.true:
            text = codes.pop()[0].inside(_COMPARISON)
        ready = 0.0
        for branch, test in reversed(codes):
            text = f"{branch.inside(_COMPARISON)} if {test.text} else {text}"
            ready = max(ready, branch.ready, test.ready) + _CHEAP
        return _Code(text, _CONDITIONAL, ready)

    def _code_Relational(self, expr: Any) -> _Code:
        a, b = self._code(expr.lhs), self._code(expr.rhs)
        text = f"{a.inside(_SUM)} {expr.rel_op} {b.inside(_SUM)}"
        return _Code(text, _COMPARISON, max(a.ready, b.ready) + _CHEAP)

    def _code_And(self, expr: Any) -> _Code:
        return self._joined(" and ", expr.args)

    def _code_Or(self, expr: Any) -> _Code:
        return self._joined(" or ", expr.args)

    def _code_Not(self, expr: Any) -> _Code:
        code = self._code(expr.args[0])
        return _Code(f"not ({code.text})", _CONDITIONAL, code.ready)

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


def _with_sign(factors: list[_Code]) -> list[_Code]:
    """Drop factors of -1 and negate the factor that is ready first instead."""
    rest = [code for code in factors if code.text != "-1.0"]
    if not rest:
        return factors[:1]
    if (len(factors) - len(rest)) % 2:
        first = min(range(len(rest)), key=lambda i: rest[i].ready)
        code = rest[first]
        negated = f"-{code.inside(_PRODUCT)}"
        if code.text.startswith("-") and code.binds == _NEGATION:
            negated = code.text[1:]
        rest[first] = _Code(negated, _NEGATION, code.ready)
    return rest


def _is_inverse(node: sp.Expr) -> bool:
    return isinstance(node, sp.Pow) and node.exp.is_number and node.exp.is_negative


def _whole_exponent(exponent: sp.Expr) -> int | None:
    if exponent.is_number and 0 <= exponent <= 64 and float(exponent).is_integer():
        return int(exponent)
    return None
