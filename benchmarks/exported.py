"""Exported files: how large they are, whether they warn, their bits and their speed.

``python -m benchmarks.exported`` writes each formula as each kind of file, compares
value and gradient with symgd's own, and measures an evaluation beside the compiled
kernel, ``.o``, all in one run. It needs a C compiler, and node for JavaScript. Sums
over data, at last, are measured by the row. C in single precision, ``.c float``, is
given points of single precision. "off" is the largest difference of a number, beside
the largest number at the point.
"""

from __future__ import annotations

import runpy
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import symgd

FORMULAS = {
    "valley": "(1 - x)**2 + 100*(y - x**2)**2",
    "wood": "100*(b - a**2)**2 + (1 - a)**2 + 90*(d - c**2)**2 + (1 - c)**2"
    " + 10*(b + d - 2)**2 + (b - d)**2/10",
    "waves": "sum(exp(-x[i]**2)*sin(3*x[i]) + log(1 + x[i]**2)*tanh(x[i])"
    " for i in range(8))",
}
POINTS, CALLS, ROUNDS = 100_000, 2_000_000, 5
IN_PYTHON = 1_000  # points
SUMS = {
    "ridge": "sum((A @ w - y)**2) + 0.1*sum(w**2)",
    "logistic": "sum(log(1 + exp(-y*(A @ w)))) + 0.1*sum(w**2)",
}
ROWS, COLUMNS, SUM_POINTS, SUM_CALLS = 10_000, 8, 200, 200
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
FAST = ["-O2", "-march=native", "-ffp-contract=off"]
MAIN = """
#include <stdio.h>
#include <time.h>
#include "{name}.h"
{data}int main(void)
{{
  {told}static double points[{points}][{n}];
  double g[{n}];
  double sum = 0, best = 1e300;
  FILE *in = fopen("points.bin", "rb"), *out = fopen("got.bin", "wb");
  if (!in || !out || fread(points, sizeof points, 1, in) != 1) return 1;
  for (int i = 0; i < {points}; i++) {{
    double f = {name}_gradient(points[i], {p}g);
    if (fwrite(&f, sizeof f, 1, out) != 1 || fwrite(g, sizeof g, 1, out) != 1) return 1;
  }}
  for (int round = 0; round < {rounds}; round++) {{
    clock_t begin = clock();
    for (int i = 0; i < {calls}; i++) {{
      sum += {name}_gradient(points[i % 100], {p}g);
      sum += g[0];
    }}
    double seconds = (double)(clock() - begin)/CLOCKS_PER_SEC;
    if (seconds < best) best = seconds;
  }}
  printf("%.6g %.6g", 1e9*best/{calls}, sum);
  return fclose(in) || fclose(out);
}}
"""
DATA = "static double A[{rows}][{columns}], y[{rows}];\n"
TOLD = """FILE *data = fopen("data.bin", "rb");
  double p[{NAME}_WORDS];
  if (!data || fread(A, sizeof A, 1, data) != 1) return 1;
  if (fread(y, sizeof y, 1, data) != 1 || fclose(data)) return 1;
  {name}_bind(p, {rows}, A[0], y);
  """
SCRIPT = """
import fs from "fs";
const bytes = fs.readFileSync("points.bin"), n = {n};
const points = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length/8);
const at = i => points.subarray(n*i, n*(i + 1));
const rows = {rows}, read = rows ? fs.readFileSync("data.bin") : [];
const held = new Float64Array(Uint8Array.from(read).buffer);
const data = rows ? {{A: held.slice(0, -rows), y: held.slice(-rows)}} : {{}};
{load}
const got = new Float64Array({points}*(n + 1));
for (let i = 0; i < {points}; i++)
  got.set([f.value(at(i){d}), ...f.gradient(at(i){d})], i*(n + 1));
fs.writeFileSync("got.bin", Buffer.from(got.buffer));
let best = Infinity, sum = 0;
for (let round = 0; round < {rounds}; round++) {{
  const begin = process.cpuUsage().user;
  for (let i = 0; i < {calls}; i++) sum += f.gradient(at(i % 100){d})[0];
  best = Math.min(best, process.cpuUsage().user - begin);
}}
console.log(1e3*best/{calls}, sum);
"""


def written_out(text: str) -> Any:
    """Return a formula of scalars."""
    import sympy as sp

    x = sp.symbols("x0:8", real=True)
    if "sum" not in text:
        return text
    terms = (sp.exp(-(v**2)) * sp.sin(3 * v) + sp.log(1 + v**2) * sp.tanh(v) for v in x)
    return sp.Add(*terms)


def in_c(folder: Path, name: str, suffix: str, f: Any, n: int) -> tuple[float, int]:
    """Return the nanoseconds of an evaluation, and the size of what is linked."""
    suffix, _, kind = suffix.partition(" ")
    more: dict[str, Any] = {"cpu": "native"} if suffix == ".o" else {}
    more |= {"float32": True} if kind else {}
    file, _ = symgd.export(f, folder / f"{name}{suffix}", **more)
    words = {"name": name, "n": n, "points": POINTS, "calls": CALLS, "rounds": ROUNDS}
    words |= dict.fromkeys(("data", "told", "p"), "")
    if f.arrays is not None:
        write_data(folder, f)
        more = {"name": name, "NAME": name.upper(), "rows": ROWS, "columns": COLUMNS}
        words |= {"data": DATA.format(**more), "told": TOLD.format(**more), "p": "p, "}
        words |= {"points": SUM_POINTS, "calls": SUM_CALLS}
    text = MAIN.format(**words)
    if kind:
        text = text.replace("double points", "float points")
        text = text.replace("double g[", "float g[").replace("double f ", "float f ")
    (folder / "time.c").write_text(text, "utf-8")
    cc = shutil.which("cc") or "cc"
    command = [cc, *STRICT, *FAST, "time.c", file.name, "-o", "time", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    done = subprocess.run("./time", cwd=folder, check=True, capture_output=True)
    return float(done.stdout.split()[0]), file.stat().st_size


def in_node(folder: Path, name: str, suffix: str, f: Any, n: int) -> tuple[float, int]:
    """Return the same of JavaScript and WebAssembly."""
    file = symgd.export(f, folder / f"{name}{suffix}")[0]
    load = f'import * as f from "./{name}.mjs";'
    if suffix == ".wasm":
        load = f'import {{load}} from "./{name}.mjs";\n'
        load += f'const f = await load(fs.readFileSync("{name}.wasm"), data);'
    words: dict[str, Any] = {"n": n, "rounds": ROUNDS, "load": load, "rows": 0}
    words |= {"points": POINTS, "calls": CALLS // 20, "d": ""}
    if f.arrays is not None:
        write_data(folder, f)
        words |= {"points": SUM_POINTS, "calls": SUM_CALLS // 4, "rows": ROWS}
        words["d"] = "" if suffix == ".wasm" else ", data"
    (folder / "time.mjs").write_text(SCRIPT.format(**words), "utf-8")
    command = [shutil.which("node") or "node", "time.mjs"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return float(done.stdout.split()[0]), file.stat().st_size


def in_python(
    folder: Path, name: str, suffix: str, f: Any, n: int
) -> tuple[float, int]:
    """Return the same of a module of Python."""
    file = symgd.export(f, folder / f"{name}{suffix}")[0]
    module = runpy.run_path(str(file))
    given = {} if f.arrays is None else dict(f.arrays.data)
    points = np.fromfile(folder / "points.bin").reshape(-1, n)[:IN_PYTHON]
    got = [[module["value"](x, given), *module["gradient"](x, given)] for x in points]
    np.array(got).tofile(folder / "got.bin")
    best = np.inf
    for _ in range(ROUNDS):
        begin = time.process_time()
        for x in points[:100]:
            module["gradient"](x, given)
        best = min(best, time.process_time() - begin)
    return 1e9 * best / 100, file.stat().st_size


def write_data(folder: Path, f: Any) -> None:
    """Write the data of a sum, one array after the other."""
    with (folder / "data.bin").open("wb") as out:
        for name in "Ay":
            f.arrays.data[name].tofile(out)


KINDS = {
    **dict.fromkeys((".o", ".c", ".c float"), in_c),
    **dict.fromkeys((".wasm", ".mjs"), in_node),
    ".py": in_python,
}


def compared(
    folder: Path, f: symgd.Objective, points: np.ndarray
) -> tuple[int, int, float]:
    """Return at how many points a number has other bits, of how many; how far off."""
    single = points.dtype == np.float32
    got = np.fromfile(folder / "got.bin", points.dtype).astype(float)
    got = got.reshape(-1, 1 + points.shape[1])
    told = np.array(
        [[f.value(x), *f.grad(x)] for x in points[: len(got)].astype(float)]
    )
    other = told.astype(np.float32).astype(float) if single else told
    same = (got.view(np.int64) == other.view(np.int64)) | (
        np.isnan(got) & np.isnan(told)
    )
    off = np.abs(got - told).max(1) / np.abs(told).max(1)
    return int((~same.all(1)).sum()), len(got), float(off.max())


def main() -> None:
    """Print the table."""
    print(
        f"{'formula':8} {'file':8} {'bytes':>8} {'warnings':>8} {'other bits':>18}"
        f" {'off':>7} {'ns':>8} / .o"
    )
    for name, text in FORMULAS.items():
        rows_of(name, symgd.Objective(written_out(text)), KINDS, POINTS)
    rng = np.random.default_rng(0)
    A = rng.standard_normal((ROWS, COLUMNS))
    data = {"A": A, "y": np.sign(A[:, 0] + rng.standard_normal(ROWS))}
    for name, text in SUMS.items():
        f = symgd.Objective(text, data=data)
        kinds = {kind: how for kind, how in KINDS.items() if kind != ".c float"}
        rows_of(name, f, kinds, SUM_POINTS, ROWS)


def rows_of(name: str, f: Any, kinds: Any, count: int, per: int = 1) -> None:
    """Print the rows of a formula; of sums, nanoseconds are those of a row of data."""
    n = len(f.space)
    points = np.random.default_rng(0).normal(0, 2, (count, n))
    kernel = 0.0
    for suffix, measured in kinds.items():
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            own = points.astype(np.float32) if "float" in suffix else points
            own.tofile(folder / "points.bin")
            nanoseconds, size = measured(folder, name, suffix, f, n)
            other, of, off = compared(folder, f, own)
        row = f"{name:8} {suffix:8} {size:8} {0:8} {other:8} of {of:6} {off:7.1e}"
        kernel = kernel or nanoseconds
        print(f"{row} {nanoseconds / per:8.1f} {nanoseconds / kernel:6.2f}")


if __name__ == "__main__":
    main()
