"""How the methods of a race did: by label, ranked, as a table."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symgd.descent.certificate import CTOL
from symgd.descent.history import Trace
from symgd.descent.result import Result
from symgd.errors import unknown_name
from symgd.language.drawing import animated, card, drawn, pictured
from symgd.language.text import brief, duration, number, plain
from symgd.native.replacing import replacing
from symgd.native.status import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ARRIVED = (Status.TARGET_REACHED, Status.CONVERGED)
SAME = 1e-9  # values that differ by no more are the same


class Race(Mapping[str, Result]):
    """The runs of several methods; ``race[label]`` is one of them as a Result.

    Attributes
    ----------
    results : dict of str to Result
        By label, in the order in which they were given.
    seconds : dict of str to float
        What each descent took alone: without compilation, without recording iterates,
        and the best of a few measurements if it is short.
    start : dict of str to float, or array
        Where all runs began, by name.
    missing : tuple of str
        The labels of those that did not run, after Ctrl-C.
    """

    def __init__(
        self,
        results: Mapping[str, Result],
        start: Mapping[str, Any],
        missing: Sequence[str] = (),
    ) -> None:
        self.results = dict(results)
        self.start = dict(start)
        self.missing = tuple(missing)
        self.seconds = {label: run.seconds for label, run in self.results.items()}

    def __getitem__(self, label: str) -> Result:
        if label not in self.results:
            raise KeyError(str(unknown_name("label", label, self.results)))
        return self.results[label]

    def __contains__(self, label: object) -> bool:
        return label in self.results

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def traces(self) -> dict[str, Trace]:
        """The iterates by label, of those runs that have them."""
        known = ((label, run.trace) for label, run in self.results.items())
        return {label: trace for label, trace in known if trace is not None}

    @property
    def ranking(self) -> list[str]:
        """The labels: the fastest to ``gtol`` (or the target) first, diverged last.

        Those that stopped elsewhere are in the order of their values.
        """
        return sorted(self.results, key=self._place)

    def _place(self, label: str) -> tuple[int, float, float]:
        result, seconds = self.results[label], self.seconds[label]
        if result.status in ARRIVED:
            return ARRIVED.index(result.status), seconds, 0.0
        if self._lost(label):
            return 9, 0.0, 0.0
        return 8, result.fun, seconds

    @property
    def fastest(self) -> str | None:
        """The label of the run that was first at ``gtol`` (or the target), if any."""
        first = self.ranking[0]
        return first if self.results[first].status in ARRIVED else None

    @property
    def best_label(self) -> str:
        """The label of the best run: the first of the ranking at the lowest value.

        Values are the same if they differ by at most 1e-9, relatively beyond 1. Runs
        that diverged don't count, unless all did.
        """
        ends = [label for label in self.ranking if not self._lost(label)]
        if not ends:
            return self.ranking[0]
        lowest = min(self.results[label].fun for label in ends)
        limit = lowest + SAME * max(1.0, abs(lowest))
        return next(label for label in ends if self.results[label].fun <= limit)

    def _lost(self, label: str) -> bool:
        result = self.results[label]
        missed = not (result.success or result.constraint_violation <= CTOL)
        return result.status == Status.DIVERGED or missed

    @property
    def best(self) -> Result:
        """The best run: see ``best_label``."""
        return self.results[self.best_label]

    def table(self) -> list[dict[str, Any]]:
        """Return plain data, a row for each run, ranked.

        ``nit_to_gtol`` and ``seconds_to_gtol`` are None for a run that did not
        converge.

        Examples
        --------
        >>> from symgd import race
        >>> (row,) = race("x**2 + 3*y**2", [1, 1], ["gd"], step_size=0.2).table()
        >>> row["label"], row["status"], row["nit"], row["nit_to_gtol"]
        ('gd', 'CONVERGED', 38, 38)
        """
        return [self._row(label) for label in self.ranking]

    def _row(self, label: str) -> dict[str, Any]:
        result, seconds = self.results[label], self.seconds[label]
        converged = result.status == Status.CONVERGED
        return {
            "label": label,
            "method": result.method,
            "status": result.status.name,
            "success": result.success,
            "nit": result.nit,
            "nfev": result.nfev,
            "seconds": seconds,
            "fun": result.fun,
            "grad_norm": result.grad_norm,
            "nit_to_gtol": result.nit if converged else None,
            "seconds_to_gtol": seconds if converged else None,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the race as plain numbers, text, lists and dictionaries."""
        return {
            "success": any(run.success for run in self.results.values()),
            "fastest": self.fastest,
            "best": self.best_label,
            "start": {name: plain(v) for name, v in self.start.items()},
            "missing": list(self.missing),
            "table": self.table(),
            "results": {label: run.to_dict() for label, run in self.results.items()},
        }

    def to_csv(self, file: str | Path) -> None:
        """Write the table as comma-separated values; what is None is empty."""
        rows = self.table()
        with replacing(file) as out:
            writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def save(self, file: str | Path, **options: Any) -> None:
        """Write what ``plot`` draws to a file: see :func:`symgd.save`."""
        pictured(self, file, **options)

    def plot(self, ax: Axes | None = None, quantity: str = "grad_norm") -> Axes:
        """Draw how the runs converge: see :func:`symgd.plotting.race_curves.plot`."""
        return drawn("race_curves", self, ax=ax, quantity=quantity)

    def animate(
        self, file: str | Path, *, frames: int = 60, fps: float = 12, **options: Any
    ) -> None:
        """Write the race as a moving picture: see :meth:`Result.animate`."""
        animated("race_curves", self, file, frames=frames, fps=fps, **options)

    def _repr_html_(self) -> str:
        return card("race", self)

    def __repr__(self) -> str:
        place = [f"{name} = {brief(v)}" for name, v in self.start.items()]
        if len(place) > 6:
            place = [*place[:3], "...", place[-1]]
        methods = "1 method" if len(self) == 1 else f"{len(self)} methods"
        header = ("method", "status", "iterations", "evaluations", "time", "f")
        rows = [(*header, "gradient"), *map(self._shown, self.table())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"race of {methods} from {', '.join(place)}{self._goal()}", ""]
        for label, status, *numbers in rows:
            cells = [label.ljust(widths[0]), status.ljust(widths[1])]
            pairs = zip(numbers, widths[2:], strict=True)
            cells += [text.rjust(width) for text, width in pairs]
            lines.append("  ".join(cells))
        if self.missing:
            lines += ["", f"interrupted; did not run: {', '.join(self.missing)}"]
        return "\n".join(lines)

    def _goal(self) -> str:
        criteria = next(iter(self.results.values())).criteria
        named = [name for name in ("gtol", "target") if name in criteria]
        words = [f"{name} = {criteria[name].limit:g}" for name in named]
        return f" to {' or '.join(words)}" if words else ""

    @staticmethod
    def _shown(row: Mapping[str, Any]) -> tuple[str, ...]:
        counts = (row["label"], row["status"], str(row["nit"]), str(row["nfev"]))
        f, gradient = number(row["fun"]), f"{row['grad_norm']:.3g}"
        return *counts, duration(row["seconds"]), f, gradient
