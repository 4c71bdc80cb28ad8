"""The objective: a formula, its exact derivatives, and their native functions."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symgd import derivatives
from symgd.errors import FormulaError, InputError, unknown_name
from symgd.formula import Formula, constant, natural_order, read, symbol, text_of

if TYPE_CHECKING:
    from symgd.lowering.native import NativeObjective

MAX_VARIABLES = 1000


class Objective:
    """A function of named real variables, to be minimised.

    Parameters
    ----------
    expression : str, SymPy expression or Objective
        The formula. Its symbols are real, whatever a SymPy expression assumed.
    variables : sequence of str or symbols, optional
        The variables in the order of the vector ``x``; by default every name in the
        formula that is not a parameter, in natural order (x2 before x10).
    parameters : mapping of str to float, optional
        Named constants. New values never cause a compilation.

    Attributes
    ----------
    expression : SymPy expression
    variables : tuple of str
    parameters : mapping of str to float, read only
    gradient : SymPy matrix, shape (n, 1)
    hessian : SymPy matrix, shape (n, n)
    source : str
        The generated code of value and gradient.

    Raises
    ------
    FormulaError
        If the formula can't be read, has no variable, or can't be differentiated.
    InputError
        If names of variables or parameters don't fit the formula.

    Examples
    --------
    >>> rosenbrock = Objective("(1 - x)**2 + 100*(y - x**2)**2")
    >>> rosenbrock.variables
    ('x', 'y')
    >>> rosenbrock.gradient[1]
    -200*x**2 + 200*y
    >>> rosenbrock.value([-1, 2])
    104.0
    >>> rosenbrock.grad([-1, 2])
    array([396., 200.])

    With a named parameter:

    >>> scaled = Objective("a*x**2", parameters={"a": 3})
    >>> scaled.value([2]), scaled.with_parameters(a=5).value([2])
    (12.0, 20.0)
    """

    def __init__(
        self,
        expression: Formula | Objective,
        variables: Iterable[str | sp.Symbol] | None = None,
        *,
        parameters: Mapping[str, float] | None = None,
    ) -> None:
        if isinstance(expression, Objective):
            variables = expression.variables if variables is None else variables
            parameters = expression.parameters if parameters is None else parameters
            expression = expression.expression
        given = _names(variables, "variables") if variables is not None else None
        constants = {str(k): constant(v, str(k)) for k, v in (parameters or {}).items()}
        declared = {name: symbol(name) for name in (*(given or ()), *constants)}
        if given is not None and (both := set(given) & set(constants)):
            raise InputError(f"{sorted(both)[0]!r} is both a variable and a parameter")
        self.expression: sp.Expr = read(expression, declared, closed=given is not None)
        used = {s.name for s in self.expression.free_symbols}
        for name in constants:
            if name not in used:
                raise InputError(f"unused parameter {name!r}: it is not in the formula")
        if given is None:
            given = tuple(natural_order(used - set(constants)))
        if not given or not used & set(given):
            raise FormulaError(
                "the formula has no variable: a constant has no minimum to find",
                expression if isinstance(expression, str) else text_of(self.expression),
            )
        if len(given) > MAX_VARIABLES:
            problem = f"{len(given)} variables written out; at most {MAX_VARIABLES}"
            raise FormulaError(problem)
        self.variables: tuple[str, ...] = given
        self.parameters: Mapping[str, float] = MappingProxyType(constants)

    # ------------------------------------------------------------- symbolic

    @functools.cached_property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """The variables as SymPy symbols, in order."""
        return tuple(symbol(name) for name in self.variables)

    @functools.cached_property
    def gradient(self) -> sp.ImmutableMatrix:
        """The exact gradient, a SymPy column."""
        return derivatives.gradient(self.expression, self.symbols)

    @functools.cached_property
    def hessian(self) -> sp.ImmutableMatrix:
        """The exact Hessian, a SymPy matrix."""
        return derivatives.hessian(self.gradient, self.symbols)

    def with_parameters(self, **parameters: float) -> Objective:
        """Return the same objective with other values of some parameters.

        Raises
        ------
        InputError
            If a name is not one of the parameters.
        """
        for name in parameters:
            if name not in self.parameters:
                raise unknown_name("parameter", name, self.parameters)
        values = {**self.parameters, **parameters}
        return Objective(self.expression, self.variables, parameters=values)

    def negated(self) -> Objective:
        """Return the objective with the opposite sign, as ``maximize`` needs it."""
        return Objective(-self.expression, self.variables, parameters=self.parameters)

    # --------------------------------------------------------------- native

    @functools.cached_property
    def native(self) -> NativeObjective:
        """The compiled form, shared by all objectives of the same formula."""
        from symgd.lowering.native import native_objective

        names = tuple(symbol(name) for name in self.parameters)
        return native_objective(
            self.expression, tuple(self.gradient), self.symbols, names
        )

    @functools.cached_property
    def value(self) -> Evaluation:
        """``value(x)`` is the objective at x: a float, for x of shape (n,)."""
        return Evaluation(self, "value")

    @functools.cached_property
    def grad(self) -> Evaluation:
        """``grad(x)`` is the gradient at x, float64 of shape (n,)."""
        return Evaluation(self, "grad")

    @functools.cached_property
    def value_and_grad(self) -> Evaluation:
        """``value_and_grad(x)`` is the pair of value and gradient at x."""
        return Evaluation(self, "value_and_grad")

    @functools.cached_property
    def hess(self) -> Evaluation:
        """``hess(x)`` is the Hessian at x, float64 of shape (n, n)."""
        return Evaluation(self, "hess")

    @property
    def source(self) -> str:
        """The generated code of value and gradient, before compilation.

        ``x[i]`` are the variables and ``p[i]`` the parameters, in order.
        """
        return self.native.source

    def parameter_values(self) -> np.ndarray:
        """Return the parameters' values in order, float64."""
        return np.array(list(self.parameters.values()), dtype=np.float64)

    # ---------------------------------------------- as a value, and for people

    def _identity(self) -> tuple[Any, ...]:
        return self.expression, self.variables, tuple(self.parameters.items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Objective):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> tuple[Any, ...]:
        # What is compiled belongs to a process; the formula can go to another one.
        return _objective, (self.expression, self.variables, dict(self.parameters))

    def __repr__(self) -> str:
        names = ", ".join(self.variables)
        constants = ", ".join(f"{k}={v!r}" for k, v in self.parameters.items())
        after = f"; {constants}" if constants else ""
        return f"Objective({text_of(self.expression)!r} of {names}{after})"

    def _repr_latex_(self) -> str:
        latex, names = sp.latex(self.expression), sp.latex(list(self.symbols))
        gradient = sp.latex(self.gradient)
        inner = names.removeprefix(r"\left[ ").removesuffix(r"\right]")
        return (
            rf"$\displaystyle f\left({inner}\right) = {latex},"
            rf"\quad \nabla f = {gradient}$"
        )


def _objective(
    expression: sp.Expr, variables: tuple[str, ...], parameters: dict[str, float]
) -> Objective:
    return Objective(expression, variables, parameters=parameters)


class Evaluation:
    """One native function of an objective, to be called with a point.

    From Python, ``x`` is a sequence in the order of the variables, a mapping by name,
    or an array of points, one a row: shape (..., n). Keywords give other values of
    parameters for this call. In a user's own ``numba.njit`` function, ``x`` is an array
    of float64, followed by an array of the parameters' values if there are any.

    Examples
    --------
    >>> import numba
    >>> value = Objective("x**2 + y**2").value
    >>> @numba.njit
    ... def twice(x):
    ...     return 2*value(x)
    >>> twice(np.array([1.0, 2.0]))
    10.0
    """

    def __init__(self, objective: Objective, kind: str) -> None:
        self.objective = objective
        self.kind = kind

    @property
    def _numba_type_(self) -> Any:
        return getattr(self.objective.native, f"jitted_{self.kind}")._numba_type_

    def __call__(self, x: Any, **parameters: float) -> Any:
        """Evaluate at a point or at an array of points, one a row."""
        if parameters:
            changed = self.objective.with_parameters(**parameters)
            return getattr(changed, self.kind)(x)
        points = self._points(x)
        evaluate = getattr(self.objective.native, self.kind)
        p = self.objective.parameter_values()
        if points.ndim == 1:
            return evaluate(points, p)
        rows = points.reshape(-1, points.shape[-1])
        results = [evaluate(row, p) for row in rows]
        if self.kind == "value_and_grad":
            columns = zip(*results, strict=True)
            return tuple(_stacked(column, points.shape) for column in columns)
        return _stacked(results, points.shape)

    def _points(self, x: Any) -> np.ndarray:
        names = self.objective.variables
        if isinstance(x, Mapping):
            x = from_mapping(x, names, "x")
        points = np.ascontiguousarray(np.asarray(x, dtype=np.float64))
        points = points.reshape(1) if points.ndim == 0 and len(names) == 1 else points
        if points.ndim == 0 or points.shape[-1] != len(names):
            shape = points.shape
            expected = f"{len(names)} numbers, for {', '.join(names)}"
            raise InputError(f"x has shape {shape}; expected {expected}")
        return points

    def __repr__(self) -> str:
        return f"<native {self.kind}(x) of {self.objective!r}>"


def from_mapping(
    numbers: Mapping[Any, Any], names: Sequence[str], what: str
) -> list[Any]:
    """Return the values of a mapping in the order of names, all of them given."""
    by_name = {str(key): value for key, value in numbers.items()}
    for name in by_name:
        if name not in names:
            raise unknown_name(f"variable in {what}", name, names)
    missing = [name for name in names if name not in by_name]
    if missing:
        raise InputError(f"{what} has no value for {', '.join(missing)}")
    return [by_name[name] for name in names]


def _names(names: Iterable[str | sp.Symbol], what: str) -> tuple[str, ...]:
    if isinstance(names, (str, sp.Symbol)):
        names = [n for n in str(names).replace(",", " ").split() if n]
    result = tuple(str(name) for name in names)
    if len(set(result)) < len(result):
        repeated = next(name for name in result if result.count(name) > 1)
        raise InputError(f"{repeated!r} stands twice in {what}")
    return result


def _stacked(results: Iterable[Any], shape: tuple[int, ...]) -> np.ndarray:
    stacked = np.asarray(list(results))
    return stacked.reshape(*shape[:-1], *stacked.shape[1:])
