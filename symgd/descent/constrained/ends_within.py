"""What an end within constraints is, by what is around it.

It is brought to where it was meant to be; then lower points are looked for, close by
and far away.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symgd.descent.certificate import CTOL, MANY, NEAR, Certificate
from symgd.descent.constrained.second_tries import TriedRun, inside
from symgd.descent.ends import is_level
from symgd.descent.run import floats
from symgd.native.machine import address
from symgd.native.status import Status
from symgd.objectives.bound_rows import BoundBox

if TYPE_CHECKING:
    import numpy as np

    from symgd.descent.constrained.active_set import OnSides
    from symgd.descent.constrained.surroundings import FirstOrder

LOOKED_AT = 10**6  # entries of a Jacobian, at most, to look for lower points
FOLLOWED = 1000  # likewise, where it is found anew at each of them
AWAY = 1e6  # from the start, in sizes of it
REST = 1e-6  # of the size of x: a step that is none, at a minimum
OWN = 1e-9  # of what is left by the barrier, in the end's own units: nothing


class EndsWithin(TriedRun):
    """A run of ``kernels.interior`` whose ends are examined."""

    n: int
    counts: dict[str, int]
    words: Any
    functions: Any
    pattern: Any
    v_sides: tuple[array[float], array[float]]
    box: BoundBox

    def certificate(self) -> Certificate:
        """Return what shows that the end is a minimum, or how far it is from one."""
        raise NotImplementedError

    # ----------------------------------------------------------- what is around

    def _evaluated(self, x: Sequence[float]) -> tuple[float, array[float]]:
        """Return what is minimised, and the constraints, at a point."""
        n, m = self.n, self.lagrangian.rows
        point = array("d", x) + floats(m) + array("d", [1.0])
        image = floats(n + m + 1)
        self.functions[0](*map(address, (point, self.words, image)))
        self.record.evaluations += 1
        self.heed()
        return self.settings.sign * image[n + m], image[n : n + m]

    def _values_at(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the same of an array."""
        import numpy as np

        f, c = self._evaluated(x.tolist())
        return f, np.array(c)

    def _differentiated(self, x: np.ndarray) -> FirstOrder:
        """Return f, its gradient, the constraints and theirs, at any point."""
        import numpy as np

        n, m, width = (
            self.n,
            self.lagrangian.rows,
            8 * (self.n + self.lagrangian.rows + 1),
        )
        points, images = np.empty((m + 1, n + m + 1)), np.empty((m + 1, n + m + 1))
        points[:, :n], points[:, n:] = x, np.eye(m + 1)
        words, function = address(self.words), self.functions[0]
        there, image = address(points), address(images)
        for first in range(0, (m + 1) * width, width):
            function(there + first, words, image + first)
        self.record.evaluations += m + 1
        self.heed()
        sign = self.settings.sign
        value, slope = float(sign * images[-1, n + m]), sign * images[-1, :n]
        rows = images[:-1, :n]
        if np.isinf(slope).any() and n + m <= MANY:  # and no number times 0
            whole = self.lagrangian.function.hess([*points[0, : n + m], sign])
            rows = np.asarray(whole)[n : n + m, :n]
        return value, slope, images[-1, n : n + m], rows

    def _as_at_end(self) -> Any:
        """Return the same with derivatives as they are at the end, which costs less."""
        import numpy as np

        slope = self.settings.sign * np.array(self.gradient)
        rows = np.zeros((self.lagrangian.rows, self.n))
        rows[:, np.array(self.free, dtype=int)] = self._slopes()

        def around(x: np.ndarray) -> FirstOrder:
            f, c = self._values_at(x)
            return f, slope, c, rows

        return around

    def _slopes(self) -> Any:
        """Return the constraints' derivatives by the variables that aren't fixed."""
        import numpy as np

        m, count, first = (
            self.lagrangian.rows,
            *map(self.counts.__getitem__, ("entries", "hessians")),
        )
        values = np.array(self.part("values", count)[first:])
        rows, columns = (self.pattern.arrays[k][first:] for k in ("rows", "columns"))
        slopes = np.zeros((m, self.counts["unknowns"]))
        rows = rows - self.counts["unknowns"]
        slopes[rows, columns] = values / np.array(self.part("scales", m))[rows]
        return slopes[:, : len(self.free)]

    def _curvature(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the Hessian of the Lagrangian; 0 for what is no number."""
        import numpy as np

        hessian, at = self.lagrangian.function.hess, [*x, *y, self.settings.sign]
        # On the way there are many points: one among others is as compiled code has it.
        whole = hessian(at) if np.array_equal(x, self.x) else hessian([at])[0]
        self.record.evaluations += 1
        self.heed()
        own = np.asarray(whole)[: self.n, : self.n]
        return np.nan_to_num(own, nan=0.0, posinf=0.0, neginf=0.0)

    def _multipliers(self) -> np.ndarray:
        """Return the multipliers of constraints, as in ``f + sum(y*c)``."""
        import numpy as np

        m = self.lagrangian.rows
        y, scales = (np.array(self.part(name, m)) for name in ("y", "scales"))
        return np.asarray(scales * y / self.conditions.scale)

    def _limits(self) -> tuple[Any, Any]:
        """Return between what variables and constraints are to be."""
        import numpy as np

        bounds = np.array(self.lower), np.array(self.upper)
        return bounds, (np.array(self.sides[0]), np.array(self.sides[1]))

    # ------------------------------------------------------- where it was meant to be

    def _be_exact(self, status: int) -> bool:
        """Be at the minimum on the sides that hold the end, if it shows beside it."""
        state, function = self.conditions, self.lagrangian.function
        ended = status in (Status.CONVERGED, Status.STALLED)
        lost = status == Status.ABNORMAL and state.started and state.visible <= CTOL
        if not (lost or (ended and self._is_left_inside())):
            return False
        if self.n + self.lagrangian.rows > MANY or not function.is_analytic:
            return False
        if not (function.is_smooth or lost):
            return False
        import numpy as np

        from symgd.descent.constrained.active_set import ActiveSet

        bounds, sides = self._limits()
        x = np.array(self.x)
        far = np.abs(x - np.array(self.origin or self.start))
        found = ActiveSet(
            around=self._differentiated,
            curvature=self._curvature,
            end=x,
            sizes=np.maximum(np.maximum(np.abs(x), far), 1e-300),
            y=self._multipliers(),
            z=self._pulls(),
            bounds=bounds,
            sides=sides,
        ).exact()
        if found is None or not found.f <= state.value + 2.0 * self._hidden:
            return False
        if lost:
            state.curved, state.level = 0, 1  # it is looked at by values, too
        self._be_there(found)
        return True

    @property
    def _hidden(self) -> float:
        """What the barrier and violations are worth, at most."""
        m, state = self.lagrangian.rows, self.conditions
        pairs = zip(self.part("y", m), self.part("h", m), strict=True)
        priced = sum(abs(y * h) for y, h in pairs) / state.scale
        return float(priced + state.complementarity * (self.n + m))

    def _is_left_inside(self) -> bool:
        """Whether the barrier keeps it off a side by what shows in its own units."""
        state = self.conditions
        if self._hidden > OWN * abs(state.value):
            return True
        for k, at in zip(self.free, self.part("v", len(self.free)), strict=True):
            gap = min(at - self.lower[k], self.upper[k] - at)
            if OWN * abs(at) < gap < NEAR:
                return True
        return False

    def _be_there(self, found: OnSides) -> None:
        """Be at a point, with its multipliers."""
        import numpy as np

        m, me, state = self.lagrangian.rows, self.lagrangian.equalities, self.conditions
        sign = self.settings.sign
        scales, x = np.array(self.part("scales", m)), array("d", found.x.tolist())
        low, high = np.array(self.sides[0]), np.array(self.sides[1])
        inside_ = np.clip(found.c, low, high)
        slacks = (scales * inside_)[me:]
        free = np.array(self.free, dtype=int)
        pulls = found.z[free] * state.scale
        steep = np.isinf(found.z)  # as a root is where it ends: the bound takes it all
        own = np.where(steep, 0.0, found.slope) - np.where(steep, 0.0, found.z)
        rest = own + found.y @ self._differentiated(found.x)[3] * ~steep
        self.slots[:] = x
        self.gradient[:] = array("d", (sign * found.slope).tolist())
        self.put("v", [*found.x[free], *slacks])
        self.put("y", (found.y * state.scale / scales).tolist())
        self.put("h", (scales * (found.c - inside_)).tolist())
        self.put("z_low", np.maximum(pulls, 0.0).tolist())
        self.put("z_high", np.maximum(-pulls, 0.0).tolist())
        state.value = found.f
        state.norm = float(np.abs(rest[free]).max(initial=0.0))
        state.violation = float(np.abs(found.c - inside_).max(initial=0.0))
        state.visible, state.complementarity = 0.0, 0.0
        state.dependent = 1  # it isn't known there

    # ---------------------------------------------------------------- what is lower

    @property
    def _may_fall(self) -> bool:
        """Whether curvature and multipliers leave open whether f falls nearby."""
        state, function = self.conditions, self.lagrangian.function
        if state.level > 0 or not function.is_analytic:
            return True
        if self.n + self.lagrangian.rows > MANY:
            return not function.is_smooth
        if self.left > 0:  # what f changed by since then is no measure of curvature
            return True
        known = function.is_smooth and state.weak == 0
        if known and not (self._may_depend and self.certificate().may_be_others):
            return False
        return not self._is_strict()

    def _is_strict(self) -> bool:
        """Return whether one set of multipliers is enough to show a strict minimum."""
        import numpy as np

        from symgd.descent.constrained.strictly_held import is_strict
        from symgd.descent.constrained.surroundings import LEAST_SIZE, sizes_of

        x, y = np.array(self.x), self._multipliers()
        known, second = self._differentiated(x), self._curvature(x, y)
        if not all(np.isfinite(each).all() for each in known):
            return False
        sizes, largest = sizes_of(x, np.array(self.origin or self.start))
        moves = np.array(self.lower) < np.array(self.upper)
        sizes = np.where(sizes < LEAST_SIZE * largest, largest, sizes) * moves
        equal = np.arange(len(y)) < self.lagrangian.equalities
        return is_strict(known, second, y, self._pulls(), sizes, equal)

    def _pulls(self) -> np.ndarray:
        """Return the multipliers of the bounds."""
        import numpy as np

        z, count = np.zeros(self.n), len(self.free)
        low, high = (self.part(name, count) for name in ("z_low", "z_high"))
        z[np.array(self.free, dtype=int)] = np.array(low) - np.array(high)
        return z / self.conditions.scale

    @property
    def _may_depend(self) -> bool:
        """Whether gradients of what holds the end may depend on each other."""
        rows = self.box.rows  # that are bounds: two of them may be the same one
        return self.conditions.dependent > 0 or len(rows) > 1

    def _lower_nearby(self) -> array[float] | None:
        """Return a lower point close by that satisfies the constraints, or None.

        Along directions in which f hardly curves it may fall by a third derivative; at
        a kink that is a ridge, by the first.
        """
        m, size = self.lagrangian.rows, self.lagrangian.rows * self.counts["unknowns"]
        if size > LOOKED_AT or not self._may_fall:
            return None
        import numpy as np

        from symgd.descent.constrained.beside import Nearby

        bounds, sides = self._limits()
        x, known, prices = np.array(self.x), self.n + m <= MANY, self._multipliers()
        nothing = np.zeros((self.n, self.n))
        nearby = Nearby(
            evaluated=self._values_at,
            around=self._differentiated if size <= FOLLOWED else self._as_at_end(),
            prices=prices,
            curvature=lambda x: self._curvature(x, prices) if known else nothing,
            end=x,
            start=np.array(self.origin or self.start),
            bounds=bounds,
            sides=sides,
            steep=self.conditions.norm,
            hidden=self._hidden,
            is_large=not known,
        )
        found = nearby.lower()
        if found is None or (nearby.is_sloped and self._falls_on()):
            return None
        limits = zip(found, self.lower, self.upper, strict=True)
        return array("d", (inside(*each) for each in limits))

    def _falls_on(self) -> bool:
        """Return whether f falls for ever, by ever less, where the constraints hold."""
        if self.lagrangian.rows * self.counts["unknowns"] > FOLLOWED:
            return False
        if not (self.conditions.level > 0 or self._is_restless):
            return False
        import numpy as np

        from symgd.descent.constrained.farther_on import Outlook

        step = np.zeros(self.n)
        step[np.array(self.free, dtype=int)] = self.part("step", len(self.free))
        bounds, sides = self._limits()
        return Outlook(
            around=self._differentiated,
            end=np.array(self.x),
            start=np.array(self.origin or self.start),
            step=step,
            prices=np.array(self.certificate().prices),
            bounds=bounds,
            sides=sides,
        ).falls_for_ever()

    def _is_on_plateau(self) -> bool:
        """Return whether f, which has fallen, is exactly the same all around."""
        value = self.conditions.value
        if any(self.gradient) or not (self.first > value and self.origin):
            return False
        if not self.lagrangian.function.is_smooth:
            return False
        sizes = [0.0] * self.n
        for k in self.free:
            x = self.slots[k]
            sizes[k] = max(abs(x), abs(x - self.origin[k])) or 1.0
        return is_level(value, self.x, sizes, lambda there: self._evaluated(there)[0])

    @property
    def _is_restless(self) -> bool:
        """Whether the last step was one of some length, or it is far away."""
        start, steps = self.origin or self.start, self.part("step", len(self.free))
        for k, step in zip(self.free, steps, strict=True):
            far, size = abs(self.slots[k] - start[k]), abs(self.slots[k])
            if far > AWAY * max(1.0, abs(start[k])):
                return True
            if not abs(step) <= REST * max(size, far):
                return True
        return False
