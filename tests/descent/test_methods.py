"""From a method to its run: what is loaded is what the run needs."""

import subprocess
import sys

import pytest

RUN = """
import sys, symgd
symgd.minimize("x**2 + y**2", [1, 2], method={method!r}, maxiter=5)
print(*(name for name in sys.modules if name.startswith("symgd.")))
"""
DRIVERS = {"solver_run", "spectral_run", "trajectory_run", "large_run", "batch_run"}
KERNELS = {"solver", "spectral", "trajectory", "initial", "large", "lanes", "blocks"}
KERNELS |= {"trust_region"}


@pytest.mark.parametrize(
    ("method", "driver", "kernels"),
    [("amsgrad", "trajectory_run", {"trajectory", "initial"}),
     ("auto", "solver_run", {"solver"})],
)  # fmt: skip
@pytest.mark.parametrize("when", ["compiled", "stored"])
def test_a_run_loads_what_it_needs(method, driver, kernels, when):
    code = RUN.format(method=method)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not run.stderr
    loaded = {tuple(name.split(".")[1:]) for name in run.stdout.split()}
    of = {room: {n[-1] for n in loaded if n[0] == room} for room, *_ in loaded}
    assert not of.keys() & {"many", "fitting", "plotting", "cli", "sklearn"}
    assert of["descent"] & DRIVERS == {driver}
    assert of.get("kernels", set()) & KERNELS <= kernels
    assert not of["descent"] & {"callbacks", "checkpoints", "progress"}
    assert not {name for name in of.get("lowering", ()) if name.startswith("array_")}
