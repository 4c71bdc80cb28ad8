"""What must be settled before anything is timed, or a peer is wronged.

Each of these once made a peer look slower than it is: see the functions.
"""

from __future__ import annotations

import os
from pathlib import Path

# A BLAS worker waits by spinning. Confined to the core of the thread that waits for it,
# it made SciPy's L-BFGS-B, whose matrices are tiny, 440 times slower.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
CACHES = ("SYMGD_CACHE_DIR", "NUMBA_CACHE_DIR")


def prepare(cache: Path) -> None:
    """Set the environment of this process, before NumPy and symgd are imported.

    Parameters
    ----------
    cache : Path
        An empty folder: what is compiled here is compiled anew.
    """
    for name in ONE_THREAD:
        os.environ[name] = "1"
    for name in CACHES:
        os.environ[name] = str(cache)


def of_a_user(cache: str | None = None) -> dict[str, str]:
    """Return the environment for another process as a user has it, but the cache."""
    environment = {k: v for k, v in os.environ.items() if k not in ONE_THREAD}
    if cache is not None:
        environment |= dict.fromkeys(CACHES, cache)
    return environment | {"MPLBACKEND": "Agg"}


def settle_allocator() -> None:
    """Let glibc keep large blocks once they are freed.

    It learns so from the first block of this size that is freed; until then every
    temporary array is given back and faulted in again, and NumPy's times differ by a
    factor of five with what the process happened to do before.
    """
    import numpy as np

    block = np.ones(3_900_000)  # just below 32 MB, the most that glibc learns from
    del block
