"""Deterministic tests, no deadlines (calls compile), and a store of their own."""

import os
import shutil
import signal
import tempfile

import hypothesis
import pytest

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
