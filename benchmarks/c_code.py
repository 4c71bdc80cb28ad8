"""Descents in C as a good C programmer would write them, compiled at run time.

Three forms: one trajectory in registers; blocks of starts in structure-of-arrays
layout, which gcc vectorises over the lanes; and vectors of eight starts that stay in
AVX-512 registers for all steps.
"""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import codegen
from benchmarks.formulas import Problem, Rule, Task

LANES = 64
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC")
FAST = ("-ffast-math",)
HEAD = """
#include <math.h>
typedef double real;
static inline double larger(double a, double b) { return a > b ? a : b; }
#define max larger
"""
TRAJECTORY = """
void descend(double *slots, long steps, const double *h) {{
{hyper}
{load}
for (long t = 0; t < steps; t++) {{
{step}
}}
{store}
}}
"""
# x is (variables, n), the starts in columns; a call does columns low to high.
BLOCKS = """
void descend(double *x, long n, long low, long high, long steps, const double *h) {{
{hyper}
for (; low < high; low += {lanes}) {{
  double s[{slots}][{lanes}] __attribute__((aligned(64))) = {{{{0}}}};
  long width = high - low < {lanes} ? high - low : {lanes};
  for (long k = 0; k < {size}; k++)
    for (long l = 0; l < {lanes}; l++) s[k][l] = x[k*n + low + (l < width ? l : 0)];
  for (long t = 0; t < steps; t++)
{inner}
  for (long k = 0; k < {size}; k++)
    for (long l = 0; l < width; l++) x[k*n + low + l] = s[k][l];
}}
}}
"""
REGISTERS_HEAD = """
#include <immintrin.h>
typedef __m512d real;
#define max _mm512_max_pd
#define sqrt _mm512_sqrt_pd
"""
REGISTERS = """
void descend(double *x, long n, long low, long high, long steps, const double *h) {{
{hyper}
for (; low + {lanes} <= high; low += {lanes}) {{
{load}
  for (long t = 0; t < steps; t++) {{
{step}
  }}
{store}
}}
}}
"""


def available() -> bool:
    """Whether there is a gcc."""
    return shutil.which("gcc") is not None


@functools.cache
def gcc_version() -> str:
    """Return gcc's version."""
    command = ["gcc", "-dumpfullversion"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


@functools.cache
def has_avx512() -> bool:
    """Whether gcc takes this processor for one with AVX-512."""
    command = ["gcc", "-march=native", "-dM", "-E", "-x", "c", "/dev/null"]
    macros = subprocess.run(command, capture_output=True, text=True).stdout
    return "__AVX512F__" in macros


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="benchmarks-c-")


@functools.cache
def compiled(source: str, flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """Return the library of a C source.

    Raises
    ------
    subprocess.CalledProcessError
        If gcc refuses it.
    """
    file = Path(tempfile.mkstemp(".c", dir=_folder().name)[1])
    file.write_text(source)
    library = file.with_suffix(".so")
    command = ["gcc", *FLAGS, *flags, str(file), "-o", str(library)]
    libraries = ["-lmvec", "-lm"] if set(FAST) <= set(flags) else ["-lm"]
    subprocess.run([*command, *libraries], check=True)
    return ctypes.CDLL(str(library))


def calls_libmvec(source: str) -> bool:
    """Whether fast mathematics makes gcc call vector functions of libmvec."""
    command = ["gcc", *FLAGS, *FAST, "-S", "-x", "c", "-", "-o", "-"]
    assembly = subprocess.run(command, input=source, capture_output=True, text=True)
    return "_ZGV" in assembly.stdout


def trajectory_source(problem: Problem, rule: Rule, lines: list[str]) -> str:
    """Return the loop of one trajectory with these lines as its body."""
    slots = codegen.slot_names(problem, rule)
    step = codegen.c_statements(lines, slots)
    return HEAD + TRAJECTORY.format(
        hyper=codegen.c_hyperparameters(rule),
        load="\n".join(f"real {name} = slots[{j}];" for j, name in enumerate(slots)),
        step=step,
        store="\n".join(f"slots[{j}] = {name};" for j, name in enumerate(slots)),
    )


def blocks_source(problem: Problem, rule: Rule) -> str:
    """Return the loop over blocks of starts.

    A separable objective has a loop over coordinates around that over lanes; else all
    coordinates are in the body.
    """
    if problem.separable:
        names = ["x", *rule.state]
        rows = [f"{j * problem.size} + k" for j in range(len(names))]
        lines = codegen.lines_of(problem.gradient) + codegen.lines_of(rule.lines)
        loops = f"  for (long k = 0; k < {problem.size}; k++)\n"
    else:
        names = codegen.slot_names(problem, rule)
        rows = [str(j) for j in range(len(names))]
        lines, loops = codegen.step_lines(problem, rule), ""
    pairs = list(zip(names, rows, strict=True))
    load = "\n".join(f"real {name} = s[{row}][l];" for name, row in pairs)
    store = "\n".join(f"s[{row}][l] = {name};" for name, row in pairs)
    step = codegen.c_statements(lines, names)
    inner = (
        f"{loops}  for (long l = 0; l < {LANES}; l++) {{\n{load}\n{step}\n{store}\n}}"
    )
    return HEAD + BLOCKS.format(
        hyper=codegen.c_hyperparameters(rule),
        lanes=LANES,
        slots=problem.size * (1 + len(rule.state)),
        size=problem.size,
        inner=inner,
    )


def registers_source(problem: Problem, rule: Rule) -> str:
    """Return the loop over vectors of starts that stay in registers.

    Several vectors run side by side to hide latency, and the update is folded into the
    gradient where that helps.
    """
    slots = codegen.slot_names(problem, rule)
    together = 8 if len(slots) <= 4 else 4  # measured; more than registers hold spills
    lines = codegen.folded_lines(problem, rule) or codegen.step_lines(problem, rule)
    load, step, store = [], [], []
    for u in range(together):
        end = f"_{u}"
        for j, name in enumerate(slots):
            place = f"x + {j}*n + low + {8 * u}"
            start = f"_mm512_loadu_pd({place})"
            if j >= problem.size:
                start = "_mm512_setzero_pd()"
            else:
                store.append(f"_mm512_storeu_pd({place}, {name}{end});")
            load.append(f"real {name}{end} = {start};")
        own = codegen.suffixed(lines, end, rule.hyperparameters)
        step.append(codegen.c_statements(own, [name + end for name in slots]))
    return REGISTERS_HEAD + REGISTERS.format(
        hyper=codegen.c_hyperparameters(rule),
        lanes=8 * together,
        load="\n".join(load),
        step="\n".join(step),
        store="\n".join(store),
    )


def trajectory(task: Task, lines: list[str], flags: tuple[str, ...] = ()) -> Any:
    """Return a function that runs one trajectory in C and returns its end."""
    library = compiled(trajectory_source(task.problem, task.rule, lines), flags)
    slots = len(codegen.slot_names(task.problem, task.rule))
    double = ctypes.c_double
    hyper = (double * len(task.numbers))(*task.numbers)
    rest = [0.0] * (slots - task.problem.size)
    steps = ctypes.c_long(task.steps)

    def run() -> list[float]:
        point = (double * slots)(*task.starts, *rest)
        library.descend(point, steps, hyper)
        return point[: task.problem.size]

    return run


def batch(task: Task, source: str, flags: tuple[str, ...] = ()) -> Any:
    """Return a function that runs all starts in C, in as many threads as cores."""
    descend = compiled(source, flags).descend
    given = len(task.starts)
    # Whole blocks in every part: the loop in registers can do nothing else.
    columns = np.pad(task.starts.T, ((0, 0), (0, -given % LANES)), mode="edge")
    count = columns.shape[1]
    hyper = np.array(task.numbers)
    size = -(-count // task.cores // LANES) * LANES
    parts = [(low, min(low + size, count)) for low in range(0, count, size)]
    long = ctypes.c_long

    def part(x: np.ndarray, low: int, high: int) -> None:
        pointers = ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(hyper.ctypes.data)
        steps = long(task.steps)
        descend(pointers[0], long(count), long(low), long(high), steps, pointers[1])

    def run() -> np.ndarray:
        x = columns.copy()
        if len(parts) == 1:
            part(x, *parts[0])
        else:
            with ThreadPoolExecutor(task.cores) as pool:
                list(pool.map(lambda ends: part(x, *ends), parts))
        return x[:, :given].T

    return run
