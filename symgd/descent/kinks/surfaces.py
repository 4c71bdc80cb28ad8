"""Where kinks of a formula are, near a point: on surfaces, where a part of it is 0."""

from __future__ import annotations

import functools
import itertools
import math
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import mpmath
import sympy as sp

from symgd.language.digits import digits, value_of
from symgd.language.formula import text_of
from symgd.language.nodes import parts_of
from symgd.language.smoothness import ANALYTIC, is_root
from symgd.objectives.objective import Objective

if TYPE_CHECKING:
    import numpy as np

SMOOTH_APART = sp.gamma, sp.loggamma, sp.polygamma  # from their poles
NODES = 2000  # of a formula, in which kinks are looked for
NAMES = {sp.Abs: "abs", sp.Max: "max", sp.Min: "min"}
NEAR = 1e-5  # parts of x, ten times as far as ends take gradients


class Surface(NamedTuple):
    """A kink near a point: what is 0 on it, and its gradient."""

    value: float
    slopes: list[float]
    expression: Any

    def is_near(self, units: Sequence[float]) -> bool:
        """Return whether it may be where gradients are taken, or not far beyond."""
        sizes = map(abs, map(math.prod, zip(self.slopes, units, strict=True)))
        return abs(self.value) <= NEAR * sum(sizes)


def may_have_kinks(objective: Objective, x: array[float], units: array[float]) -> bool:
    """Return whether a formula has a part that may have a kink near a point.

    Parameters
    ----------
    objective : Objective
    x, units : arrays
        The point, and the size of each coordinate.
    """
    if objective.arrays is not None:
        return any(map(_may_switch, parts_of(objective.expression)))
    names, values = objective.space.names, _values(objective, x)
    return any(
        _may_switch(node) and not _is_far_from(node, names, values, units)
        for node in parts_of(objective.expression)
    )


def _may_switch(node: Any) -> bool:
    if isinstance(node, sp.Pow):
        return is_root(node)
    smooth = node.func.__name__ in ANALYTIC or isinstance(node, SMOOTH_APART)
    return not (node.is_Number or smooth)


def _is_far_from(
    node: Any, names: Sequence[str], values: dict[str, Any], units: Sequence[float]
) -> bool:
    """Return whether the kinks of a root or a choice are farther than was looked."""
    if not isinstance(node, (sp.Pow, *NAMES)):
        return False
    switches = _switches(node, names, values)
    surfaces = [_surface(each, names, values) for each in switches]
    found = [surface for surface in surfaces if surface is not None]
    near = [surface.is_near(units) for surface in found]
    if is_root(node):
        return len(found) == len(surfaces) and not (near and all(near))
    return len(found) == len(surfaces) > 0 and not any(near)


def _values(objective: Objective, x: array[float]) -> dict[str, Any]:
    """Return a point and the parameters by name."""
    values = dict(zip(objective.space.names, map(mpmath.mpf, x), strict=True))
    return values | {name: mpmath.mpf(v) for name, v in objective.parameters.items()}


def kinks_of(
    objective: Objective, x: array[float], units: Sequence[float]
) -> Iterator[tuple[Any, list[Surface]]]:
    """Yield the parts of a formula that have a kink near a point, and where."""
    if objective.arrays is not None:
        return
    names, values = objective.space.names, _values(objective, x)
    nodes = sp.preorder_traversal(objective.expression)
    seen = set()
    for node in itertools.islice(nodes, NODES):
        if not (isinstance(node, tuple(NAMES)) or is_root(node)) or node in seen:
            continue
        seen.add(node)
        switches = _switches(node, names, values)
        surfaces = [_surface(each, names, values) for each in switches]
        near = [s for s in surfaces if s is not None and s.is_near(units)]
        if near and (len(near) == len(surfaces) or not is_root(node)):
            yield node, near  # a norm is smooth unless all of its squares are 0


def surfaces_at(
    objective: Objective, x: array[float], group: Sequence[Any]
) -> list[Surface] | None:
    """Return some surfaces as they are at a point; None if one is no number there."""
    names, values = objective.space.names, _values(objective, x)
    found = [_surface(each, names, values) for each in group]
    surfaces = [surface for surface in found if surface is not None]
    return surfaces if len(surfaces) == len(found) else None


def surfaces_near(
    objective: Objective, x: array[float], units: Sequence[float]
) -> list[Surface]:
    """Return where the kinks near a point are, each once."""
    found = [s for _, surfaces in kinks_of(objective, x, units) for s in surfaces]
    return list({surface.expression: surface for surface in found}.values())


def name_of(node: Any) -> str:
    """Return a choice or a root as it is written in a formula."""
    if type(node) not in NAMES:
        return str(text_of(node))
    return f"{NAMES[type(node)]}({', '.join(map(text_of, node.args))})"


def _surface(
    expression: Any, names: Sequence[str], values: dict[str, Any]
) -> Surface | None:
    numbers = {s: values[s.name] for s in expression.free_symbols if s.name in values}
    value = _value(expression, numbers)
    if value is None:
        return None
    return Surface(value, _slopes(expression, names, values), expression)


def _value(expression: Any, numbers: dict[Any, Any]) -> float | None:
    """Return the value of a part of a formula; None where it has none."""
    with digits():
        value = float(value_of(expression, numbers))
    return None if math.isnan(value) else value


def _slopes(
    expression: Any, names: Sequence[str], values: dict[str, Any]
) -> list[float]:
    """Return the gradient of a part of a formula; 0 where it has none."""
    numbers = {s: values[s.name] for s in expression.free_symbols}
    slopes = [
        float(slope) if slope.is_Number else _value(slope, numbers) or 0.0
        for slope in _derivatives(expression, tuple(names))
    ]
    return [slope if math.isfinite(slope) else 0.0 for slope in slopes]


@functools.lru_cache(maxsize=256)
def _derivatives(expression: Any, names: tuple[str, ...]) -> list[Any]:
    """Return the derivative of a part of a formula by each variable."""
    symbols = {s.name: s for s in expression.free_symbols}
    return [
        sp.diff(expression, symbols[name]) if name in symbols else sp.S.Zero
        for name in names
    ]


def _squared(base: Any, names: Sequence[str], values: dict[str, Any]) -> list[Any]:
    """Return what a sum of squares is 0 with, as that of a norm; else what it is.

    Nothing, if it is never 0: with a square of a parameter, or a number, beside them.
    """
    found, rest = [], 0.0
    numbers = {s: values[s.name] for s in base.free_symbols if s.name in values}
    variables = [s for s in base.free_symbols if s.name in names]
    for term in sp.Add.make_args(base):
        factor, power = term.as_independent(*variables, as_Add=False)
        size = _value(factor, numbers) or 0.0
        if power == 1:
            rest += size
        elif power.is_Pow and power.exp.is_Integer and power.exp % 2 == 0 and size > 0:
            found.append(power.base)
        else:
            return [base]
    if rest > 0.0:
        return []
    return [base] if rest < 0.0 else found


def _switches(node: Any, names: Sequence[str], values: dict[str, Any]) -> list[Any]:
    """Return what changes its sign where a choice takes another."""
    if isinstance(node, sp.Pow):
        return _squared(node.base, names, values)
    if isinstance(node, sp.Abs):
        return list(sp.Mul.make_args(node.args[0]))
    numbers = {s: values[s.name] for s in node.free_symbols if s.name in values}
    parts = [_value(each, numbers) for each in node.args]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return []
    best = max if isinstance(node, sp.Max) else min
    taken = node.args[parts.index(best(known))]
    return [each - taken for each in node.args if each is not taken]


def step_to(surfaces: Sequence[Surface], units: np.ndarray) -> np.ndarray:
    """Return the shortest step to all of some kinks, in units of x."""
    import numpy as np

    scaled = np.array([surface.slopes for surface in surfaces]) * units
    sizes = np.maximum(np.linalg.norm(scaled, axis=1), 1e-300)
    values = np.array([surface.value for surface in surfaces]) / sizes
    return np.linalg.lstsq(scaled / sizes[:, None], -values, rcond=1e-10)[0]


def along(surfaces: Sequence[Surface], units: Sequence[float]) -> list[list[float]]:
    """Return directions that lead along all of some kinks, each as long as one unit."""
    import numpy as np

    scaled = np.array([surface.slopes for surface in surfaces]) * units
    sizes = np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-300)
    _, strengths, ways = np.linalg.svd(scaled / sizes)
    across = int((strengths > 1e-10).sum())
    return (ways[across:] * units).tolist()
