"""Each example runs, prints what it promises, and draws its picture."""

import runpy
import sys
from pathlib import Path

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
}


def test_every_example_is_tested():
    assert {file.stem for file in EXAMPLES.glob("*.py")} == set(PROMISES)


@pytest.mark.parametrize("name", PROMISES)
def test_example(name, monkeypatch, capsys, tmp_path):
    picture = tmp_path / "picture.png"
    arguments = [] if name == "own_rule" else [str(picture)]
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    for promise in PROMISES[name]:
        assert promise in printed
    assert picture.exists() == bool(arguments)
