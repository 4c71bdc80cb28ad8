"""Fits of rows that the workers of a cluster keep, also where one is killed."""

import os

import dask.array as da
import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd

import symgd
from tests.clusters import cluster_of

MODEL = "a*exp(-b*t) + c"
MANY = " + ".join(f"a{k}*cos({k}*t)" for k in range(13))  # by QR
ROWS, CHUNK = 3000, 400
T = np.linspace(0.0, 4.0, ROWS)
Y = 2.5 * np.exp(-1.3 * T) + 0.5
Y += 0.05 * np.random.default_rng(0).standard_normal(ROWS)
FIELDS = ("x", "fun", "jac", "covariance", "status", "nit", "nfev", "r_squared")
START = {"x0": [1, 0.1, 0]}


def arrays():
    return {"t": da.from_array(T, chunks=CHUNK), "y": da.from_array(Y, chunks=CHUNK)}


def assert_same(one, other):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def test_bits_are_the_same_on_one_two_and_three_workers(client):
    def fits(executor):
        models = (MODEL, MANY)
        return [symgd.fit(m, arrays(), "y", executor=executor) for m in models]

    two = fits(client)
    for workers in (1, 3):
        with cluster_of(workers) as cluster, distributed.Client(cluster) as other:
            for pair in zip(fits(other), two, strict=True):
                assert_same(*pair)
    here = symgd.fit(MODEL, {"t": T, "y": Y}, "y")
    np.testing.assert_allclose(two[0].x, here.x, rtol=1e-6)
    np.testing.assert_allclose(two[0].covariance, here.covariance, rtol=1e-6)


def test_a_dataframe_and_its_missing_rows(client):
    frame = pd.DataFrame({"t": T, "y": np.where(T < 1.0, np.nan, Y)})
    far = symgd.fit(
        MODEL, dd.from_pandas(frame, npartitions=5), "y", missing="drop", **START
    )
    here = symgd.fit(MODEL, frame, "y", missing="drop", **START)
    np.testing.assert_allclose(far.x, here.x, rtol=1e-6)
    assert far.source.dropped == here.source.dropped > ROWS / 5  # a whole partition


def test_workers_read_files_themselves(client, tmp_path):
    paths = {"t": [], "y": []}
    for name, column in (("t", T), ("y", Y)):
        for k, part in enumerate(np.array_split(column, 4)):
            paths[name].append(tmp_path / f"{name}{k}.npy")
            np.save(paths[name][-1], part)
    far = symgd.fit(MODEL, paths, "y", executor=client, **START)
    assert_same(far, symgd.fit(MODEL, paths, "y", **START))


def test_profiles_and_samples_of_rows_here_are_sent_to_workers(client):
    fit = symgd.fit(MODEL, {"t": T, "y": Y}, "y")
    profile = fit.profile("b", executor=client)
    assert profile.interval == fit.profile("b").interval
    samples = fit.bootstrap(30, executor=client).samples
    np.testing.assert_array_equal(samples, fit.bootstrap(30).samples)


def test_a_worker_that_is_killed_loses_nothing(client):
    whole, gone = symgd.fit(MODEL, arrays(), "y", executor=client, **START), []

    def kill(state):
        if state.t == 2 and not gone:
            gone.append(next(iter(client.nthreads())))
            client.submit(_dies, workers=gone, pure=False, retries=0)
            while gone[0] in client.nthreads():
                pass

    broken = symgd.fit(MODEL, arrays(), "y", executor=client, callback=kill,
                       callback_every=1, **START)  # fmt: skip
    assert_same(broken, whole)
    assert len(gone) == 1


def _dies():
    os._exit(1)
