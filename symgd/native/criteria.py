"""What ends a run, as users say it: each criterion with its default and its meaning.

Elsewhere: stopping criteria, tolerances. Arguments of functions, options of commands
and the names that a rule can't have are made of these.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


def _criterion(default: Any, meaning: str) -> Any:
    return dataclasses.field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class Criteria:
    """The criteria, by name, as they are where nothing is given.

    >>> Criteria().maxiter, MEANINGS["target"]
    (10000, 'Stop at this value.')
    """

    maxiter: int = _criterion(10_000, "The largest number of iterations.")
    gtol: float | None = _criterion(
        None,
        "Converged when no component of the gradient is larger; by default, when "
        "nothing is left to gain.",
    )
    ftol: float = _criterion(0.0, "An improvement by no more is none.")
    patience: int = _criterion(
        0, "Iterations without improvement allowed; 0: any number."
    )
    target: float | None = _criterion(None, "Stop at this value.")
    time_limit: float | None = _criterion(None, "Stop after so many seconds.")


MEANINGS = {f.name: f.metadata["meaning"] for f in dataclasses.fields(Criteria)}
