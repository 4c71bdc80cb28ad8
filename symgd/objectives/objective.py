"""The objective: a formula, its exact derivatives, and their native functions."""

from __future__ import annotations

import contextlib
import functools
import json
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from symgd.errors import FormulaError, InputError, unknown_name
from symgd.language.drawing import card
from symgd.language.plain import constant, count
from symgd.native import compiled
from symgd.native.machine import without_loops
from symgd.native.records import EVALUATION, PRODUCT
from symgd.objectives.space import Space

if TYPE_CHECKING:
    import numpy as np
    import sympy as sp

    from symgd.language.formula import Formula
    from symgd.lowering.scalar_objective import NativeObjective
    from symgd.native.machine import Kernel
    from symgd.objectives.arrays import Arrays
    from symgd.objectives.evaluation import Evaluation

MAX_VARIABLES = 1000
# Compiling the Hessian takes seconds beyond: of so many variables, and of a formula
# that has so many different parts.
QUICK_VARIABLES, QUICK_LENGTH = 50, 400


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
    data : mapping of arrays, structured array or dataframe, optional
        What indexed names of the formula stand for; they are read where they are. New
        data of the same types never cause a compilation.
    sizes : mapping of str to int, optional
        The names in the bounds of sums that neither data nor a start tell.
    missing : {"error", "drop"}
        Whether rows that aren't finite are an error, or are left out.
    workers : int, optional
        The number of threads for sums over many elements; by default all cores. The
        results are the same, bit for bit, for any number.
    iteration : str, optional
        The name in the formula that counts updates, from 1, as ``t`` does in a rule: an
        online objective, other at each update, which only rules can minimise. It is
        the last of the parameters; outside of a run it is 1, or what is given:
        ``value(x, t=7)``.

    Attributes
    ----------
    expression : SymPy expression
    variables : tuple of str
        Scalars, and arrays.
    space : Space
        The coordinates of a point: all elements of the variables.
    parameters : mapping of str to float, read only
    iteration : str or None
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

    With an array of any length, and data:

    >>> chain = Objective("sum((x[i + 1] - x[i])**2 for i in range(n - 1))")
    >>> chain.value([1, 3, 6])
    13.0
    >>> line = Objective(
    ...     "sum((y[i] - a*t[i])**2 for i in range(n))", data={"t": [1, 2], "y": [2, 5]}
    ... )
    >>> line.grad([2])
    array([-4.])
    """

    def __init__(
        self,
        expression: Formula | Objective,
        variables: Iterable[str | sp.Symbol] | None = None,
        *,
        parameters: Mapping[str, float] | None = None,
        data: Any = None,
        sizes: Mapping[str, int] | None = None,
        iteration: str | sp.Symbol | None = None,
        missing: str = "error",
        workers: int | None = None,
    ) -> None:
        shapes: Mapping[str, Any] = {}
        if isinstance(expression, Objective):
            workers = expression._workers if workers is None else workers
            known = expression.arrays
            if known is not None and data is None:
                if sizes is None:
                    sizes, shapes = known.sizes, known.shapes or {}
                data = known.data or None
            iteration = iteration or expression.iteration
            variables = expression.variables if variables is None else variables
            parameters = expression.constants if parameters is None else parameters
            expression = expression.expression
        if parameters is not None and not isinstance(parameters, Mapping):
            problem = "parameters must be a mapping of names to numbers"
            raise InputError(f"{problem}, such as {{'a': 3}}, not {parameters!r}")
        given = _names(variables, "variables") if variables is not None else None
        constants = {str(k): constant(v, str(k)) for k, v in (parameters or {}).items()}
        self.iteration: str | None = None if iteration is None else str(iteration)
        if self.iteration is not None:
            if self.iteration in constants:
                problem = f"{self.iteration!r} is both a parameter and the iteration"
                raise InputError(problem)
            constants[self.iteration] = 1.0
        if given is not None and (both := set(given) & set(constants)):
            raise InputError(f"{sorted(both)[0]!r} is both a variable and a parameter")
        self._formula = expression
        self._declared = given
        self._negated = False
        self._space: Space | None = None
        self._kernels: dict[tuple[str, ...], Kernel] = {}
        self._opposite: Objective | None = None
        self.ended: list[Any] = []  # a run of it that can be begun again
        self.parameters: Mapping[str, float] = MappingProxyType(constants)
        self._given: tuple[Any, dict[str, int]] = data, _whole_numbers(sizes or {})
        self._missing = missing
        self._workers: int | None = None if workers is None else _workers(workers)
        self.arrays: Arrays | None = None
        # What has been read and compiled before needs no reading again.
        self._is_given = data is not None or bool(sizes)
        plain = not self._is_given and self._text is not None
        self._facts: Any = compiled.recalled(self.formula_key) if plain else None
        if self._facts is None:
            self._facts = self._read_facts()
        self.variables: tuple[str, ...] = tuple(self._facts["variables"])
        if self.arrays is not None and shapes:
            self.arrays = self.arrays.shaped(shapes)

    def _read_facts(self) -> dict[str, Any]:
        """Return what a later process need not find out again."""
        from symgd.language.nodes import length_of
        from symgd.language.smoothness import has_roots, is_analytic, may_jump, varying

        names = list(self._checked_variables())
        length = length_of(self.expression, QUICK_LENGTH)
        parts = varying(self.expression, names)
        return {
            "variables": names,
            "length": length,
            "jumps": may_jump(parts),
            "analytic": is_analytic(parts),
            "roots": has_roots(parts),
        }

    def _checked_variables(self) -> tuple[str, ...]:
        """Read the formula, and return its variables in order."""
        from symgd.calculus.structure import has_arrays
        from symgd.language.formula import natural_order, text_of
        from symgd.language.naming import written_names

        given, constants = self._declared, self.parameters
        if has_arrays(self.expression):
            self.arrays = self._with_arrays()
            return self.arrays.variables
        if self._is_given:
            raise InputError("the formula has no indices, so no data and no sizes")
        used = {s.name for s in self.expression.free_symbols}
        written = used  # of a text, with what cancels
        if self._text is not None:
            written = used | set(
                written_names(self._text, [*(given or ()), *constants])
            )
        for name in constants:
            if name not in written:
                raise InputError(f"unused parameter {name!r}: it is not in the formula")
        if given is None:
            given = tuple(natural_order(written - set(constants)))
        if not given or not used & set(given):
            shown = self._text or text_of(self.expression)
            raise FormulaError(_constant(given or (), self.expression), shown)
        if len(given) > MAX_VARIABLES:
            problem = f"{len(given)} variables written out; at most {MAX_VARIABLES}"
            raise FormulaError(problem)
        return given

    def _with_arrays(self) -> Arrays:
        """Return what the names of a formula with arrays stand for."""
        from symgd.language.formula import names_in, text_of
        from symgd.objectives.arrays import Arrays
        from symgd.objectives.data import DataTable

        plain, ranks = names_in(self.expression)
        for name in self.parameters:
            if name not in plain:
                raise InputError(f"unused parameter {name!r}: it is not in the formula")
        formula = self._text or text_of(self.expression)
        arrays = Arrays(
            self.expression,
            self._declared,
            tuple(self.parameters),
            DataTable(self._given[0], self._missing),
            self._given[1],
            formula,
        )
        if not arrays.variables or not set(arrays.variables) & {*plain, *ranks}:
            problem = "the formula has no variable: a constant has no minimum to find"
            raise FormulaError(problem, formula)
        return arrays

    @property
    def space(self) -> Space:
        """The coordinates of a point.

        Raises
        ------
        InputError
            If a length isn't known yet.
        """
        if self.arrays is not None:
            return self.arrays.space
        if self._space is None:
            self._space = Space(self.variables)
        return self._space

    def sized(self, x0: Any) -> Objective:
        """Return the same objective with arrays as long as a start's.

        Raises
        ------
        InputError
            If a length is still not known.
        """
        if self.arrays is None:
            return self
        arrays = self.arrays.sized(x0)
        if arrays is self.arrays:
            return self
        other = self._copied()
        other.arrays, other._kernels = arrays, {}
        return other

    @property
    def constants(self) -> dict[str, float]:
        """The parameters, without the iteration."""
        return {k: v for k, v in self.parameters.items() if k != self.iteration}

    @property
    def _text(self) -> str | None:
        return self._formula if isinstance(self._formula, str) else None

    @property
    def text(self) -> str | None:
        """The formula as it was typed; None if it is an expression, or negated."""
        return None if self._negated else self._text

    @functools.cached_property
    def formula_key(self) -> tuple[str, ...]:
        """The formula as plain text: its kernels are stored under this."""
        kind, text, names = "text", self._text, self._declared
        if text is None:
            from symgd.language.formula import text_of

            kind, text, names = "sympy", text_of(self.expression), self.variables
        sign = "-" if self._negated else "+"
        declared = json.dumps([names, list(self.parameters), self.iteration])
        return sign, kind, text, declared

    @property
    def code_key(self) -> tuple[str, ...]:
        """What compiled code depends on: the formula, and the types of arrays."""
        if self.arrays is None:
            return self.formula_key
        return *self.formula_key, self.arrays.key

    # ------------------------------------------------------------- symbolic

    @functools.cached_property
    def expression(self) -> sp.Expr:
        """The formula as a SymPy expression of real symbols."""
        from symgd.calculus.structure import has_arrays
        from symgd.language.formula import read, symbol

        declared = (*(self._declared or ()), *self.parameters)
        known = {name: symbol(name) for name in declared}
        # Sizes aren't declared, so with arrays every name is checked later.
        closed = self._declared is not None
        expression = read(self._formula, known, arrays=True, closed=False)
        if closed and not has_arrays(expression):
            expression = read(self._formula, known, closed=True)
        return -expression if self._negated else expression

    @functools.cached_property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """The variables as SymPy symbols, in order."""
        from symgd.language.formula import symbol

        return tuple(symbol(name) for name in self.variables)

    @functools.cached_property
    def gradient(self) -> sp.ImmutableMatrix:
        """The exact gradient, a SymPy column.

        With arrays it has an entry for each variable; for an array's it is the
        derivative by one element, whose indices are ``arrays.indices``.
        """
        from symgd.calculus import derivatives
        from symgd.calculus.stable import stable

        if self.arrays is not None:
            return self.arrays.gradient()
        return derivatives.gradient(stable(self.expression), self.symbols)

    @functools.cached_property
    def hessian(self) -> sp.ImmutableMatrix:
        """The exact Hessian, a SymPy matrix.

        Raises
        ------
        FormulaError
            With arrays: there, ``hess(x)`` and ``hessp(x, v)`` compute it.
        """
        from symgd.calculus import derivatives

        if self.arrays is not None:
            problem = "the Hessian of a formula with arrays isn't written out: use"
            raise FormulaError(f"{problem} hess(x), or hessp(x, v)")
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
        values = {name: constant(value, name) for name, value in parameters.items()}
        other = self._copied()
        other.parameters = MappingProxyType({**self.parameters, **values})
        return other

    def negated(self) -> Objective:
        """Return the objective with the opposite sign, as ``maximize`` needs it."""
        if self._opposite is None:
            self._opposite = self._with_other_sign()
        return self._opposite

    def _with_other_sign(self) -> Objective:
        other = self._copied()
        other._negated = not self._negated
        other._kernels = {}
        for name in ("formula_key", "expression", "gradient", "hessian", "native"):
            other.__dict__.pop(name, None)
        if self.arrays is not None:
            other.arrays = self.arrays.of(other.expression)
        return other

    def _copied(self) -> Objective:
        other = object.__new__(type(self))  # copy.copy would make it from its formula
        other.__dict__.update(self.__dict__)
        other._opposite, other.ended = None, []
        for name in ("value", "grad", "value_and_grad", "hess"):
            other.__dict__.pop(name, None)  # they know the objective they belong to
        return other

    # --------------------------------------------------------------- native

    @functools.cached_property
    def native(self) -> NativeObjective:
        """The formula as straight-line code."""
        from symgd.calculus.stable import stable
        from symgd.language.formula import symbol
        from symgd.lowering.scalar_objective import native_objective

        names = tuple(symbol(name) for name in self.parameters)
        return native_objective(
            stable(self.expression), tuple(self.gradient), self.symbols, names
        )

    def kernel(self, kind: str) -> Kernel:
        """Return ``double f(double *x, double *p, double *out)``, compiled once.

        Parameters
        ----------
        kind : str
            "evaluation" returns the value and writes the gradient, "hessian" writes
            the Hessian, row by row, where it isn't 0. With arrays there is "product",
            too, ``f(x, p, out, v)``, that of the Hessian with a direction v.

        Raises
        ------
        FormulaError
            If there is no such derivative.
        """
        if self.arrays is None:
            return self._kernels.get((kind,)) or self._straight(kind)
        if kind == "hessian":
            from symgd.objectives.curvature import hessian_by_columns

            return hessian_by_columns(self.kernel("product"), len(self.space))
        if kind == "product":
            return self.written((kind,), PRODUCT, self._product)
        if kind == "evaluation" and self.workers > 1:
            if ("threads",) not in self._kernels:
                threads = self._in_threads(self.arrays, self.workers)
                self._kernels["threads",] = threads
            return self._kernels["threads",]
        return self.written((kind,), EVALUATION, self._loops)

    def _straight(self, kind: str) -> Kernel:
        """Return the kernel of a formula without loops."""
        return self.written(
            *((kind,), EVALUATION),
            lambda: self.native.written(kind),
            lambda: self.native.interpreted(kind),
            without_loops,
        )

    @property
    def has_jumps(self) -> bool:
        """Whether the value may jump: there are conditions, signs or whole numbers."""
        return bool(self._facts["jumps"])

    @property
    def is_analytic(self) -> bool:
        """Whether it is made of parts that have all derivatives in their domain."""
        return bool(self._facts["analytic"])

    @property
    def is_smooth(self) -> bool:
        """Whether it has all derivatives: no root of it has a kink where that is 0."""
        return self.is_analytic and not self._facts["roots"]

    @property
    def has_quick_hessian(self) -> bool:
        """Whether the Hessian is of few variables and a short formula, if there is one.

        Otherwise compiling it may well take longer than descents without it.
        """
        few = len(self.space) <= QUICK_VARIABLES
        return few and self._facts["length"] <= QUICK_LENGTH

    @property
    def has_many_variables(self) -> bool:
        """Whether there are sums over more variables than a Hessian is wanted of."""
        return self.arrays is not None and len(self.space) > QUICK_VARIABLES

    def quick_hessian(self) -> Kernel | None:
        """Return the Hessian's kernel, where there is one to be had soon."""
        if not self.has_quick_hessian:
            return None
        try:
            return self.kernel("hessian")
        except FormulaError:
            return None

    @property
    def workers(self) -> int:
        """How many threads an evaluation uses: 1 where the work is little."""
        from symgd.objectives.parallel import ENOUGH, cores

        if self.arrays is None or self.arrays.work < ENOUGH:
            return 1
        return cores() if self._workers is None else self._workers

    def _loops(self) -> str:
        from symgd.lowering import array_objective as programs

        assert self.arrays is not None
        return programs.evaluation(self.arrays.program(), self.arrays.layout)

    def _product(self) -> str:
        from symgd.lowering import array_objective as programs

        assert self.arrays is not None
        return programs.product(self.arrays.product_program(), self.arrays.layout)

    def _in_threads(self, arrays: Arrays, workers: int) -> Kernel:
        """Return the evaluation whose loops are shared among threads."""
        from symgd.lowering import array_objective as programs
        from symgd.objectives.parallel import PIECES, Steps, parallel

        program = arrays.program()
        pieces = self.written(
            ("pieces",), PIECES, lambda: programs.pieces(program, arrays.layout)
        )
        return parallel(Steps(pieces, program, workers))

    def compiled(self, parts: tuple[str, ...], *how: Any) -> Kernel:
        """Return a kernel that depends on the formula and on ``parts``."""
        return self._kept(parts, compiled.kernel, how)

    def written(self, parts: tuple[str, ...], *how: Any) -> Kernel:
        """Return the same of one that symgd writes."""
        return self._kept(parts, compiled.written, how)

    def _kept(
        self, parts: tuple[str, ...], make: Callable[..., Kernel], how: tuple[Any, ...]
    ) -> Kernel:
        if parts not in self._kernels:
            self._kernels[parts] = make((*parts, *self.code_key), *how)
            if self._text is not None and self.arrays is None:
                compiled.remember(self.formula_key, self._facts)
        return self._kernels[parts]

    @functools.cached_property
    def value(self) -> Evaluation:
        """``value(x)`` is the objective at x: a float, for x of shape (n,)."""
        return self._evaluation("value")

    @functools.cached_property
    def grad(self) -> Evaluation:
        """``grad(x)`` is the gradient at x, float64 of shape (n,)."""
        return self._evaluation("grad")

    @functools.cached_property
    def value_and_grad(self) -> Evaluation:
        """``value_and_grad(x)`` is the pair of value and gradient at x."""
        return self._evaluation("value_and_grad")

    @functools.cached_property
    def hess(self) -> Evaluation:
        """``hess(x)`` is the Hessian at x, float64 of shape (n, n)."""
        return self._evaluation("hess")

    def hessp(self, x: Any, v: Any) -> np.ndarray:
        """Return the product of the Hessian at x with a direction v.

        Parameters
        ----------
        x, v : array_like, shape (n,), or mapping by name

        Returns
        -------
        ndarray, shape (n,)
            For a formula with arrays it takes about as long as two gradients.

        Examples
        --------
        >>> chain = Objective("sum((x[i + 1] - x[i]**2)**2 for i in range(n - 1))")
        >>> chain.hessp([1, 2, 3], [1, 0, 0])
        array([ 4., -4.,  0.])
        """
        from symgd.objectives.curvature import hessp

        return hessp(self.sized(x), x, v)

    def _evaluation(self, kind: str) -> Evaluation:
        from symgd.objectives.evaluation import Evaluation

        return Evaluation(self, kind)

    @property
    def source(self) -> str:
        """The generated code of value and gradient, before compilation.

        ``x[i]`` are the variables and ``p[i]`` the parameters, in order. With arrays,
        it is what the loops do, by the names of the formula.
        """
        if self.arrays is not None:
            return self.arrays.listing()
        return self.native.source

    def parameter_values(self) -> array[float]:
        """Return the parameters' values in order."""
        if self.arrays is not None:
            return self.arrays.words(self.parameters)
        return array("d", self.parameters.values())

    # ---------------------------------------------- as a value, and for people

    def _identity(self) -> tuple[Any, ...]:
        constants = tuple(self.parameters.items())
        known: tuple[Any, ...] = ()
        if self.arrays is not None:
            columns = ((name, id(each)) for name, each in self.arrays.data.items())
            known = (*sorted(self.arrays.sizes.items()), *columns)
        return self.expression, self.variables, constants, self.iteration, known

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Objective):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> tuple[Any, ...]:
        # What is compiled belongs to a process; the formula can go to another one.
        if self._negated:
            return _negated, (self.negated(),)
        plain, variables = self._text, self._declared
        if plain is None:
            plain, variables = self.expression, self.variables
        known = None
        if self.arrays is not None:
            known = (self.arrays.data, self.arrays.sizes, self.arrays.shapes)
        given = (variables, self.constants, self.iteration, self._workers, known)
        return _objective, (plain, *given)

    def _repr_html_(self) -> str:
        return card("objective", self)

    def __repr__(self) -> str:
        from symgd.language.formula import text_of

        names = ", ".join(self.variables)
        constants = ", ".join(f"{k}={v!r}" for k, v in self.constants.items())
        if self.iteration is not None:
            names = f"{names}; at iteration {self.iteration}"
        after = f"; {constants}" if constants else ""
        return f"Objective({text_of(self.expression)!r} of {names}{after})"

    def _repr_latex_(self) -> str:
        import sympy as sp

        latex, names = sp.latex(self.expression), sp.latex(list(self.symbols))
        gradient = sp.latex(self.gradient)
        inner = names.removeprefix(r"\left[ ").removesuffix(r"\right]")
        return (
            rf"$\displaystyle f\left({inner}\right) = {latex},"
            rf"\quad \nabla f = {gradient}$"
        )


def objective_of(objective: Any, *given: Any, **more: Any) -> Objective:
    """Return an objective of a formula, whose names mappings by name may tell.

    A name that stands for a constant elsewhere, as E does, is a variable if it has a
    start or bounds. What may be a slip, as a variable Pi, is a warning. ``more`` is
    what a text is with: ``parameters=`` and the like.
    """
    if isinstance(objective, Objective):
        return objective
    if not isinstance(objective, str):
        return Objective(objective, **more)
    from symgd.language import naming

    constants = {str(name) for name in more.get("parameters") or ()}
    meant = naming.constants_meant(objective, *given) - constants
    names = _names_with(objective, meant, more) if meant else None
    made = Objective(objective, names, **more)
    naming.warn_of_misread(objective, made.variables, *given)
    return made


def _names_with(
    text: str, names: Iterable[str], more: Mapping[str, Any]
) -> Sequence[str]:
    """Return the variables of a text of which these names are some."""
    from symgd.language.nodes import natural_order

    others: tuple[str, ...] = ()
    with contextlib.suppress(FormulaError):  # there may be no others
        others = Objective(text, **more).variables
    return natural_order({*others, *names})


def _objective(
    formula: Any,
    variables: tuple[str, ...] | None,
    parameters: dict[str, float],
    iteration: str | None,
    workers: int | None,
    known: tuple[Any, ...] | None,
) -> Objective:
    data, sizes, shapes = known or (None, None, None)
    objective = Objective(
        formula,
        variables,
        parameters=parameters,
        data=data or None,
        sizes=sizes,
        iteration=iteration,
        workers=workers,
    )
    if objective.arrays is not None and shapes is not None:
        objective.arrays = objective.arrays.shaped(shapes)
    return objective


def _constant(names: Sequence[str], value: Any) -> str:
    """Return why a formula without a variable is refused."""
    problem = "a constant has no minimum to find"
    if not names:
        return f"the formula has no variable: {problem}"
    from symgd.language.formula import text_of

    cancels = f"{', '.join(names)} cancel{'s' * (len(names) == 1)}"
    return f"{cancels}: f is the constant {text_of(value)}, and {problem}"


def _negated(objective: Objective) -> Objective:
    return objective.negated()


def _names(names: Iterable[str | sp.Symbol], what: str) -> tuple[str, ...]:
    if isinstance(names, str) or getattr(names, "is_Symbol", False):
        names = [n for n in str(names).replace(",", " ").split() if n]
    result = tuple(str(name) for name in names)
    if len(set(result)) < len(result):
        repeated = next(name for name in result if result.count(name) > 1)
        raise InputError(f"{repeated!r} stands twice in {what}")
    return result


def _whole_numbers(sizes: Mapping[str, int]) -> dict[str, int]:
    if not isinstance(sizes, Mapping):
        problem = "sizes must be a mapping of names to whole numbers"
        raise InputError(f"{problem}, such as {{'n': 100}}, not {sizes!r}")
    return {str(name): count(f"the size {name}", size) for name, size in sizes.items()}


def _workers(workers: Any) -> int:
    if (number := count("workers", workers)) == 0:
        raise InputError("workers must be 1 or more")
    return number
