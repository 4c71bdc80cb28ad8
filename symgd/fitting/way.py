"""The way of a fit: one descent after the other, which can be gone again.

How each descent has ended is remembered. What comes next follows from that, so that a
checkpoint needs those ends only, and the descent that is being made.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from symgd.descent.run import FARTHEST
from symgd.fitting.levenberg_marquardt import Descent, End, Ended, Stage
from symgd.native.status import RUNNING, Status


class Looking(NamedTuple):
    """A search for a start that is to be made; it may find none."""

    search: Callable[[], np.ndarray | None]


Descents: TypeAlias = Generator[Stage | Looking, Any, End]


class Way:
    """A way, gone as far as is known how it goes, and to the next descent.

    Parameters
    ----------
    steps : generator
        Of descents and searches, each sent how it has ended; it returns the end.
    known : iterable of dict
        How the first of them have ended.
    kept : bool
        Whether all ends are to be known, so that it can be gone again.
    """

    def __init__(
        self, steps: Descents, known: Iterable[Any] = (), kept: bool = True
    ) -> None:
        self.steps, self._known, self._is_kept = steps, list(known), kept
        self.ends: list[dict[str, Any]] = []
        self.before = 0  # of these ends, how many the present descent has before it
        self.end: End | None = None
        self._descent: Descent | None = None
        self.lost = False  # whether it was interrupted between two descents
        self._go(None)
        if self._known:
            raise ValueError("more descents are known than were made")

    @property
    def descent(self) -> Descent:
        """The descent that is being made, or was the last one."""
        assert self._descent is not None
        return self._descent

    @property
    def made(self) -> bool:
        """Whether any descent was made, and not known."""
        return self._descent is not None

    def _go(self, sent: Any) -> None:
        self.lost = True
        while True:
            try:
                asked = self.steps.send(sent)
            except StopIteration as over:
                self.end = over.value
                break
            if isinstance(asked, Looking):
                sent = self._found(asked)
            elif self._known:
                sent = self._ended(asked)
            else:
                self._descent, self.before = Descent(asked), len(self.ends)
                break
        self.lost = False

    def _found(self, asked: Looking) -> np.ndarray | None:
        start = self._known.pop(0)["start"] if self._known else asked.search()
        found = None if start is None else np.array(start, dtype=np.float64)
        if self._is_kept:
            self.ends.append({"start": None if found is None else found.tolist()})
        return found

    def _ended(self, stage: Stage) -> Ended:
        """Return how a descent has ended that is known."""
        end = self._known.pop(0)
        x = np.array(end["x"], dtype=np.float64)
        counts, offset = (int(end["nit"]), int(end["nfev"])), float(end["offset"])
        fine = x.shape == stage.x.shape and np.isfinite(x).all() and offset >= 0.0
        if not fine or not all(0 <= count <= FARTHEST for count in counts):
            raise ValueError("no descent ends there")
        stage.limits.nit, stage.limits.nfev = counts
        point = stage.evaluate(x).changed(least=float(end["least"]))
        self.ends.append(end)
        return Ended(point, offset, Status(end["status"]))

    def follow(self, status: int) -> None:
        """Go on to the next descent, or to the end, from one that has ended."""
        ended = self.descent.end(status)
        if self._is_kept:
            limits = self.descent.stage.limits
            end = {"x": ended.point.x.tolist(), "status": int(status)}
            end |= {"offset": ended.offset, "least": ended.point.least}
            self.ends.append(end | {"nit": limits.nit, "nfev": limits.nfev})
        self._go(ended)

    def cut_short(self, status: int) -> None:
        """Go to the end: what comes after the present descent makes no step."""
        self.follow(status)
        while self.end is None and not self.lost:
            there = self.descent.proceed(self.descent.region.t)
            self.follow(status if there == RUNNING else there)
