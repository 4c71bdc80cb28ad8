"""What a caller means by an objective: a text, a function, one that is made already.

A text is read with what is known beside it: names in starts and bounds, their shapes.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symgd.errors import FormulaError
from symgd.language.identifiers import name_of
from symgd.language.plain import is_python
from symgd.objectives.objective import Objective
from symgd.objectives.statement import Called
from symgd.objectives.whole_arrays import (
    shapes_of_start,
    split_sizes,
    warn_of_lengths,
    with_indices,
)


def objective(function: Any = None, /, **more: Any) -> Any:
    """Make an objective of a Python function: a decorator.

    The function is read, and never called: its source, by the rules that hold for
    text, becomes a formula. Assignments are substituted, ``if`` becomes a condition,
    loops over ranges become sums, helper functions what they return; numbers around it
    become parameters, arrays data, and its arguments the variables, in their order.

    Parameters
    ----------
    function : callable
        With arguments that are numbers, or one that is a vector.
    **more
        What :class:`Objective` takes: ``parameters=`` and ``data=`` give arguments by
        name.

    Returns
    -------
    Objective

    Raises
    ------
    FormulaError
        Where something can't be read, with the line of the source.

    Examples
    --------
    >>> import symgd
    >>> @symgd.objective
    ... def valley(x, y, steepness=100):
    ...     gap = y - x**2
    ...     return (1 - x) ** 2 + steepness * gap**2
    >>> valley.text, valley.parameters["steepness"]
    ('(1 - x)**2 + steepness*(y - x**2)**2', 100.0)
    >>> symgd.minimize(valley, [-1.2, 1]).x.round(6).tolist()
    [1.0, 1.0]
    """
    if function is None:
        return functools.partial(objective, **more)
    return Objective(function, **more)


def objective_of(objective: Any, *given: Any, args: Any = (), **more: Any) -> Objective:
    """Return an objective of a formula, whose names mappings by name may tell.

    A name that stands for a constant elsewhere, as E does, is a variable if it has a
    start or bounds. What may be a slip, as a variable Pi, is a warning. ``more`` is
    what a text is with: ``parameters=`` and the like. ``args`` follow a Python
    function's first argument.
    """
    if isinstance(objective, Objective):
        return objective
    if getattr(objective, "kind", None) in ("value", "value_and_grad"):
        return objective_of(objective.objective, *given, **more)
    if is_python(objective):
        return Objective(Called(objective, args, *given[:1]), **more)
    if not isinstance(objective, str):
        return Objective(objective, **more)
    from symgd.language import naming

    constants = {name_of(name) for name in more.get("parameters") or ()}
    meant = naming.constants_meant(objective, *given) - constants
    names = _names_with(objective, meant, more) if meant else None
    sizes, told = split_sizes(more.get("sizes") or {})
    shapes = dict(told)
    if "subject_to" in more:  # relations may be between arrays
        started, _ = shapes_of_start(*given[:1])
        shapes |= {name: shape for name, shape in started.items() if shape}
    by_name = sizes if isinstance(sizes, Mapping) else {}
    read_with = more.get("data"), more.get("missing", "error"), by_name, told
    known = (names or (), constants, *read_with)
    if (whole := with_indices(objective, *known, *given[:1])) is not None:
        shapes |= whole.shapes
        sizes = {k: n for k, n in sizes.items() if k not in shapes}
    if shapes:
        more = {**more, "sizes": {**sizes, **shapes}}
    made = Objective(whole or objective, names, **more)
    if whole is not None:
        warn_of_lengths(objective, set(made.variables) - naming.named_in(given))
    naming.warn_of_misread(objective, made.variables, *given)
    return made


def within(objective: Any, subject_to: Any, *given: Any, **more: Any) -> Objective:
    """Return an objective as :func:`objective_of`, within given constraints."""
    if subject_to is None:
        return objective_of(objective, *given, **more)
    if isinstance(objective, Objective):
        return Objective(objective, subject_to=subject_to)
    return objective_of(objective, *given, subject_to=subject_to, **more)


def _names_with(
    text: str, names: Iterable[str], more: Mapping[str, Any]
) -> Sequence[str]:
    """Return the variables of a text of which these names are some."""
    from symgd.language.nodes import natural_order

    others: tuple[str, ...] = ()
    with contextlib.suppress(FormulaError):  # there may be no others
        others = Objective(text, **more).variables
    return natural_order({*others, *names})
