"""The arrays of an objective: variables and data, and how long they are."""

from __future__ import annotations

import functools
import json
import warnings
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgd.calculus import ranges, structure
from symgd.calculus.elements import directional, free_indices, gradient_entry
from symgd.calculus.gathering import quickened
from symgd.calculus.guarding import ends_of, kept_inside
from symgd.calculus.listing import listing
from symgd.calculus.program import Program, gradient_program
from symgd.calculus.sizes import (
    check_needs,
    inferred_sizes,
    lengths,
    lengths_of,
    measured_sizes,
)
from symgd.calculus.stable import stable
from symgd.errors import FormulaError, InputError, guess, unknown_name
from symgd.language.formula import (
    Measured,
    names_in,
    natural_order,
    symbol,
    text_of,
)
from symgd.language.identifiers import name_of
from symgd.language.mistakes import unbound_index
from symgd.language.nodes import is_factored
from symgd.native.by_name import loop_for_code
from symgd.native.layout import Layout, column_of, size_of
from symgd.native.room import memory
from symgd.objectives.data import DataTable, digest_of
from symgd.objectives.mapped import check_file
from symgd.objectives.numbers_given import named, shape_of
from symgd.objectives.space import Space

MOST = 2**36  # elements of a variable: half a terabyte


class Arrays:
    """What the names of a formula with arrays stand for.

    Parameters
    ----------
    expression : SymPy expression
        With sums, products and accesses.
    variables : tuple of str or None
        The order of the variables; by default the natural one.
    parameters : sequence of str
    table : DataTable
        The data.
    sizes : mapping of str to int
    formula : str
        As the user wrote it, for messages.
    measured : Measured
        How long arrays are, where that isn't what indices reach.

    Attributes
    ----------
    variables : tuple of str
        Scalars and arrays, in the order of a point.
    ranks : dict of str to int
        The number of indices of each variable; 0 for a scalar.
    data : dict of str to ndarray
    sizes : dict of str to int
        Those that are known.
    shapes : dict of str to tuple, or None
        Of the variables; None until all sizes are known.
    guarded : dict of accesses to axes
        Those that only conditions keep inside of arrays.
    ends : dict of str to int
        The last places of these arrays, by the names they have in :attr:`safe`.
    """

    def __init__(
        self,
        expression: sp.Expr,
        variables: Sequence[str] | None,
        parameters: Sequence[str],
        table: DataTable,
        sizes: Mapping[str, int],
        formula: str,
        measured: Measured,
    ) -> None:
        self.measured = measured
        self.expression = expression = structure.narrowed(expression)
        self.parameters = tuple(parameters)
        self.formula = formula
        plain, ranks = names_in(expression)
        self.size_names = structure.size_names(expression)
        for name in self.size_names & set(parameters):
            advice = f"give sizes={{{name!r}: 100}}, say"
            raise InputError(f"{name!r} is a size here: {advice}")
        loose = self.size_names - structure.bound_names(expression) - set(sizes)
        loose -= structure.names_from_end(expression)
        loose -= {s.name for *_, n in measured.lengths for s in n.free_symbols}
        for name in loose:
            raise unbound_index(name, formula)
        for name in sizes:
            if name not in self.size_names:
                known = natural_order(self.size_names)
                raise unknown_name("size", name, known, none="none in this formula")
        self.data = self._read(table, ranks)
        far = table.partitions
        read = far is not None and not self.data.keys().isdisjoint(far.scattered)
        self.partitions = far if read else None
        for name, rank in ranks.items():
            if name in self.data and self.data[name].ndim != rank:
                dimensions = self.data[name].ndim
                problem = f"{name!r} has {dimensions} dimension(s) in the data, but"
                raise InputError(f"{problem} {rank} index(es) in the formula")
        for name in plain & set(table.names):
            problem = f"{name!r} is a column of the data: write {name}[i]"
            raise FormulaError(f"{problem}, inside a sum over i", formula)
        scalars = plain - self.size_names - set(parameters)
        unknown = {name: rank for name, rank in ranks.items() if name not in self.data}
        if variables is None:
            _warn_of_slips(unknown, set(table.names) - set(self.data))
        found = {**dict.fromkeys(scalars, 0), **unknown}
        self.variables = self._ordered(found, variables)
        self.ranks = {name: found.get(name, 0) for name in self.variables}
        self.sizes: dict[str, int] = dict(sizes)
        self.guessed: set[str] = set()  # lengths that several sizes would give
        self.shapes: dict[str, tuple[int, ...]] | None = None
        self.guarded: Mapping[sp.Indexed, frozenset[int]] = {}
        self.ends: Mapping[str, int] = {}
        self._infer({})

    def _read(
        self, table: DataTable, ranks: Mapping[str, int]
    ) -> dict[str, np.ndarray]:
        """Read the data; indices among them are copied, as they have been checked."""
        names = [name for name in ranks if name in table.names]
        groups = [names]
        if table.missing == "drop":
            groups = structure.rows_in_common(self.expression, names, self.formula)
        data = {name: a for group in groups for name, a in table.arrays(group).items()}
        for name in structure.index_arrays(self.expression) & set(data):
            data[name] = data[name].copy()
        return data

    def _ordered(
        self, found: Mapping[str, int], given: Sequence[str] | None
    ) -> tuple[str, ...]:
        if given is None:
            return tuple(natural_order(found))
        for name in found:
            if name not in given:
                raise unknown_name("name in the formula", name, given)
        return tuple(given)

    # ----------------------------------------------------------------- lengths

    def _infer(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Work out sizes and shapes; ``shapes`` are what is known of variables."""
        lengths = {name: column.shape for name, column in self.data.items()}
        told = {**lengths, **shapes}
        exact = measured_sizes(self.measured, self.certain_sizes, told)
        own = {name: n for name, n in exact.items() if name in self.size_names}
        self.sizes = inferred_sizes(self.expression, self.size_names, own, told)
        measured = {s.name for *_, n in self.measured.lengths for s in n.free_symbols}
        self.guessed = measured & (self.sizes.keys() - own.keys())
        check_needs(self.measured, {**exact, **self.sizes})
        if self.size_names - set(self.sizes):
            return
        reach = ranges.Reach(self.expression, self.sizes, self.data, self.formula)
        ranges.check_systems(
            *(self.expression, self.sizes, self.data, self.formula), room=memory()
        )
        least = reach.shapes(self.ranks)
        whole = lengths_of(self.measured, exact, self.ranks)
        known = {**least, **whole, **{name: tuple(shapes[name]) for name in shapes}}
        self._check_lengths(known, {**least, **whole})
        everything = {**lengths, **known}
        self.guarded = reach.guarded(everything)
        self.ends = ends_of(self.guarded, everything)
        for name, shape in known.items():
            if size_of(shape) > MOST:
                raise InputError(f"{name} would have {size_of(shape):,} elements")
            if 8 * size_of(shape) > memory():
                problem = f"{name} would have {size_of(shape):,} elements, of"
                size = f"{8 * size_of(shape):,} bytes"
                raise InputError(f"{problem} {size}: more than this process can have")
            if 0 in shape:
                problem = f"no element of {name} is used: its size would be {shape}"
                raise FormulaError(problem, self.formula)
        self.shapes = known

    @property
    def certain_sizes(self) -> dict[str, int]:
        """The sizes without those that another start may tell otherwise."""
        return {name: n for name, n in self.sizes.items() if name not in self.guessed}

    def _check_lengths(
        self, known: Mapping[str, Sequence[int]], least: Mapping[str, Sequence[int]]
    ) -> None:
        """Refuse a variable with elements that no index can reach."""
        for access in structure.accesses(self.expression):
            name, indices = access.name, access.node.indices
            if any(index.has(sp.Indexed) for index in indices):
                least = {**least, name: known.get(name, ())}
        for name, shape in known.items():
            if any(a > b for a, b in zip(shape, least[name], strict=True)):
                about = ", ".join(f"{k} = {v}" for k, v in sorted(self.sizes.items()))
                problem = f"{name} has shape {tuple(shape)}, but the formula reaches"
                where = f" where {about}" if about else ""
                problem = f"{problem} {tuple(least[name])} of it{where}"
                raise InputError(f"{problem}: leave out what isn't used")

    def sized(self, x0: Any) -> Arrays:
        """Return the same with the lengths that a start has.

        Raises
        ------
        InputError
            If some are still unknown.
        """
        return self.shaped(self.shapes_of(x0))

    def shaped(self, shapes: Mapping[str, Sequence[int]]) -> Arrays:
        """Return the same with the given shapes of some variables; raises likewise."""
        if self.shapes is not None and all(
            self.shapes[name] == tuple(shape) for name, shape in shapes.items()
        ):
            return self
        other = self.replaced()
        other._infer(shapes)
        if other.shapes is None:
            raise other.unknown_sizes()
        return other

    def of(self, expression: sp.Expr) -> Arrays:
        """Return the same for another expression with the same names."""
        return self.replaced(expression=structure.narrowed(expression))

    def replaced(self, **parts: Any) -> Arrays:
        """Return the same with other parts: ``expression=``, ``data=`` and the like."""
        other = object.__new__(type(self))
        derived = ("space", "layout", "indices", "safe")
        kept = {k: v for k, v in self.__dict__.items() if k not in derived}
        other.__dict__.update(kept, **parts)
        return other

    def dense(self) -> Arrays:
        """Return the same with data without gaps in memory."""
        dense = {name: np.ascontiguousarray(a) for name, a in self.data.items()}
        return self.replaced(data=dense)

    @functools.cached_property
    def safe(self) -> sp.Expr:
        """The expression as it is computed: stable, and nowhere beside its arrays.

        Indices stay inside whatever conditions say.
        """
        return kept_inside(stable(self.expression, powers=False), self.guarded)

    def unknown_sizes(self) -> InputError:
        """Return the error for sizes that nothing tells."""
        missing = natural_order(self.size_names - set(self.sizes))
        told, wanted = [], {}
        for size in missing:
            name, axis = self._measured_by(symbol(size)) or (size, 0)
            rank = self.ranks.get(name, 0)
            what = f"axis {axis} of {name}" if rank > 1 else f"the length of {name}"
            told.append(f"{size} ({what})" if rank else size)
            wanted[name] = f"({', '.join(['100'] * rank)})" if rank > 1 else "100"
        example = ", ".join(f"{name!r}: {size}" for name, size in wanted.items())
        which = f"the size{'s' * (len(missing) > 1)} {', '.join(told)} can't be known"
        return InputError(
            f"{which}: give sizes={{{example}}}, data for the arrays, "
            "or a start x0 of their lengths"
        )

    def _measured_by(self, size: sp.Symbol) -> tuple[str, int] | None:
        """Return a variable and an axis of it that is so long."""
        for name, axis, length in self.measured.lengths:
            if length == size and name in self.ranks:
                return name, axis
        for access in structure.accesses(self.expression):
            for axis, index in enumerate(access.node.indices):
                last = structure.extreme(index, access.ranges, True)
                if last == size - 1 and access.name in self.ranks:
                    return access.name, axis
        return None

    def shapes_of(self, x0: Any) -> dict[str, tuple[int, ...]]:
        """Return the shapes of variables that a start tells."""
        if x0 is None:
            return {}
        x0 = named(x0)
        if isinstance(x0, Mapping):
            given = {name_of(name): value for name, value in x0.items()}
        else:
            given = {self.variables[0]: x0} if len(self.variables) == 1 else {}
        vectors = [name for name, rank in self.ranks.items() if rank]
        flat = not isinstance(x0, Mapping) and len(shape_of(x0, "x0")) == 1
        if flat and len(vectors) == 1 and self.ranks[vectors[0]] == 1:
            return {vectors[0]: (len(x0) - len(self.variables) + 1,)}
        shapes = {}
        for name, value in given.items():
            shape = shape_of(value, f"x0, {name}")
            if self.ranks.get(name, 0) and len(shape) == self.ranks[name]:
                shapes[name] = shape
        return shapes

    # ------------------------------------------------------------- as is computed

    @functools.cached_property
    def space(self) -> Space:
        """The coordinates of a point."""
        if self.shapes is None:
            raise self.unknown_sizes()
        return Space(self.variables, [self.shapes[name] for name in self.variables])

    @functools.cached_property
    def layout(self) -> Layout:
        """Where kernels find the numbers."""
        return Layout(
            self.parameters,
            tuple(sorted({*self.size_names, *self.ends})),
            tuple(self.ranks.items()),
            tuple((name, column_of(column)) for name, column in self.data.items()),
            is_factored(self.expression),
        )

    def words(self, parameters: Mapping[str, float]) -> array[float]:
        """Return the constants of a kernel; of rows in partitions, parameters alone."""
        if self.shapes is None:
            raise self.unknown_sizes()
        if self.partitions is not None:
            return array("d", (parameters[name] for name in self.parameters))
        for name, column in self.data.items():
            check_file(name, column)
        sizes = {**self.sizes, **self.ends}
        factors = loop_for_code("dense").address if self.layout.factors else 0
        return self.layout.filled(parameters, sizes, self.shapes, self.data, factors)

    @property
    def static(self) -> dict[str, int]:
        """The sizes that are part of the code."""
        return structure.static_sizes(self.expression, self.sizes)

    def program(self) -> Program:
        """Return the loops of value and gradient."""
        static = tuple(self.static.items())
        return _program(self.safe, self.variables, static)

    def product_program(self) -> Program:
        """Return the loops of the Hessian's product with a direction."""
        along = directional(self.safe, self.variables)
        return _program(along, self.variables, tuple(self.static.items()))

    @functools.cached_property
    def indices(self) -> dict[str, list[sp.Symbol]]:
        """The names of the indices of an element, by which ``gradient`` says it."""
        taken = {s.name for s in self.expression.atoms(sp.Symbol)}
        return {v: free_indices(rank, taken) for v, rank in self.ranks.items()}

    def gradient(self) -> sp.ImmutableMatrix:
        """Return the derivative by each variable; by an array's, by one element."""
        entries = []
        for name, free in self.indices.items():
            ends = lengths(self.expression, self.size_names, name, len(free))
            ends = self.measured.of(name, ends)
            entries.append(gradient_entry(self.expression, name, free, ends))
        return sp.ImmutableMatrix(entries)

    def listing(self) -> str:
        """Return the loops that are compiled, as Python would write them."""
        names = [*self.variables, *self.data, *self.parameters]
        names += natural_order(self.size_names)
        return listing(self.program(), names, self.variables)

    @property
    def key(self) -> str:
        """What the code depends on, beside the formula."""
        columns = [[n, c.rank, c.kind, c.dense] for n, c in self.layout.data]
        guarded = sorted([text_of(a), sorted(axes)] for a, axes in self.guarded.items())
        words = self.layout.parameters, self.layout.sizes, self.layout.variables
        return json.dumps([columns, *words, self.static, guarded])

    @property
    def work(self) -> int:
        """How many elements are looked at: variables and data."""
        return self.space.size + sum(size_of(c.shape) for c in self.data.values())

    def digest(self) -> list[str]:
        """Return what tells these sizes and data from others; much data are sampled."""
        sizes = [f"{name} = {size}" for name, size in sorted(self.sizes.items())]
        scattered = () if self.partitions is None else self.partitions.scattered
        own = {n: each for n, each in self.data.items() if n not in scattered}
        far = () if self.partitions is None else self.partitions.digest(self.data)
        return [*sizes, *digest_of(own), *far]

    def __repr__(self) -> str:
        return f"<Arrays of {text_of(self.expression)}>"


@functools.lru_cache(maxsize=64)
def _program(
    expression: sp.Expr, variables: tuple[str, ...], static: tuple[tuple[str, int], ...]
) -> Program:
    """Return the loops of an expression in which some sizes are part of the code."""
    written = structure.written_out(expression, dict(static))
    return quickened(gradient_program(written, variables))


def _warn_of_slips(variables: Iterable[str], columns: Collection[str]) -> None:
    """Warn of an array that is unknown, beside a column of nearly its name."""
    for name in variables:
        if hint := guess(name, columns):
            told = f"{name!r} is a variable here, as no column of the data is called so"
            warnings.warn(told + hint, stacklevel=5)
