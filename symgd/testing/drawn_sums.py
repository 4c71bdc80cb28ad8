"""Formulas with sums and products over indices, with data for them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from symgd.objectives.objective import Objective

# Indices that are within 0 and n + 2 for 0 <= i <= n; {i} is the index.
PLACES = ["{i}", "{i} + 1", "{i} + 2", "n - {i}", "n + 1 - {i}", "2*{i}", "2*{i} + 1"]
PLACES += ["{i}//2", "{i} % 3", "({i} + 1) % (n + 1)", "max({i}, 2)", "0", "2"]
PLACES += ["key[{i}]", "key[{i} + 1] + 1", "min({i} + 1, n)", "pairs[{i}, 1]"]
LEAVES = ["0.7*{i}", "a", "p", "n/7", "1.3", "1/({i} + 1)"]
RANGES = ["range(n)", "range(1, n)", "range(n + 1)", "range(n - 1)", "range(2, n - 1)"]
RANGES += ["range(0, n, 2)", "range(n, -1, -1)", "range(n - 1, 0, -2)", "range(1)"]
NEVER_EMPTY = ["range(n + 1)", "range(1)", "range(3)", "range(n, -1, -1)"]
RANGES += ["range(n, n)", "range(n//2 + 1)", "range(max(0, n - 2), n)", "range(3)"]
INNER = [*RANGES, "range({i})", "range({i} + 1)", "range({i}, n)", "range({i} + 1, n)"]
INNER += ["range(max(0, {i} - 1), min(n, {i} + 2))", "range({i}//2, {i})"]
FACTOR = "(0.3 + {0})/(1 + ({0})**2)"
LONGEST = 20  # what sizes() draws; the data have room for it


@st.composite
def _accesses(draw: Callable, indices: Sequence[str]) -> str:
    """Return the text of an element of x, u or of the data."""
    place = st.tuples(st.sampled_from(PLACES), st.sampled_from(indices)).map(
        lambda pair: pair[0].format(i=pair[1])
    )
    name = draw(st.sampled_from(["x", "x", "x", "x", "u", "u", "y", "A", "w"]))
    if name in ("u", "A"):
        second = draw(st.one_of(place, st.sampled_from(["0", "1", "2"])))
        return f"{name}[{draw(place)}, {second}]"
    return f"{name}[{draw(place)}]"


def _bodies(indices: Sequence[str], inner: Any = None) -> st.SearchStrategy[str]:
    """Return what is summed; finite and of moderate size for all moderate numbers.

    It is algebraic: the code of other functions is long.
    """
    leaves = st.one_of(
        _accesses(indices),
        _accesses(indices),
        st.sampled_from(LEAVES).map(lambda text: text.format(i=indices[-1])),
    )
    if inner is not None:
        leaves = st.one_of(leaves, inner)

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.tuples(inner, inner)
        return st.one_of(
            pair.map(lambda t: f"({t[0]} - {t[1]})**2"),
            pair.map(lambda t: f"({t[0]} + {t[1]})"),
            pair.map(lambda t: f"({t[0]}*{t[1]})"),
            pair.map(lambda t: f"({t[0]})/(1 + ({t[1]})**2)"),
            pair.map(lambda t: f"max({t[0]}, {t[1]} + 0.123)"),
            inner.map(lambda t: f"sqrt(1 + ({t})**2)"),
            pair.map(lambda t: f"min({t[0]}**2, 1.123 - {t[1]})"),
            inner.map(lambda t: f"abs({t} + 0.217)"),
            pair.map(lambda t: f"({t[0]} if {indices[-1]} % 2 == 0 else {t[1]})"),
            pair.map(lambda t: f"({t[0]} if {t[1]} > 0.37 else {t[1]}**2)"),
        )

    return st.recursive(leaves, grow, max_leaves=3)


@st.composite
def _loops(draw: Callable) -> str:
    """Return the text of a sum, product or extreme, with or without a sum inside."""
    kind = draw(st.sampled_from(("sum", "sum", "sum", "sum", "prod", "max", "min")))
    extreme = kind in ("max", "min")
    first = draw(st.sampled_from(NEVER_EMPTY if extreme else RANGES))
    shape = draw(st.sampled_from(["plain", "plain", "nested", "two"][: 4 - extreme]))
    if shape == "two":
        second = draw(st.sampled_from(INNER)).format(i="i")
        body, ends = draw(_bodies(["i", "j"])), f"for i in {first} for j in {second}"
    elif shape == "nested":
        second = draw(st.sampled_from(INNER)).format(i="i")
        body = draw(_bodies(["i", "j"]))
        within = f"(sum({body} for j in {second})/(n + 1))"
        if draw(st.booleans()):
            within = f"prod({FACTOR.format(body)} for j in {second})"
        body = draw(_bodies(["i"], st.just(within)))
        body, ends = f"{body} + {within}/3", f"for i in {first}"
    else:
        body, ends = draw(_bodies(["i"])), f"for i in {first}"
    if extreme:  # no two of what is chosen from are alike
        body = f"{body} + 0.0137*i"
    return f"{kind}({FACTOR.format(body) if kind == 'prod' else body} {ends})"


@st.composite
def sum_formulas(draw: Callable) -> str:
    """Draw the text of a formula in the variables x[...], u[..., ...] and a."""
    parts = draw(st.lists(_loops(), min_size=1, max_size=2))
    wrapped = [
        draw(st.sampled_from(["{}", "{}", "sqrt(2 + ({})**2)", "a*{}"])) for _ in parts
    ]
    joined = draw(st.sampled_from([" + ", " - ", "*"]))
    texts = [w.format(part) for w, part in zip(wrapped, parts, strict=True)]
    return f"{joined.join(texts)} + 0.3*a**2 + x[0]*u[0, 1] + p*x[n]"


@functools.lru_cache(maxsize=64)
def _data_of(seed: int) -> dict[str, np.ndarray]:
    """Return data long enough for all places, of many types and layouts."""
    rng = np.random.default_rng(seed)
    wide = rng.normal(size=(80, 60))
    table = np.zeros(60, dtype=[("flag", "i1"), ("w", "f4"), ("key", "i2")])
    table["w"], table["key"] = rng.normal(size=60), rng.integers(0, 5, 60)
    return {
        "y": wide[::-1, 3][:60],
        "A": np.asfortranarray(wide) if seed % 2 else wide[::-1],
        "w": table["w"] if seed % 2 else rng.integers(-3, 4, 60),
        "key": table["key"],
        "pairs": rng.integers(0, 6, size=(60, 2), dtype=np.uint8),
    }


def sum_objective(formula: str, n: int, seed: int = 0) -> Objective:
    """Return the objective of a formula that was drawn, with n and data."""
    data = {k: v for k, v in _data_of(seed).items() if f"{k}[" in formula}
    given: dict[str, Any] = {"sizes": {"n": n}, "data": data}
    return Objective(formula, parameters={"p": -0.6}, workers=1, **given)


def sums(
    sizes: st.SearchStrategy[int] | None = None, seeds: int = 5
) -> st.SearchStrategy[Objective]:
    """Draw objectives with sums, products and extremes over indices, nested or not.

    They have arrays of one and two indices as variables and as data, of many types;
    indices that are shifted, reversed, divided, or data themselves; ranges that are
    empty, go backwards, or depend on other indices; kinks and choices. Each is
    compiled when it is used, which takes some tenths of a second.

    Parameters
    ----------
    sizes : strategy of int, optional
        Of n, 0 to 20 by default.
    seeds : int
        How many sets of data there are besides the first.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3, deadline=None, database=None)
    ... @given(sums())
    ... def finite(objective):
    ...     assert abs(objective.value([0.5] * len(objective.space))) < 1e9
    >>> finite()
    """
    sizes = st.integers(0, LONGEST) if sizes is None else sizes
    return st.builds(sum_objective, sum_formulas(), sizes, st.integers(0, seeds))
