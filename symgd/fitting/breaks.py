"""Where a curve jumps: places without a gradient, which are searched among the rows.

Where a row changes sides of a condition, its parameters are on a line (a plane, with
more of them); between those lines the sum is the same. So points are tried where as
many rows change sides as there are parameters, all jointly: neither end of a window
makes anything better alone. Where a condition isn't linear, tangents are taken.

Elsewhere: change points, and elemental sets (P. J. Rousseeuw, Least median of squares
regression, J. American Statistical Association 79, 1984).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgd.fitting.rows import Rows
from symgd.language.functions import real_abs, real_sign

COARSE = 200  # places that are tried at first
LINES = 90  # together, of which some sets are tried
SETS = 4096  # of lines
BESIDE = 1e-7  # of a typical level, on either side of a line through a row
MOST = 16  # borders
KINDS = (sp.core.relational.Relational, sp.sign, real_sign, sp.Heaviside)
SIZES = (sp.Abs, real_abs)
EXTREMES = (sp.Max, sp.Min)
Costs = Callable[[np.ndarray], np.ndarray]


def between(values: np.ndarray) -> np.ndarray:
    """Return the places between neighbours, all that make a difference.

    >>> between(np.array([3.0, 1.0, 2.0, 2.0])).tolist()
    [1.5, 2.5]
    """
    known = np.unique(values[np.isfinite(values)])
    return known[:-1] + np.diff(known) / 2.0


def best_of(places: np.ndarray, costs: Costs) -> float | None:
    """Return the best of ordered places: of some, then of all about the best of those.

    >>> best_of(np.arange(1000.0), lambda c: abs(c - 437.0))
    437.0
    """
    while len(places):
        step = -(-len(places) // COARSE)
        best = step * int(np.argmin(costs(places[::step])))
        if step == 1:
            return float(places[best])
        places = places[max(0, best - step + 1) : best + step]
    return None


def borders(model: sp.Expr, parameters: set[sp.Basic]) -> list[sp.Expr]:
    """Return what is 0 where a condition on some parameters changes.

    A sine is left as it is: it is 0 wherever its argument is a multiple of pi.

    >>> from symgd.language.formula import read
    >>> c, w = sp.symbols("c w", real=True)
    >>> borders(read("1 if abs(t - c) < w else 0"), {c, w})
    [c - t - w, -c + t - w]
    """
    found: dict[sp.Expr, None] = {}
    for node in sorted(model.atoms(*KINDS), key=sp.default_sort_key):
        sides = isinstance(node, sp.core.relational.Relational)
        level = node.lhs - node.rhs if sides else node.args[0]
        for part in _factors(level, parameters):
            found.setdefault(part)
    return list(found)[:MOST]


def bends(model: sp.Expr, parameters: set[sp.Basic]) -> list[sp.Expr]:
    """Return what is 0 where a choice between two curves changes, by some parameters.

    >>> from symgd.language.formula import read
    >>> a, b = sp.symbols("a b", real=True)
    >>> bends(read("max(a*t, b) + abs(t)"), {a, b})
    [-a*t + b]
    """
    found: dict[sp.Expr, None] = {}
    for node in sorted(model.atoms(*EXTREMES, *SIZES), key=sp.default_sort_key):
        pairs = itertools.combinations(node.args, 2)
        levels = [a - b for a, b in pairs] if isinstance(node, EXTREMES) else node.args
        for level in levels:
            if level.free_symbols & parameters:
                found.setdefault(level)
    return list(found)[:MOST]


def _factors(level: sp.Expr, parameters: set[sp.Basic]) -> Iterator[sp.Expr]:
    """Yield what a level is a product of, with either sign of an absolute value."""
    if not level.free_symbols & parameters:
        return
    for size in level.atoms(*SIZES):
        if size.free_symbols & parameters:
            for inner in (size.args[0], -size.args[0]):
                yield from _factors(level.xreplace({size: inner}), parameters)
            return
    if level.is_polynomial(*level.free_symbols) and not level.is_Symbol:
        level = sp.factor(level)
    for factor in sp.Mul.make_args(level):
        base = factor.base if factor.is_Pow and factor.exp.is_number else factor
        if base.free_symbols & parameters:
            yield base


class Borders:
    """Levels of a model's borders and their slopes, row by row.

    Parameters
    ----------
    found : list of SymPy expression
    parameters : sequence of symbols
    places : list of int
        Of the parameters that are searched.
    columns : mapping of symbol to ndarray
    """

    def __init__(
        self,
        found: Sequence[sp.Expr],
        parameters: Sequence[sp.Symbol],
        places: Sequence[int],
        columns: Mapping[sp.Symbol, np.ndarray],
    ) -> None:
        self.places, self.count = list(places), len(found)
        self._turns = [isinstance(each, (sp.sin, sp.cos)) for each in found]
        levels = [_argument(each) for each in found]
        slopes = [level.diff(parameters[p]) for level in levels for p in places]
        self._rows = Rows([*levels, *slopes], parameters, columns) if found else None

    def at(self, x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return each border's levels and slopes, shapes (rows,) and (rows, places)."""
        if self._rows is None:
            return []
        values = self._rows.each(x.tolist()).T
        levels, slopes = values[: self.count].copy(), values[self.count :]
        for level in itertools.compress(levels, self._turns):
            level -= np.pi * np.rint(level / np.pi)
        shape = (self.count, len(self.places), -1)
        return list(zip(levels, slopes.reshape(shape).swapaxes(1, 2), strict=True))

    @np.errstate(all="ignore")
    def alone(self, place: int, x: np.ndarray) -> np.ndarray:
        """Return the values of a parameter between which a row changes sides."""
        k = self.places.index(place)
        ends = [x[place] - level / slope[:, k] for level, slope in self.at(x)]
        return between(np.concatenate(ends)) if ends else np.zeros(0)

    @np.errstate(all="ignore")
    def together(
        self, places: list[int], x: np.ndarray, near: bool, most: int, rng: Any
    ) -> np.ndarray:
        """Return points where as many rows change sides as there are places.

        Parameters
        ----------
        near : bool
            Whether lines near x are taken rather than others, and all their sides.
        most : int
            Points.
        """
        own, size = [self.places.index(p) for p in places], len(places)
        each = [(level, slope[:, own]) for level, slope in self.at(x)]
        beside = near and not all(map(_is_parallel, each))
        sides = list(itertools.product((-1.0, 1.0), repeat=size)) if beside else [()]
        most = max(1, most // len(sides))
        every = round((most * math.factorial(size)) ** (1.0 / size))
        few = max(2, (every if near or size == 2 else LINES) // max(1, self.count))
        lines = [_lines(*border, near, few) for border in each]
        levels = np.concatenate([level for level, _ in lines])
        slopes = np.concatenate([slope for _, slope in lines])
        sets = _sets(len(levels), size, most, rng)
        design, rest = slopes[sets], -levels[sets]
        sizes = np.linalg.norm(design, axis=2).prod(axis=1)
        usable = abs(np.linalg.det(design)) > 1e-12 * sizes
        design, rest = design[usable], rest[usable]
        apart = BESIDE * np.median(abs(levels)) if beside and len(levels) else 0.0
        steps = [
            np.linalg.solve(design, (rest + apart * np.array(side or 0.0))[..., None])
            for side in sides
        ]
        moved = np.concatenate(steps)[..., 0]
        points = np.repeat(x[None], len(moved), axis=0)
        points[:, places] += moved
        return points[np.isfinite(points).all(axis=1)]


def _argument(border: sp.Expr) -> sp.Expr:
    """Return what is 0, or a multiple of pi, on a border."""
    if isinstance(border, sp.cos):
        return border.args[0] - sp.pi / 2
    return border.args[0] if isinstance(border, sp.sin) else border


def _is_parallel(border: tuple[np.ndarray, np.ndarray]) -> bool:
    """Return whether a border's lines don't cross."""
    return len(border[1]) > 0 and not np.ptp(border[1], axis=0).any()


def _lines(
    levels: np.ndarray, slopes: np.ndarray, near: bool, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return some lines of a border: where they are parallel, those between rows."""
    known = np.isfinite(levels) & np.isfinite(slopes).all(axis=1)
    levels, slopes = levels[known], slopes[known]
    if len(levels) > 1 and _is_parallel((levels, slopes)):
        levels = between(levels)
        slopes = np.repeat(slopes[:1], len(levels), axis=0)
    if not len(levels):
        return levels, slopes
    if near:
        ranks = np.geomspace(1, max(1, len(levels)), most).astype(int)
        some = np.argsort(abs(levels), kind="stable")[np.unique(ranks) - 1]
    else:
        some = np.unique(np.linspace(0, len(levels) - 1, most).astype(int))
    return levels[some], slopes[some]


def _sets(lines: int, size: int, most: int, rng: Any) -> np.ndarray:
    """Return sets of lines, all there are or some of them."""
    if lines < size:
        return np.zeros((0, size), dtype=int)
    if size > 2 and math.comb(lines, size) > most:
        drawn = np.sort(rng.integers(lines, size=(most, size)), axis=1)
        return drawn[(np.diff(drawn, axis=1) > 0).all(axis=1)]
    every = np.array(list(itertools.combinations(range(lines), size)))
    if len(every) > most:
        every = every[rng.permutation(len(every))[:most]]
    return every
