"""Formulas as text."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

NAMES = ("x", "y", "z")

_numbers = st.one_of(
    st.integers(-9, 9).map(str),
    st.floats(-9, 9, allow_subnormal=False).map(repr),
    st.sampled_from(["1/3", "-7/11", "pi", "E", "sqrt(2)"]),
).map(lambda text: text if text.isalnum() else f"({text})")

_unary = ("sin", "cos", "tanh", "atan", "exp", "abs", "sigmoid", "softplus", "erf")


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
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


def formulas(
    names: Sequence[str] = NAMES, max_leaves: int = 8
) -> st.SearchStrategy[str]:
    """Draw formulas as text: smooth or not, finite for variables of moderate size.

    Each is compiled when it is used, which takes a few tenths of a second: draw few
    formulas, and for each many points.

    Parameters
    ----------
    names : sequence of str
        The variables that may occur. A formula may have none of them.
    max_leaves : int
        How many names and numbers there are at most.

    Returns
    -------
    strategy of str
        It shrinks to the first name.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(formulas(), lambda formula: "sin" in formula)
    'sin(sin(x))'
    """
    leaves = st.one_of(st.sampled_from(list(names)), _numbers)
    return st.recursive(leaves, _grow, max_leaves=max_leaves)
