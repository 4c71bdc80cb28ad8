"""Deterministic tests, no deadlines (calls compile), and a store of their own.

A test that is skipped for another reason than those below has failed: what tests need
comes with ``pip install ".[test]"``, but for a browser and its widget, compilers of C
and C++, and node, which continuous integration installs where it can.
"""

import os
import shutil
import signal
import tempfile

import hypothesis
import pytest

SKIPS = (
    "users as POSIX has them",  # files of other users, on Windows
    "there are no named pipes",  # likewise
    "memory is laid out as Linux does",  # in a child that lays it out by mmap
    "limits are those of Linux",  # what a child may use of memory
    "libraries are .so on Linux",  # and others elsewhere
    "instructions of one kind",  # of x86-64, on other machines
    "this processor can't run code for that one",  # as for AVX2, on older ones
    # Extras that continuous integration has once.
    'playwright is missing: pip install ".[browser]"',
    "no chromium here: apt-get install chromium",
    'anywidget is missing: pip install ".[widget]"',
    # Programs that pip doesn't bring.
    "there is no C compiler",
    "there is no C++ compiler",
    "the compiler has no sanitizers",
    "there is no node",
    "this LLVM doesn't know that system",  # as macOS, where it is built for one
)
STORE = tempfile.mkdtemp(prefix="symgd-tests-")
os.environ["SYMGD_CACHE_DIR"] = STORE  # for the processes that tests start, too

# A process that a script starts in the background ignores Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile(
    "symgd", deadline=None, derandomize=True, max_examples=100, print_blob=True
)
hypothesis.settings.load_profile("symgd")


@pytest.fixture(scope="session", autouse=True)
def _store_removed():
    yield
    shutil.rmtree(STORE, ignore_errors=True)


@pytest.fixture(scope="module")
def client():
    """Return a client of a Dask cluster of two processes."""
    from distributed import Client

    from tests.clusters import cluster_of

    with cluster_of(2) as cluster, Client(cluster) as client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _failed_unless_known((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _failed_unless_known((yield))


def _failed_unless_known(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason not in SKIPS:
            report.outcome = "failed"
            report.longrepr = f"skipped, which no test may be for this: {reason}"
    return report
