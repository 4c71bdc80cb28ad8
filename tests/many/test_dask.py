"""Descents on a Dask cluster of two processes, also where one of them is killed."""

import dask.array as da
import numpy as np
import pytest

from symgd import Objective, minimize_many, race
from symgd.errors import InputError

VALLEY = "(1 - x)**2 + 100*(y - x**2)**2"
STARTS = np.random.default_rng(0).uniform(-2.0, 2.0, (150, 2))
RULE = {"method": "gd", "step_size": 1e-4, "maxiter": 2000}


def _dies():
    import os

    os._exit(1)


def assert_same(one, other):
    for name in ("x", "fun", "jac", "status", "nit", "nfev"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def test_a_client_gives_the_bits_of_one_machine(client):
    assert_same(
        minimize_many(VALLEY, STARTS, executor=client), minimize_many(VALLEY, STARTS)
    )


def test_a_worker_that_is_killed_loses_nothing(client):
    client.submit(_dies, retries=0, pure=False)  # whoever takes it
    sent = minimize_many(VALLEY, STARTS, executor=client, **RULE)
    assert_same(sent, minimize_many(VALLEY, STARTS, **RULE))


def test_rows_that_workers_keep_are_sent_to_no_executor(client):
    rows = {"y": da.from_array(np.arange(10.0), chunks=5)}
    objective = Objective("sum((y[i] - a)**2 for i in range(n))", data=rows)
    with pytest.raises(InputError, match="known to this process only"):
        minimize_many(objective, STARTS[:4, :1], executor=client)


def test_a_race_on_a_cluster_has_the_bits_of_one_here(client):
    methods = ["auto", ("gd", {"step_size": 1e-3}), "adam"]
    sent = race(VALLEY, [-1.2, 1.0], methods, maxiter=200, executor=client)
    here = race(VALLEY, [-1.2, 1.0], methods, maxiter=200)
    assert list(sent) == list(here)
    for label in here:
        for name in ("x", "fun", "nit", "status"):
            mine, theirs = getattr(sent[label], name), getattr(here[label], name)
            np.testing.assert_array_equal(mine, theirs, name)
