"""Jumps of several parameters at once: none makes anything better alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd.fitting.breaks import best_of
from symgd.fitting.curve_fit import fit
from symgd.language.formula import read

RNG = np.random.default_rng(7)
T, Z, U = np.linspace(0.0, 1.0, 90), RNG.uniform(-2.0, 3.0, 90), RNG.normal(size=90)
UNEVEN = np.sort(RNG.uniform(0.0, 1.0, 90))
NOISE = RNG.normal(size=90)

WINDOWS = {
    "a size": ("a + b*where(abs(t - c) < w, 1, 0)", {"c": 0.62, "w": 0.07}),
    "a square": ("a + b*where((t - c)**2 < w**2, 1, 0)", {"c": 0.31, "w": 0.11}),
    "two ends": ("a + where((t > c) & (t < d), b, 0)", {"c": 0.21, "d": 0.43}),
    "a length": ("a + where((t > c) & (t < c + w), b, 0)", {"c": 0.57, "w": 0.18}),
    "two steps": (
        "a + b*Heaviside(t - c) - b*Heaviside(t - d)",
        {"c": 0.43, "d": 0.61},
    ),
    "a box": (
        "where((abs(t - c) < w) & (abs(z - q) < v), a, b)",
        {"c": 0.52, "w": 0.34, "q": 0.6, "v": 1.3},
    ),
    "two windows": (
        "a + b*where(abs(t - c) < w, 1, 0) + h*where(abs(t - d) < v, 1, 0)",
        {"c": 0.27, "w": 0.08, "d": 0.73, "v": 0.06, "h": -3.0},
    ),
}
TILTED = {
    "a threshold": ("where(t + k*z > c, a, b)", {"k": 0.13, "c": 0.6}),
    "a plane": ("where(t + k*z + m*u > c, a, b)", {"k": 0.1, "m": -0.2, "c": 0.6}),
    "two regimes": ("where(k*z + t > c, a + b*t, 9)", {"k": -0.12, "c": 0.5}),
    "a circle": (
        "where((u - p)**2 + (z - q)**2 < r**2, a, b)",
        {"p": 0.2, "q": 0.4, "r": 1.1},
    ),
}
STICKS = {
    "a jump and a slope": (
        "a + b*t + where(t > c, d + g*(t - c), 0)",
        {"c": 0.41, "d": 3.0, "g": -6.0},
    ),
    "a rise": ("a + b*where(t > c, 1 - exp(-(t - c)/s), 0)", {"c": 0.4, "s": 0.1}),
}
SQUARES = {
    "a rate": ("a*sign(sin(w*t))", {"w": 47.3}),
    "a phase": ("a*sign(sin(w*t + p)) + b", {"w": 31.7, "p": 1.1}),
    "a period": ("a*sign(cos(2*pi*t/s)) + b", {"s": 0.143}),
    "a share": ("where(sin(w*t + p) > q, a, b)", {"w": 29.1, "p": -0.7, "q": 0.4}),
}
KINDS = WINDOWS | TILTED | STICKS | SQUARES


def is_in(name, model):
    return any(each.name == name for each in read(model).free_symbols)


def is_right(model, columns, truth, noise, x0=None):
    """Return whether a fit is a success and leaves no more than the truth does."""
    used = {name: each for name, each in columns.items() if name in model}
    truth = {"a": 2.0, "b": 5.0} | truth
    truth = {name: value for name, value in truth.items() if is_in(name, model)}
    curve = fit(model, used | {"y": NOISE}, "y", truth, maxiter=0).predict(used)
    y = curve + noise * NOISE
    found = fit(model, used | {"y": y}, "y", x0)
    least = np.sum((y - curve) ** 2) + 1e-12 * np.sum((curve - curve.mean()) ** 2)
    return found.success and np.sum(found.residuals**2) <= least


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("name", KINDS)
def test_jumps_are_searched_together(name, noise):
    assert is_right(KINDS[name][0], {"t": T, "z": Z, "u": U}, KINDS[name][1], noise)


@pytest.mark.parametrize("name", WINDOWS)
def test_rows_need_not_be_even(name):
    columns = {"t": UNEVEN, "z": Z}
    assert is_right(WINDOWS[name][0], columns, WINDOWS[name][1], 0.05)


@pytest.mark.parametrize("name", ["a size", "two ends", "a threshold", "a phase"])
def test_a_poor_start_does_not_matter(name):
    model, truth = KINDS[name]
    ones = dict.fromkeys(["a", "b", *truth], 1.0)
    assert is_right(model, {"t": T, "z": Z}, truth, 0.05, ones)


@settings(deadline=None, max_examples=25)
@given(
    model=st.sampled_from([WINDOWS["a size"][0], WINDOWS["two ends"][0]]),
    unit=st.integers(-9, 9),
    first=st.integers(5, 60),
    length=st.integers(4, 20),
    height=st.floats(1.0, 9.0),
    even=st.booleans(),
)
def test_a_window_is_found_in_any_unit(model, unit, first, length, height, even):
    t = (T if even else UNEVEN) * 10.0**unit
    low, high = (t[k - 1 : k + 1].mean() for k in (first, first + length))
    truth = {"c": low, "d": high, "b": height}
    if is_in("w", model):
        middle, half = (low + high) / 2, (high - low) / 2
        truth = {"c": middle, "w": half, "b": height}
    assert is_right(model, {"t": t}, truth, 0.1)


@settings(deadline=None, max_examples=15)
@given(tilt=st.floats(-0.3, 0.3), place=st.floats(0.3, 0.7), unit=st.integers(-6, 6))
def test_a_tilted_threshold_is_found_in_any_unit(tilt, place, unit):
    scale = 10.0**unit
    truth = {"k": tilt * scale, "c": place * scale}
    columns = {"t": T * scale, "z": Z}
    assert is_right(TILTED["a threshold"][0], columns, truth, 0.05)


def test_a_jump_among_many_rows():
    t = np.linspace(0.0, 1.0, 20_000)
    y = np.where(abs(t - 0.4) < 0.07, 3.0, 1.0)
    found = fit("a + b*where(abs(t - c) < w, 1, 0)", {"t": t, "y": y}, "y")
    assert found.success
    assert found.fun < 1e-12


def test_places_are_tried_at_once():
    calls = []

    def costs(places):
        calls.append(len(places))
        return abs(places - 4321.0)

    assert best_of(np.arange(10_000.0), costs) == 4321.0
    assert len(calls) == 2
