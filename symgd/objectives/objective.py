"""The objective: a formula, its exact derivatives, and their native functions."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from symgd.errors import FormulaError, InputError, unknown_name
from symgd.language.drawing import card
from symgd.language.plain import constant, count, is_python
from symgd.objectives.forms import QUICK_LENGTH, QUICK_VARIABLES, Forms
from symgd.objectives.kernels import Kernels
from symgd.objectives.space import Space
from symgd.objectives.whole_arrays import (
    split_sizes,
    warn_of_lengths,
    with_indices,
)

if TYPE_CHECKING:
    import numpy as np
    import sympy as sp

    from symgd.language.formula import Formula
    from symgd.lowering.scalar_objective import NativeObjective
    from symgd.native.machine import Kernel
    from symgd.objectives.arrays import Arrays
    from symgd.objectives.constraints import Lagrangian
    from symgd.objectives.evaluation import Evaluation
    from symgd.objectives.python_objective import FunctionRead

MAX_VARIABLES = 1000


class Called(NamedTuple):
    """A Python function as a formula, with what it is called with beside a point."""

    function: Any
    args: Any = ()
    start: Any = None

    def read(self, *given: Any) -> FunctionRead:
        """Return what it says: see :func:`function_read`."""
        from symgd.objectives.python_objective import function_read

        return function_read(self.function, *given, args=self.args, start=self.start)


class Objective:
    """A function of named real variables, to be minimised.

    Parameters
    ----------
    expression : str, SymPy expression, Python function or Objective
        The formula. Its symbols are real, whatever a SymPy expression assumed. A Python
        function is read, not called: see :func:`symgd.objective`.
    variables : sequence of str or symbols, optional
        The variables in the order of the vector ``x``; by default every name in the
        formula that is not a parameter, in natural order (x2 before x10).
    parameters : mapping of str to float, optional
        Named constants. New values never cause a compilation.
    data : mapping of arrays, structured array or dataframe, optional
        What indexed names of the formula stand for; they are read where they are. New
        data of the same types never cause a compilation.
    sizes : mapping of str to int or shape, optional
        The names in the bounds of sums that neither data nor a start tell, and the
        shapes of arrays: ``{"n": 100}``, ``{"x": 3, "A": (2, 3)}``.
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

    subject_to : str, relation, sequence of these, or mapping by name, optional
        What a point is to satisfy: ``"x + y == 10"``, ``"0 <= x*y <= 2"``, ``"x[i+1] -
        x[i] <= r for i in range(n - 1)"``, or SymPy's relations. Only the default
        method keeps to it.

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

    With whole arrays, which are read as sums with indices:

    >>> Objective("norm(x - 1)**2 + x[-1]").value([1, 3, 6])
    35.0
    """

    def __init__(
        self,
        expression: Formula | Objective | Callable[..., Any],
        variables: Iterable[str | sp.Symbol] | None = None,
        *,
        parameters: Mapping[str, float] | None = None,
        data: Any = None,
        sizes: Mapping[str, Any] | None = None,
        iteration: str | sp.Symbol | None = None,
        missing: str = "error",
        workers: int | None = None,
        subject_to: Any = None,
    ) -> None:
        more = (iteration, missing, workers, subject_to)
        if is_python(expression):
            expression = Called(expression)
        if not isinstance(expression, Called):
            self._make(expression, variables, parameters, data, sizes, *more)
            return
        read = expression.read(variables, parameters, data, sizes)
        self._lengths = read.lengths
        sizes = read.sizes if subject_to is None else read.all_sizes()
        shapes = read.formula.shapes
        told = {name: shapes[name] for name in read.variables if name in shapes}
        sizes = {**sizes, **{name: tuple(shape) for name, shape in told.items()}}
        given = (read.formula.text, read.variables, read.parameters, read.data, sizes)
        with read.formula.placed():
            self._make(*given, *more)

    _lengths: Mapping[str, Any] = MappingProxyType({})  # see Arrays

    def _make(
        self,
        expression: Any,
        variables: Iterable[str | sp.Symbol] | None,
        parameters: Mapping[str, float] | None,
        data: Any,
        sizes: Mapping[str, int] | None,
        iteration: str | sp.Symbol | None,
        missing: str,
        workers: int | None,
        subject_to: Any,
    ) -> None:
        shapes: Mapping[str, Any] = {}
        if isinstance(expression, Objective):
            workers = expression._workers if workers is None else workers
            known = expression.arrays
            if known is not None and data is None:
                if sizes is None:
                    sizes, shapes = known.sizes, known.shapes or {}
                self._lengths = known.lengths
                data = known.data or None
            iteration = iteration or expression.iteration
            variables = expression.variables if variables is None else variables
            parameters = expression.constants if parameters is None else parameters
            if expression.constraints is not None:
                if subject_to is not None:
                    raise InputError("the objective has its constraints already")
                subject_to = expression.constraints.constraints
                if (whole := expression.constraints.function.arrays) is not None:
                    data, sizes, shapes = whole.data or None, whole.sizes, {}
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
        self.parameters: Mapping[str, float] = MappingProxyType(constants)
        self._workers: int | None = None if workers is None else _workers(workers)
        written: str | None = None  # with whole arrays
        sizes, told = split_sizes(sizes or {})
        shapes = {**shapes, **told}
        if isinstance(expression, str):
            more = (given or (), constants, data, missing, _mapping(sizes), told)
            if (whole := with_indices(expression, *more)) is not None:
                written, expression = expression, whole.formula
                shapes = {**shapes, **whole.shapes}
                sizes = {k: n for k, n in sizes.items() if k not in shapes}
        self._forms = Forms(expression, given, tuple(constants), self.iteration)
        lengths = _whole_numbers(sizes or {})
        self.arrays: Arrays | None = None
        self.constraints: Lagrangian | None = None
        # What has been read and compiled before needs no reading again.
        if subject_to is not None:
            self._read_constraints(subject_to, data, lengths, missing, shapes)
        elif data is not None or lengths or not self._forms.recall():
            self._forms.read(self._read_names(data, lengths, missing))
        self._kernels = Kernels(self._forms, self.arrays)
        self.variables: tuple[str, ...] = self._forms.variables
        self.ended: list[Any] = []  # a run of it that can be begun again
        if written is not None and given is None:
            warn_of_lengths(written, self.variables)
        if shapes:
            other = self.with_shapes(shapes)
            self.arrays, self.constraints = other.arrays, other.constraints
            self._kernels = other._kernels

    def _read_constraints(
        self,
        given: Any,
        data: Any,
        sizes: Mapping[str, int],
        missing: str,
        shapes: Mapping[str, Sequence[int]],
    ) -> None:
        """Read relations; names are then those of the formula and of all relations."""
        from symgd.objectives.constraints import constrained

        if self.iteration is not None:
            raise InputError("an objective that changes can't have constraints")
        old = self._forms
        self.constraints = constrained(
            Objective,
            old.expression,
            old.declared,
            given,
            self.parameters,
            shapes,
            data=data,
            sizes=sizes,
            missing=missing,
        )
        names = self.constraints.variables
        self._forms = Forms(old.formula, names, old.parameters)
        self._forms.read(names)
        self.arrays = self.constraints.arrays_of(self._forms.expression)

    def _read_names(
        self, data: Any, sizes: Mapping[str, int], missing: str
    ) -> tuple[str, ...]:
        """Read the formula, and return its variables in order."""
        from symgd.calculus.structure import has_arrays
        from symgd.language.formula import natural_order, text_of
        from symgd.language.naming import written_names

        forms, constants = self._forms, self.parameters
        if has_arrays(forms.expression):
            self.arrays = self._with_arrays(data, sizes, missing)
            return self.arrays.variables
        if data is not None or sizes:
            raise InputError("the formula has no indices, so no data and no sizes")
        given, expression = forms.declared, forms.expression
        used = {s.name for s in expression.free_symbols}
        written = used  # of a text, with what cancels
        if forms.text is not None:
            known = [*(given or ()), *constants]
            written = used | set(written_names(forms.text, known))
        for name in constants:
            if name not in written:
                raise InputError(f"unused parameter {name!r}: it is not in the formula")
        if given is None:
            given = tuple(natural_order(written - set(constants)))
        if not given or not used & set(given):
            shown = forms.text or text_of(expression)
            raise FormulaError(_constant(given or (), expression), shown)
        if len(given) > MAX_VARIABLES:
            problem = f"{len(given)} variables written out; at most {MAX_VARIABLES}"
            raise FormulaError(problem)
        return given

    def _with_arrays(self, data: Any, sizes: Mapping[str, int], missing: str) -> Arrays:
        """Return what the names of a formula with arrays stand for."""
        from symgd.language.formula import names_in, text_of
        from symgd.objectives.arrays import Arrays
        from symgd.objectives.data import DataTable

        forms = self._forms
        plain, ranks = names_in(forms.expression)
        for name in self.parameters:
            if name not in plain:
                raise InputError(f"unused parameter {name!r}: it is not in the formula")
        formula = forms.text or text_of(forms.expression)
        arrays = Arrays(
            forms.expression,
            forms.declared,
            tuple(self.parameters),
            DataTable(data, missing),
            sizes,
            formula,
            self._lengths,
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
        return self._forms.space

    @property
    def ranks(self) -> Mapping[str, int]:
        """The number of indices of each variable; 0 for a scalar."""
        if self.arrays is None:
            return dict.fromkeys(self.variables, 0)
        return self.arrays.ranks

    def sized(self, x0: Any) -> Objective:
        """Return the same objective with arrays as long as a start's.

        Raises
        ------
        InputError
            If a length is still not known.
        """
        if self.arrays is None:
            return self
        if self.constraints is not None:
            return self._shaped(self.arrays.shapes_of(x0))
        arrays = self.arrays.sized(x0)
        return self if arrays is self.arrays else self._copied(arrays=arrays)

    def with_shapes(self, shapes: Mapping[str, Sequence[int]]) -> Objective:
        """Return the same with known shapes of some variables."""
        if self.arrays is None or not (own := _of_variables(shapes, self.arrays.ranks)):
            return self
        if self.constraints is not None:
            return self._shaped(own)
        arrays = self.arrays.shaped(own)
        return self if arrays is self.arrays else self._copied(arrays=arrays)

    def _shaped(self, shapes: Mapping[str, Sequence[int]]) -> Objective:
        """Return the same with known shapes of some variables, also in constraints."""
        assert self.constraints is not None
        function = self.constraints.function
        assert function.arrays is not None
        with self.constraints.shapes_told():
            arrays = function.arrays.shaped(shapes)
        if arrays is function.arrays:
            return self
        whole = self.constraints.with_function(function._copied(arrays=arrays))
        own = whole.arrays_of(self._forms.expression)
        return self._copied(arrays=own, constraints=whole)

    @property
    def constants(self) -> dict[str, float]:
        """The parameters, without the iteration."""
        return {k: v for k, v in self.parameters.items() if k != self.iteration}

    @property
    def text(self) -> str | None:
        """The formula as it was typed; None if it is an expression, or negated."""
        return None if self._forms.negated else self._forms.text

    @property
    def formula_key(self) -> tuple[str, ...]:
        """The formula as plain text: its kernels are stored under this."""
        return self._forms.key

    @property
    def code_key(self) -> tuple[str, ...]:
        """What compiled code depends on: the formula, and the types of arrays."""
        return self._kernels.key

    # ------------------------------------------------------------- symbolic

    @property
    def expression(self) -> sp.Expr:
        """The formula as a SymPy expression of real symbols."""
        return self._forms.expression

    @property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """The variables as SymPy symbols, in order."""
        return self._forms.symbols

    @property
    def gradient(self) -> sp.ImmutableMatrix:
        """The exact gradient, a SymPy column.

        With arrays it has an entry for each variable; for an array's it is the
        derivative by one element, whose indices are ``arrays.indices``.
        """
        return self._forms.gradient if self.arrays is None else self.arrays.gradient()

    @property
    def hessian(self) -> sp.ImmutableMatrix:
        """The exact Hessian, a SymPy matrix.

        Raises
        ------
        FormulaError
            With arrays: there, ``hess(x)`` and ``hessp(x, v)`` compute it.
        """
        if self.arrays is not None:
            problem = "the Hessian of a formula with arrays isn't written out: use"
            raise FormulaError(f"{problem} hess(x), or hessp(x, v)")
        return self._forms.hessian

    # --------------------------------------------------------------- copies

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
        constraints = self.constraints
        if constraints is not None:
            function = constraints.function.with_parameters(**values)
            constraints = constraints.with_function(function)
        everything = {**self.parameters, **values}
        return self._copied(parameters=everything, constraints=constraints)

    def with_expression(self, expression: sp.Expr) -> Objective:
        """Return another formula of the same names, which stand for the same."""
        forms = Forms(expression, self.variables, tuple(self.parameters))
        forms.read(self.variables)
        arrays = None if self.arrays is None else self.arrays.of(forms.expression)
        return self._copied(forms=forms, arrays=arrays)

    def negated(self) -> Objective:
        """Return the objective with the opposite sign, as ``maximize`` needs it."""
        return self._opposite

    @functools.cached_property
    def _opposite(self) -> Objective:
        forms = self._forms.opposite
        arrays = None if self.arrays is None else self.arrays.of(forms.expression)
        return self._copied(forms=forms, arrays=arrays)

    def _copied(
        self,
        forms: Forms | None = None,
        arrays: Arrays | None = None,
        parameters: Mapping[str, float] | None = None,
        constraints: Lagrangian | None = None,
    ) -> Objective:
        """Return a copy in which some things are others; the rest is shared."""
        other = object.__new__(type(self))
        other.iteration, other.variables = self.iteration, self.variables
        other._workers, other.ended = self._workers, []
        constants = self.parameters if parameters is None else parameters
        other.parameters = MappingProxyType(dict(constants))
        other._forms = self._forms if forms is None else forms
        other.arrays = self.arrays if arrays is None else arrays
        other.constraints = self.constraints if constraints is None else constraints
        same = other._forms is self._forms and other.arrays is self.arrays
        other._kernels = self._kernels if same else Kernels(other._forms, other.arrays)
        return other

    # --------------------------------------------------------------- native

    @property
    def native(self) -> NativeObjective:
        """The formula as straight-line code."""
        return self._forms.native

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
            return self._kernels.get(kind)
        return self._kernels.get(kind, self.workers)

    def written(self, parts: tuple[str, ...], *how: Any) -> Kernel:
        """Return a kernel that depends on the formula and on ``parts``."""
        return self._kernels.written(parts, *how)

    @property
    def smooth_forms(self) -> dict[Any, Any]:
        """The smooth forms of it that are known, see ``objectives.smooth_forms``."""
        return self._kernels.smooth_forms

    @property
    def has_jumps(self) -> bool:
        """Whether the value may jump: there are conditions, signs or whole numbers."""
        return bool(self._forms.facts["jumps"])

    @property
    def is_analytic(self) -> bool:
        """Whether it is made of parts that have all derivatives in their domain."""
        return bool(self._forms.facts["analytic"])

    @property
    def is_smooth(self) -> bool:
        """Whether it has all derivatives: no root of it has a kink where that is 0."""
        return self.is_analytic and not self._forms.facts["roots"]

    @property
    def has_quick_hessian(self) -> bool:
        """Whether the Hessian is of few variables and a short formula, if there is one.

        Otherwise compiling it may well take longer than descents without it.
        """
        few = len(self.space) <= QUICK_VARIABLES
        return few and self._forms.facts["length"] <= QUICK_LENGTH

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
        relations = None if self.constraints is None else self.constraints.texts
        whole = (known, relations and tuple(relations))
        return self.expression, self.variables, constants, self.iteration, whole

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Objective):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> tuple[Any, ...]:
        # What is compiled belongs to a process; the formula can go to another one.
        forms = self._forms
        if forms.negated:
            return _negated, (self.negated(),)
        plain, variables = forms.text, forms.declared
        if plain is None:
            plain, variables = forms.expression, self.variables
        known = None
        if self.arrays is not None:
            arrays = self.arrays
            known = (arrays.data, arrays.sizes, arrays.shapes, arrays.lengths)
        given = (variables, self.constants, self.iteration, self._workers, known)
        constraints = self.constraints
        if constraints is not None:
            whole = constraints.function.arrays
            sized = None if whole is None else (whole.data, whole.sizes)
            relations = constraints.constraints
            return _constrained, (plain, *given[:2], self._workers, sized, relations)
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


def _objective(
    formula: Any,
    variables: tuple[str, ...] | None,
    parameters: dict[str, float],
    iteration: str | None,
    workers: int | None,
    known: tuple[Any, ...] | None,
) -> Objective:
    data, sizes, shapes, told = known or (None, None, None, {})
    objective = Objective(
        formula,
        variables,
        parameters=parameters,
        data=data or None,
        sizes=sizes,
        iteration=iteration,
        workers=workers,
    )
    if objective.arrays is not None and told:
        objective.arrays = objective.arrays.replaced(lengths=told)
    if objective.arrays is not None and shapes is not None:
        objective.arrays = objective.arrays.shaped(shapes)
    return objective


def _constrained(
    formula: Any,
    variables: tuple[str, ...],
    parameters: dict[str, float],
    workers: int | None,
    known: tuple[Any, ...] | None,
    relations: Any,
) -> Objective:
    data, sizes = known or (None, None)
    given = {"data": data or None, "sizes": sizes, "subject_to": relations}
    return Objective(
        formula, variables, parameters=parameters, workers=workers, **given
    )


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


def _of_variables(
    shapes: Mapping[str, Sequence[int]], ranks: Mapping[str, int]
) -> dict[str, Sequence[int]]:
    """Return those shapes that are of variables with so many indices."""
    return {k: s for k, s in shapes.items() if ranks.get(k) == len(s)}


def _mapping(sizes: Any) -> Mapping[str, Any]:
    return sizes if isinstance(sizes, Mapping) else {}


def _whole_numbers(sizes: Mapping[str, int]) -> dict[str, int]:
    if not isinstance(sizes, Mapping):
        problem = "sizes must be a mapping of names to whole numbers"
        raise InputError(f"{problem}, such as {{'n': 100}}, not {sizes!r}")
    return {str(name): count(f"the size {name}", size) for name, size in sizes.items()}


def _workers(workers: Any) -> int:
    if (number := count("workers", workers)) == 0:
        raise InputError("workers must be 1 or more")
    return number
