"""The ends of many descents, examined as those of a single one."""

from __future__ import annotations

import math
from array import array

import numpy as np

from symgd.descent.ends import CLOSE, ROUGHLY, SMALL, sizes_of, turns
from symgd.descent.falls import falls_for_ever
from symgd.descent.felt import lower_nearby
from symgd.descent.jumps import lower_beside
from symgd.kernels.shared import shared
from symgd.many.problem import Ends, Problem
from symgd.native import machine
from symgd.native import records as layout
from symgd.native.status import RUNNING, Status


class ExaminedEnds:
    """Ends that have converged: those that are not exact are to be run alone."""

    def __init__(self, problem: Problem, table: Ends) -> None:
        self.problem, self.table = problem, table
        self.kernel = shared("examination_each")
        self.function = problem.objective.kernel("evaluation")
        self.hessian = problem.objective.quick_hessian()
        self.parameters = problem.constants()
        self.close = CLOSE if problem.searches else ROUGHLY
        if not problem.settings.relative:
            self.close = math.inf

    def examine(self, piece: np.ndarray) -> None:
        """Set the status of some of them, neighbours, to RUNNING if not exact."""
        problem, table = self.problem, self.table
        n = problem.starts.shape[1]
        state = layout.EndState(
            variables=n,
            parameters=self.parameters.shape[1],
            close=self.close,
            slope=problem.settings.slope,
            analytic=problem.objective.is_analytic + problem.objective.is_smooth,
        )
        lower, upper = np.array(problem.bounds.lower), np.array(problem.bounds.upper)
        work = np.zeros(layout.END_ROWS * n)
        matrices = np.zeros(0 if self.hessian is None else 4 * n * n)
        places = layout.EndArrays(
            function=self.function.address,
            hessian=0 if self.hessian is None else self.hessian.address,
            lower=machine.address(lower),
            upper=machine.address(upper),
            work=machine.address(work),
            matrices=machine.address(matrices),
        )
        # A rule's evaluations are its updates.
        counts = table.nfev if problem.searches else table.nfev.copy()
        tables = (problem.starts, self.parameters, table.x, table.fun, table.jac)
        self.kernel(
            *(machine.address(state), machine.address(places), problem.count),
            *(int(piece[0]), int(piece[-1]) + 1),
            *map(machine.address, (*tables, table.status, counts)),
        )
        machine.raise_pending()
        objective = problem.objective
        smooth = objective.is_analytic or not problem.searches or self.hessian is None
        if self.hessian is None or objective.has_jumps or not smooth:
            for each in piece[table.status[piece] == Status.CONVERGED]:
                self._feel(
                    int(each), counts, (problem.bounds.lower, problem.bounds.upper)
                )

    def _feel(
        self, each: int, counts: np.ndarray, sides: tuple[array[float], array[float]]
    ) -> None:
        """Set the status of one to RUNNING if f is lower nearby."""
        table, start = self.table, np.ascontiguousarray(self.problem.starts[each])
        constants = np.ascontiguousarray(self.parameters[each])
        x, jac = (array("d", each_of) for each_of in (table.x[each], table.jac[each]))
        point = x, float(table.fun[each]), jac
        slope = np.zeros(len(start))
        first = self.function(*map(machine.address, (start, constants, slope)))
        slope_left = self.problem.settings.slope
        lowest = math.inf
        if self.hessian is None:
            found = lower_nearby(
                *(self.function, constants, point, sides, start, float(first)),
                *(slope_left, self.problem.objective.is_smooth, int(counts[each])),
            )
            counts[each] += found.evaluations
            lowest = -math.inf if found.saddle else found.fun
        sizes = sizes_of(x, array("d", start))
        if self.hessian is not None and not self.problem.objective.is_analytic:
            counts[each] += 2 * len(x) + 1
            ways = self.function, array("d", constants), x, sides, sizes
            steepest = float(np.abs(slope).max())
            kinked = self.problem.searches and turns(*ways, SMALL * steepest)
            fallen = float(first) - point[1]
            searches = self.problem.searches
            if kinked or (searches and self._falls_on(point, start, each, fallen)):
                lowest = -math.inf  # to be looked at alone
        if self.problem.objective.has_jumps:
            beside = lower_beside(
                self.function, array("d", constants), point, sides, sizes
            )
            counts[each] += beside.evaluations
            lowest = min(lowest, beside.fun)
        if lowest < math.inf:
            table.status[each] = RUNNING

    def _falls_on(
        self,
        point: tuple[array[float], float, array[float]],
        start: np.ndarray,
        each: int,
        fallen: float,
    ) -> bool:
        """Return whether f may fall for ever from an end: only a run alone says so."""
        sides = self.problem.bounds.lower, self.problem.bounds.upper
        way = [a - b for a, b in zip(point[0], start, strict=True)]
        sizes = sizes_of(point[0], array("d", start))
        constants = array("d", self.parameters[each])
        return falls_for_ever(
            *(self.function, constants, point, sides, sizes, [way], fallen),
            perhaps=True,
        )


def left_to_run(problem: Problem, table: Ends) -> np.ndarray:
    """Return the numbers of a rule's descents that are to be run alone.

    So that the last word on an end is that of a single run: those that have converged
    but are not exact, those of which patience was lost, those that are exact where
    there were no more iterations, and those that may begin beside a start where f is
    infinitely steep.
    """
    left = table.status == Status.STALLED
    steep = (table.status == Status.DIVERGED) & (table.nit == 0)
    left |= steep & np.isfinite(table.fun)
    left |= _examined(problem, table, Status.CONVERGED) == RUNNING
    if problem.settings.relative:
        exact = _examined(problem, table, Status.MAXITER, CLOSE)
        left |= exact == Status.CONVERGED
    return np.flatnonzero(left)


def _examined(
    problem: Problem, table: Ends, which: Status, close: float | None = None
) -> np.ndarray:
    """Return the status of those with another one, if they are taken for converged."""
    these = table.status == which
    if not these.any():
        return np.full_like(table.status, Status.DIVERGED)
    known = {k: v for k, v in vars(table).items() if v is not None}
    arrays = {k: np.ascontiguousarray(v) for k, v in known.items()}
    status = np.where(these, Status.CONVERGED, Status.MAXITER)
    copy = Ends(**arrays | {"status": status.astype(table.status.dtype)})
    ends = ExaminedEnds(problem, copy)
    ends.close = ends.close if close is None else close
    ends.examine(np.arange(problem.count))
    return copy.status
