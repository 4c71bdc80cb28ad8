"""What L and mu say about steps: which are safe, how quick they are, for how long.

Of a convex formula whose curvatures are between mu and L, gradient descent with step a
contracts the distance to the minimum, and the gradient, by max(|1 - a*mu|, |1 - a*L|).

Source: Nesterov 2018, "Lectures on Convex Optimization", sections 2.1.5 and 2.2;
Polyak 1964, "Some methods of speeding up the convergence of iteration methods"; Drori
and Teboulle 2014, "Performance of first-order methods for smooth convex minimization".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from symgd.errors import InputError
from symgd.language.text import number

LESS = 1 - 1e-12  # by which a step that is computed in floats is on the safe side


@dataclass(frozen=True)
class ProvenStep:
    """Hyperparameters of a method, and how quick it is proven to be.

    Attributes
    ----------
    method : str
        The rule, as ``symgd.minimize(method=...)`` takes it.
    step_size : float
    momentum : float or None
    rate : float
        By which the distance to the minimum shrinks in each iteration; 1 where no
        such rate is proven.
    note : str
        What it is true of.
    """

    method: str
    step_size: float
    momentum: float | None
    rate: float
    note: str

    def iterations(self, first: float, gtol: float = 1e-8) -> int | None:
        """Return how many iterations are enough, from a gradient of a given norm.

        Parameters
        ----------
        first : float
            The Euclidean norm of the gradient at the start.
        gtol : float

        Returns
        -------
        int or None
            None where no rate is proven of every iteration: of momentum it is
            proven of the end, or of values.
        """
        if not (first >= 0 and gtol > 0):
            raise InputError("iterations needs a norm and a gtol that aren't negative")
        if first <= gtol:
            return 0
        if self.momentum is not None:
            return None
        if not 0.0 < self.rate < 1.0:
            return None
        return math.ceil(math.log(first / gtol) / -math.log(self.rate))

    def __str__(self) -> str:
        more = "" if self.momentum is None else f", momentum={number(self.momentum)}"
        rate = f", rate {number(self.rate)}" if self.rate < 1 else ", no linear rate"
        return f"{self.method} step_size={number(self.step_size)}{more}{rate}"


def steps_of(largest: float, least: float, quadratic: bool) -> dict[str, ProvenStep]:
    """Return steps by their names: safe, best, and with momentum.

    Parameters
    ----------
    largest : float
        At least the largest curvature, L; finite and positive.
    least : float
        At most the smallest one, mu; negative where it isn't convex.
    quadratic : bool
    """
    mu = max(least, 0.0)
    ratio = mu / largest
    note = "of what is convex, while iterates stay in the bounds"
    if least < 0:
        descent = "f never increases, while iterates stay in the bounds; no rate"
        return {"safe": ProvenStep("gd", 1 / largest, None, 1.0, descent)}
    made = {"safe": ProvenStep("gd", 1 / largest, None, _above(1 - ratio), note)}
    if mu == 0.0:
        return made
    best = (1 - ratio) / (1 + ratio)
    made["best"] = ProvenStep("gd", 2 * LESS / (largest + mu), None, _above(best), note)
    root = math.sqrt(ratio)
    slower = (1 - root) / (1 + root)
    if quadratic:
        step = 4 / (math.sqrt(largest) + math.sqrt(mu)) ** 2
        polyak = ProvenStep(
            "momentum", step, slower**2, _above(slower), "of quadratics, in the end"
        )
        made["polyak"] = polyak
    rate = _above(math.sqrt(max(0.0, 1 - root)))
    made["nesterov"] = ProvenStep("nesterov", 1 / largest, slower, rate, note)
    return made


def _above(rate: float) -> float:
    """Return a rate, rounded up; that of one step to the minimum stays almost 0."""
    return min(1.0, max(rate, 0.0) + 4e-12)
