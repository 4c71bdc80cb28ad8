"""Philox 4x32-10 in plain NumPy, and normal numbers of it."""

import numpy as np

_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def normal(seed, t, places, stream=0):
    """Return normal numbers for the coordinates at some places, in an update t."""
    key = np.float64(seed).view(np.uint64)
    places = np.asarray(places, dtype=np.uint64)
    t = np.full_like(places, t)
    last = (places >> _HALF) | np.uint64(stream << 20)
    words = [places & _LOW, t & _LOW, t >> _HALF, last]
    keys = [key & _LOW, key >> _HALF]
    for _ in range(10):
        high, low = [], []
        for multiplier, word in ((0xD2511F53, words[0]), (0xCD9E8D57, words[2])):
            product = np.uint64(multiplier) * word
            high.append(product >> _HALF)
            low.append(product & _LOW)
        words = [high[1] ^ words[1] ^ keys[0], low[1], high[0] ^ words[3] ^ keys[1],
                 low[0]]  # fmt: skip
        weyl = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
        keys = [(k + w) & _LOW for k, w in zip(keys, weyl, strict=True)]
    first, second = (
        ((a << np.uint64(20)) | (b >> np.uint64(12))) / 2.0**52
        for a, b in (words[:2], words[2:])
    )
    return np.sqrt(-2.0 * np.log(1.0 - first)) * np.cos(2.0 * np.pi * second)
