"""Which frequencies are in residuals: the largest peaks of a periodogram.

Rows need not be even: they are put on a fine grid, whose Fourier transform is that of
the rows to within a fraction of a cell (N. R. Lomb 1976 and J. D. Scargle 1982 have the
least squares behind it, W. H. Press and G. B. Rybicki 1989 the grid). Frequencies above
the sampling limit are aliases of others, and no candidates.
"""

from __future__ import annotations

import numpy as np

FINE = 8  # cells from a row to the next, and
PADDED = 4  # times the span, so that no peak is between two frequencies
LARGEST = 2**18  # cells
PEAKS = 6


def sampling_limit(phase: np.ndarray) -> float:
    """Return the largest frequency that rows at some places tell from lower ones.

    >>> sampling_limit(np.arange(10.0)) == np.pi
    True
    """
    steps = np.diff(np.unique(phase[np.isfinite(phase)]))
    steps = steps[steps > 1e-9 * steps.sum()]
    return float(np.pi / np.median(steps)) if len(steps) else np.inf


def frequencies(phase: np.ndarray, values: np.ndarray, limit: float) -> np.ndarray:
    """Return the angular frequencies of the largest peaks, the largest first.

    >>> t = np.linspace(0.0, 100.0, 600)
    >>> print(frequencies(t, np.sin(7.0 * t), sampling_limit(t))[0].round(1))
    7.0
    """
    span = float(np.ptp(phase))
    if not (0.0 < span < np.inf and 0.0 < limit < np.inf):
        return np.zeros(0)
    cells = int(min(LARGEST, 2 ** np.ceil(np.log2(FINE * span * limit / np.pi + 8.0))))
    design = np.stack([np.ones_like(phase), (phase - phase.mean()) / span], axis=1)
    rest = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    grid = np.zeros(cells)
    places = np.rint((phase - phase.min()) / span * (cells - 1)).astype(int)
    np.add.at(grid, places, rest)
    power = abs(np.fft.rfft(grid, PADDED * cells)) ** 2
    rate = 2.0 * np.pi * (cells - 1) / (span * PADDED * cells)
    power = power[: int(limit / rate) + 1]
    inner = power[1:-1]
    peaks = 1 + np.flatnonzero((inner >= power[:-2]) & (inner > power[2:]))
    return rate * peaks[np.argsort(-power[peaks], kind="stable")][:PEAKS]
