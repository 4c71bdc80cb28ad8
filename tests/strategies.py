"""What Hypothesis draws: formulas, quadratics, points."""

import numpy as np
from hypothesis import strategies as st

NAMES = ("x", "y", "z")

_numbers = st.one_of(
    st.integers(-9, 9).map(str),
    st.floats(-9, 9, allow_subnormal=False).map(repr),
    st.sampled_from(["1/3", "-7/11", "pi", "E", "sqrt(2)"]),
).map(lambda text: f"({text})")

_unary = ("sin", "cos", "tanh", "atan", "exp", "abs", "sigmoid", "softplus", "erf")


def _grow(inner):
    """Return formulas one level up; all of them are finite for moderate x, y, z."""
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(st.sampled_from(_unary), inner).map(lambda t: f"{t[0]}(sin({t[1]}))"),
        pair.map(lambda t: f"({t[0]} + {t[1]})"),
        pair.map(lambda t: f"({t[0]} - {t[1]})"),
        pair.map(lambda t: f"({t[0]}*{t[1]})"),
        pair.map(lambda t: f"({t[0]}/(1 + ({t[1]})**2))"),
        inner.map(lambda t: f"log(2 + ({t})**2)"),
        inner.map(lambda t: f"sqrt(1 + ({t})**2)**3"),
        st.tuples(inner, st.integers(2, 4)).map(lambda t: f"sin({t[0]})**{t[1]}"),
        st.tuples(inner, inner, inner).map(
            lambda t: f"({t[0]} if {t[1]} > 0.1 else {t[2]})"
        ),
        pair.map(lambda t: f"max({t[0]}, {t[1]})"),
    )


formulas = st.recursive(
    st.one_of(st.sampled_from(NAMES), _numbers), _grow, max_leaves=8
).map(lambda text: f"x*y + 0.3*z + {text}")


def points(n, limit=2.0):
    """Return vectors of n numbers."""
    numbers = st.floats(-limit, limit, allow_subnormal=False)
    return st.lists(numbers, min_size=n, max_size=n).map(np.array)


@st.composite
def quadratics(draw, n):
    """Return a random symmetric positive definite matrix, its eigenvalues 1/c to 1."""
    condition = 10.0 ** draw(st.floats(0, 6))
    seed = draw(st.integers(0, 2**32 - 1))
    axes, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))
    values = np.geomspace(1 / condition, 1.0, n) if n > 1 else np.ones(1)
    scale = 10.0 ** draw(st.floats(-3, 3))
    matrix = scale * (axes * values) @ axes.T
    return (matrix + matrix.T) / 2
