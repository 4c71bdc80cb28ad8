"""Profiles and bootstraps that an executor works at: the same bits, in order."""

import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np
import pytest

import symgd
from symgd.errors import InputError
from tests.many.test_elsewhere import Sent

T = np.linspace(0.0, 4.0, 60)
NOISE = np.random.default_rng(0).standard_normal(60)
DATA = {"t": T, "y": 2.5 * np.exp(-1.3 * T) + 0.5 + 0.1 * NOISE}
DATA["k"] = np.round(20.0 * DATA["y"])
MODEL = "a*exp(-b*t) + c"
FITS = {
    "least squares": {},
    "with bounds": {"bounds": {"c": (0.49, 0.51)}},
    "errors in x": {"sigma_x": 0.05, "sigma": 0.1},
    "a likelihood": {"target": "k", "loss": "poisson", "x0": [50, 1, 10]},
}


def fitted(how):
    given = {"target": "y", **FITS[how]}
    return symgd.fit(MODEL, DATA, given.pop("target"), **given)


def assert_same(one, other, *names):
    for name in names:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


PROFILE = ("interval", "values", "roots", "points")


@pytest.mark.parametrize("how", FITS)
def test_pieces_have_the_bits_of_the_whole(how):
    fit, executor = fitted(how), Sent()
    sent = fit.profile("b", executor=executor)
    assert_same(sent, fitted(how).profile("b"), *PROFILE)
    assert len(executor.sizes) == 2
    for kind in ("rows", "residuals") if how == "least squares" else ("rows",):
        sent = fit.bootstrap(40, kind, rng=3, executor=Sent())
        assert_same(sent, fit.bootstrap(40, kind, rng=3), "samples", "failed")


def test_a_covariance_matrix_goes_along():
    matrix = 0.01 * 0.5 ** abs(np.subtract.outer(np.arange(60), np.arange(60)))
    fit = symgd.fit(MODEL, DATA, "y", sigma=matrix)
    assert_same(fit.profile("b", executor=Sent()), fit.profile("b"), *PROFILE)


def test_processes_and_threads_are_executors():
    fit = fitted("least squares")
    profile, samples = fit.profile("b"), fit.bootstrap(50).samples
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes,
        ThreadPoolExecutor(3) as threads,
    ):
        for executor in (processes, threads):
            assert_same(fit.profile("b", executor=executor), profile, *PROFILE)
            sent = fit.bootstrap(50, executor=executor)
            np.testing.assert_array_equal(sent.samples, samples)


def test_what_a_lost_worker_had_is_done_here():
    fit = fitted("least squares")
    with pytest.warns(UserWarning, match="workers of the executor were lost"):
        sent = fit.bootstrap(50, executor=Sent({2}))
    np.testing.assert_array_equal(sent.samples, fit.bootstrap(50).samples)
    with pytest.warns(UserWarning, match="done here"):
        assert_same(fit.profile("a", executor=Sent({1})), fit.profile("a"), *PROFILE)


def _dies(_):
    os._exit(1)


def test_a_pool_that_is_broken_costs_nothing_but_time():
    fit = fitted("least squares")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(BrokenProcessPool):
            pool.submit(_dies, 0).result()
        with pytest.warns(UserWarning, match="done here"):
            sent = fit.bootstrap(20, executor=pool)
    np.testing.assert_array_equal(sent.samples, fit.bootstrap(20).samples)


class Interrupted(Sent):
    """Takes the first piece; then Ctrl-C comes."""

    def __init__(self):
        super().__init__()
        self.waiting = []

    def submit(self, function, given):
        if not self.sizes:
            return super().submit(function, given)
        self.waiting.append(Future())
        if len(self.waiting) == 2:
            signal.raise_signal(signal.SIGINT)
        return self.waiting[-1]


def test_ctrl_c_is_raised_and_what_has_not_begun_is_cancelled():
    executor = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        fitted("least squares").bootstrap(500, executor=executor)
    assert executor.waiting[0].cancelled()


def test_a_profile_of_rows_in_files_is_sent_by_their_names(tmp_path):
    paths = {name: [] for name in ("t", "y")}
    for name in paths:
        for k, part in enumerate(np.split(DATA[name], 3)):
            paths[name].append(tmp_path / f"{name}{k}.npy")
            np.save(paths[name][-1], part)
    fit = symgd.fit(MODEL, paths, "y")
    assert_same(fit.profile("b", executor=Sent()), fit.profile("b"), *PROFILE)


def test_what_cannot_run_anything_is_refused():
    with pytest.raises(InputError, match="executor takes an executor"):
        fitted("least squares").bootstrap(10, executor=4)
