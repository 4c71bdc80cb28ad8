"""Which frequencies are in residuals: the largest peaks of a periodogram.

Rows need not be even: they are put on a fine grid, whose Fourier transform is that of
the rows to within a fraction of a cell (N. R. Lomb 1976 and J. D. Scargle 1982 have the
least squares behind it, W. H. Press and G. B. Rybicki 1989 the grid). Frequencies above
the sampling limit are aliases of others, and no candidates.
"""

from __future__ import annotations

import functools

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
    return _sampling_limit(phase.tobytes())


@functools.lru_cache(maxsize=16)  # most draws ask for the same
def _sampling_limit(phase: bytes) -> float:
    places = np.frombuffer(phase)
    steps = np.diff(np.unique(places[np.isfinite(places)]))
    steps = steps[steps > 1e-9 * steps.sum()]
    return float(np.pi / np.median(steps)) if len(steps) else np.inf


def frequencies(
    phase: np.ndarray, values: np.ndarray, limit: float, known: np.ndarray
) -> np.ndarray:
    """Return the angular frequencies of the largest peaks, the largest first.

    Parameters
    ----------
    phase, values : ndarray
        What a frequency multiplies, and what it is sought in.
    limit : float
        The largest frequency.
    known : ndarray
        What is added to frequency*phase, as the rest of a chirp is.

    Examples
    --------
    >>> t = np.linspace(0.0, 100.0, 600)
    >>> some = t, np.sin(7.0 * t - 0.1 * t**2), sampling_limit(t)
    >>> print(frequencies(*some, -0.1 * t**2)[0].round(1))
    7.0
    """
    turned = known.tobytes() if np.ptp(known) > 0.0 else b""
    return _frequencies(phase.tobytes(), values.tobytes(), limit, turned)


@functools.lru_cache(maxsize=16)
def _frequencies(phase: bytes, values: bytes, limit: float, known: bytes) -> np.ndarray:
    places, rest = np.frombuffer(phase), np.frombuffer(values)
    span = float(np.ptp(places))
    if not (0.0 < span < np.inf and 0.0 < limit < np.inf):
        return np.zeros(0)
    cells = int(min(LARGEST, 2 ** np.ceil(np.log2(FINE * span * limit / np.pi + 8.0))))
    design = np.stack([np.ones_like(places), (places - places.mean()) / span], axis=1)
    rest = rest - design @ np.linalg.lstsq(design, rest, rcond=None)[0]
    cell = np.rint((places - places.min()) / span * (cells - 1)).astype(int)
    rate = 2.0 * np.pi * (cells - 1) / (span * PADDED * cells)
    power = _power(cell, rest, np.frombuffer(known), cells)[: int(limit / rate) + 1]
    inner = power[1:-1]
    peaks = 1 + np.flatnonzero((inner >= power[:-2]) & (inner > power[2:]))
    return rate * peaks[np.argsort(-power[peaks], kind="stable")][:PEAKS]


def _power(
    cell: np.ndarray, rest: np.ndarray, known: np.ndarray, cells: int
) -> np.ndarray:
    """Return the periodogram of rows in cells, less a known phase."""
    if not len(known):
        even = np.bincount(cell, rest, cells)
        return np.asarray(abs(np.fft.rfft(even, PADDED * cells)) ** 2)
    parts = (np.bincount(cell, rest * f(known), cells) for f in (np.cos, np.sin))
    even, odd = parts
    return np.asarray(abs(np.fft.fft(even - 1j * odd, PADDED * cells)) ** 2)
