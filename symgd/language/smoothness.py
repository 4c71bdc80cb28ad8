"""Whether a formula may have kinks, or jumps: by the parts in which variables are."""

from __future__ import annotations

import math
from collections.abc import Iterable

import sympy as sp
from sympy.functions.elementary.piecewise import ExprCondPair

from symgd.language.functions import real_sign
from symgd.language.signs import is_positive

# What has all derivatives wherever it is defined; powers have, too.
ANALYTIC = frozenset(
    [
        "Add",
        "Mul",
        "Exp1",
        "exp",
        "log",
        "sin",
        "cos",
        "sinh",
        "cosh",
        "tanh",
        "atan",
        "asinh",
        "erf",
        "erfc",
        "sigmoid",
        "softplus",
        "log_cosh",
        "log_erfc",
        "erfcx",
        "besselj",
        "lambertw",
        "xlogy",
        "over",
        "logit",
        "Sum",
        "Product",
        "Tuple",
        "Symbol",
        "Dummy",
        "Idx",
        "Indexed",
        "IndexedBase",
        "Pi",
    ]
)


def varying(expression: sp.Expr, names: Iterable[str]) -> set[sp.Basic]:
    """Return the different parts of a formula in which one of these names occurs."""
    wanted = set(names)
    found: set[sp.Basic] = set()
    seen: set[sp.Basic] = set()
    pending = [(expression, False)]
    while pending:
        part, has_known_parts = pending.pop()
        if has_known_parts:
            named = isinstance(part, sp.Symbol) and part.name in wanted
            if named or any(inner in found for inner in part.args):
                found.add(part)
        elif part not in seen:
            seen.add(part)
            pending += [(part, True), *((inner, False) for inner in part.args)]
    return found


def is_analytic(parts: set[sp.Basic]) -> bool:
    """Return whether what varies is made of parts that have all derivatives."""
    return all(
        part.is_Pow or part.func.__name__ in ANALYTIC or _is_fixed_choice(part, parts)
        for part in parts
    )


def has_roots(parts: set[sp.Basic]) -> bool:
    """Return whether a root of what varies may have a kink, where that is 0."""
    return any(map(is_root, parts))


def is_root(part: sp.Basic) -> bool:
    """Return whether a part is a power that has a kink where its base is 0."""
    return part.is_Pow and not part.exp.is_integer and not is_positive(part.base)


def may_jump(parts: set[sp.Basic]) -> bool:
    """Return whether what varies may jump, by conditions, signs or whole numbers."""
    jumping = (sp.sign, sp.Heaviside, sp.floor, sp.ceiling, sp.Mod, real_sign)
    return any(
        isinstance(part, jumping)
        or (isinstance(part, sp.Piecewise) and not _is_fixed_choice(part, parts))
        for part in parts
    )


def _is_fixed_choice(part: sp.Basic, parts: set[sp.Basic]) -> bool:
    """Return whether what varies doesn't decide which branch is taken."""
    if isinstance(part, sp.Piecewise):
        return not any(pair.args[1] in parts for pair in part.args)
    return isinstance(part, ExprCondPair) and part.args[1] not in parts


def poles_of(parts: set[sp.Basic]) -> dict[str, float]:
    """Return at which number of a variable the last pole of a gamma function is.

    >>> x, y = sp.symbols("x y", real=True)
    >>> poles_of(varying(sp.gamma(x + 2) * sp.gamma(x * y), ["x", "y"]))
    {'x': -2.0}
    """
    found: dict[str, float] = {}
    for part in parts:
        if isinstance(part, sp.gamma):
            shift, of = part.args[0].as_coeff_Add()
            of = of.base.label if isinstance(of, sp.Indexed) else of
            if isinstance(of, sp.Symbol):
                found[of.name] = max(-float(shift), found.get(of.name, -math.inf))
    return found
