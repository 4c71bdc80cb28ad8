"""Random numbers that are functions of a seed and a counter, without any state.

Philox 4x32-10 of Salmon, Moraes, Dror & Shaw ("Parallel random numbers: as easy as 1,
2, 3", SC 2011), which cuRAND, PyTorch and TensorFlow have as well; then Box & Muller
(1958). Straight-line code over ``primitives``: every loop has the same bits.
"""

from __future__ import annotations

from math import pi

from symgd.arithmetic.elementary import cos, log
from symgd.arithmetic.primitives import bits, from_bits, square_root

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85  # what is added to the key from round to round
LOW = 0xFFFFFFFF  # 32 bits
WHOLE = 2.0**52  # a whole number below, added to it, is in its low bits
MANTISSA = 2**52 - 1
ONE = bits(1.0)
STREAMS = 4096  # independent numbers of one seed, update and coordinate


def philox(a: int, b: int, c: int, d: int, key: int, other: int) -> tuple[int, ...]:
    """Return four random words of 32 bits for a counter of four and a key of two."""
    for _ in range(ROUNDS):
        first, second = MULTIPLIERS[0] * a, MULTIPLIERS[1] * c
        a, b, c, d = (
            ((second >> 32) & LOW) ^ b ^ key,
            second & LOW,
            ((first >> 32) & LOW) ^ d ^ other,
            first & LOW,
        )
        key, other = (key + WEYL[0]) & LOW, (other + WEYL[1]) & LOW
    return a, b, c, d


def standard_normal(seed: float, t: float, k: float, stream: float) -> float:
    """Return a standard normal number of an update t and a coordinate k.

    Parameters
    ----------
    seed : float
        Any number: its 64 bits are the key.
    t, k : float
        Whole numbers from 0 to below 2**52: they are the counter.
    stream : float
        A whole constant below STREAMS, for one more number.
    """
    key, now, place = bits(seed), _word(t), _word(k)
    last = (place >> 32) | (int(stream) << 20)
    counter = place & LOW, now & LOW, now >> 32, last
    a, b, c, d = philox(*counter, key & LOW, (key >> 32) & LOW)
    radius = square_root(-2.0 * log(2.0 - _between_one_and_two(a, b)))
    return radius * cos(2.0 * pi * (_between_one_and_two(c, d) - 1.0))


def _word(number: float) -> int:
    return bits(number + WHOLE) & MANTISSA


def _between_one_and_two(high: int, low: int) -> float:
    """Return a uniform number of 52 random bits, from 1 to below 2."""
    return from_bits((high << 20) | (low >> 12) | ONE)
