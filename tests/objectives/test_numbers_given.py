"""What isn't a row of numbers is refused, whatever NumPy would make of it."""

import datetime
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas
import polars
import pytest

import symgd
from symgd import InputError
from symgd.objectives.points import Bounds, random_points

F = "(x + 1.2)**2 + (y - 1)**2"
ARRAY = "sum((x[i] - 1)**2 for i in range(n))"
TODAY = datetime.date(2024, 1, 1)

REFUSED = {
    "masked": np.ma.array([1.0, 2.0], mask=[False, True]),
    "complex": [1 + 2j, 1],
    "complex array": np.array([1 + 2j, 1]),
    "a set": {1.0, 2.0},
    "dates": [TODAY, TODAY],
    "NumPy's dates": np.array(["2024-01-01", "2024-01-02"], dtype="M8[D]"),
    "spans": np.array([1, 2], dtype="m8[s]"),
    "a date of NumPy": [np.datetime64("2024-01-01"), 1],
    "bytes": b"12",
    "bytes in a list": [b"1", b"2"],
    "text": "12",
    "texts": ["1", "2"],
    "texts in an array": np.array(["1", "2"]),
    "too large": [10**400, 1],
    "None": [None, 1],
    "ragged": [[1, 2], [3]],
}
TAKEN = {
    "integers": [1, 2],
    "floats of 32 bits": np.array([1, 2], dtype=np.float32),
    "fractions": [Fraction(1), Decimal(2)],
    "real after all": [1 + 0j, 2],
    "no mask": np.ma.array([1.0, 2.0]),
    "a generator": "generator",
    "by name": {"y": 2, "x": 1},
    "a tuple of NumPy's": (np.int8(1), np.float16(2)),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("formula", [F, ARRAY])
def test_a_start_is_refused(what, formula):
    with pytest.raises(InputError):
        symgd.minimize(formula, REFUSED[what])


@pytest.mark.parametrize("what", REFUSED)
def test_starts_are_refused(what):
    given = [REFUSED[what]] if what != "masked" else np.ma.stack([REFUSED[what]] * 2)
    with pytest.raises(InputError):
        symgd.minimize_many(F, given)


@pytest.mark.parametrize("what", [w for w in REFUSED if w not in ("bytes", "text")])
def test_so_are_bounds_columns_and_points(what):
    value = REFUSED[what]
    pairs = {"x": value}
    if what != "None":  # that is no bound
        with pytest.raises(InputError):
            symgd.minimize(F, [0, 0], bounds=pairs)
    with pytest.raises(InputError):
        symgd.Objective(F).value(value)
    if what not in ("masked", "None"):  # which missing="drop" is for
        with pytest.raises(InputError):
            symgd.Objective(
                "sum((a - y[i])**2 for i in range(n))", data={"y": value}
            ).value([1.0])


@pytest.mark.parametrize("what", TAKEN)
def test_numbers_are_taken(what):
    value = TAKEN[what]
    value = (number for number in (1, 2)) if what == "a generator" else value
    assert symgd.minimize(F, value, maxiter=0).x.tolist() == [1, 2]


def test_a_series_goes_by_name():
    start = pandas.Series({"y": 1, "x": -1.2})
    assert symgd.minimize(F, start).nit == 0
    assert symgd.minimize_many(F, [start, start]).x.tolist() == [[-1.2, 1.0]] * 2
    frame = pandas.DataFrame({"y": [1.0, 2.0], "x": [-1.2, 3.0]})
    ends = symgd.minimize_many(F, frame, maxiter=0)
    assert ends.start.tolist() == [[-1.2, 1.0], [3.0, 2.0]]
    assert symgd.Objective(F).value(start) == 0.0
    by_place = pandas.Series([-1.2, 1.0])
    assert symgd.minimize(F, by_place).nit == 0
    with pytest.raises(InputError, match="z"):
        symgd.minimize(F, pandas.Series({"x": 1, "z": 2}))
    with pytest.raises(InputError, match="twice"):
        symgd.minimize(F, pandas.Series([1, 2], index=["x", "x"]))


def test_a_series_without_names_goes_by_place():
    assert symgd.minimize(F, polars.Series("start", [-1.2, 1.0])).nit == 0


def test_the_message_says_what_and_why():
    with pytest.raises(InputError, match=re.escape("a set has no order")):
        symgd.minimize(F, {1.0, 2.0})
    with pytest.raises(InputError, match="complex"):
        symgd.minimize(F, [1j, 1])
    with pytest.raises(InputError, match="masked"):
        symgd.minimize(F, REFUSED["masked"])


def test_random_starts_between_very_wide_bounds():
    limits = Bounds.between([-1e308, -1.0], [1e308, 1.0])
    drawn = random_points(np.random.default_rng(0), limits, 1.0, 200)
    assert np.isfinite(drawn).all()
    assert len(set(drawn[:, 0].tolist())) == 200
    assert (drawn[:, 0] < 0).sum() in range(70, 130)
    narrow = random_points(np.random.default_rng(0), limits, 1.0, 200)[:, 1]
    uniform = np.random.default_rng(0).uniform(size=(200, 2))[:, 1]
    assert narrow.tolist() == (-1.0 + uniform * 2.0).tolist()
