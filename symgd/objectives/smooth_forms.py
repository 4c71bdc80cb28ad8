"""An objective with kinks, said smoothly: with more variables, and relations.

``calculus.epigraph`` says where that is exact, and how it is written.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from symgd.calculus.epigraph import (
    MOST_OF,
    NORM,
    PAIR,
    Around,
    KinkedPart,
    element,
    epigraph,
    may_have_epigraph,
)
from symgd.calculus.spans import Interval
from symgd.errors import FormulaError, InputError
from symgd.language.formula import names_in
from symgd.language.nodes import Sum
from symgd.language.relations import Relation
from symgd.native.machine import address
from symgd.objectives.constraints import Constraints, Lagrangian
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds

TIP = 1e-100  # of a cone: what a norm that is 0 is divided by
APART = 1e-3  # from it


class Group(NamedTuple):
    """Where the kinks of one part are, each an element of these arrays.

    Attributes
    ----------
    part : KinkedPart
    places : tuple of arrays
        Of the new variables: p and q, or what is at least as large.
    rows : tuple of arrays
        Of the relations: of a difference, of each piece, or of the norm.
    level : int
        How many kinks are inside of it.
    """

    part: KinkedPart
    places: tuple[np.ndarray, ...]
    rows: tuple[np.ndarray, ...]
    level: int


@dataclasses.dataclass
class SmoothForm:
    """A problem without kinks that has the same minima.

    Attributes
    ----------
    objective : Objective
        Smooth, within constraints. Its first variables are those of the problem.
    count : int
        How many coordinates those have.
    groups : list of Group
    kept : int
        How many relations are the problem's own: the first.
    """

    objective: Objective
    count: int
    groups: list[Group]
    kept: int = 0

    def __post_init__(self) -> None:
        whole = self.lagrangian
        self.size = len(self.objective.space)
        self.rows = whole.rows
        self.words = whole.function.parameter_values()
        self.kernel = whole.function.kernel("evaluation")
        self._components: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._last: tuple[bytes, tuple[np.ndarray, np.ndarray]] | None = None
        self.levels = 1 + max((group.level for group in self.groups), default=0)

    @property
    def lagrangian(self) -> Lagrangian:
        """Of the smooth problem."""
        assert self.objective.constraints is not None
        return self.objective.constraints

    @property
    def height(self) -> int:
        """How many rows the interior point method's matrix has."""
        return self.size + 2 * self.rows - self.lagrangian.equalities

    @property
    def own_rows(self) -> list[int]:
        """The rows of the problem's own relations, in their order there."""
        firsts = itertools.accumulate(self.lagrangian.heights, initial=0)
        rows = zip(
            self.lagrangian.blocks, firsts, self.lagrangian.heights, strict=False
        )
        mine = ((at, size) for block, at, size in rows if block.relation < self.kept)
        return [k for at, size in mine for k in range(at, at + size)]

    def bounds(self, own: Bounds) -> Bounds:
        """Return the bounds of all coordinates."""
        extra = self.size - self.count
        low = np.array([*own.lower, *[-math.inf] * extra])
        for group in self.groups:
            kind = group.part.kind
            for places in group.places if kind == PAIR else group.places[:1]:
                if kind != MOST_OF:
                    low[places] = 0.0
        return Bounds.between(low.tolist(), [*own.upper, *[math.inf] * extra])

    def at(
        self, z: np.ndarray, y: np.ndarray | None = None
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the value, the Lagrangian's gradient, and the relations' values."""
        n, m = self.size, self.rows
        point = array("d", z) + array("d", np.zeros(m) if y is None else y)
        point.append(1.0)
        image = array("d", bytes(8 * (n + m + 1)))
        self.kernel(*map(address, (point, self.words, image)))
        found = np.array(image)
        return float(found[n + m]), found[:n], found[n : n + m]

    def curvature(self, z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the Lagrangian's Hessian, and the relations' Jacobian."""
        n, m = self.size, self.rows
        point = array("d", z) + array("d", y)
        point.append(1.0)
        key = point.tobytes()
        last = self._last  # other threads may ask, too
        if last is None or last[0] != key:
            kernel, count = self.lagrangian.function.kernel("hessian"), n + m + 1
            second = array("d", bytes(8 * count * count))
            kernel(*map(address, (point, self.words, second)))
            whole = np.frombuffer(second).reshape(count, count)
            self._last = last = key, (whole[:n, :n], whole[n : n + m, :n])
        return last[1]

    def lifted(self, x: Sequence[float]) -> np.ndarray:
        """Return a point with what stands for its kinks."""
        z = np.zeros(self.size)
        z[: self.count] = x
        norms = [group for group in self.groups if group.part.kind == NORM]
        for level in range(self.levels):
            for group in norms:
                if group.level >= level:
                    z[group.places[0]] = 1.0
            _, _, c = self.at(z)
            for group in self.groups:
                if group.level == level:
                    self._lift(group, z, c)
        return z

    def _lift(self, group: Group, z: np.ndarray, c: np.ndarray) -> None:
        """Enter what stands for the kinks of a part, of the values of relations."""
        if group.part.kind == PAIR:
            difference = c[group.rows[0]]
            z[group.places[0]] = np.maximum(difference, 0.0)
            z[group.places[1]] = np.maximum(-difference, 0.0)
        elif group.part.kind == MOST_OF:
            # c is sign*(t - piece), with t = 0.
            slack = np.array([c[rows] for rows in group.rows])
            z[group.places[0]] = group.part.sign * np.max(-slack, axis=0)
        else:
            for places, rows in zip(group.places[1:], group.rows[1:], strict=True):
                z[places] = c[rows]
            z[group.places[0]] = np.maximum(self.norms(group, z), TIP)

    def components(self, group: Group) -> tuple[np.ndarray, np.ndarray]:
        """Return of which coordinates norms are, and their weights: a row for each."""
        key = group.part.names[0]
        if key not in self._components:
            self._components[key] = self._components_of(group)
        return self._components[key]

    def _components_of(self, group: Group) -> tuple[np.ndarray, np.ndarray]:
        z = np.random.default_rng(0).uniform(1.0, 2.0, self.size)
        z[group.places[0]] = 1.0
        slopes = self.curvature(z, np.zeros(self.rows))[1][group.rows[0]].copy()
        slopes[np.arange(len(slopes)), group.places[0]] = 0.0
        # Of t - sum(weight*u**2)/t, with t = 1; some have fewer than others.
        most = int((slopes != 0.0).sum(axis=1).max(initial=0))
        places = np.zeros((len(slopes), most), dtype=int)
        weights = np.zeros((len(slopes), most))
        for k, row in enumerate(slopes):
            own = np.flatnonzero(row)
            places[k, : len(own)] = own
            weights[k, : len(own)] = -row[own] / (2.0 * z[own])
        return places, weights

    def parts_of_norms(self, group: Group, which: np.ndarray) -> np.ndarray:
        """Return the coordinates of which some norms are."""
        places, weights = self.components(group)
        return np.asarray(places[which][weights[which] > 0.0])

    def norms(self, group: Group, z: np.ndarray) -> np.ndarray:
        """Return the norms of a group."""
        places, weights = self.components(group)
        return np.asarray(np.sqrt((weights * z[places] ** 2).sum(axis=1)))

    def slopes(self, z: np.ndarray) -> np.ndarray:
        """Return the relations' Jacobian, norms being away from the tip of a cone."""
        there = z.copy()
        for group in self.groups:
            if group.part.kind == NORM:
                there[group.places[0]] = np.maximum(z[group.places[0]], APART)
        return self.curvature(there, np.zeros(self.rows))[1]


def reaches(
    form: SmoothForm, slopes: np.ndarray, steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much relations, and all coordinates, change in steps of x."""
    sizes = np.abs(slopes)
    spread, reach = np.zeros(form.size), np.zeros(form.rows)
    spread[: form.count] = steps
    for level in range(form.levels):
        for group in form.groups:
            if group.level != level:
                continue
            for rows in group.rows:
                reach[rows] = sizes[rows] @ spread
            if group.part.kind == PAIR:
                for places in group.places:
                    spread[places] = reach[group.rows[0]]
            elif group.part.kind == MOST_OF:
                spread[group.places[0]] = np.max([reach[r] for r in group.rows], axis=0)
            else:
                for places, rows in zip(group.places[1:], group.rows[1:], strict=True):
                    spread[places] = reach[rows]
                spread[group.places[0]] = form.norms(group, spread)
    reach[form.own_rows] = sizes[form.own_rows] @ spread
    return reach, spread


def smooth_form(objective: Objective, most: int) -> SmoothForm | None:
    """Return a smooth problem with the same minima; None if there is none.

    Parameters
    ----------
    objective : Objective
    most : int
        Its coordinates and relations, at most.
    """
    whole = _whole(objective)
    if objective.iteration is not None or whole.is_smooth or whole.has_jumps:
        return None
    spans = _spans_of(whole)
    key = (*sorted(spans.items()), most)
    known: dict[Any, SmoothForm | None] = objective.smooth_forms
    if key in known:
        return known.get(key)
    form = _smooth_form(objective, spans, most)
    known.clear()
    known[key] = form
    return form


def _whole(objective: Objective) -> Objective:
    """Return what has all names: within constraints, the Lagrangian."""
    constraints = objective.constraints
    return objective if constraints is None else constraints.function


def _relations_of(objective: Objective) -> list[Relation]:
    constraints = objective.constraints
    return [] if constraints is None else constraints.constraints.relations


def _smooth_form(
    objective: Objective, spans: dict[str, Interval], most: int
) -> SmoothForm | None:
    whole, relations = _whole(objective), _relations_of(objective)
    if not may_have_epigraph(whole.expression):
        return None
    names = {each.name for each in whole.expression.atoms(sp.Symbol)}
    names |= {*whole.variables, *whole.parameters}
    given = [(objective.expression, (), True), *map(_as_given, relations)]
    found = epigraph(given, objective.variables, spans, names)
    if found is None or not found[1]:
        return None
    (smooth, *bodies), parts = found
    pairs = zip(relations, bodies, strict=True)
    kept = [relation._replace(body=body) for relation, body in pairs]
    try:
        return _formed(objective, smooth, kept, parts, most)
    except (FormulaError, InputError):  # too many names, or no such derivative
        return None


def _as_given(relation: Relation) -> tuple[Any, Around, bool | None]:
    """Return what a relation limits, and on which side."""
    rises = {"<=": True, ">=": False}.get(relation.sense)
    chosen = relation.condition == sp.true
    return relation.body, relation.limits, rises if chosen else None


def _spans_of(objective: Objective) -> dict[str, Interval]:
    """Return between what parameters and data are."""
    spans = {name: (each, each) for name, each in objective.parameters.items()}
    if objective.arrays is not None:
        used = names_in(objective.expression)[1]
        for name, column in objective.arrays.data.items():
            if name in used and np.size(column):
                low, high = float(np.min(column)), float(np.max(column))
                if math.isfinite(low) and math.isfinite(high):
                    spans[name] = low, high
    return spans


def _formed(
    objective: Objective,
    smooth: Any,
    kept: Sequence[Relation],
    parts: Sequence[KinkedPart],
    most: int,
) -> SmoothForm | None:
    relations = list(kept)
    of_parts = []
    for part in parts:
        own = list(_relations(part))
        first = len(relations)
        of_parts.append(range(first, first + len(own)))
        relations += own
    added = [name for part in parts for name in part.names]
    arrays = _whole(objective).arrays
    known: dict[str, Any] = {}
    if arrays is not None:
        known = {"data": arrays.data or None, "sizes": arrays.sizes}
    whole = Objective(
        smooth,
        [*objective.variables, *added],
        parameters=objective.constants,
        subject_to=Constraints.of(relations),
        **known,
    )
    if arrays is not None and whole.arrays is not None:
        shapes = arrays.shapes or {}
        whole = whole._shaped({k: shapes[k] for k in objective.variables})
    lagrangian = whole.constraints
    assert lagrangian is not None
    rows, size = lagrangian.rows, len(whole.space)
    if size + 2 * rows - lagrangian.equalities > most:
        return None
    places = _rows_of(lagrangian)
    groups = []
    for part, which in zip(parts, of_parts, strict=True):
        names = [np.array(whole.space.places(name, "variable")) for name in part.names]
        rows_of = tuple(places[k] for k in which)
        if part.kind == MOST_OF:  # indices that are chosen from are the last
            each = (rows.reshape(len(names[0]), -1).T for rows in rows_of)
            rows_of = tuple(rows for several in each for rows in several)
        groups.append(Group(part, tuple(names), rows_of, _level(part, parts)))
    return SmoothForm(whole, len(objective.space), groups, len(kept))


def _rows_of(lagrangian: Lagrangian) -> dict[int, np.ndarray]:
    """Return the rows of each relation."""
    firsts = itertools.accumulate(lagrangian.heights, initial=0)
    pairs = zip(lagrangian.blocks, firsts, lagrangian.heights, strict=False)
    return {b.relation: np.arange(first, first + count) for b, first, count in pairs}


def _level(part: KinkedPart, parts: Sequence[KinkedPart]) -> int:
    """Return how deep kinks are inside of others."""
    used = set()
    for formula in part.formulas:
        plain, indexed = names_in(formula)
        used |= plain | set(indexed)
    inner = [each for each in parts if used & set(each.names) and each is not part]
    return 1 + max(_level(each, parts) for each in inner) if inner else 0


def _relations(part: KinkedPart) -> Iterable[Relation]:
    """Yield what the new variables of a part are to satisfy."""
    told, limits = f"kink {part.names[0]}", part.limits
    count = 2 if part.kind == PAIR else 1
    own = [element(name, limits) for name in part.names[:count]]
    if part.kind == PAIR:
        body = part.pieces[0] - own[0] + own[1]
        yield _relation(told, body, "==", limits)
    elif part.kind == MOST_OF:
        for k, (piece, inner) in enumerate(part.pieces):
            body = part.sign * (own[0] - piece)
            yield _relation(f"{told}, {k}", body, ">=", (*inner, *limits))
    else:
        total = sp.S.Zero
        for weight, _, inner, there in part.pieces:
            square = weight * there**2
            total += Sum(square, *inner) if inner else square
        yield _relation(told, own[0] - total / own[0], ">=", limits)
        for k, (_, base, inner, there) in enumerate(part.pieces):
            if there != base:
                around = (*inner, *limits)
                yield _relation(f"{told}, {k}", base - there, "==", around)


def _relation(text: str, body: Any, sense: str, limits: Around) -> Relation:
    return Relation(text, body, sense, limits=limits)
