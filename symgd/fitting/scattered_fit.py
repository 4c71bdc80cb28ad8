"""A fit whose rows are in partitions: what it needs of them are sums, and a sample.

Each partition has a regression of its own rows. Its shares of sums, and its factor R of
the Jacobian's QR, come back in the partitions' order, in which they are added, or
factored again (J. Demmel et al., Communication-optimal parallel and sequential QR and
LU factorizations, 2012): so the bits don't depend on the number of workers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, NoReturn

import numpy as np
import sympy as sp

from symgd.errors import InputError, unknown_name
from symgd.fitting import losses, shares, ties
from symgd.fitting import model as fit_model
from symgd.fitting.by_labels import Labelled
from symgd.fitting.fit_problem import Roles, check_factors, is_plain, source_of
from symgd.fitting.regression import Regression
from symgd.fitting.row_formulas import RowFormulas
from symgd.fitting.rows import Pass
from symgd.fitting.sources import Source, check_rows
from symgd.fitting.tables import TableReading
from symgd.language.formula import symbol
from symgd.native.stopping import SIGNAL, flag
from symgd.objectives.scattered.partitions import ROWS_STAY, Partitions, added
from symgd.objectives.scattered.rows_read import Stopped

SAMPLED = 20_000  # rows, which are brought here


PASSING = ("_passed_to", "last", "sample", "counted")  # what belongs to a process
SQUARED = losses.read("squared", {})
NEEDED = "residuals, pictures and samples of rows need them here"


def _refuse(what: str) -> NoReturn:
    raise InputError(f"{ROWS_STAY}: {what}")


class Nowhere(Mapping[sp.Symbol, np.ndarray]):
    """The columns of rows that aren't here: they can't be had."""

    def __getitem__(self, name: Any) -> NoReturn:
        _refuse(NEEDED)

    def __iter__(self) -> NoReturn:
        _refuse(NEEDED)

    def __len__(self) -> NoReturn:
        _refuse(NEEDED)


class FarTable:
    """The columns of partitions, as the reading of a model asks for them.

    Parameters
    ----------
    partitions : Partitions
    """

    def __init__(self, partitions: Partitions) -> None:
        if partitions.beside:
            name = next(iter(partitions.beside))
            _refuse(f"all columns of a fit are, and the array {name!r} is not")
        self.partitions, self.names = partitions, partitions.scattered
        self.reading, self.dropped = TableReading(), 0

    def label(self, name: str) -> NoReturn:
        """Refuse labels: which there are is not known here."""
        _refuse(f"the labels in {name!r} are not known here, which [...] needs")

    def raw(self, name: str) -> NoReturn:
        """Refuse a column as it was given."""
        _refuse("a fit has one target, the name of a column, then")


class Absent(NamedTuple):
    """What is found where no row counts, or where rows can't be used."""

    why: str


@dataclass(frozen=True)
class FitTask:
    """A regression of the rows of each partition."""

    roles: Roles
    formulas: RowFormulas
    constants: Mapping[sp.Symbol, float]
    scale: float
    bytes_of_row: ClassVar[int] = 0

    def begun(
        self, columns: Mapping[str, np.ndarray], threads: int, number: int
    ) -> Callable[..., Any]:
        """Return what applies a function to the regression of a partition."""
        try:
            held, _ = self.roles.held(columns)
        except InputError as error:
            return functools.partial(_absent, str(error))
        regression = Regression(self.formulas, held, self.constants, self.scale)
        if not regression.weight.any():
            return functools.partial(_absent, "")
        regression.threads = threads
        counted = regression.counted
        counted.threads = threads
        return functools.partial(_applied, counted)


def _absent(why: str, *_: Any) -> Absent:
    return Absent(why)


def _applied(regression: Regression, function: Callable[..., Any], *given: Any) -> Any:
    return function(regression, *given)


class FarRows:
    """The rows of partitions, as a fit has them.

    Parameters
    ----------
    partitions : Partitions
    roles : Roles
    """

    def __init__(self, partitions: Partitions, roles: Roles) -> None:
        named = [value for value in roles.given.values() if isinstance(value, str)]
        names = dict.fromkeys([*roles.columns, roles.target, *named])
        self.partitions, self.roles, self.names = partitions, roles, tuple(names)
        facts = partitions.known(self.names)
        self.count = sum(each.rows for each in facts)
        self.dropped = sum(each.dropped for each in facts)
        self.told = partitions.told(self.names)
        columns = partitions.stand_ins(self.names)
        check_rows(columns)
        self.kind = columns[roles.target].dtype

    def passes(self, *parts: Any) -> Callable[..., list[Any]]:
        """Return what applies a function to a regression of each partition's rows."""
        return self.partitions.passes(self.names, FitTask(self.roles, *parts))


class ScatteredRegression(Regression):
    """The sum over the rows of partitions.

    Parameters
    ----------
    far : FarRows
    formulas, constants, scale
        As of :class:`Regression`.
    """

    scattered = True

    def __init__(
        self,
        far: FarRows,
        formulas: RowFormulas,
        constants: Mapping[sp.Symbol, float],
        scale: float = 1.0,
    ) -> None:
        self.far, self.formulas, self.scale = far, formulas, scale
        self.loss, self.parameters = formulas.loss, formulas.parameters
        self.constants, self.count = dict(constants), far.count
        self.columns: Any = Nowhere()
        self._passes, self.last = {}, (None, None)
        self._passed_to = far.passes(formulas, self.constants, scale)

    def __getstate__(self) -> dict[str, object]:
        return {n: each for n, each in vars(self).items() if n not in PASSING}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        parts = self.formulas, self.constants, self.scale
        self._passed_to, self.last = self.far.passes(*parts), (None, None)

    def _like(self, *parts: Any) -> Regression:
        return ScatteredRegression(self.far, *parts)

    # ------------------------------------------------- what comes back of the rows

    def each_part(self, function: Callable[..., Any], *given: Any) -> list[Any]:
        """Return what a function finds in each partition, in order.

        A time limit isn't heard here, between two descents: it is after it.
        """
        while True:
            try:
                return [found for _, found in self._parts(function, *given)]
            except Stopped:
                if flag()[0] == SIGNAL:
                    raise KeyboardInterrupt from None
                flag()[0] = 0

    def _parts(
        self, function: Callable[..., Any], *given: Any
    ) -> list[tuple[str, Any]]:
        """Return partitions of which rows count, and what a function finds there."""
        found, parts = [], self._passed_to(function, *given)
        for name, part in zip(self.far.told, parts, strict=True):
            if not isinstance(part, Absent):
                found.append((name, part))
            elif part.why:
                raise InputError(f"{name}: {part.why}")
        if not found:
            what = "trials" if "trials" in self.far.roles.given else "weights"
            raise InputError(f"all {what} are 0")
        return found

    def problem(self, function: Callable[..., str], *given: Any) -> str:
        """Return what a function says of rows that can't be used, and where."""
        parts = self._parts(function, *given)
        return next((f"{why}, of {name}" for name, why in parts if why), "")

    def _totals(self, kind: str, at: list[float]) -> np.ndarray:
        try:
            parts = self._parts(shares.totals, kind, at)
        except Stopped:
            return np.full(len(getattr(self.formulas, kind)), np.nan)
        totals: np.ndarray = added([found for _, found in parts])
        return totals

    def native(self, kind: str, x: np.ndarray) -> Pass | None:
        """Return None: no loop has the rows."""
        return None

    @functools.cached_property
    def counted(self) -> Regression:
        """The same, whose count leaves out rows of weight 0: they add nothing."""
        rows = self.weighing
        if rows == self.count:
            return self
        other = ScatteredRegression.__new__(ScatteredRegression)
        vars(other).update(vars(self), count=rows)  # and it passes the same rows
        return other

    @functools.cached_property
    def sample(self) -> Regression:
        """The regression of rows that were brought here: of all, if they are few."""
        step = -(-self.count // SAMPLED)
        parts = self.each_part(shares.some_columns, step)
        columns = {s: np.concatenate([part[s] for part in parts]) for s in parts[0]}
        return Regression(self.formulas, columns, self.constants, self.scale)

    def samples(self, maxiter: int) -> bool:
        """Return whether a descent begins on some of the rows."""
        return super().samples(maxiter) and self.sample.count < self.count

    def sampled(self) -> Regression:
        """Return the regression of some of the rows."""
        return self.sample

    def squares_left(self, x: np.ndarray) -> float:
        """Return the weighted sum of squares that a curve leaves, by sums alone."""
        squared = self if self.loss.squares else self.with_loss(SQUARED)
        return float(squared.gauss_newton(x).size)

    def _squares_of_a_constant(self) -> float:
        about = self.summed(shares.squares_about, self.mean)
        return float(about / self.scale**2)

    def digest(self) -> list[str]:
        """Return what tells the rows from others."""
        return [line for part in self.each_part(Regression.digest) for line in part]

    def differs_in(self, other: Regression) -> str:
        """Return in which column of rows another regression differs, if in any."""
        if not other.scattered:
            return "where the rows are"
        mine, theirs = (each.each_part(shares.digests) for each in (self, other))
        for what in mine[0]:
            if [part[what] for part in mine] != [part[what] for part in theirs]:
                return what
        return ""

    # ----------------------------------------------------------- as a formula

    def in_row(self, index: Any) -> dict[sp.Symbol, sp.Expr]:
        """Return what columns are in a row, as a formula has them."""
        roles = self.far.roles

        def entry(given: Any) -> sp.Expr:
            plain = not isinstance(given, str)
            return sp.Float(given) if plain else sp.IndexedBase(symbol(given))[index]

        factors = {what: entry(given) for what, given in roles.given.items()}
        target = entry(roles.target)
        if "trials" in factors:
            none = sp.Piecewise((1, factors["trials"] <= 0), (0, True))
            target /= factors["trials"] + none
        held = {symbol(name): entry(name) for name in roles.columns}
        held[roles.meant["target"]] = target
        return held | {roles.symbol_of(what): each for what, each in factors.items()}

    @property
    def data(self) -> Any:
        """The data of such a formula."""
        return self.far.partitions

    @property
    def kind(self) -> np.dtype[Any]:
        """The type of the target."""
        return self.far.kind


def posed_far(
    model: Any,
    table: FarTable,
    target: str,
    given: Mapping[str, Any],
    loss: losses.Loss,
    named: tuple[str, ...],
    not_free: tuple[ties.Tie, ...],
    labelled: Labelled,
    sigma_x: Any = None,
) -> tuple[Regression, Source, None]:
    """Read the model, and look at the rows: as ``posed`` does of rows that are here.

    Raises
    ------
    InputError
        If it is a fit that needs all rows in one place, beside what ``posed`` refuses.
    """
    check_factors(given, loss)
    _check_is_of_sums(table, target, given, loss, sigma_x)
    varying = tuple(what for what, value in given.items() if value is not None)
    parts = (table.names, target, varying, loss, named, not_free, labelled)
    known = fit_model.read(model, *parts)
    if places := known.formulas.breaking:
        name = known.parameters[places[0]]
        what = f"the sum jumps with {name}, whose place is searched among all of them"
        _refuse(f"{what}: fix it, fixed={{{name!r}: ...}}")
    every = {what: given[what] for what in varying}
    roles = Roles(known.columns, target, every, known.meant, loss, labelled)
    far = FarRows(table.partitions, roles)
    table.dropped = far.dropped
    regression = ScatteredRegression(far, known.formulas, loss.constants)
    return regression, source_of(known, target, given, table), None


def _check_is_of_sums(
    table: FarTable,
    target: Any,
    given: Mapping[str, Any],
    loss: losses.Loss,
    sigma_x: Any,
) -> None:
    """Refuse what needs more of rows than sums."""
    if sigma_x is not None:
        _refuse("for errors in x, sigma_x, they have to be here")
    if (
        isinstance(target, str)
        and target not in table.names
        and not target.isidentifier()
    ):
        _refuse(f"the target {target!r} has to be the name of a column")
    for what, value in given.items():
        if not is_plain(value):
            _refuse(f"{what} is the name of a column, or one number, then")
        if isinstance(value, str) and value not in table.names:
            raise unknown_name(f"column for {what}", value, table.names)
    if loss.smoothed:
        _refuse(f"the loss {loss.name!r} has no sums that tell its minimum")
    if loss.name in losses.SCALED and given["sigma"] is None:
        problem = f"the loss {loss.name!r} without sigma needs a median of residuals"
        _refuse(f"{problem}; give sigma, a column or a number")
