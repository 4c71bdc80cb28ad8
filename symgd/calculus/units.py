"""Products and sums that are 0/0 somewhere, and what stands for them.

They are one unit, wherever they are: decided before anything is taken out of them.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import sympy as sp

from symgd.calculus.differences import without_tie
from symgd.calculus.removable import kind_of, without_singularity
from symgd.language.functions import real_abs


class Unit(NamedTuple):
    """What a product or sum is written with, where it isn't 0/0.

    ``argument`` is what is 0 where the singularity is; None if it is a tie.
    """

    parts: tuple[sp.Expr, sp.Expr]
    argument: sp.Expr | None


@functools.lru_cache(maxsize=1024)
def unit_of(node: sp.Expr) -> Unit | None:
    """Return a product or sum without its singularity or tie; None if it has none.

    >>> x = sp.Symbol("x", real=True)
    >>> unit_of(2 * sp.sin(x) / x).argument
    x
    >>> unit_of(sp.cos(x) / x)
    """
    if not isinstance(node, (sp.Mul, sp.Add)):
        return None
    if (found := without_singularity(node)) is not None:
        template, argument, rest = found
        return Unit((kind_of(template)(argument), rest), argument)
    if (tied := without_tie(node)) is not None:
        return Unit(tied, None)
    return _of_sizes(node)


def _of_sizes(node: sp.Expr) -> Unit | None:
    """Return the size of what is 0/0: abs(sin(x))/abs(x) is abs(sin(x)/x)."""
    powers = [factor.as_base_exp() for factor in sp.Mul.make_args(node)]
    inside = [
        base.args[0] ** exponent
        for base, exponent in powers
        if isinstance(base, (sp.Abs, real_abs)) and exponent.is_integer
    ]
    if len(inside) < 2 or (unit := unit_of(sp.Mul(*inside))) is None:
        return None
    sizes = (base for base, _ in powers if isinstance(base, (sp.Abs, real_abs)))
    kept_apart = set(sizes)
    rest = [base**exponent for base, exponent in powers if base not in kept_apart]
    return Unit((real_abs(sp.Mul(*unit.parts)), sp.Mul(*rest)), unit.argument)
