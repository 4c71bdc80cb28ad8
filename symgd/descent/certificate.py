"""What shows that a point within constraints is a minimum: multipliers and residuals.

Elsewhere: the conditions of Karush, Kuhn and Tucker.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Certificate(NamedTuple):
    """Multipliers of an end, and by how much the conditions of a minimum are missed.

    Attributes
    ----------
    multipliers : dict of str to float or array
        Of each constraint, by its name: by how much f changes for each unit that its
        right side is raised by.
    bound_multipliers : dict of str to float or array
        Likewise of the bound that holds a variable; 0 where none does.
    constraints : dict of str to float or array
        Left sides without the right ones; of chains, what is in the middle.
    constraint_violation : float
        The largest.
    optimality : float
        The largest component of the Lagrangian's gradient.
    complementarity : float
        The largest product of a multiplier and the gap to its side.
    active : list of str
        Which constraints hold the point.
    """

    multipliers: dict[str, Any]
    bound_multipliers: dict[str, Any]
    constraints: dict[str, Any]
    constraint_violation: float
    optimality: float
    complementarity: float
    active: list[str]
