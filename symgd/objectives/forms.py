"""What a formula is made into: symbolic forms, and what is known of them.

Each is made when it is asked for, and once for all objectives that are copies.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symgd.errors import FormulaError, unused_parameter
from symgd.native import compiled
from symgd.objectives.space import Space

if TYPE_CHECKING:
    import sympy as sp

    from symgd.language.formula import Formula
    from symgd.lowering.scalar_objective import NativeObjective

# Compiling the Hessian takes seconds beyond: of so many variables, and of a formula
# that has so many different parts.
QUICK_VARIABLES, QUICK_LENGTH = 50, 400
MAX_VARIABLES = 1000  # that are written out


class Forms:
    """A formula, of one sign, with its derivatives.

    Parameters
    ----------
    formula : str or SymPy expression
    declared : tuple of str, optional
        The variables, where they are given.
    parameters : tuple of str
        The names of constants; the iteration is the last of them, if there is one.
    iteration : str, optional
    """

    def __init__(
        self,
        formula: Formula,
        declared: tuple[str, ...] | None,
        parameters: tuple[str, ...],
        iteration: str | None = None,
    ) -> None:
        self.formula, self.declared = formula, declared
        self.parameters, self.iteration = parameters, iteration
        self.negated = False
        self.facts: dict[str, Any] = {}

    @property
    def text(self) -> str | None:
        """The formula as it was typed; None if it is an expression."""
        return self.formula if isinstance(self.formula, str) else None

    def recall(self) -> bool:
        """Know again what was read before; return whether that is known."""
        if self.text is not None:
            self.facts = compiled.recalled(self.key) or {}
        return bool(self.facts)

    def read(self, variables: tuple[str, ...]) -> None:
        """Find out what a later process need not find out again."""
        from symgd.language.nodes import length_of
        from symgd.language.smoothness import (
            has_roots,
            is_analytic,
            may_jump,
            poles_of,
            varying,
        )

        parts = varying(self.expression, variables)
        self.facts = {
            "variables": list(variables),
            "length": length_of(self.expression, QUICK_LENGTH),
            "jumps": may_jump(parts),
            "analytic": is_analytic(parts),
            "roots": has_roots(parts),
            "poles": poles_of(parts),
        }

    def scalars(self) -> tuple[str, ...]:
        """Return the variables of a formula without arrays, in order.

        Raises
        ------
        InputError
            If a parameter is not in the formula.
        FormulaError
            If there is no variable, or too many are written out.
        """
        from symgd.language.formula import natural_order, text_of
        from symgd.language.naming import written_names

        used = {s.name for s in self.expression.free_symbols}
        written = used  # of a text, with what cancels
        if self.text is not None:
            known = [*(self.declared or ()), *self.parameters]
            written = used | set(written_names(self.text, known))
        for name in self.parameters:
            if name not in written:
                raise unused_parameter(name, written)
        given = self.declared
        if given is None:
            given = tuple(natural_order(written - set(self.parameters)))
        if not given or not used & set(given):
            shown = self.text or text_of(self.expression)
            raise FormulaError(_constant(given, self.expression), shown)
        if len(given) > MAX_VARIABLES:
            problem = f"{len(given)} variables written out; at most {MAX_VARIABLES}"
            raise FormulaError(problem)
        return given

    @functools.cached_property
    def opposite(self) -> Forms:
        """The formula with the opposite sign."""
        other = Forms(self.formula, self.declared, self.parameters, self.iteration)
        other.negated, other.facts = not self.negated, self.facts
        return other

    @functools.cached_property
    def variables(self) -> tuple[str, ...]:
        """The variables, in order."""
        return tuple(self.facts["variables"])

    @functools.cached_property
    def space(self) -> Space:
        """The coordinates of a point, where there are no arrays."""
        return Space(self.variables)

    @functools.cached_property
    def key(self) -> tuple[str, ...]:
        """The formula as plain text: its kernels are stored under this."""
        kind, text, names = "text", self.text, self.declared
        if text is None:
            from symgd.language.formula import text_of

            kind, text, names = "sympy", text_of(self.expression), self.variables
        sign = "-" if self.negated else "+"
        declared = json.dumps([names, list(self.parameters), self.iteration])
        return sign, kind, text, declared

    @functools.cached_property
    def expression(self) -> sp.Expr:
        """The formula as a SymPy expression of real symbols."""
        from symgd.calculus.structure import has_arrays
        from symgd.language.formula import read, symbol

        known = {n: symbol(n) for n in (*(self.declared or ()), *self.parameters)}
        # Sizes aren't declared, so with arrays every name is checked later.
        closed = self.declared is not None
        expression = read(self.formula, known, arrays=True, closed=False)
        if closed and not has_arrays(expression):
            expression = read(self.formula, known, closed=True)
        return -expression if self.negated else expression

    @functools.cached_property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """The variables as SymPy symbols, in order."""
        from symgd.language.formula import symbol

        return tuple(symbol(name) for name in self.variables)

    @functools.cached_property
    def stable(self) -> sp.Expr:
        """The formula as it is computed: without what overflows on the way."""
        from symgd.calculus.stable import stable

        return stable(self.expression)

    @functools.cached_property
    def gradient(self) -> sp.ImmutableMatrix:
        """The exact gradient of a formula without arrays, a SymPy column."""
        from symgd.calculus import derivatives

        return derivatives.gradient(self.stable, self.symbols)

    @functools.cached_property
    def hessian(self) -> sp.ImmutableMatrix:
        """Its exact Hessian, a SymPy matrix."""
        from symgd.calculus import derivatives

        return derivatives.hessian(self.gradient, self.symbols)

    @functools.cached_property
    def native(self) -> NativeObjective:
        """The formula as straight-line code."""
        from symgd.language.formula import symbol
        from symgd.lowering.scalar_objective import native_objective

        names = tuple(symbol(name) for name in self.parameters)
        return native_objective(self.stable, tuple(self.gradient), self.symbols, names)


def _constant(names: Sequence[str], value: Any) -> str:
    """Return why a formula without a variable is refused."""
    problem = "a constant has no minimum to find"
    if not names:
        return f"the formula has no variable: {problem}"
    from symgd.language.formula import text_of

    cancels = f"{', '.join(names)} cancel{'s' * (len(names) == 1)}"
    return f"{cancels}: f is the constant {text_of(value)}, and {problem}"
