"""Random numbers by counters, against the authors' own and against their laws."""

import numpy as np
import pytest

from symgd.arithmetic.counter_based import philox, standard_normal
from tests.rules.philox import normal


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # of Random123's file kat_vectors
        ("00000000" * 4, "00000000" * 2, "6627e8d5e169c58dbc57ac4c9b00dbd8"),
        ("ffffffff" * 4, "ffffffff" * 2, "408f276d41c83b0ea20bc7c66d5451fd"),
        (
            "243f6a8885a308d313198a2e03707344",
            "a4093822299f31d0",
            "d16cfe0994fdcceb5001e42024126ea1",
        ),
    ],
)
def test_philox_has_the_words_of_its_authors(counter, key, words):
    given = [int(text[k : k + 8], 16) for text in (counter, key)
             for k in range(0, len(text), 8)]  # fmt: skip
    assert "".join(f"{word:08x}" for word in philox(*given)) == words


@pytest.mark.parametrize("seed", [0.0, 1.0, -7.5, 2.0**80, 1e-300])
def test_a_normal_number_is_that_of_an_independent_program(seed):
    for t, k, stream in [(1, 0, 0), (3, 2**33 + 5, 1), (2**40 + 1, 7, 4095)]:
        drawn = standard_normal(seed, float(t), float(k), float(stream))
        expected = normal(seed, t, np.array([k], dtype=np.uint64), stream)
        np.testing.assert_allclose(drawn, expected[0], rtol=1e-13)
