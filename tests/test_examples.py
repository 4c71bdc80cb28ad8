"""Each example runs, prints what it promises, and draws its picture."""

import runpy
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PROMISES = {
    "gradient_descent": [
        ">1 f([0.74724774]) = 0.55838",
        ">30 f([0.00115631]) = 0.00000",
        "step size 1.0: after 30 steps at x = 0.9341",
        "step size 1e-05: after 30 steps at x = 0.9335",
        "step size 1.1: f is inf in iteration 1947",
    ],
    "momentum": [">3 f([0.37175575])", "f([6.17748881e-07])", "momentum at 6.18e-07"],
    "amsgrad": [">1 f([-0.15895599  0.43364899])", "f = 1.6359731e-06"],
    "anisotropic": ["the gradient is (4*x, y)", "momentum 0.9: f ="],
    "own_rule": ["Rule cautious", "cautious: f =", "CONVERGED"],
    "amsgrad_beats_adam": ["1000000    1.0000  0.2280   -0.9973  0.0347"],
    "heavy_ball_cycle": [
        "gd: CONVERGED",
        "nesterov: CONVERGED",
        "momentum: MAXITER",
        "-1.80244897959184  -2208/1225 = -1.80244897959184",
    ],
    "clipped_and_normalised": [
        "gd: DIVERGED, 1 updates",
        "clipped: TARGET_REACHED",
        "normalised: TARGET_REACHED",
        "polyak: TARGET_REACHED",
        "bb: TARGET_REACHED",
    ],
}


def adam_goes_to_the_worst_point_and_amsgrad_to_the_best(names):
    adam, amsgrad = (names["runs"][method] for method in ("adam", "amsgrad"))
    regret = names["regret"]
    assert len(adam) == len(amsgrad) == 1_000_001
    assert adam.x[-1, 0] > 0.99
    assert regret["adam"][-1] > 0.19
    assert amsgrad.x[-1, 0] < -0.99
    assert regret["amsgrad"][-1] < 0.04
    # The same regret from its definition: the slope of f_t, and how far x is from -1.
    slopes = np.where(np.arange(1, 1_000_001) % 101 == 1, 1010, -10)
    for method, trace in (("adam", adam), ("amsgrad", amsgrad)):
        lost = np.mean(slopes * (trace.x[:-1, 0] + 1))
        assert regret[method][-1] == pytest.approx(lost, rel=1e-9)


def the_heavy_ball_runs_through_three_fractions(names):
    plain, nesterov, heavy = names["results"]
    assert abs(plain.x[0]) < 1e-9
    assert abs(nesterov.x[0]) < 1e-9
    cycle = [float(Fraction(n, 1225)) for n in (792, -2208, 2592)]
    expected = [cycle[k % 3] for k in range(100, 301)]
    np.testing.assert_allclose(heavy.trace.x[100:, 0], expected, rtol=1e-13)


CHECKS = {
    "amsgrad_beats_adam": adam_goes_to_the_worst_point_and_amsgrad_to_the_best,
    "heavy_ball_cycle": the_heavy_ball_runs_through_three_fractions,
}


def test_every_example_is_tested():
    assert {file.stem for file in EXAMPLES.glob("*.py")} == set(PROMISES)


@pytest.mark.parametrize("name", PROMISES)
def test_example(name, monkeypatch, capsys, tmp_path):
    example, picture = EXAMPLES / f"{name}.py", tmp_path / "picture.png"
    draws = "[picture.png]" in example.read_text("utf-8")
    monkeypatch.setattr(sys, "argv", [name, *[str(picture)] * draws])
    names = runpy.run_path(str(example), run_name="__main__")
    printed = capsys.readouterr().out
    for promise in PROMISES[name]:
        assert promise in printed
    assert picture.exists() == draws
    if name in CHECKS:
        CHECKS[name](names)
