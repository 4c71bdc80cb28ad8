"""What a user's callback is told between two slices of a run."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from symgd.descent.run import Run
from symgd.errors import InputError, unknown_name
from symgd.native.interrupts import raised_at_once

if TYPE_CHECKING:
    import numpy as np


class State:
    """Where a run is: a copy, which may be kept.

    ``state["vhat"]`` is a state variable of the rule, of shape (n,). In all else that
    arrays do, it is its ``x``, as callbacks of SciPy have it: ``state[0]``,
    ``state.copy()``, ``state - 1``, ``np.linalg.norm(state)``.

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

    def __getitem__(self, name: Any) -> Any:
        if not isinstance(name, str):
            return self.x[name]
        if name not in self._names:
            raise unknown_name("state variable", name, self._names, "there is none")
        n, place = len(self._x), 1 + self._names.index(name)
        return _vector(self._slots[place * n : (place + 1) * n])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_x":
            raise AttributeError(name)
        return getattr(self.x, name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.x if dtype is None else self.x.astype(dtype)

    def __len__(self) -> int:
        return len(self._x)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.x)

    def __repr__(self) -> str:
        return f"<State t = {self.t}, f = {self.fun}, gradient {self.grad_norm}>"


def _of_x(name: str) -> Callable[..., Any]:
    """Return the operator of a state, which is that of its iterate."""

    def applied(self: State, *others: Any) -> Any:
        numbers = (o.x if isinstance(o, State) else o for o in others)
        return getattr(self.x, name)(*numbers)

    return applied


_OPERATORS = ("add", "sub", "mul", "truediv", "pow", "matmul", "mod", "floordiv")
for _name in (
    *(f"__{side}{name}__" for name in _OPERATORS for side in ("", "r")),
    *(f"__{name}__" for name in ("neg", "abs", "lt", "le", "gt", "ge", "float")),
):
    setattr(State, _name, _of_x(_name))


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
