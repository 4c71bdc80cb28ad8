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
SURELY = 5.0  # times the mean power, and as much as the largest of many in noise has
TURNED = np.cos, np.sin
NOTHING = np.zeros(0)
BENDS = 512  # of a chirp, at most


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


def unevenness(values: np.ndarray) -> float:
    """Return the largest step of some values, in mean ones."""
    steps = np.diff(np.sort(values))
    return float(steps.max(initial=0.0) / (steps.mean() or 1.0)) if len(steps) else 1.0


def chirps(
    phase: np.ndarray,
    values: np.ndarray,
    limit: float,
    curve: np.ndarray,
    known: np.ndarray,
) -> list[tuple[float, float]]:
    """Return frequencies with what turns them, the strongest first.

    The phase is frequency*phase + bend*curve + known. Bends are so near each other that
    the waves of neighbours differ by less than a quarter of a turn.

    Examples
    --------
    >>> t = np.linspace(0.0, 100.0, 600)
    >>> some = t, np.sin(7.0 * t - 0.1 * t**2), sampling_limit(t)
    >>> print(np.round(chirps(*some, t**2, 0.0 * t)[0], 1))
    [ 7.  -0.1]
    """
    line = np.stack([np.ones_like(phase), phase / np.ptp(phase)], axis=1)
    bent = float(np.ptp(curve - line @ np.linalg.lstsq(line, curve, rcond=None)[0]))
    most = limit * np.ptp(phase) / np.ptp(curve)
    if not (0.0 < bent < np.inf and 0.0 < most < np.inf):
        return []
    count = int(min(BENDS, 2.0 * np.ceil(2.0 * most * bent / np.pi) + 1.0))
    bends = np.linspace(-most, most, count)
    coarse = functools.partial(_periodogram, phase, values, limit, fine=2, padded=2)
    powers = np.array([coarse(known + bend * curve)[1].max() for bend in bends])
    ends = np.pad(powers, 1)
    peaks = np.flatnonzero((powers >= ends[:-2]) & (powers > ends[2:]))
    found = []
    for bend in bends[peaks[np.argsort(-powers[peaks], kind="stable")][:PEAKS]]:
        rates = frequencies(phase, values, limit, known + bend * curve)
        found += [(float(rate), float(bend)) for rate in rates[:1]]
    return found


def has_wave(phase: np.ndarray, values: np.ndarray) -> bool:
    """Return whether a frequency is in values more than it would be in noise.

    Of noise, the power at a frequency is above c times its mean with probability
    exp(-c) (R. A. Fisher, Tests of significance in harmonic analysis, 1929).

    >>> t, rng = np.arange(300.0), np.random.default_rng(0)
    >>> noise = rng.standard_normal(300)
    >>> has_wave(t, noise), has_wave(t, noise + np.sin(1.5 * t))
    (False, True)
    """
    _, power = _periodogram(phase, values, sampling_limit(phase))
    surely = SURELY + np.log(len(values))
    return bool(power.max(initial=0.0) > surely * np.sum(values**2))


@functools.lru_cache(maxsize=16)
def _frequencies(phase: bytes, values: bytes, limit: float, known: bytes) -> np.ndarray:
    places, turned = np.frombuffer(phase), np.frombuffer(known)
    rate, power = _periodogram(places, np.frombuffer(values), limit, turned)
    inner = power[1:-1]
    peaks = 1 + np.flatnonzero((inner >= power[:-2]) & (inner > power[2:]))
    return rate * peaks[np.argsort(-power[peaks], kind="stable")][:PEAKS]


def _periodogram(
    places: np.ndarray,
    values: np.ndarray,
    limit: float,
    known: np.ndarray = NOTHING,
    fine: int = FINE,
    padded: int = PADDED,
) -> tuple[float, np.ndarray]:
    """Return the power at multiples of a frequency, and that frequency."""
    span = float(np.ptp(places))
    if not (0.0 < span < np.inf and 0.0 < limit < np.inf):
        return 0.0, np.zeros(0)
    cells = int(min(LARGEST, 2 ** np.ceil(np.log2(fine * span * limit / np.pi + 8.0))))
    design = np.stack([np.ones_like(places), (places - places.mean()) / span], axis=1)
    rest = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    cell = np.rint((places - places.min()) / span * (cells - 1)).astype(int)
    rate = 2.0 * np.pi * (cells - 1) / (span * padded * cells)
    if len(known):
        even, odd = (np.bincount(cell, rest * f(known), cells) for f in TURNED)
        waves = np.fft.fft(even - 1j * odd, padded * cells)
    else:
        waves = np.fft.rfft(np.bincount(cell, rest, cells), padded * cells)
    return rate, abs(waves[: int(limit / rate) + 1]) ** 2
