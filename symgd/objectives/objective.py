"""The objective: a formula, its exact derivatives, and their native functions."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from symgd.errors import FormulaError, InputError, unknown_name, unused_parameter
from symgd.language.drawing import card
from symgd.language.identifiers import name_of
from symgd.language.plain import constant, is_python
from symgd.objectives.forms import QUICK_LENGTH, QUICK_VARIABLES, Forms
from symgd.objectives.kernels import Kernels
from symgd.objectives.space import Space
from symgd.objectives.statement import Called, Statement
from symgd.objectives.whole_arrays import IndexedText, warn_of_lengths

if TYPE_CHECKING:
    import numpy as np
    import sympy as sp

    from symgd.language.formula import Formula
    from symgd.lowering.scalar_objective import NativeObjective
    from symgd.native.machine import Kernel
    from symgd.objectives.arrays import Arrays
    from symgd.objectives.constraints import Lagrangian
    from symgd.objectives.evaluation import Evaluation


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
        data of the same types never cause a compilation. Or rows that no machine holds:
        a list of files, each a table, a dataframe of Dask, or a mapping of names to
        arrays of Dask or to lists of ``.npy`` files.
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
    executor : dask.distributed.Client, optional
        Whose workers keep the rows, where ``data`` is a list of files. Without one they
        are read on this machine, one file after the other.

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
        executor: Any = None,
    ) -> None:
        if data is not None:
            from symgd.objectives.scattered.partitions import partitioned

            data = partitioned(data, missing, executor)
        given = (parameters, data, sizes, iteration, missing, workers, subject_to)
        self._make(Statement(expression, variables, *given))

    @classmethod
    def _of(cls, told: Statement) -> Objective:
        """Return an objective that is made of what another one told."""
        objective = object.__new__(cls)
        objective._make(told)
        return objective

    def _make(self, told: Statement) -> None:
        formula = told.formula
        if is_python(formula):
            formula = Called(formula)
        if isinstance(formula, Called):
            told = told.of_function(formula)
        elif isinstance(formula, IndexedText):
            told = told.of_indexed(formula)
        elif isinstance(formula, Objective):
            told = told.beside(formula._statement(whole=told.subject_to is not None))
        with told.placed():
            self._read(told.checked())

    def _read(self, told: Statement) -> None:
        self.iteration: str | None = told.iteration
        self.parameters: Mapping[str, float] = MappingProxyType(
            dict(told.parameters or {})
        )
        self._workers: int | None = told.workers
        self._given = told.data, told.missing
        written, told = told.formula, told.with_indices()
        names = tuple(self.parameters)
        self._forms = Forms(told.formula, told.variables, names, self.iteration)
        if told.sizes:
            told = told.with_lengths(self._forms.expression)
        self.arrays: Arrays | None = None
        self.constraints: Lagrangian | None = None
        # What has been read and compiled before needs no reading again.
        if told.subject_to is not None:
            self._read_constraints(told)
        elif told.data is not None or told.whole_sizes() or not self._forms.recall():
            self._forms.read(self._read_names(told))
        self._kernels = _kernels(self._forms, self.arrays)
        self.variables: tuple[str, ...] = self._forms.variables
        self.ended: list[Any] = []  # a run of it that can be begun again
        if written is not told.formula and told.variables is None:
            warn_of_lengths(written, self.variables)
        if told.shapes:
            other = self.with_shapes(told.shapes)
            self.arrays, self.constraints = other.arrays, other.constraints
            self._kernels = other._kernels

    def _statement(self, whole: bool = False) -> Statement:
        """Return what makes the same objective anew, here or in another process.

        The whole has data, too, that the formula doesn't name: relations may.
        """
        forms, arrays, relations = self._forms, self.arrays, None
        if self.constraints is not None:
            relations = self.constraints.constraints
            arrays = self.constraints.function.arrays
        formula, variables = self.text, forms.declared
        if formula is None or self.constraints is not None:
            formula, variables = formula or forms.expression, self.variables
        told = Statement(
            formula,
            variables,
            self.constants,
            iteration=self.iteration,
            workers=self._workers,
            subject_to=relations,
        )
        if arrays is None:
            return told
        data = arrays.partitions or arrays.data or None
        known: dict[str, Any] = {"data": data, "sizes": arrays.certain_sizes}
        known["measured"] = arrays.measured
        if relations is None:
            known["shapes"] = arrays.shapes or {}
        if whole:
            data, missing = self._given
            known |= {"data": data, "missing": missing}
        return told._replace(**known)

    def _read_constraints(self, told: Statement) -> None:
        """Read relations; names are then those of the formula and of all relations."""
        from symgd.objectives.constraints import constrained

        if self.iteration is not None:
            raise InputError("an objective that changes can't have constraints")
        if hasattr(told.data, "stand_ins"):
            problem = "rows in partitions don't go with constraints"
            raise InputError(f"{problem}: give bounds, or add a penalty to the formula")
        old = self._forms
        self.constraints = constrained(
            lambda *given, **more: Objective._of(Statement(*given, **more)),
            old.expression,
            old.declared,
            told.subject_to,
            self.parameters,
            told.shapes or {},
            told.measured,
            data=told.data,
            sizes=told.whole_sizes(),
            missing=told.missing,
        )
        names = self.constraints.variables
        self._forms = Forms(old.formula, names, old.parameters)
        self._forms.read(names)
        self.arrays = self.constraints.arrays_of(self._forms.expression)

    def _read_names(self, told: Statement) -> tuple[str, ...]:
        """Read the formula, and return its variables in order."""
        from symgd.calculus.structure import has_arrays

        if has_arrays(self._forms.expression):
            self.arrays = self._with_arrays(told)
            return self.arrays.variables
        if told.data is not None or told.sizes:
            raise InputError("the formula has no indices, so no data and no sizes")
        return self._forms.scalars()

    def _with_arrays(self, told: Statement) -> Arrays:
        """Return what the names of a formula with arrays stand for."""
        from symgd.language.formula import Measured, names_in, text_of
        from symgd.objectives.arrays import Arrays
        from symgd.objectives.data import DataTable

        forms = self._forms
        plain, ranks = names_in(forms.expression)
        for name in self.parameters:
            if name not in plain:
                raise unused_parameter(name, plain)
        formula = forms.text or text_of(forms.expression)
        arrays = Arrays(
            forms.expression,
            forms.declared,
            tuple(self.parameters),
            DataTable(told.data, told.missing),
            told.whole_sizes(),
            formula,
            told.measured or Measured(),
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
        values = {name_of(k): constant(v, k) for k, v in parameters.items()}
        for name in values:
            if name not in self.parameters:
                raise unknown_name("parameter", name, self.parameters)
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

    def dense(self) -> Objective:
        """Return the same with data without gaps in memory."""
        if self.arrays is None:
            return self
        return self._copied(arrays=self.arrays.dense())

    def with_columns(
        self, data: Mapping[str, Any], sizes: Mapping[str, int]
    ) -> Objective:
        """Return the same with other data of the same kinds, of other sizes."""
        assert self.arrays is not None
        return self._copied(arrays=self.arrays.replaced(data=data, sizes=sizes))

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
        other._given = self._given
        constants = self.parameters if parameters is None else parameters
        other.parameters = MappingProxyType(dict(constants))
        other._forms = self._forms if forms is None else forms
        other.arrays = self.arrays if arrays is None else arrays
        other.constraints = self.constraints if constraints is None else constraints
        same = other._forms is self._forms and other.arrays is self.arrays
        other._kernels = self._kernels if same else _kernels(other._forms, other.arrays)
        return other

    # --------------------------------------------------------------- native

    @property
    def native(self) -> NativeObjective:
        """The formula as straight-line code."""
        return self._forms.native

    def module_text(self, kind: str) -> str:
        """Return LLVM's text of "evaluation", "product" or, of scalars, "hessian"."""
        return self._kernels.module_text(kind)

    def kernel(self, kind: str) -> Kernel:
        """Return ``double f(double *x, double *p, double *out)``, compiled once.

        Parameters
        ----------
        kind : str
            "evaluation" returns the value and writes the gradient, "hessian" writes
            the Hessian, row by row, where it isn't 0, and "product", called
            ``f(x, p, out, v)``, that of the Hessian with a direction v.

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
    def poles(self) -> dict[int, float]:
        """Coordinates of which a gamma function is taken, and its last pole in each."""
        known = self._forms.facts["poles"].items()
        places = self.space.places
        return {k: pole for name, pole in known for k in places(name, "variable")}

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
        from symgd.native.threads import cores
        from symgd.objectives.parallel import ENOUGH

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
        if self._forms.negated:
            return _negated, (self.negated(),)
        return Objective._of, (self._statement(),)

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


def _kernels(forms: Forms, arrays: Arrays | None) -> Kernels:
    """Return the native functions: of rows here, or of those in partitions."""
    if arrays is None or arrays.partitions is None:
        return Kernels(forms, arrays)
    from symgd.objectives.scattered.row_sums import ScatteredKernels

    return ScatteredKernels(forms, arrays)


def _negated(objective: Objective) -> Objective:
    return objective.negated()


def _of_variables(
    shapes: Mapping[str, Sequence[int]], ranks: Mapping[str, int]
) -> dict[str, Sequence[int]]:
    """Return those shapes that are of variables with so many indices."""
    return {k: s for k, s in shapes.items() if ranks.get(k) == len(s)}
