"""Checkpointed runs that are killed, again and again: ``python -m benchmarks.kills``.

Each run is a process that is killed at random moments, also while it writes, and begun
again until it ends. Its end must have the bits of a run that nobody killed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = """
import sys
import numpy as np
import symgd
from symgd.descent import checkpoints

case, file = sys.argv[1:]
checkpoints.SECONDS, checkpoints.SHARE = 0.0, 1.0  # it writes all the time
t = np.linspace(0.0, 4.0, 400_000)
valley = "sum(100*(x[i+1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(1999))"
rows = {"t": t, "y": 2.5*np.exp(-1.3*t) + 0.5 + 0.1*np.sin(1e4*t)}
bowl = {"gtol": 0.0, "maxiter": 20_000_000, "trace": 1_000_000}
runs = {
    "adam": lambda: symgd.minimize("x**2 + 3*y**2 + 4", [1, 1], method="adam",
                                   checkpoint=file, **bowl),
    "momentum": lambda: symgd.minimize("x**2 + 3*y**2 + 4", [1, 1], method="momentum",
                                       checkpoint=file, **bowl),
    "auto": lambda: symgd.minimize(valley, np.full(2000, -1.0), checkpoint=file),
    "batches": lambda: symgd.minimize(
        symgd.Objective("sum((y[i] - a*t[i] - b)**2 for i in range(n))", data=rows),
        [0, 0], method="amsgrad", step_size=1e-3, batch_size=64, maxiter=300_000,
        checkpoint=file),
    "fit": lambda: symgd.fit("a*exp(-b*t) + c + d*tanh(k*t)", rows, "y",
                             x0=[1, 0.1, 0, 0.3, 0.2], maxiter=60, checkpoint=file),
}
result = runs[case]()
print(result.x.tobytes().hex(), float(result.fun).hex(), result.nit, result.status)
"""
CASES = ("adam", "momentum", "auto", "batches", "fit")


def begun(case: str, file: Path) -> subprocess.Popen[str]:
    """Begin a run, or go on with one."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, case, str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> str:
    """Return what a run prints that nobody kills."""
    printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a run failed: {process.returncode}")
    return printed


def killed(case: str, folder: Path, count: int, moments: random.Random) -> bool:
    """Kill a run so many times; return whether its end is that of one in peace."""
    ended(begun(case, folder / "first"))  # kernels are compiled then
    clock = time.perf_counter()
    expected = ended(begun(case, folder / "peace"))
    whole = time.perf_counter() - clock
    kills = runs = same = 0
    while kills < count:
        file, runs = folder / f"run{runs}", runs + 1
        while True:
            process = begun(case, file)
            try:
                process.wait(moments.uniform(0.2, 1.1) * whole)
            except subprocess.TimeoutExpired:
                if kills < count:
                    process.kill()
                    process.communicate()
                    kills += 1
                    continue
            same += ended(process) == expected
            break
    print(f"{case}: {kills} kills in {runs} runs of {whole:.1f} s, {same} as in peace")
    return same == runs


def main() -> None:
    """Kill all kinds of runs, and tell how they ended."""
    parser = argparse.ArgumentParser("python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments, share = random.Random(options.seed), -(-options.kills // len(CASES))
    fine = True
    with tempfile.TemporaryDirectory() as name:
        for case in CASES:
            folder = Path(name) / case
            folder.mkdir()
            fine &= killed(case, folder, share, moments)
    raise SystemExit(0 if fine else "a run that was killed came to another end")


if __name__ == "__main__":
    main()
