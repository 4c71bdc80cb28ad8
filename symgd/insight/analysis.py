"""What is proven of a formula within bounds: the answer of ``symgd.analyze``."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symgd.errors import InputError
from symgd.insight import extremes
from symgd.insight.bounded_formula import problem_of, problem_of_rows, seconds_of
from symgd.insight.boxes import Box
from symgd.insight.convexity import Verdict
from symgd.insight.extremes import Curvatures, Enclosure
from symgd.insight.proofs import Proofs
from symgd.insight.row_proofs import RowProofs
from symgd.insight.row_terms import NotOfRows
from symgd.insight.scalar_proofs import ScalarProofs
from symgd.insight.steps import ProvenStep, steps_of
from symgd.insight.witnesses import Chord, RowWitness, Witness
from symgd.insight.written_out import SHORT, TooLong
from symgd.kernels.shared import shared
from symgd.language.drawing import card
from symgd.language.plain import plain_number
from symgd.language.text import number
from symgd.objectives.meant import objective_of
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds, read_point

if TYPE_CHECKING:
    from symgd.language.formula import Formula


class Analysis:
    """What is proven of a formula within bounds; "unknown" is what isn't.

    Attributes
    ----------
    curvature : str
        "affine", "strongly convex", "convex", "concave", "not convex" or "unknown".
    reason : str
        What it is proven by.
    witness : Witness, Chord, RowWitness or None
        Of what isn't convex: a point and a direction, or two points; ``check()``
        computes them anew with 50 digits.
    blame : SymPy expression or None
        The term that isn't convex; of what is open the node about which no rule tells.
    lipschitz : Enclosure
        Of L, the smallest Lipschitz constant of the gradient within the bounds.
    convexity : Enclosure
        Of mu, the smallest curvature within the bounds; negative where f bends down.
    domain : str
        Whether f is defined and continuous within the bounds, or where that is open.
    blocks : list of list of str
        Variables that no term joins: each block can be minimised by itself.
    bounded_below : bool or None
    steps : dict of str to ProvenStep
        Of descent: "safe", "best", "polyak" (of quadratics), "nesterov".
    """

    def __init__(self, proofs: Proofs, begin: float, time_limit: float) -> None:
        self.problem = problem = proofs.problem
        self.objective = problem.objective
        self.bounds = dict(zip(problem.names, _pairs(problem.box), strict=True))
        self._proofs = proofs
        self._verdict = proofs.verdict(begin + 0.5 * time_limit)
        self._curvatures = proofs.curvatures(begin + time_limit)
        self._curvatures = _by_witness(self._curvatures, self._verdict.witness)
        self._verdict = _by_curvatures(self._verdict, self._curvatures)
        self.seconds = time.monotonic() - begin

    # ---------------------------------------------------------------- the verdict

    @property
    def curvature(self) -> str:
        """See the class."""
        word = self._verdict.curvature
        strongly = word == "convex" and self.convexity.lower > 0
        return "strongly convex" if strongly else word

    @property
    def is_convex(self) -> bool | None:
        """Whether it is convex; None is open."""
        return self._verdict.convex

    @property
    def reason(self) -> str:
        """See the class."""
        return self._verdict.reason

    @property
    def witness(self) -> Witness | Chord | RowWitness | None:
        """See the class."""
        return self._verdict.witness

    @property
    def blame(self) -> sp.Expr | None:
        """See the class."""
        return self._verdict.blame

    @property
    def lipschitz(self) -> Enclosure:
        """See the class."""
        return extremes.lipschitz(self._curvatures)

    @property
    def convexity(self) -> Enclosure:
        """See the class."""
        return self._curvatures.least

    @functools.cached_property
    def lipschitz_per_coordinate(self) -> dict[str, float]:
        """At least the largest second derivative by each variable alone."""
        return self._proofs.per_coordinate()

    @functools.cached_property
    def domain(self) -> str:
        """See the class."""
        return self._proofs.domain

    @property
    def blocks(self) -> list[list[str]]:
        """See the class."""
        return self._proofs.blocks

    @functools.cached_property
    def bounded_below(self) -> bool | None:
        """See the class."""
        return self._proofs.bounded_below(self.convexity.lower)

    @functools.cached_property
    def invariances(self) -> list[dict[str, sp.Expr]]:
        """Directions along which f is the same everywhere, proven by SymPy.

        Each tells how the variables move: numbers are shifts, c*x a rescaling.
        """
        return self._proofs.invariances

    @functools.cached_property
    def symmetries(self) -> list[str]:
        """Swaps and changes of signs that leave f as it is."""
        return self._proofs.symmetries

    @functools.cached_property
    def periods(self) -> dict[str, sp.Expr]:
        """By which shift of one variable each f repeats: that of sin(2*x) is pi."""
        return self._proofs.periods

    # ---------------------------------------------------------------------- steps

    @functools.cached_property
    def steps(self) -> dict[str, ProvenStep]:
        """See the class; none where no L is proven."""
        largest, least = self.lipschitz.upper, self.convexity.lower
        if not 0 < largest < math.inf:
            return {}
        if not self.is_convex:
            least = min(least, -1e-300)
        return steps_of(largest, least, self._proofs.is_quadratic)

    def judge(self, step_size: float) -> tuple[str, str]:
        """Return whether a step of gradient descent is safe, and why.

        Parameters
        ----------
        step_size : float

        Returns
        -------
        verdict : str
            "safe": f never increases while iterates stay in the bounds. "unsafe": it
            diverges from almost everywhere. "not proven": neither is.
        reason : str

        Examples
        --------
        >>> import symgd
        >>> a = symgd.analyze("x**2 + 10*y**2")
        >>> a.judge(0.09)[0], a.judge(0.11)[0]
        ('safe', 'unsafe')
        """
        step = plain_number(step_size)
        if step is None or not 0 < step < math.inf:
            raise InputError(f"step_size must be a positive number, not {step_size!r}")
        low, high = self.lipschitz
        if high == 0 or step * high * (1 + 1e-12) <= 2:
            return "safe", f"it is at most 2/L, and L <= {number(high)}"
        flat = self._proofs.is_quadratic
        free = not np.isfinite([*self.problem.box.lower, *self.problem.box.upper]).any()
        if flat and free and self.is_convex and step * low * (1 - 1e-12) > 2:
            return "unsafe", f"the curvature is {number(low)} everywhere along one way"
        if high == math.inf:
            return "not proven", "no L is proven"
        return "not proven", f"it is above 2/L = {number(2 / high)}"

    def iterations(self, x0: Any, gtol: float = 1e-8, step: str = "safe") -> int | None:
        """Return how many iterations of gradient descent are proven to be enough.

        As long as they stay within the bounds, until no component of the gradient is
        larger than ``gtol``.

        Parameters
        ----------
        x0 : sequence or mapping by name
        gtol : float
        step : str
            One of ``steps``.

        Returns
        -------
        int or None
            None where no rate is proven.

        Examples
        --------
        >>> import symgd
        >>> a = symgd.analyze("x**2 + 10*y**2")
        >>> result = symgd.minimize("x**2 + 10*y**2", [1, 1], method="gd",
        ...                         step_size=a.steps["safe"].step_size)
        >>> result.nit <= a.iterations([1, 1])
        True
        """
        if step not in self.steps:
            known = ", ".join(self.steps) or "none"
            raise InputError(f"no step {step!r} is proven; there are: {known}")
        space = self.objective.space
        point = read_point(x0, space, Bounds(len(space)))
        by_name = dict(zip(space, point, strict=True))
        norm = self._proofs.gradient_norm([by_name[n] for n in self.problem.names])
        if not math.isfinite(norm):
            return None
        return self.steps[step].iterations(norm * (1 + 1e-12), gtol)

    # ----------------------------------------------------------------- for people

    def to_dict(self) -> dict[str, Any]:
        """Return what is proven as plain numbers and texts."""
        return {
            "curvature": self.curvature,
            "reason": self.reason,
            "witness": None if self.witness is None else str(self.witness),
            "blame": None if self.blame is None else str(self.blame),
            "L": list(self.lipschitz),
            "mu": list(self.convexity),
            "domain": self.domain,
            "blocks": self.blocks,
            "bounded_below": self.bounded_below,
            "steps": {name: str(step) for name, step in self.steps.items()},
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        lines = [f"{self.curvature}{_within(self.bounds)}", f"    {self.reason}"]
        if self.blame is not None:
            what = "it comes from" if self.is_convex is False else "open is"
            lines.append(f"    {what} {self.blame}")
        lines.append(f"L  {_between(self.lipschitz)}")
        lines.append(f"mu {_between(self.convexity)}")
        for name, step in self.steps.items():
            lines.append(f"{name:8} {step}")
        if self.steps:
            lines.append(f"         {self.steps['safe'].note}")
        lines.append(f"domain: {self.domain}")
        if len(self.blocks) > 1:
            parts = ", ".join("+".join(block) for block in self.blocks)
            lines.append(f"separable: {parts}")
        if self.bounded_below is not None:
            lines.append(f"bounded below: {'yes' if self.bounded_below else 'no'}")
        return lines

    def _repr_html_(self) -> str:
        return card("proof", self)

    def __repr__(self) -> str:
        L, mu = _between(self.lipschitz), _between(self.convexity)
        return f"<Analysis: {self.curvature}, L {L}, mu {mu}>"


def _by_curvatures(verdict: Verdict, found: Curvatures) -> Verdict:
    """Return a verdict that was open, closed where the extreme curvatures do so."""
    if verdict.convex is None and found.least.lower >= 0:
        reason = "its smallest curvature is proven to be at least 0"
        return Verdict(True, verdict.concave, reason)
    if verdict.concave is None and not verdict.convex and found.most.upper <= 0:
        reason = "its largest curvature is proven to be at most 0"
        return Verdict(verdict.convex, True, reason, verdict.witness)
    return verdict


def _by_witness(found: Curvatures, witness: Any) -> Curvatures:
    """Return extreme curvatures, the smallest at most that along a witness."""
    if not isinstance(witness, (Witness, RowWitness)):
        return found
    square = math.fsum(v * v for v in witness.v.values())
    along = witness.curvature / square * (1 - 1e-12)  # which is negative
    least = Enclosure(found.least.lower, min(found.least.upper, along))
    return found._replace(least=least)


def _pairs(box: Box) -> list[tuple[float, float]]:
    return list(zip(box.lower[:, 0].tolist(), box.upper[:, 0].tolist(), strict=True))


def _within(bounds: Mapping[str, tuple[float, float]]) -> str:
    bounded = any(math.isfinite(e) for pair in bounds.values() for e in pair)
    return " within the bounds" if bounded else ""


def _between(found: Enclosure) -> str:
    low, high = found
    if low == high:
        return f"= {number(low)}"
    if low == -math.inf and high == math.inf:
        return "unknown"
    if low == -math.inf or high == math.inf:
        side, other = (">=", low) if high == math.inf else ("<=", high)
        return f"{side} {number(other)}, no other end is proven"
    return f"in [{low:.6g}, {high:.6g}]"


def analyze(
    f: Formula | Objective, bounds: Any = None, *, time_limit: float = 2.0
) -> Analysis:
    """Prove what can be proven of a formula: convex or not, L and mu, safe steps.

    What is said is proven, by numbers that are rounded outwards and by fractions;
    "unknown" is said of the rest. Decimals in the formula are the float64 that they
    become when it is computed; in exponents they are the fractions that are written.

    Parameters
    ----------
    f : str, SymPy expression or Objective
        Of scalars; of sums over data, those of functions of one affine form each, as
        losses and penalties are, however many rows there are, and short ones.
    bounds : mapping of name to pair, or sequence of pairs, optional
        All is said of what lies within them; by default of all real numbers.
    time_limit : float
        In seconds, about; more of it leaves less open.

    Returns
    -------
    Analysis

    Examples
    --------
    >>> import symgd
    >>> a = symgd.analyze("exp(x) - x + y**2", {"x": (-1, 1), "y": (-1, 1)})
    >>> a.curvature, a.steps["safe"].method
    ('strongly convex', 'gd')
    >>> a = symgd.analyze("(1 - x)**2 + 100*(y - x**2)**2", [(-2, 2), (-2, 2)])
    >>> a.curvature, a.witness.check() < 0, a.blame
    ('not convex', True, 100*(-x**2 + y)**2)

    Of logistic regression L is at most a quarter of the largest eigenvalue of A'A:

    >>> A = [[1.0, k / 50] for k in range(100)]
    >>> data = {"A": A, "y": [(-1.0) ** k for k in range(100)]}
    >>> a = symgd.analyze(symgd.Objective("sum(log(1 + exp(-y*(A @ w))))", data=data))
    >>> a.curvature, round(a.lipschitz.upper, 1)
    ('convex', 54.4)
    """
    seconds = seconds_of(time_limit)
    shared("intervals")  # whoever is first loads it: that is no time of theirs
    begin = time.monotonic()
    proofs = _proofs(objective_of(f, bounds), bounds, begin + seconds)
    return Analysis(proofs, begin, seconds)


def _proofs(objective: Objective, bounds: Any, deadline: float) -> Proofs:
    if objective.arrays is None:
        return ScalarProofs(problem_of(objective, bounds))
    try:
        return ScalarProofs(problem_of(objective, bounds, SHORT))
    except TooLong:
        pass
    try:
        return RowProofs(problem_of_rows(objective, bounds), deadline)
    except NotOfRows as other_kind:
        try:
            return ScalarProofs(problem_of(objective, bounds))
        except TooLong:
            raise other_kind from None
