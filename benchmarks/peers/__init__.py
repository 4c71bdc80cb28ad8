"""The contenders, a module for each library, all with the same interface.

``TRAJECTORY`` and ``BATCH`` map a contender's name to a function of a ``Task`` that
returns a callable, which makes the descents and returns their ends, or None where this
machine can't. Importing a module imports its library; ``LIBRARY`` is its name. Slow
contenders do less work, and their times are scaled: ``TRAJECTORY_STEPS``,
``BATCH_STEPS`` and ``BATCH_STARTS`` are the most they are given, and ``RULES``, where
it stands, are the only rules a contender has.

For sums there are ``STEPS``, ``SLOPE`` and ``ROWS``, which map names to functions of
the tasks in ``benchmarks.sums``; what they return gives a value and an array.
``SUM_WORK`` is the most element-steps a slow contender is given.
"""

from __future__ import annotations

import importlib
from types import ModuleType

NAMES = (
    "ours",
    "c",
    "numba",
    "numpy",
    "scipy",
    "jax",
    "optax",
    "torch",
    "casadi",
    "heyoka",
)


def installed() -> tuple[dict[str, ModuleType], dict[str, str]]:
    """Import all peers.

    Returns
    -------
    found : dict of str to module
    missing : dict of str to str
        Why each of the others can't be used.
    """
    found, missing = {}, {}
    for name in NAMES:
        try:
            found[name] = importlib.import_module(f"benchmarks.peers.with_{name}")
        except ImportError as error:
            missing[name] = str(error)
    return found, missing
