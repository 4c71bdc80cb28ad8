"""What stands where in the memory of a descent by quadratic models.

Offsets into a struct, elsewhere.
"""

from __future__ import annotations

TRUST_REGION = "i:pppppp"  # how the loop is called, see ``machine.Kernel``
FACTS = 11  # integers
PARAMETERS, FUNCTION, BLOCKS = 0, 1, 2
BEST = 3  # the row of the best point
NIT, NFEV, MAXITER = 4, 5, 6
SLICE = 7  # evaluations before the loop ends for others to look
FACTORED = 8  # whether R is known
KNOWN = 9  # whether the trial has been evaluated
FIRST = 10  # whether no step has been taken yet
LIMITS = 6  # numbers
GTOL, FLOOR, RADIUS, OFFSET, PREDICTED = range(LIMITS - 1)
LEVEL = 5  # the square of a cosine that may be rounding, where nothing bends
VECTORS = 12
LOWER, UPPER, SCALE, UNITS = 2, 3, 4, 5  # units of steps, and of what is looked at
STEP, FREE, SLOPE, ALONG, SQUARES, LENGTHS = range(6, VECTORS)
VALUE, SIZE, GRADIENT = 0, 1, 2  # in a model
RESOLUTION = 1e-15  # of curvatures as sums of squares: below it, they are rounding
FINE_RESOLUTION = 1e-26  # of curvatures as squares of singular values


def root_of(p: int) -> int:
    """Return where R begins in a row."""
    return GRADIENT + p + p * (p + 1) // 2
