"""What a user's callback is told between two slices of a run."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from symgd.descent.run import Run
from symgd.errors import InputError, unknown_name
from symgd.native.interrupts import raised_at_once

if TYPE_CHECKING:
    import numpy as np


class State:
    """Where a run is: a copy, which may be kept.

    ``state["vhat"]`` is a state variable of the rule, of shape (n,).

    Attributes
    ----------
    t, nit : int
        Updates made so far.
    x : ndarray, shape (n,)
        The iterate.
    fun : float
        The objective there.
    jac : ndarray, shape (n,)
        Its gradient.
    grad_norm : float
        The largest component of the (projected) gradient.
    values : dict of str to float
        The iterate by name.
    """

    def __init__(self, run: Run) -> None:
        self.t = self.nit = run.t
        self.fun = run.settings.sign * run.fun + 0.0
        self.grad_norm = run.norm
        self.variables = run.objective.variables
        self._space = run.objective.space
        self._sign, self._x, self._g = run.settings.sign, run.x, run.gradient[:]
        self._names, self._slots = run.state, run.slots[:]

    @property
    def x(self) -> np.ndarray:
        """The iterate."""
        return _vector(self._x)

    @property
    def jac(self) -> np.ndarray:
        """The gradient there."""
        return self._sign * _vector(self._g) + 0.0

    @property
    def values(self) -> dict[str, Any]:
        """The iterate by name: floats, and arrays in their shapes."""
        return self._space.values(self._x)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise unknown_name("state variable", name, self._names, "there is none")
        n, place = len(self._x), 1 + self._names.index(name)
        return _vector(self._slots[place * n : (place + 1) * n])

    def __repr__(self) -> str:
        return f"<State t = {self.t}, f = {self.fun}, gradient {self.grad_norm}>"


class Callback:
    """Call a user's function between slices, or every so many updates."""

    def __init__(self, function: Callable[[State], Any], every: int) -> None:
        if not callable(function):
            raise InputError(f"callback must be callable, not {function!r}")
        self.function = function
        self.every = every
        self._seen = -1

    def __call__(self, run: Run) -> str:
        """Return why the run is to stop, or nothing."""
        if run.t == self._seen or (self.every and run.t % self.every):
            return ""
        self._seen = run.t
        try:
            with raised_at_once():
                stop = bool(self.function(State(run)))
        except StopIteration:
            stop = True
        return "stopped by the callback" if stop else ""


def _vector(numbers: array[float]) -> np.ndarray:
    import numpy as np

    return np.array(numbers, dtype=np.float64)
