"""One trajectory of 2-D Rosenbrock, a million steps: symgd and loops by hand.

The loops by hand do the same arithmetic, in numba and, where gcc is at hand, in C
(-O3 -march=native). All are timed in turn, round after round, and the median of the
ratios of each round is printed: on a shared machine single times mean little.

Run: python benchmarks/trajectory.py
"""

import ctypes
import math
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numba
import numpy as np

import symgd

STEPS, ROUNDS = 1_000_000, 15
HYPER = {
    "gd": {"step_size": 1e-3},
    "momentum": {"step_size": 1e-4, "momentum": 0.9},
    "amsgrad": {"step_size": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
}
GRADIENT = """
        u = y - x*x
        w = 1.0 - x
        f = 100.0*u*u + w*w
        gx = -400.0*x*u - 2.0*w
        gy = 200.0*u
"""
BODIES = {
    "gd": """
        x = x - step_size*gx
        y = y - step_size*gy
""",
    "momentum": """
        cx = step_size*gx + momentum*cx
        cy = step_size*gy + momentum*cy
        x = x - cx
        y = y - cy
""",
    "amsgrad": """
        mx = beta1*mx + (1.0 - beta1)*gx
        my = beta1*my + (1.0 - beta1)*gy
        vx = beta2*vx + (1.0 - beta2)*gx*gx
        vy = beta2*vy + (1.0 - beta2)*gy*gy
        hx = max(hx, vx)
        hy = max(hy, vy)
        x = x - step_size*mx/(sqrt(hx) + eps)
        y = y - step_size*my/(sqrt(hy) + eps)
""",
}
STATE = ["f", "gx", "gy", "u", "w", "cx", "cy", "mx", "my", "vx", "vy", "hx", "hy"]


def numba_loop(rule):
    """Return the loop as one would write it by hand for numba."""
    names = ", ".join(HYPER[rule])
    source = f"def loop(x, y, {names}):\n    {' = '.join(STATE)} = 0.0\n"
    source += f"    for _ in range({STEPS}):{GRADIENT}{BODIES[rule].strip(chr(10))}\n"
    space = {"sqrt": math.sqrt}
    exec(source + "    return f, x, y", space)
    loop = numba.njit(error_model="numpy", fastmath={"contract"})(space["loop"])
    return lambda: loop(-1.2, 1.0, *HYPER[rule].values())[1:]


def c_loop(rule, folder):
    """Return the same loop in C, or None without gcc."""
    if shutil.which("gcc") is None:
        return None
    body = (GRADIENT + BODIES[rule]).replace("max(", "fmax_(").replace("\n", ";\n")
    source = f"""#include <math.h>
    static double fmax_(double a, double b) {{ return a > b ? a : b; }}
    void loop(double *point, {", ".join(f"double {n}" for n in HYPER[rule])}) {{
        double x = point[0], y = point[1], {" = 0, ".join(STATE)} = 0;
        for (long i = 0; i < {STEPS}; i++) {{ {body} }}
        point[0] = x; point[1] = y; point[2] = f;
    }}"""
    file = Path(folder) / f"{rule}.c"
    file.write_text(source)
    flags = ["-O3", "-march=native", "-shared", "-fPIC", "-lm"]
    subprocess.run(["gcc", str(file), "-o", f"{file}.so", *flags], check=True)
    loop = ctypes.CDLL(f"{file}.so").loop
    numbers = [ctypes.c_double(value) for value in HYPER[rule].values()]

    def run():
        point = (ctypes.c_double * 3)(-1.2, 1.0, 0.0)
        loop(point, *numbers)
        return point[0], point[1]

    return run


def symgd_run(rule):
    """Return the same run by symgd, everything included."""
    objective = symgd.Objective("(1 - x)**2 + 100*(y - x**2)**2")
    options = {"method": rule, "maxiter": STEPS, "gtol": 0.0, **HYPER[rule]}
    return lambda: tuple(symgd.minimize(objective, [-1.2, 1], **options).x)


def main():
    """Print a table of times and ratios."""
    print(f"{'rule':10}{'symgd':>12}{'/ numba by hand':>18}{'/ C':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for rule in HYPER:
            runs = {"symgd": symgd_run(rule), "numba": numba_loop(rule)}
            if (c := c_loop(rule, folder)) is not None:
                runs["c"] = c
            times = {name: [] for name in runs}
            results = {name: run() for name, run in runs.items()}
            for result in results.values():  # agreement, before anything counts
                np.testing.assert_allclose(result, results["numba"], rtol=1e-6)
            for _ in range(ROUNDS):
                for name, run in runs.items():
                    begun = time.perf_counter()
                    run()
                    times[name].append(time.perf_counter() - begun)
            ratios = {
                name: statistics.median(
                    ours / theirs
                    for ours, theirs in zip(times["symgd"], times[name], strict=True)
                )
                for name in runs
            }
            each = statistics.median(times["symgd"]) / STEPS * 1e9
            versus_c = f"{ratios['c']:8.2f}" if "c" in ratios else "     -"
            print(f"{rule:10}{each:9.1f} ns{ratios['numba']:18.2f}{versus_c}")


if __name__ == "__main__":
    main()
