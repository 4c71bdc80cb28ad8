"""What many descents return."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from symgd.descent.certificate import CTOL
from symgd.descent.driving import drive
from symgd.descent.optimize import begun_at
from symgd.descent.reporting import result_of
from symgd.descent.result import Result
from symgd.descent.run import Run
from symgd.descent.settings import Settings
from symgd.errors import InputError
from symgd.language.drawing import card, drawn, pictured
from symgd.language.text import number
from symgd.many.problem import Ends, Problem
from symgd.native.replacing import replacing
from symgd.native.status import CUT, Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from symgd.insight.analysis import Analysis


@dataclasses.dataclass(frozen=True)
class Minimum:
    """A distinct minimum among the ends of many descents.

    Attributes
    ----------
    x : ndarray, shape (n,)
        The lowest end of the group.
    fun : float
    count : int
        How many descents ended there.
    descents : ndarray of int
        Which.
    """

    x: np.ndarray
    fun: float
    count: int
    descents: np.ndarray

    def __repr__(self) -> str:
        x = ", ".join(number(each) for each in self.x)
        return f"<Minimum f = {number(self.fun)} at ({x}), {self.count} descents>"


class Results(Sequence[Result]):
    """The ends of N descents, as arrays; ``results[i]`` is one of them as a Result.

    Attributes
    ----------
    objective : Objective
    method : str
    x, start : ndarray, shape (N, n)
    fun, grad_norm : ndarray, shape (N,)
    jac : ndarray, shape (N, n)
    nit, nfev : ndarray of int, shape (N,)
    status : ndarray of int, shape (N,)
        Values of :class:`Status`.
    success : ndarray of bool, shape (N,)
    constraint_violation : ndarray, shape (N,)
        The largest of each end; 0 without constraints.
    """

    def __init__(self, problem: Problem, table: Ends, traced: Sequence[int]) -> None:
        self._problem = problem
        self._traced = {self._index(i) for i in traced}
        self.objective = problem.objective
        self.method = problem.rule.name if problem.rule else "auto"
        self.start = problem.starts
        self.x, self.fun, self.jac = table.x, table.fun, table.jac
        self.status, self.nit, self.nfev = table.status, table.nit, table.nfev
        violation = table.constraint_violation
        self.constraint_violation = (
            np.zeros(len(self)) if violation is None else violation
        )
        self._norms = table.grad_norm

    @functools.cached_property
    def success(self) -> np.ndarray:
        """Whether each descent ended as hoped."""
        return np.isin(self.status, [status for status in Status if status.success])

    @functools.cached_property
    def grad_norm(self) -> np.ndarray:
        """The largest component of each (projected, or Lagrangian's) gradient."""
        if self._norms is not None:
            return self._norms
        bounds = self._problem.bounds
        held = (self.x <= bounds.lower) & (self.jac > 0.0)
        held |= (self.x >= bounds.upper) & (self.jac < 0.0)
        return np.where(held, 0.0, np.abs(self.jac)).max(axis=1)

    def _index(self, which: int) -> int:
        count = self._problem.count
        if not -count <= which < count:
            raise IndexError(f"descent {which} of {count}")
        return which % count

    def __len__(self) -> int:
        return self._problem.count

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            return [self[i] for i in range(*which.indices(len(self)))]
        which = self._index(int(which))
        traced, start = which in self._traced, self.start[which].copy()
        if math.isnan(self.fun[which]) and self.status[which] in CUT:
            run, ended = self._problem.run(which), Status(self.status[which])
            run.be_unknown_at(start)
        elif traced or self._is_told_anew(which):
            run, ended = self._repeated(which, traced)
        else:
            run, ended = self._problem.run(which), Status(self.status[which])
            run.ended_at(
                *(start, self.x[which], float(self.fun[which]), self.jac[which]),
                *(float(self.grad_norm[which]), int(self.nit[which])),
                int(self.nfev[which]),
                patient=ended == Status.STALLED and self.settings.patience > 0,
            )
        result = result_of(run, ended, self.objective, start, "given")
        result.elsewhere_known = True
        return result

    def _is_told_anew(self, which: int) -> bool:
        """Whether a descent says more of its end than tables hold."""
        known = self._norms is None  # and no multipliers
        return not known or self.status[which] in (Status.DIVERGED, Status.ABNORMAL)

    @property
    def settings(self) -> Settings:
        """When a descent was to stop."""
        return self._problem.settings

    def _repeated(self, which: int, traced: bool) -> tuple[Run, Status]:
        """Make a descent once more, as far as it came: for its trace, or its blame."""
        settings = dataclasses.replace(
            self.settings, every=int(traced), time_limit=math.inf
        )
        ended = Status(self.status[which])
        cut = ended in CUT
        if cut:
            settings = dataclasses.replace(settings, maxiter=int(self.nit[which]))
        run = self._problem.run(which, settings)
        start = array("d", self.start[which])
        status, _ = begun_at(run, start, self._problem.bounds)
        again = drive(run, status)
        return run, ended if cut else again

    def __iter__(self) -> Iterator[Result]:
        return (self[i] for i in range(len(self)))

    @functools.cached_property
    def feasible(self) -> np.ndarray:
        """Whether each end satisfies the constraints, if there are any."""
        return self.success | (self.constraint_violation <= CTOL)

    @property
    def best_index(self) -> int:
        """Which end has the lowest value, of the descents that did not diverge.

        One that doesn't satisfy the constraints is it only if none does: then it is the
        one that violates them least.
        """
        lost = (self.status == Status.DIVERGED) | np.isnan(self.fun)
        missed = np.where(self.feasible, 0.0, self.constraint_violation)
        return int(np.lexsort((self.fun, missed, lost))[0])

    @property
    def best(self) -> Result:
        """The end with the lowest value: see ``best_index``."""
        return self[self.best_index]

    def minima(self, tol: float = 1e-6) -> list[Minimum]:
        """Return the distinct minima that were found, the lowest first.

        Ends of successful descents are the same minimum if no coordinate differs by
        more than ``tol`` (relatively, beyond 1) from the lowest of them. Stationary
        points that the exact Hessian shows to be no minima are left out.
        """
        if not tol >= 0:
            raise InputError(f"tol must be 0 or more, not {tol!r}")
        left = np.flatnonzero(self.success)
        left = left[np.argsort(self.fun[left], kind="stable")]
        found = []
        while left.size:
            lowest = self.x[left[0]]
            apart = np.abs(self.x[left] - lowest) / np.maximum(1.0, np.abs(lowest))
            same = apart.max(axis=1) <= tol
            group = np.sort(left[same])
            value = float(self.fun[left[0]])
            if self[int(left[0])].kind == "minimum":
                found.append(Minimum(lowest.copy(), value, group.size, group))
            left = left[~same]
        return found

    def _repr_html_(self) -> str:
        return card("results", self)

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{int((self.status == status).sum())} {status.name}"
            for status in Status
            if (self.status == status).any()
        )
        best = self.best_index
        lowest = f"lowest f = {number(self.fun[best])}"
        if not self.feasible[best]:
            lowest = f"least violation = {number(self.constraint_violation[best])}"
        return f"<Results of {len(self)} descents: {counts}; {lowest}>"


class Sweep:
    """Every combination of some hyperparameters, as a grid with named axes.

    Attributes
    ----------
    axes : dict of str to ndarray
    fun, grad_norm, nit, nfev, status, success : ndarray, shaped as the grid
    x, jac : ndarray, shaped as the grid, with a last axis of length n
    results : Results
        The same descents in one row, the last axis fastest.
    """

    def __init__(self, axes: Mapping[str, np.ndarray], results: Results) -> None:
        self.axes = dict(axes)
        self.results = results
        self.shape = tuple(values.size for values in axes.values())

    def __getattr__(self, name: str) -> np.ndarray:
        if name in ("fun", "grad_norm", "nit", "nfev", "status", "success", "x", "jac"):
            column = getattr(self.results, name)
            return column.reshape(*self.shape, *column.shape[1:])
        raise AttributeError(name)

    @property
    def best(self) -> Result:
        """The run with the lowest value; its hyperparameters are the best found."""
        return self.results.best

    @property
    def best_at(self) -> dict[str, float]:
        """Where the run with the lowest value is: its place on each axis."""
        place = np.unravel_index(self.results.best_index, self.shape)
        return {
            name: float(values[i])
            for (name, values), i in zip(self.axes.items(), place, strict=True)
        }

    @property
    def status_names(self) -> np.ndarray:
        """The names of the statuses, shaped as the grid."""
        return np.array([Status(s).name for s in self.results.status]).reshape(
            self.shape
        )

    def save(self, file: str | Path, **options: Any) -> None:
        """Write what ``plot`` draws to a file: see :func:`symgd.save`."""
        pictured(self, file, **options)

    def plot(
        self,
        ax: Axes | None = None,
        value: str = "fun",
        at: Mapping[str, float] | None = None,
        proven: Analysis | None = None,
    ) -> Axes:
        """Draw the grid: see :func:`symgd.plotting.sweep_map.plot`."""
        return drawn("sweep_map", self, ax=ax, value=value, at=at, proven=proven)

    def _columns(self) -> dict[str, np.ndarray]:
        """Return a table with a row for each combination."""
        grid = np.meshgrid(*self.axes.values(), indexing="ij")
        columns = dict(zip(self.axes, (g.ravel() for g in grid), strict=True))
        names = ("fun", "grad_norm", "nit", "success")
        columns |= {name: getattr(self.results, name) for name in names}
        columns["status"] = self.status_names.ravel()
        for k, variable in enumerate(self.results.objective.space):
            columns[f"x[{variable}]"] = self.results.x[:, k]
        return columns

    def to_csv(self, file: str | Path) -> None:
        """Write comma-separated values, a row for each combination."""
        columns = self._columns()
        with replacing(file) as out:
            out.write(",".join(columns) + "\n")
            for row in zip(*(c.tolist() for c in columns.values()), strict=True):
                out.write(",".join(map(str, row)) + "\n")

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame, a row for each combination."""
        pd = _optional("pandas", "to_pandas")

        return pd.DataFrame(self._columns())

    def to_xarray(self) -> Any:
        """Return an xarray Dataset with the grid's axes as coordinates."""
        xr = _optional("xarray", "to_xarray")

        names = ("fun", "grad_norm", "nit", "status", "success")
        data = {name: (tuple(self.axes), getattr(self, name)) for name in names}
        dimensions = (*self.axes, "variable")
        coordinates = {**self.axes, "variable": list(self.results.objective.space)}
        return xr.Dataset({**data, "x": (dimensions, self.x)}, coords=coordinates)

    def _repr_html_(self) -> str:
        return card("sweep", self)

    def __repr__(self) -> str:
        axes = ", ".join(f"{name} ({v.size})" for name, v in self.axes.items())
        return f"<Sweep over {axes}: {self.results!r}>"


def _optional(package: str, method: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        problem = f"{method}() needs {package}, which is not installed"
        raise ImportError(f"{problem}: pip install {package}") from None
