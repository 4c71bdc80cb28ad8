"""The order of elimination, and groups of columns, against what they are to be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd.kernels.shared import shared
from symgd.native import records
from symgd.native.machine import address

WORK = (
    *("first", "count", "parts", "kind", "mark", "met", "outside", "degree"),
    *("heads", "after", "before"),
)


def analysed(rows, columns, n, late=(), natural=False):
    """Return the order, where entries stand, and the columns of the factors."""
    rows, columns = (np.array(each, dtype=np.int64) for each in (rows, columns))
    arrays = {name: np.zeros(n, dtype=np.int64) for name in WORK}
    for name in ("order", "diagonal", "parents", "late"):
        arrays[name] = np.zeros(n, dtype=np.int64)
    for name in ("starts", "factor_starts"):
        arrays[name] = np.zeros(n + 1, dtype=np.int64)
    arrays["within"] = np.zeros(len(rows) + n, dtype=np.int64)
    arrays["places"] = np.zeros(len(rows), dtype=np.int64)
    arrays["room"] = np.zeros(4 * n * n + 4, dtype=np.int64)
    arrays |= {"rows": rows, "columns": columns}
    arrays["late"][list(late)] = 1
    run = records.Elimination(
        unknowns=n,
        entries=len(rows),
        natural=natural,
        rooms=len(arrays["room"]),
        **{name: address(each) for name, each in arrays.items()},
    )
    assert shared("elimination").call(address(run)) >= 0
    return arrays


def filled(rows, columns, n, order):
    """Return how many entries each column of the factors has, below the diagonal."""
    pattern = np.eye(n, dtype=bool)
    pattern[order[rows], order[columns]] = pattern[order[columns], order[rows]] = True
    for k in range(n):
        below = np.flatnonzero(pattern[k + 1 :, k]) + k + 1
        pattern[np.ix_(below, below)] = True
    return np.tril(pattern, -1).sum(axis=0)


@st.composite
def patterns(draw):
    n = draw(st.integers(1, 12))
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
    chosen = draw(st.sets(pairs.map(lambda p: (max(p), min(p))), max_size=40))
    rows, columns = zip(*sorted(chosen), strict=True) if chosen else ((), ())
    return np.array(rows, dtype=int), np.array(columns, dtype=int), n


@given(patterns(), st.booleans())
@settings(deadline=None)
def test_the_factors_have_as_many_entries_as_the_order_makes(pattern, natural):
    rows, columns, n = pattern
    found = analysed(rows, columns, n, natural=natural)
    order = found["order"]
    assert sorted(order) == list(range(n))
    assert (np.diff(found["factor_starts"]) == filled(rows, columns, n, order)).all()


@given(patterns())
@settings(deadline=None)
def test_each_entry_stands_above_the_diagonal_which_is_last(pattern):
    rows, columns, n = pattern
    found = analysed(rows, columns, n)
    order, starts, within = (found[k] for k in ("order", "starts", "within"))
    assert (within[found["diagonal"]] == order).all()
    assert (found["diagonal"] == starts[order + 1] - 1).all()
    for row, column, place in zip(rows, columns, found["places"], strict=True):
        last = max(order[row], order[column])
        assert starts[last] <= place < starts[last + 1]
        assert within[place] == min(order[row], order[column])


def grid(side):
    """Return the pattern of neighbours in a square."""
    number = np.arange(side * side).reshape(side, side)
    rows = np.concatenate([number[1:].ravel(), number[:, 1:].ravel()])
    columns = np.concatenate([number[:-1].ravel(), number[:, :-1].ravel()])
    return rows, columns, side * side


@pytest.mark.parametrize(
    ("rows", "columns", "n"),
    [
        (np.arange(1, 50), np.arange(49), 50),
        (np.full(49, 49), np.arange(49), 50),
        (np.arange(1, 50), np.zeros(49, dtype=int), 50),
        (np.arange(1, 50), np.arange(1, 50) // 2, 50),
    ],
    ids=["chain", "arrow", "arrow from its head", "tree"],
)
def test_nothing_is_filled_where_that_can_be(rows, columns, n):
    assert analysed(rows, columns, n)["factor_starts"][-1] == len(rows)


def test_in_a_square_far_less_is_filled_than_in_the_order_of_its_rows():
    rows, columns, n = grid(30)
    by_rows = analysed(rows, columns, n, natural=True)["factor_starts"][-1]
    assert analysed(rows, columns, n)["factor_starts"][-1] < 0.6 * by_rows


@given(patterns(), st.data())
@settings(deadline=None)
def test_what_is_to_come_late_comes_after_a_neighbour(pattern, data):
    rows, columns, n = pattern
    near = {i: set() for i in range(n)}
    for row, column in zip(rows, columns, strict=True):
        if row != column:
            near[row].add(column)
            near[column].add(row)
    apart = []
    for i in range(n):
        if near[i] and near[i].isdisjoint(apart) and data.draw(st.booleans()):
            apart.append(i)
    order = analysed(rows, columns, n, late=apart)["order"]
    assert sorted(order) == list(range(n))
    for i in apart:
        assert any(order[other] < order[i] for other in near[i])


@given(patterns())
@settings(deadline=None)
def test_no_row_has_entries_in_two_columns_of_a_group(pattern):
    from symgd.descent.newton_pattern import groups_of

    rows, columns, n = pattern
    groups = groups_of(rows, columns, n, n)
    for row in range(n):
        inside = groups[columns[rows == row]]
        assert len(set(inside)) == len(inside)


def test_a_band_has_as_many_groups_as_it_is_wide():
    from symgd.descent.newton_pattern import groups_of

    rows = np.repeat(np.arange(2, 98), 5)
    columns = rows + np.tile(np.arange(-2, 3), 96)
    assert groups_of(rows, columns, 100, 100).max() == 4
