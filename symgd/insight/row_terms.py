"""Sums over rows, each a weight times a function of one affine form of the variables.

So are least squares, logistic, Poisson, hinge and Huber losses, penalties, quadratic
forms. Elsewhere: ridge functions, generalised linear models.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

import sympy as sp

from symgd.calculus.structure import Range, ranges_of
from symgd.errors import InputError
from symgd.insight.univariate import T
from symgd.language.as_written import made
from symgd.language.formula import text_of
from symgd.language.nodes import REPEATED, kept


class NotOfRows(InputError):
    """A term isn't a function of one affine form."""

    def __init__(self, node: sp.Basic) -> None:
        problem = "of long sums, only functions of one affine form each can be analysed"
        super().__init__(f"{problem}: {text_of(node)} is none")


class RowTerm(NamedTuple):
    """The sum over ranges, the outermost first, of weight*phi(t), t = form.

    The weight, and phi beside t, hold data and numbers; the form is affine.
    """

    ranges: tuple[Range, ...]
    weight: sp.Expr
    phi: sp.Expr
    form: sp.Expr


def row_terms(expression: sp.Expr, variables: Iterable[str]) -> list[RowTerm]:
    """Return the terms of a formula; constants are in none.

    Raises
    ------
    NotOfRows
        If there is another kind of term.
    """
    return list(_Splitter(frozenset(variables)).split(expression, sp.S.One, ()))


class _Other(Exception):
    """A second form that isn't the first."""


class _Splitter:
    def __init__(self, variables: frozenset[str]) -> None:
        self.variables = variables
        self.varies = functools.cache(self._varies)
        self.is_affine = functools.cache(self._is_affine)

    def _varies(self, node: sp.Basic) -> bool:
        return any(s.name in self.variables for s in node.atoms(sp.Symbol))

    def _is_affine(self, node: Any) -> bool:
        if not self.varies(node) or node.is_Symbol:
            return True
        if isinstance(node, sp.Indexed):
            return not any(map(self.varies, node.indices))
        if node.is_Mul and sum(map(self.varies, node.args)) > 1:
            return False
        if isinstance(node, sp.Sum):
            bounds = (end for limit in node.limits for end in limit[1:])
            return self.is_affine(node.function) and not any(map(self.varies, bounds))
        return (node.is_Add or node.is_Mul) and all(map(self.is_affine, node.args))

    def split(
        self, node: Any, weight: sp.Expr, ranges: tuple[Range, ...]
    ) -> Iterable[RowTerm]:
        """Yield the terms of a part of the formula."""
        if not self.varies(node):
            return
        if self.is_affine(node):
            yield RowTerm(ranges, weight, T, node)
        elif node.is_Add:
            for part in node.args:
                yield from self.split(part, weight, ranges)
        elif isinstance(node, kept):
            yield from self.split(node.args[0], weight, ranges)
        elif isinstance(node, sp.Sum):
            inner = ranges_of(node)
            if {r[0] for r in inner} & {r[0] for r in ranges}:
                raise NotOfRows(node)
            yield from self.split(node.function, weight, (*ranges, *inner))
        elif node.is_Mul:
            yield from self._product(node, weight, ranges)
        else:
            yield self._composed(node, weight, ranges)

    def _product(
        self, node: sp.Mul, weight: sp.Expr, ranges: tuple[Range, ...]
    ) -> Iterable[RowTerm]:
        varying = [factor for factor in node.args if self.varies(factor)]
        others = [factor for factor in node.args if not self.varies(factor)]
        weight = sp.Mul(weight, *others)
        if len(varying) == 1:
            yield from self.split(varying[0], weight, ranges)
        elif len(varying) == 2 and all(map(self.is_affine, varying)):
            a, b = varying  # a*b = (a + b)**2/4 - (a - b)**2/4
            yield RowTerm(ranges, weight / 4, T**2, a + b)
            yield RowTerm(ranges, -weight / 4, T**2, a - b)
        else:
            yield self._composed(made(sp.Mul, varying), weight, ranges)

    def _composed(
        self, node: sp.Expr, weight: sp.Expr, ranges: tuple[Range, ...]
    ) -> RowTerm:
        for with_constants in (True, False):
            forms: list[sp.Expr] = []
            try:
                phi = self._of_form(node, forms, with_constants)
            except _Other:
                continue
            return RowTerm(ranges, weight, phi, forms[0])
        raise NotOfRows(node)

    def _of_form(self, node: Any, forms: list[sp.Expr], with_constants: bool) -> Any:
        """Return a node in which t stands for what is affine."""
        if not self.varies(node):
            return node
        if self.is_affine(node):
            return self._in_t(node, forms, with_constants)
        if isinstance(node, (sp.Indexed, *REPEATED)):
            raise _Other
        arguments = list(node.args)
        if node.is_Add:
            flat = [a for a in arguments if self.varies(a) and self.is_affine(a)]
            if flat:
                flat += [a for a in arguments if not self.varies(a)]
                arguments = [a for a in arguments if a not in flat]
                arguments.append(sp.Add(*flat))
        inner = [self._of_form(part, forms, with_constants) for part in arguments]
        return made(node.func, inner)

    def _in_t(self, node: sp.Expr, forms: list[sp.Expr], with_constants: bool) -> Any:
        constant = sp.S.Zero
        if not with_constants:
            parts = sp.Add.make_args(node)
            constant = sp.Add(*(part for part in parts if not self.varies(part)))
            node = node - constant
        if not forms:
            forms.append(node)
        return _ratio(node, forms[0]) * T + constant


def _ratio(node: sp.Expr, form: sp.Expr) -> sp.Expr:
    """Return the number by which a form is multiplied."""
    mine, others = node.as_coefficients_dict(), form.as_coefficients_dict()
    ratios = {mine[term] / others[term] for term in others}
    if mine.keys() != others.keys() or len(ratios) != 1:
        raise _Other
    return ratios.pop()
