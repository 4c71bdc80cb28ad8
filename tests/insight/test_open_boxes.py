"""Boxes that a search has left: none is lost, and none stays that was dropped."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from symgd.insight.open_boxes import OpenBoxes


def sides(names):
    lower = np.array([[k, k + 0.25] for k in names], float).reshape(-1, 2).T
    return lower, lower + 0.5


def those_in(boxes):
    assert (boxes.upper == boxes.lower + 0.5).all()
    columns = zip(*boxes.lower, boxes.bounds, strict=True)
    return sorted((one, bound) for one, two, bound in columns if two == one + 0.25)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9)), max_size=12))
def test_boxes_are_as_in_a_list(rounds):
    boxes, left, named = OpenBoxes(*sides([0])), [(0.0, -np.inf)], 0
    for entered, dropped in rounds:
        where = np.zeros(0, int)
        if count := min(dropped, len(left)):
            where = boxes.lowest(count)
            chosen = set(zip(boxes.lower[0, where], boxes.bounds[where], strict=True))
            most = max(bound for _, bound in chosen)
            left = [each for each in left if each not in chosen]
            assert all(most <= bound for _, bound in left)
        names = list(range(named + 1, named + 1 + entered))
        named += entered
        low = np.array([(7 * k) % 10 for k in names], float)
        boxes.replace(where, *sides(names), low)
        left += [(float(k), float(bound)) for k, bound in zip(names, low, strict=True)]
        assert those_in(boxes) == sorted(left)
        if named % 3 == 0:
            boxes.keep_up_to(5.0)
            left = [each for each in left if each[1] <= 5]
            assert those_in(boxes) == sorted(left)
