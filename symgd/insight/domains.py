"""Where a formula is defined: where it surely is not, and what is open."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import sympy as sp
from sympy.codegen.cfunctions import log1p

from symgd.insight.boxes import Box, halves, indivisible, touching_joined
from symgd.insight.exact import is_affine, slopes
from symgd.insight.second_derivatives import Derivatives, range_of
from symgd.insight.tape import NotEnclosed
from symgd.language.formula import text_of

MOST_BOXES = 3000
MOST_LEFT = 64  # boxes that are joined
SHOWN = 3  # regions
BISECTIONS = 60


# ---------------------------------------------------------------- surely not defined


def narrowed(
    expression: sp.Expr, symbols: Sequence[sp.Symbol], box: Box
) -> tuple[Box, list[str]]:
    """Return the part of a box in which a formula can be defined, and why no more.

    Of logarithms, roots and powers that are everywhere in the formula, of what is
    affine in one variable: ``log(1 - 2*x)`` is there up to x = 1/2.
    """
    lower, upper, gone = box.lower.copy(), box.upper.copy(), []
    for node, inside in _where_not_negative(expression):
        ((name, slope),) = slopes(inside).items()
        root = -inside.xreplace({name: sp.S.Zero}) / slope
        k, rises = symbols.index(name), bool(slope > 0)
        side = _inwards(root, rises)
        if lower[k, 0] < side if rises else side < upper[k, 0]:
            (lower if rises else upper)[k, 0] = side
            way = "<" if rises else ">"
            text = f"{text_of(node)} is undefined for {name} {way} {text_of(root)}"
            gone.append(text)
    if not (lower < upper).all():
        return box, gone
    return Box(lower[:, 0], upper[:, 0]), gone


def _where_not_negative(node: sp.Basic) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """Yield what isn't defined where its argument, affine in one name, is below 0."""
    if isinstance(node, sp.Piecewise):  # what isn't chosen needs nothing
        return
    inside = None
    if isinstance(node, sp.log):
        (inside,) = node.args
    elif isinstance(node, log1p):
        inside = 1 + node.args[0]
    elif node.is_Pow and node.exp.is_Rational and not node.exp.is_Integer:
        inside = node.base
    if inside is not None and len(inside.free_symbols) == 1 and _is_rational(inside):
        yield node, inside
    for part in node.args:
        yield from _where_not_negative(part)


def _is_rational(inside: sp.Expr) -> bool:
    return is_affine(inside) and all(c.is_Rational for c in sp.Poly(inside).coeffs())


def _inwards(root: sp.Expr, rises: bool) -> float:
    """Return the nearest float64 that isn't outside."""
    near = float(root)
    if rises and sp.Rational(near) < root:
        return math.nextafter(near, math.inf)
    if not rises and sp.Rational(near) > root:
        return math.nextafter(near, -math.inf)
    return near


# ----------------------------------------------------------------------- what is open


def domain(parts: Sequence[tuple[Derivatives, Box]]) -> str:
    """Return where a formula is defined, of whose parts no two share a variable."""
    nowhere: list[str] = []
    regions: list[str] = []
    for derived, box in parts:
        inside, gone = narrowed(derived.expression, derived.symbols, box)
        nowhere += gone
        regions += _open_regions(derived, inside)
    found = [_shortened(each) for each in (nowhere, regions) if each]
    return "; ".join(found) or "defined and continuous throughout"


def _shortened(texts: Sequence[str]) -> str:
    return "; ".join([*texts[:SHOWN], *["..."] * (len(texts) > SHOWN)])


def _open_regions(derived: Derivatives, box: Box) -> list[str]:
    """Return what may fail where."""
    try:
        lower, upper = _undecided(derived, box)
    except NotEnclosed as error:
        return [f"unknown: {error}"]
    lower, upper = touching_joined(lower, upper)
    regions = (Box(lower[:, k], upper[:, k]) for k in range(lower.shape[1]))
    return [_open_region(derived, region, box) for region in regions]


def _undecided(derived: Derivatives, box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes in which a formula may not be defined, or jump."""
    lower, upper, used = box.lower, box.upper, 0
    while lower.shape[1]:
        used += lower.shape[1]
        sides = map(np.ascontiguousarray, (lower, upper))
        left = derived.value(*sides).known[0] == 0
        lower, upper = lower[:, left], upper[:, left]
        small = lower.shape[1] and indivisible(lower, upper).any()
        if small or used > MOST_BOXES or lower.shape[1] > MOST_LEFT:
            break
        if lower.shape[1]:
            lower, upper = halves(lower, upper)
    return lower, upper


def _open_region(derived: Derivatives, region: Box, box: Box) -> str:
    for k in range(region.n):
        _shrink(derived, region, k)
    places = []
    for k, name in enumerate(derived.symbols):
        a, b = (float(side[k, 0]) for side in (region.lower, region.upper))
        size = min(float(box.upper[k, 0] - box.lower[k, 0]), 1.0)
        tiny = 1e-12 * max([size, *(abs(e) for e in (a, b) if math.isfinite(e))])
        a, b = (0.0 if abs(end) < tiny else end for end in (a, b))
        if b - a <= tiny:
            places.append(f"at {name} = {a:.6g}")
        elif math.isfinite(a) or math.isfinite(b):
            places.append(f"for {name} in [{a:.6g}, {b:.6g}]")
    blamed = _undefined(derived, region)
    where = ", ".join(places) or "anywhere"
    return f"{blamed} may be undefined, or jump, {where}"


def _shrink(derived: Derivatives, region: Box, k: int) -> None:
    """Move two sides of a region inwards, past what is proven to be defined."""
    for side, other in ((region.lower, region.upper), (region.upper, region.lower)):
        far = float(other[k, 0])
        if not (math.isfinite(far) and math.isfinite(side[k, 0])):
            continue
        for _ in range(BISECTIONS):
            end = float(side[k, 0])
            middle = 0.5 * end + 0.5 * far
            if middle in (end, far):
                break
            lower, upper = region.lower.copy(), region.upper.copy()
            lower[k, 0], upper[k, 0] = min(end, middle), max(end, middle)
            if derived.value(lower, upper).known[0, 0] > 0:
                side[k, 0] = middle
            else:
                far = middle


def _undefined(derived: Derivatives, box: Box) -> str:
    """Return the innermost node that may not be defined on a box."""
    for node in sp.postorder_traversal(derived.expression):
        if not isinstance(node, sp.Expr) or not node.free_symbols:
            continue
        if range_of(node, derived.symbols, box)[2] == 0:
            return text_of(node)
    return "f"
