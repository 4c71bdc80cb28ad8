"""Shared libraries are linked by a C compiler, where there is one."""

import ctypes
import sys

import numpy as np
import pytest

import symgd
from symgd.errors import InputError
from tests.exporting.compiled import built, needs_cc, ran, same_bits

VALLEY = "(1 - x)**2 + 100*(y - x**2)**2 + exp(-x*y)"
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="libraries are .so on Linux"
)
PROGRAM = """
#include "f.h"
#include <stdio.h>
int main(void)
{
  const double start[] = {-1.2, 1.0};
  @h@
  f_run run;
  int status = f_minimize(&run, start, @arguments@1e-3, 200);
  printf("%d %d %.17g %.17g %.17g\\n", status, (int)run.t, run.f, run.x[0], run.x[1]);
  return 0;
}
"""


@needs_cc
def test_its_first_kernel_can_be_called_as_it_is(tmp_path):
    f = symgd.Objective(VALLEY)
    library, header = symgd.export(f, tmp_path / "f.so")
    assert header.name == "f.h"
    evaluation = ctypes.CDLL(str(library)).f_evaluation
    evaluation.restype = ctypes.c_double
    for x in np.random.default_rng(0).normal(0.0, 2.0, (50, 2)):
        g = np.empty(2)
        found = evaluation(*(ctypes.c_void_p(at) for at in _addresses(x, g)))
        assert same_bits([found, *g], [f.value(x), *f.grad(x)]).all()


def _addresses(x, g):
    return x.ctypes.data, None, g.ctypes.data


@needs_cc
@pytest.mark.parametrize("method", ["amsgrad", "auto"])
def test_a_program_descends_with_it(tmp_path, method):
    library, _ = symgd.export(VALLEY, tmp_path / "f.so", method=method)
    is_rule = method != "auto"
    h = "const double h[] = F_HYPERPARAMETERS;" if is_rule else ""
    text = PROGRAM.replace("@h@", h)
    text = text.replace("@arguments@", "h, " if is_rule else "0, 0, ")
    (tmp_path / "main.c").write_text(text)
    program = built([tmp_path / "main.c", library], tmp_path / "main")
    code, told = ran(program)
    status, t, *numbers = told.split()
    assert (code, int(t) > 10) == (0, True)
    if is_rule:
        limits = {"maxiter": 200, "gtol": 1e-3}
        own = symgd.minimize(VALLEY, [-1.2, 1.0], method=method, **limits)
        assert (int(status), int(t)) == (own.status, own.nit)
        assert same_bits([*map(float, numbers)], [own.fun, *own.x]).all()
    else:
        assert int(status) == symgd.Status.CONVERGED
        own = symgd.minimize(VALLEY, [-1.2, 1.0])
        assert float(numbers[0]) == pytest.approx(own.fun, rel=1e-6)


@pytest.mark.parametrize(
    ("compiler", "more", "problem"),
    [
        ("no-such-cc", {}, "CC=no-such-cc isn't found, which links .so: install one"),
        ("false", {}, "false can't link a shared library"),
        ("'cc", {}, "CC='cc is no command"),
        (None, {}, "there is no C compiler, which links .so: .* write .o"),
        ("cc", {"target": "aarch64-linux-gnu"}, "for another one write .o and link"),
    ],
)
def test_what_cant_be_linked_is_refused(tmp_path, monkeypatch, compiler, more, problem):
    if compiler is None:
        monkeypatch.delenv("CC", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        monkeypatch.setenv("CC", compiler)
    with pytest.raises(InputError, match=problem):
        symgd.export(VALLEY, tmp_path / "f.so", **more)
    assert not [*tmp_path.iterdir()]
