"""Choices of any length are written, and choose what they should."""

import pytest

import symgd
from symgd.lowering.sharing import LONGEST_CHOICE


def chain(n):
    return " else ".join(f"{i}*x + y if x < {i} + y" for i in range(n)) + " else y"


@pytest.mark.parametrize("n", [LONGEST_CHOICE, LONGEST_CHOICE + 1, 40, 300])
def test_a_long_choice_is_that_of_its_branches(n):
    objective = symgd.Objective(chain(n))
    for x in (-1.0, 0.5, n / 2 + 0.25, n - 0.5, n + 5.0):
        y = 0.125
        slope = next((i for i in range(n) if x < i + y), 0)
        assert objective.value([x, y]) == slope * x + y
        assert objective.grad([x, y]).tolist() == [slope, 1.0]


def test_a_wrong_source_of_random_numbers_is_found_though_not_needed():
    with pytest.raises(symgd.InputError):
        symgd.minimize("x**2", [1.0], rng="a")
