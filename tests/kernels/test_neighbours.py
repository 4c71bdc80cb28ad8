"""What neighbours among residuals have in common is what NumPy finds."""

import numpy as np
import pytest

from symgd.fitting.goodness import CERTAIN, Left, _slowness
from symgd.kernels import neighbours


def cosines(count, most):
    turns = np.arange(most)[:, None] * (np.arange(count) + 0.5) * np.pi / count
    return np.cos(turns) * np.where(np.arange(most) == 0, 1.0, 2.0)[:, None] ** 0.5


def bump(rest):
    noise = np.median(abs(np.diff(rest))) / neighbours.MEDIAN_OF_STEPS
    clipped = np.clip(rest / noise, -neighbours.OUTLYING, neighbours.OUTLYING)
    sums = np.concatenate(([0.0], np.cumsum(clipped)))
    spans = [span for span in (3, 5, 9, 17, 33) if 2 * span < len(rest)]
    return max(abs(sums[s:] - sums[:-s]).max() / s**0.5 for s in spans)


@pytest.mark.parametrize("count", [8, 11, 12, 13, 100, 1001])
@pytest.mark.parametrize("size", [1e-60, 1.0, 1e60])
def test_it_is_what_numpy_finds(count, size):
    rest = size * np.random.default_rng(count).standard_normal(count)
    rest[count // 2] *= 30.0
    found = Left.of(rest)
    assert found.size == pytest.approx(rest @ rest)
    assert found.apart == pytest.approx(np.diff(rest) @ np.diff(rest))
    assert found.bump == bump(rest)
    powers = np.cumsum((cosines(count, 32) @ rest) ** 2 / count)
    some = [few for few in (4, 8, 16, 32) if 3 * few <= count]
    assert found.powers == pytest.approx([powers[few - 1] for few in some])


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_nothing_is_found_in_what_is_no_number(lost):
    rest = np.ones(20)
    rest[3] = lost
    assert Left.of(rest) == (20, 0.0, 0.0, 0.0, [0.0])


def test_a_slow_wave_alone_is_slow():
    rest, slopes = cosines(200, 4)[3], np.ones((200, 1))
    assert _slowness(Left.of(rest), slopes) > CERTAIN
