"""The native functions of a formula without loops, each made when first needed."""

from __future__ import annotations

import functools
import types
from collections.abc import Sequence
from typing import Any

import sympy as sp

from symgd.calculus import derivatives
from symgd.lowering.building import DOUBLE, POINTER, InPieces, function_of
from symgd.lowering.code_printer import Style
from symgd.lowering.source import lower, source_of
from symgd.lowering.tracing import Given, Numbers, Value, writing
from symgd.native.machine import ENTRY, Kernel
from symgd.native.records import EVALUATION, PRODUCT


class NativeObjective:
    """The native functions of one formula, each made when it is first needed."""

    def __init__(
        self,
        expression: sp.Expr,
        gradient: tuple[sp.Expr, ...],
        variables: tuple[sp.Symbol, ...],
        parameters: tuple[sp.Symbol, ...],
    ) -> None:
        self.expression = expression
        self.gradient = gradient
        self.variables = variables
        self.parameters = parameters
        self.sizes = (len(variables), len(parameters))
        self._places = {s: f"x[{i}]" for i, s in enumerate(variables)}
        self._places |= {s: f"p[{i}]" for i, s in enumerate(parameters)}

    @functools.cached_property
    def source(self) -> str:
        """Value and gradient as Python, conditionals as conditionals."""
        return source_of(self._lowered("value_and_gradient", self._values))

    def in_lanes(self, width: int) -> types.FunctionType:
        """Return the same for lanes: (s, p) -> (f, g0, g1, ...).

        A variable stands in every place of ``s`` whose number ``width`` divides, its
        state behind it.
        """
        places = {s: f"s[{i * width}]" for i, s in enumerate(self.variables)}
        places |= {s: f"p[{i}]" for i, s in enumerate(self.parameters)}
        name, arguments = "value_and_gradient", ("s", "p")
        return lower(name, arguments, self._values, places, style=Style.THROUGHPUT)

    @functools.cached_property
    def value_and_gradient(self) -> Any:
        """The straight-line function (x, p) -> (f, g0, g1, ...)."""
        return self._lowered("value_and_gradient", self._values, Style.LATENCY)

    @functools.cached_property
    def second_derivatives(self) -> tuple[Any, list[int]]:
        """The entries of the Hessian that aren't 0, and their places in the matrix.

        They are (x, p) -> (0, h0, h1, ...).
        """
        matrix = derivatives.hessian(sp.Matrix(self.gradient), self.variables)
        places = [place for place, entry in enumerate(matrix) if entry != 0]
        outputs = (sp.S.Zero, *(matrix[place] for place in places))
        return self._lowered("hessian", outputs, Style.LATENCY), places

    def product_in_lanes(self, width: int) -> types.FunctionType:
        """Return the Hessian's product for lanes: (s, v, p) -> (0, h0, h1, ...)."""
        outputs, places = self._product(f"s[{{}} * {width}]")
        return lower(
            "product", ("s", "v", "p"), outputs, places, style=Style.THROUGHPUT
        )

    @functools.cached_property
    def product(self) -> types.FunctionType:
        """The Hessian's product with a vector: (x, v, p) -> (0, h0, h1, ...)."""
        outputs, places = self._product("x[{}]")
        return lower("product", ("x", "v", "p"), outputs, places, style=Style.LATENCY)

    def _product(self, place: str) -> tuple[tuple[sp.Expr, ...], dict[sp.Symbol, str]]:
        """Return a product's coordinates after a 0, and how its symbols are written."""
        matrix = derivatives.hessian(sp.Matrix(self.gradient), self.variables)
        vector = [sp.Symbol(f"vector {i}", real=True) for i in range(self.sizes[0])]
        rows = (zip(matrix.row(i), vector, strict=True) for i in range(self.sizes[0]))
        sums = (sp.Add(*(entry * v for entry, v in row if entry != 0)) for row in rows)
        places = self._places | {v: f"v[{i}]" for i, v in enumerate(vector)}
        places |= {s: place.format(i) for i, s in enumerate(self.variables)}
        return (sp.S.Zero, *sums), places

    @property
    def _values(self) -> tuple[sp.Expr, ...]:
        return (self.expression, *self.gradient)

    def _lowered(
        self, name: str, outputs: Sequence[sp.Expr], style: Style = Style.PYTHON
    ) -> types.FunctionType:
        return lower(name, ("x", "p"), outputs, self._places, style=style)

    # ---- as kernels: double f(double *x, double *p, double *out)

    def written(self, kind: str) -> str:
        """Return the module of a kernel.

        Parameters
        ----------
        kind : str
            "evaluation" returns the value and writes the gradient, "hessian" writes
            the Hessian, row by row, where it isn't 0, "product" its product with a
            vector, the last argument.
        """
        return _module(*self._parts(kind), kind == "product")

    def interpreted(self, kind: str) -> Kernel:
        """Return the same kernel in Python."""
        from symgd.lowering.entries import Interpreted
        from symgd.lowering.intrinsics import floats

        function, places = self._parts(kind)
        (n, k), size = self.sizes, 1 + max(places, default=0)

        def write(x: Any, p: Any, out: Any, *vector: Any) -> float:
            numbers = (floats(each, (n,)) for each in (x, *vector))
            first, *rest = function(*numbers, floats(p, (k,)))
            floats(out, (size,))[list(places)] = rest
            return first

        return Interpreted(write, PRODUCT if kind == "product" else EVALUATION)

    def _parts(self, kind: str) -> tuple[Any, Sequence[int]]:
        """Return a function, and where all it returns but the first number goes."""
        if kind == "hessian":
            return self.second_derivatives
        if kind == "product":
            return self.product, range(self.sizes[0])
        return self.value_and_gradient, range(self.sizes[0])


def _module(
    function: types.FunctionType, places: Sequence[int], takes_vector: bool
) -> str:
    """Return the module of ``double f(double *x, double *p, double *out)``.

    One that takes a vector takes it as the last argument.
    """
    entry = function_of(ENTRY, DOUBLE, [POINTER] * (4 if takes_vector else 3))
    builder = InPieces(entry.append_basic_block())
    x, p, out, *vector = entry.args
    given = [Given(builder, address) for address in (x, *vector, p)]
    out = Numbers(builder, out)
    first, *rest = (
        number.value if isinstance(number, Value) else DOUBLE(number)
        for number in writing(function)(*given)
    )
    for number, place in zip(rest, places, strict=True):
        builder.store(number, out.at(place))
    builder.ret(first)
    return str(entry.module)


@functools.lru_cache(maxsize=256)
def native_objective(
    expression: sp.Expr,
    gradient: tuple[sp.Expr, ...],
    variables: tuple[sp.Symbol, ...],
    parameters: tuple[sp.Symbol, ...],
) -> NativeObjective:
    """Return the native form of a formula, one however often it is asked for."""
    return NativeObjective(expression, gradient, variables, parameters)
