"""L: logistic regression on rows that stay in a file.

As a program (``python -m benchmarks.rows_file FILE GIGABYTES ROUNDS``) it writes the
file, goes over it, and prints the times as JSON; the benchmark watches its memory from
outside, and deletes the file.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyperf

from benchmarks.environment import of_a_user
from benchmarks.measure import Case, Check, Report, Requirement, Row, Times, ratio, say
from benchmarks.sums import FEATURES, Answer, random_rows

BLOCK = 100_000  # rows that are repeated until the file is full
CHUNK = 1 << 20  # numbers that are read at a time
ROOM = 1.1  # of the file's size must be free
MOST_MEMORY = 1.0  # GB
STATES = ("from the disk", "in the page cache")
READING, OURS = "plain reading", "symgd"


# ---------------------------------------------------------------- the program


def write(file: Path, repeats: int) -> Answer:
    """Write all data, then all labels; return the value and the gradient to expect."""
    from benchmarks.peers import with_numpy

    block = random_rows(BLOCK, np.random.default_rng(20))
    with file.open("wb") as stream:
        for part in (block.data, block.labels):
            for _ in range(repeats):
                stream.write(part.data)
        stream.flush()
        os.fsync(stream.fileno())
    value, gradient = with_numpy.rows(block)()
    return repeats * value, repeats * gradient


def forget(file: Path, *arrays: np.memmap) -> None:
    """Drop the file from the page cache, for which no page may be in use."""
    for array in arrays:
        array._mmap.madvise(mmap.MADV_DONTNEED)
    with file.open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(file: Path) -> float:
    """Add up the whole file, a chunk at a time."""
    numbers = np.memmap(file, dtype=float, mode="r")
    return sum(
        float(numbers[low : low + CHUNK].sum()) for low in range(0, numbers.size, CHUNK)
    )


def main(name: str, gigabytes: float, rounds: int) -> None:
    """Print the times."""
    from benchmarks.peers import with_ours

    file = Path(name)
    repeats = max(1, round(gigabytes * 1e9 / (8 * BLOCK * (FEATURES + 1))))
    count, point = repeats * BLOCK, random_rows(BLOCK, np.random.default_rng(20)).point
    value, gradient = write(file, repeats)
    data = np.memmap(file, dtype=float, mode="r", shape=(count, FEATURES))
    labels = np.memmap(file, dtype=float, mode="r", offset=data.nbytes, shape=(count,))
    objective = with_ours.logistic(data, labels)
    first = pyperf.perf_counter()
    objective.value_and_grad(point)
    first = pyperf.perf_counter() - first
    works = {READING: lambda: read(file), OURS: lambda: objective.value_and_grad(point)}
    times: dict[str, list[float]] = {}
    for k in range(rounds):
        for state in STATES:
            for work in sorted(works, reverse=bool(k % 2)):
                if state == STATES[0]:
                    forget(file, data, labels)
                begun = pyperf.perf_counter()
                found = works[work]()
                seconds = pyperf.perf_counter() - begun
                times.setdefault(f"{work}, {state}", []).append(seconds)
                if work == OURS:
                    np.testing.assert_allclose(found[0], value, rtol=1e-9)
                    np.testing.assert_allclose(found[1], gradient, rtol=1e-7)
    print(json.dumps({"times": times, "first": first, "bytes": file.stat().st_size}))


# -------------------------------------------------------------- the benchmark


def anonymous(process: int) -> float:
    """Return the memory of a process that is no file's, in GB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"RssAnon:\s*(\d+) kB", status)
    return 1024e-9 * int(found[1]) if found else 0.0


def watched(command: list[str]) -> tuple[str, float]:
    """Run a command; return what it printed, and the most memory it had.

    Raises
    ------
    RuntimeError
        If it failed.
    """
    peak = 0.0
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with subprocess.Popen(command, stdout=out, stderr=err, env=of_a_user()) as run:
            while run.poll() is None:
                peak = max(peak, anonymous(run.pid))
                time.sleep(0.005)
        for stream in (out, err):
            stream.seek(0)
        if run.returncode != 0:
            raise RuntimeError(err.read()[-300:])
        return out.read(), peak


def measure(folder: Path, gigabytes: float, rounds: int, report: Report) -> None:
    """Enter the times, the rates and the memory."""
    case = f"logistic regression, {gigabytes:g} GB"
    say(f"L {case}")
    if shutil.disk_usage(folder).free < ROOM * gigabytes * 1e9:
        report.rows.append(Row("L", case, OURS, note=f"no room in {folder}"))
        return
    file = folder / "rows"
    command = [sys.executable, "-m", "benchmarks.rows_file", str(file)]
    try:
        printed, peak = watched([*command, str(gigabytes), str(rounds)])
    except RuntimeError as error:
        words = " ".join(str(error).split())
        report.rows.append(Row("L", case, OURS, note=f"failed: {words}"))
        return
    finally:
        file.unlink(missing_ok=True)
    found = json.loads(printed.splitlines()[-1])
    times: Times = {(name, 0): values for name, values in found["times"].items()}
    for (name, _), values in times.items():
        row = Row("L", case, name, each=statistics.median(values), unit="pass")
        row.note = f"{found['bytes'] / row.each * 1e-9:.3g} GB/s"
        if name.startswith(OURS):
            reading = name.replace(OURS, READING), 0
            row.first = found["first"]
            row.note += (
                f", {row.each / statistics.median(times[reading]):.3g} of reading"
            )
        report.rows.append(row)
        report.record(f"L / {case} / {name}", values, None)
    wanted = [
        Requirement(
            f"symgd / plain reading, {state}",
            ratio((f"{OURS}, {state}", 0), (f"{READING}, {state}", 0)),
            None,
            1.25,
        )
        for state in STATES
    ]
    report.judge(Case("L", case, [], wanted), times)
    text = "the most memory that is no file's, GB"
    report.checks.append(Check("L", case, text, peak, MOST_MEMORY, None, False))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
