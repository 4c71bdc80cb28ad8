"""Where most is left: rows for places, and frequencies that residuals have."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgd.fitting.draws import Draws
from symgd.fitting.spectrum import frequencies, sampling_limit

NEAR = 0.3  # of the rows' span
MIXED = 0.4  # of the frequencies where waves are multiplied, as their sums are seen


class Aims:
    """Aims parameters at what is left.

    Parameters
    ----------
    draws : Draws
        Of what can't be aimed.
    mixing : bool
        Whether waves are multiplied.
    beyond : float
        Times the sampling limit: up to which frequencies are tried.
    """

    def __init__(self, draws: Draws, mixing: bool, beyond: float) -> None:
        self.draws, self.mixing, self.beyond = draws, mixing, beyond

    def view(self) -> Any:
        """Return what rows count as seen from one of them, the less the farther."""
        if not self.draws.columns:
            return 1.0
        column = self.draws.columns[
            int(self.draws.rng.integers(len(self.draws.columns)))
        ]
        away = abs(column - self.draws.rng.choice(column))
        return np.exp(-away / (NEAR * float(np.ptp(column)) or 1.0))

    def aimed(self, x: np.ndarray, places: list[int], left: np.ndarray) -> np.ndarray:
        """Return a point whose places are where most is left, others redrawn."""
        x = self.draws.redrawn(x, places)
        ranks = (
            self._ranks(2) if self.mixing and self.draws.rng.uniform() < MIXED else None
        )
        for p in places:
            value = self._frequency(p, x, left, ranks)
            if value is None and self.draws.rng.uniform() < 0.8:
                value = self._centre(p, x, left)
            x[p] = x[p] if value is None else value
        return np.clip(x, self.draws.lower, self.draws.upper)

    @np.errstate(all="ignore")
    def _centre(self, place: int, x: np.ndarray, left: np.ndarray) -> float | None:
        """Return where something added to a column is 0 in the row with most left."""
        mine = self.draws.scales.of(place, "meet", "choice")
        if not mine or not np.isfinite(left).all():
            return None
        factor, power, rest = self.draws.scales.at(mine[0], x)
        value = float((-rest / factor)[np.argmax(abs(left))])
        usable = power == 1.0 and np.isfinite(value) and np.ptp(rest) > 0.0
        return value if usable else None

    def _frequency(
        self, place: int, x: np.ndarray, left: np.ndarray, ranks: Any
    ) -> float | None:
        """Return a frequency that is in the residuals.

        With two ranks, a part of two frequencies that are: a product of two waves is a
        wave of the sum of their frequencies and one of the difference.
        """
        mine = self.draws.scales.of(place, "wave")
        if not mine:
            return None
        factor, power, rest = self.draws.scales.at(mine[0], x)
        if not (np.isfinite(factor).all() and np.ptp(factor) > 0.0):
            # A phase, which is anything.
            return (
                float(self.draws.rng.uniform(-np.pi, np.pi)) if power == 1.0 else None
            )
        if not (np.isfinite(left).all() and np.isfinite(rest).all()):
            return None
        found = frequencies(factor, left, self.limit(factor), rest)
        if not len(found):
            return None
        if ranks is None:
            rate = found[min(*self._ranks(1), len(found) - 1)]
        else:
            one, other = found[np.minimum(ranks, len(found) - 1)].tolist()
            part = int(self.draws.rng.integers(4))
            apart = abs(one - other)
            rate = [one / 2.0, (one + other) / 2.0, apart / 2.0, apart][part]
        return float(rate ** (1.0 / power)) if rate else None

    def limit(self, factor: np.ndarray) -> float:
        """Return the largest frequency that is tried."""
        return self.beyond * sampling_limit(factor)

    def _ranks(self, count: int) -> list[int]:
        """Return ranks of peaks, all different, the first ones rather than others."""
        ranks: list[int] = []
        while len(ranks) < count:
            rank = int(self.draws.rng.geometric(0.5)) - 1
            ranks += [] if rank in ranks else [rank]
        return ranks

    def is_resolved(self, x: np.ndarray) -> bool:
        """Return whether no frequency is above what the rows can tell."""
        waves = [k for k, p in enumerate(self.draws.scales.parts) if p.kind == "wave"]
        if not waves:
            return True
        with np.errstate(all="ignore"):
            for k in waves:
                factor, power, _ = self.draws.scales.at(k, x)
                rate = abs(x[self.draws.scales.parts[k].place]) ** power
                if np.ptp(factor) > 0.0 and rate > 1.05 * self.limit(factor):
                    return False
        return True
