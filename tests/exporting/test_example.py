"""The C programs of the examples, built as they say."""

import re
from pathlib import Path

import numpy as np
import pytest

import symgd
from tests.exporting.compiled import built, needs_cc, ran

PROGRAMS = Path(__file__).parents[2] / "examples" / "c_program"
MAIN, DEFAULT = PROGRAMS / "main.c", PROGRAMS / "default.c"
REGRESSION = PROGRAMS / "regression.c"
SAID = "ridge_minimize(&run, start, p, h, 1e-8, 100000)"
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


@needs_cc
def test_the_default_method_finds_the_minimum_in_bounds_and_without(tmp_path):
    assert f'symgd export "{VALLEY}" --method auto -o valley.o' in DEFAULT.read_text()
    file, _ = symgd.export(VALLEY, tmp_path / "valley.o", method="auto")
    program = built([DEFAULT, file], tmp_path / "default", f"-I{tmp_path}")
    status, printed = ran(program)
    free = symgd.minimize(VALLEY, [-1.2, 1.0])
    within = symgd.minimize(VALLEY, [-1.2, 1.0], bounds=[(-2, 0.5), (-2, 2)])
    found = [float(v) for v in re.findall(r"[xy] = (\S+)", printed)]
    assert status == 0
    assert found == [*free.x, *within.x]
    assert printed.startswith(f"status 0 after {free.nit} iterations, ")


@needs_cc
def test_a_regression_has_more_rows_than_the_data_it_was_written_for(tmp_path):
    text = REGRESSION.read_text()
    formula = re.search('"(mean.*?)"', text)[1]

    def ridge(rows):
        i = np.arange(float(rows))
        A = np.column_stack([np.sin(i), np.cos(3 * i)])
        y = 2 * A[:, 0] - A[:, 1] + 0.5 + 0.1 * np.sin(7 * i)
        return symgd.Objective(formula, data={"A": A, "y": y}, parameters={"lam": 0.1})

    file, _ = symgd.export(ridge(5), tmp_path / "ridge.o", method="auto")
    program = built([REGRESSION, file], tmp_path / "regression", f"-I{tmp_path}")
    status, printed = ran(program)
    assert status == 0
    found = [float(v) for v in re.findall(r"] = (\S+)", printed)]
    assert found == pytest.approx(symgd.minimize(ridge(1000)).x, abs=1e-8)
    # The same in C, with a rule, called as the comment says.
    symgd.export(ridge(5), tmp_path / "ridge.c", method="gd")
    call, other = re.search(r"ridge_minimize\(&run, start, p, 0, .*?\)", text)[0], SAID
    assert other in text
    main = tmp_path / "own.c"
    h = "const double h[] = RIDGE_HYPERPARAMETERS;\n  int status = "
    main.write_text(text.replace(f"int status = {call}", h + other))
    status, printed = ran(built([main, tmp_path / "ridge.c"], tmp_path / "own"))
    assert status == 0
    own = [float(v) for v in re.findall(r"] = (\S+)", printed)]
    assert own == pytest.approx(found, abs=1e-6)
