"""Whether an end is a strict minimum, whatever gradients of constraints depend on.

One set of multipliers is enough for that: sides with a price keep it from falling to
first order, and along them f curves upwards. Where gradients depend on each other there
are other multipliers that do as well, and they change nothing.

Elsewhere: second-order sufficient conditions. Source: Nocedal and Wright 2006,
"Numerical optimization", theorem 12.6, which asks for no independent gradients.
"""

from __future__ import annotations

import numpy as np

from symgd.descent.constrained.surroundings import FirstOrder, null_space

PRICED = 1e-4  # of what f's terms change by: a side that holds
BALANCED = 1e3  # times that: what is worth more only balances another price
LEFT = 1e-8  # of f's terms, or of those of the gradient of the Lagrangian
SAME = 1e-6  # of the largest singular value: gradients that depend on each other
CURVED = 1e-4  # of the largest curvature along the sides: one that shows
ROUNDED = 1e-8  # of the largest curvature at all, and of f's terms


def is_strict(
    known: FirstOrder,
    second: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    sizes: np.ndarray,
    equal: np.ndarray,
) -> bool:
    """Return whether f rises to first or second order wherever the constraints hold.

    Parameters
    ----------
    known : FirstOrder
        f, its gradient, the constraints, and their derivatives.
    second : array
        The Hessian of the Lagrangian.
    y, z : arrays
        The multipliers, as in ``f + sum(y*c)``, and of bounds.
    sizes : array
        Of coordinates; 0 of those that don't move.
    equal : array of bool
        Which constraints are equalities.

    Examples
    --------
    The same side twice holds as once:

    >>> twice = 0.0, np.ones(1), np.zeros(2), np.ones((2, 1))
    >>> parts = np.array([-0.5, -0.5]), np.zeros(1), np.ones(1), np.zeros(2, bool)
    >>> is_strict(twice, np.zeros((1, 1)), *parts)
    True
    """
    _, slope, _, rows = known
    rows, slope, z = rows * sizes, slope * sizes, z * sizes
    units = np.abs(rows).sum(axis=1)
    worth, prices = np.abs(slope).sum(), np.abs(y) * units
    terms = np.abs(slope) + np.abs(y) @ np.abs(rows) + np.abs(z)
    rest = np.abs(slope + y @ rows - z)
    if not (worth > 0.0 and (rest <= LEFT * np.maximum(terms, worth)).all()):
        return False
    if max(prices.max(initial=0.0), np.abs(z).max()) > BALANCED * worth:
        return False
    priced = prices > PRICED * worth
    if not units[held := priced | equal].all():
        return False
    fixed = (np.abs(z) > PRICED * worth) | (sizes == 0.0)
    across = (rows[held] / units[held, None])[:, ~fixed]
    along = null_space(across, SAME)
    if not len(along):
        return True
    scaled = (second * sizes * sizes[:, None])[np.ix_(~fixed, ~fixed)]
    bends = np.linalg.eigvalsh(along @ scaled @ along.T)
    rounded = ROUNDED * max(np.abs(scaled).max(), worth)
    return bool(bends[0] > max(CURVED * bends[-1], rounded))
