"""The C program of the examples, built as it says."""

import re
from pathlib import Path

import pytest

import symgd
from tests.exporting.compiled import built, needs_cc, ran

MAIN = Path(__file__).parents[2] / "examples" / "c_program" / "main.c"
VALLEY = "(1 - x)**2 + 100*(y - x**2)**2"


@needs_cc
def test_the_program_minimises_with_symgds_digits(tmp_path):
    assert f'symgd export "{VALLEY}" --method amsgrad -o valley.c' in MAIN.read_text()
    source, _ = symgd.export(VALLEY, tmp_path / "valley.c", method="amsgrad")
    program = built([MAIN, source], tmp_path / "main", f"-I{tmp_path}", "-O2")
    status, printed = ran(program)
    told = symgd.minimize(
        VALLEY, [-1.2, 1.0], method="amsgrad", step_size=0.05, maxiter=100_000
    )
    x, y = (float(re.search(rf"{name} = (\S+)", printed)[1]) for name in "xy")
    assert status == 0
    assert [x, y] == told.x.tolist()
    assert f"status 0 after {told.nit} updates: f = " in printed
    assert float(re.search(r"Hessian (\S+)", printed)[1]) == pytest.approx(802)
