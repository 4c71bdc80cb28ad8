"""Arguments as SciPy's minimize has them: what is meant here, or what to write instead.

What says nothing, as ``constraints=()`` and ``jac=None``, is passed over. Nothing that
says something is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symgd.descent.settings import OTHERS
from symgd.errors import InputError
from symgd.native.criteria import Criteria

_EMPTY = ("args", "constraints", "hess", "hessp", "jac", "options", "tol")
_OF_OPTIONS = ("maxiter", "gtol")


def met(
    keywords: Mapping[str, Any], limits: Mapping[str, Any], method: Any, args: bool
) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Return keywords and limits without SciPy's, and what follows the first argument.

    Parameters
    ----------
    keywords : mapping
        Those that are no argument of symgd; a rule's are among them.
    limits : mapping
        ``maxiter`` and the like.
    method : str or Rule
    args : bool
        Whether the objective is a Python function, which ``args`` belong to.

    Raises
    ------
    InputError
        For what has another name here.

    Examples
    --------
    >>> met({"options": {"maxiter": 50}, "jac": None}, {"maxiter": 10_000}, "", False)
    ({}, {'maxiter': 50}, ())
    """
    if not keywords:
        return {}, {**limits}, ()
    own = getattr(method, "hyperparameters", ())
    rest, known = {}, {**limits}
    following: Any = ()
    for name, value in keywords.items():
        said = not _says_nothing(value)
        if name in own or name not in _EMPTY or (name == "constraints" and said):
            rest[name] = value  # constraints are shown as relations, later
        elif name == "args" and args:
            following = () if value is None else value
        elif name == "options" and isinstance(value, Mapping):
            known |= _options(value, known)
        elif said:
            raise InputError(f"unknown argument {name!r}: {OTHERS[name]}")
    return rest, known, following


def _says_nothing(value: Any) -> bool:
    return (
        value is None
        or value is False
        or (hasattr(value, "__len__") and not len(value))
    )


def _options(given: Mapping[str, Any], limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits in SciPy's options."""
    found = {}
    for name, value in given.items():
        if name == "disp" and not value:
            continue
        if name == "disp":
            problem = "options={'disp': True}: print the result, or give progress=True"
            raise InputError(problem)
        if name not in _OF_OPTIONS:
            accepted = " and ".join(_OF_OPTIONS)
            problem = f"options has {name!r}: of SciPy's only {accepted} are known here"
            raise InputError(f"{problem}; ftol, patience, target, ... are arguments")
        if limits.get(name) not in (getattr(Criteria(), name), None, value):
            raise InputError(f"{name} is given twice, once in options")
        found[name] = value
    return found
