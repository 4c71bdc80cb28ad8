"""Beyond one machine, in numbers: ``python -m benchmarks.beyond``.

What an evaluation of rows on the workers of a cluster costs beside one on threads, what
travels for it, and what a second process brings to starts and sweeps. On a machine with
others on it, wall times say little: contenders take turns, and for processes it is also
told which share of the time each had a piece to work at, and the processor's seconds.
"""

from __future__ import annotations

import argparse
import os
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import symgd
from symgd.objectives.scattered import on_dask

LOGISTIC = (
    "sum(log(1 + exp(-y[i]*sum(A[i, j]*w[j] for j in range(d)))) for i in range(n))"
)
PARTITIONS = 8
VALLEY = "(1 - x)**2 + 100*(y - x**2)**2 + 100*(z - y**2)**2"
RULE = {"method": "momentum", "maxiter": 1_000_000, "gtol": 0.0}


def told(name: str, seconds: Sequence[float], unit: float = 1e3) -> None:
    """Print the least, and the median, of some times."""
    least, middle = min(seconds) * unit, statistics.median(seconds) * unit
    print(f"  {name:34} {least:9.3f} {middle:9.3f} ms")


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def rows_of(folder: Path, count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return rows as arrays here, and as files."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((count, 10))
    y = np.sign(A @ np.linspace(-1, 1, 10) + rng.standard_normal(count))
    paths: dict[str, list[Path]] = {"A": [], "y": []}
    for name, column in (("A", A), ("y", y)):
        for k, part in enumerate(np.array_split(column, PARTITIONS)):
            paths[name].append(folder / f"{name}{count}-{k}.npy")
            np.save(paths[name][-1], part)
    return {"A": A, "y": y}, paths


def evaluations(client: Any, folder: Path, count: int, rounds: int) -> None:
    """Compare evaluations of rows on two workers, two threads and one."""
    data, paths = rows_of(folder, count)
    contenders = {
        "two threads here": symgd.Objective(LOGISTIC, data=data, workers=2),
        "two workers": symgd.Objective(LOGISTIC, data=paths, executor=client),
        "one thread here": symgd.Objective(LOGISTIC, data=data, workers=1),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for k in range(rounds + 2):
        x = np.full(10, 0.01 * k)
        for name, objective in contenders.items():
            seconds = timed(lambda f=objective, x=x: f.value_and_grad(x))
            times[name] += [seconds] if k > 1 else []
    print(f"an evaluation of {count} x 10 rows: least and median of {rounds}")
    for name, seconds in times.items():
        told(name, seconds)
    far, here = times["two workers"], times["two threads here"]
    pairs = [a / b for a, b in zip(far, here, strict=True)]
    print(
        f"  two workers by two threads: {min(far) / min(here):.3f} of the least, "
        f"{statistics.median(pairs):.3f} median of pairs"
    )


def travelling(client: Any, folder: Path, rounds: int) -> None:
    """Tell what a round trip takes, and how many bytes it has."""
    _, paths = rows_of(folder, 8 * PARTITIONS)
    objective = symgd.Objective(LOGISTIC, data=paths, executor=client)
    sizes: dict[str, list[int]] = {"out": [], "back": []}

    class Weighed:
        def dumps(self, *given: Any) -> bytes:
            sizes["out"].append(len(data := pickle.dumps(*given)))
            return data

        def loads(self, data: bytes) -> Any:
            sizes["back"].append(len(data))
            return pickle.loads(data)

    point = np.zeros(10)
    with mock.patch.object(on_dask, "pickle", Weighed()):
        objective.value_and_grad(point)
    trips = [
        timed(lambda k=k: objective.value_and_grad(np.full(10, 0.1 + k)))
        for k in range(rounds)
    ]
    print(f"a round trip to two workers with {PARTITIONS} partitions of 8 rows")
    told("least and median", trips)
    out, back = sizes["out"][-1], sum(sizes["back"][-2:])
    print(f"  bytes to each worker {out}, back from both {back}")


class Watched(Executor):
    """Notes when its workers work, and how many seconds of a processor that takes."""

    def __init__(self, pool: ProcessPoolExecutor, workers: int) -> None:
        self.pool, self._max_workers = pool, workers
        self.spans: list[tuple[float, float, float]] = []

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Send a piece."""
        outer: Future[Any] = Future()
        inner = self.pool.submit(watched, fn, *args, **kwargs)

        def done(ended: Future[Any]) -> None:
            result, span = ended.result()
            self.spans.append(span)
            outer.set_result(result)

        inner.add_done_callback(done)
        return outer


def watched(
    function: Callable[..., Any], *args: Any, **kwargs: Any
) -> tuple[Any, tuple[float, float, float]]:
    """Return what a function returns, when it worked, and the processor's seconds."""
    cpu, begun = time.process_time(), time.time()
    result = function(*args, **kwargs)
    return result, (begun, time.time(), time.process_time() - cpu)


def processes(
    work: Callable[[Executor, int], Any], count: int, name: str, rounds: int
) -> None:
    """Compare one worker process with two, in turns."""
    walls: dict[int, list[float]] = {1: [], 2: []}
    shares, cpus = {1: [], 2: []}, {1: [], 2: []}
    context = get_context("spawn")
    pools = {k: ProcessPoolExecutor(k, mp_context=context) for k in walls}
    for turn in range(rounds + 1):
        for workers, pool in pools.items():
            executor = Watched(pool, workers)
            size = count if turn else 500  # first, kernels are loaded
            seconds = timed(lambda e=executor, n=size: work(e, n))
            if turn:
                walls[workers].append(seconds)
                busy = sum(end - begun for begun, end, _ in executor.spans)
                shares[workers].append(busy / (workers * seconds))
                cpus[workers].append(sum(cpu for *_, cpu in executor.spans))
    for pool in pools.values():
        pool.shutdown()
    print(f"{name} of {count}: one worker process, and two, {rounds} turns")
    for workers in walls:
        wall, share, cpu = (
            statistics.median(each[workers]) for each in (walls, shares, cpus)
        )
        print(
            f"  {workers}: {wall:6.2f} s, workers had work {share:6.1%} of the time, "
            f"{cpu:6.2f} s of processors"
        )
    pairs = [a / b for a, b in zip(walls[1], walls[2], strict=True)]
    share = statistics.median(shares[2]) / statistics.median(shares[1])
    print(
        f"  faster by {statistics.median(pairs):.3f} as the clock tells, by "
        f"{2.0 * share:.3f} where each worker has a core of its own"
    )


def main() -> None:
    """Measure all, and print it."""
    parser = argparse.ArgumentParser("python -m benchmarks.beyond", description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--starts", type=int, default=100_000, help="of a turn")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    import distributed

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with (
        tempfile.TemporaryDirectory() as folder,
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        evaluations(client, Path(folder), options.rows, options.rounds)
        travelling(client, Path(folder), options.rounds)
    starts = np.random.default_rng(0).uniform(-2.0, 2.0, (options.starts, 3))
    grid = np.geomspace(1e-8, 1e-6, options.starts)
    slow = {"step_size": 1e-6, **RULE}
    processes(
        lambda e, n: symgd.minimize_many(VALLEY, starts[:n], executor=e, **slow),
        *(options.starts, "starts", options.turns),
    )
    processes(
        lambda e, n: symgd.sweep(
            VALLEY, [-1, 1, 1], executor=e, step_size=grid[:n], **RULE
        ),
        *(options.starts, "a sweep", options.turns),
    )
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
