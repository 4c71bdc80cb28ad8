"""Rows that the workers of a cluster keep, also where one is killed."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import dask.array as da
import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd
import pytest

import symgd
from symgd.errors import InputError
from symgd.native.status import Status
from symgd.objectives.scattered import on_dask
from symgd.objectives.scattered.partitions import partitioned
from tests.clusters import cluster_of

LOGISTIC = (
    "sum(log(1 + exp(-y[i]*sum(A[i, j]*w[j] for j in range(d)))) for i in range(n))"
)
ROWS, CHUNK = 6000, 1000
A = np.random.default_rng(0).standard_normal((ROWS, 3))
Y = np.sign(A @ [1.0, -1.0, 0.5] + np.random.default_rng(1).standard_normal(ROWS))
AT = np.array([0.1, -0.2, 0.3])


def blocks():
    return {
        "A": da.from_array(A, chunks=(CHUNK, 3)),
        "y": da.from_array(Y, chunks=CHUNK),
    }


def files(folder):
    paths = {"A": [], "y": []}
    for name, column in (("A", A), ("y", Y)):
        for first in range(0, ROWS, CHUNK):
            paths[name].append(folder / f"{name}{first}.npy")
            np.save(paths[name][-1], column[first : first + CHUNK])
    return paths


def assert_same(one, other):
    for name in ("x", "fun", "jac", "status", "nit", "nfev"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


BATCHES = {"method": "adam", "batch_size": 50, "maxiter": 150, "rng": 3}


@pytest.mark.parametrize(
    "how", [{}, {"method": "momentum", "step_size": 1e-4, "maxiter": 30}, BATCHES]
)
def test_a_cluster_has_the_bits_of_files_that_are_read_here(client, tmp_path, how):
    here = symgd.minimize(symgd.Objective(LOGISTIC, data=files(tmp_path)), **how)
    assert_same(symgd.minimize(symgd.Objective(LOGISTIC, data=blocks()), **how), here)


def test_workers_read_files_themselves(client, tmp_path):
    paths = files(tmp_path)
    far = symgd.Objective(LOGISTIC, data=paths, executor=client)
    assert far.value(AT) == symgd.Objective(LOGISTIC, data=paths).value(AT)


def test_a_dataframe(client):
    frame = pd.DataFrame({"t": np.arange(400.0), "y": 3.0 * np.arange(400.0)})
    rows = dd.from_pandas(frame, npartitions=5)
    line = "sum((y[i] - a*t[i])**2 for i in range(n))/n"
    assert symgd.minimize(symgd.Objective(line, data=rows)).x == pytest.approx([3.0])


def test_bits_are_those_of_one_worker_and_of_three():
    whole, batches = [], []
    for workers in (1, 3):
        with cluster_of(workers) as cluster, distributed.Client(cluster):
            objective = symgd.Objective(LOGISTIC, data=blocks())
            whole.append(symgd.minimize(objective))
            batches.append(symgd.minimize(objective, **BATCHES))
    assert_same(*whole)
    assert_same(*batches)


def test_calls_of_actors_have_the_same_bits(client, monkeypatch):
    objective = symgd.Objective(LOGISTIC, data=blocks())
    linked = symgd.minimize(objective)
    monkeypatch.setattr(on_dask, "MOST", 0)
    assert_same(symgd.minimize(symgd.Objective(LOGISTIC, data=blocks())), linked)


def test_what_a_worker_raises_is_raised_here(client):
    keepers = partitioned(blocks()).passes(["A", "y"], Refusing())
    with pytest.raises(ZeroDivisionError):
        keepers()
    with pytest.raises(RuntimeError, match="no loss of a worker"):
        keepers(RuntimeError("no loss of a worker"))
    with pytest.raises(RuntimeError, match="Unsendable: its reason"):
        keepers("unsendable")
    long = "a long question " * on_dask.LARGE
    assert keepers(long) == [long] * (ROWS // CHUNK)
    assert keepers(3) == [3] * (ROWS // CHUNK)
    assert len(keepers._links) == 2


def test_threads_at_once_have_their_own_answers(client):
    objective = symgd.Objective(LOGISTIC, data=blocks())
    points = np.random.default_rng(5).standard_normal((64, 3))
    alone = [objective.value_and_grad(x) for x in points]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(objective.value_and_grad, points))
    for (f, g), (value, slopes) in zip(together, alone, strict=True):
        assert f == value
        assert g.tobytes() == slopes.tobytes()


def test_a_fork_asks_nobody(client, monkeypatch):
    objective = symgd.Objective(LOGISTIC, data=blocks())
    objective.value(AT)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(InputError, match="after a fork"):
        objective.value(AT)


def test_a_closed_client_is_told():
    with cluster_of(1) as cluster, distributed.Client(cluster) as mine:
        far = symgd.Objective(LOGISTIC, data=blocks(), executor=mine)
        assert far.value(AT) > 0.0
    with pytest.raises(InputError, match="client of the cluster is closed: workers"):
        far.value(AT)
    with pytest.raises(InputError, match="client of the cluster is closed: workers"):
        symgd.Objective(LOGISTIC, data=blocks(), executor=mine)


@pytest.mark.parametrize("linked", [True, False])
def test_a_worker_that_is_killed_loses_nothing(client, linked, monkeypatch):
    if not linked:
        monkeypatch.setattr(on_dask, "MOST", 0)
    objective = symgd.Objective(LOGISTIC, data=blocks())
    how = {"method": "gd", "step_size": 1e-5, "maxiter": 150}
    whole = symgd.minimize(objective, **how)
    victim = next(iter(client.nthreads()))

    on_the_way, dead = threading.Event(), threading.Event()

    def kill():
        on_the_way.wait()
        client.submit(_dies, workers=[victim], pure=False, retries=0)
        while victim in client.nthreads():
            time.sleep(0.01)
        dead.set()

    def watch(state):
        if state.t == 20:
            on_the_way.set()  # and goes on, so that it dies in an evaluation
        elif state.t == 100:
            assert dead.wait(60)

    killer = threading.Thread(target=kill)
    killer.start()
    how |= {"callback": watch, "callback_every": 20}
    broken = symgd.minimize(objective, **how)
    killer.join()
    assert_same(broken, whole)
    assert victim not in client.nthreads()


def test_a_time_limit_is_heard_while_workers_work(client):
    slow = symgd.Objective(LOGISTIC, data=blocks())
    slow.value(AT)
    how = {"method": "gd", "step_size": 1e-9, "maxiter": 10**7}
    assert symgd.minimize(slow, time_limit=0.3, **how).status == Status.TIME_LIMIT


def test_an_error_of_a_worker_is_told_with_its_partition(client):
    column = np.arange(10.0)
    column[7] = np.nan
    data = {"y": da.from_array(column, chunks=5)}
    with pytest.raises(
        InputError, match="partition 1: column 'y' is not finite in row 2"
    ):
        symgd.Objective("sum((y[i] - a)**2 for i in range(n))", data=data)


def test_an_executor_that_keeps_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="the client of a Dask cluster"):
        symgd.Objective(LOGISTIC, data=files(tmp_path), executor=object())


class Refusing:
    """Raises what it is given, or for want of it."""

    bytes_of_row = 0

    def begun(self, columns, threads, number):
        def passed(*given):
            if not given:
                raise ZeroDivisionError
            if isinstance(given[0], Exception):
                raise given[0]
            if given[0] == "unsendable":
                raise Unsendable("its", "reason")
            return given[0]

        return passed


class Unsendable(Exception):
    def __init__(self, one, other):
        super().__init__(f"{one} {other}")


def _dies():
    os._exit(1)
