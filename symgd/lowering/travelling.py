"""What leaves symgd: the straight-line functions of a formula and of a rule.

Files in other languages are written from these (``c_file``, ``javascript_module``,
``python_module``); what is checked in them are numbers that symgd's own code gave.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symgd.calculus.program import Program
from symgd.errors import FormulaError, InputError
from symgd.lowering.array_words import ArrayWords
from symgd.lowering.code_printer import Style
from symgd.lowering.made_up import MadeUp
from symgd.lowering.projection import Pairs
from symgd.lowering.rule_functions import (
    ScalarUpdate,
    lowered_schedule,
    lowered_update,
    slots_after,
)
from symgd.lowering.scalar_objective import NativeObjective
from symgd.rules.rule import Rule

LONGEST = 2000  # letters of a formula that stand in a comment
WIDTH = 84  # of a comment
LISTED = 40  # variables


@dataclass(frozen=True)
class TravellingFormula:
    """A formula with its exact derivatives.

    Attributes
    ----------
    text : str
    variables : sequence of str
    parameters : mapping of str to float
    evaluate : function or None
        (x, p) -> value and gradient; None of arrays.
    curvature : function or None
        (x, p) -> 0 and the entries of the Hessian that aren't 0; None where it isn't
        defined.
    places : sequence of int
        Of the entries, row by row.
    words : ArrayWords or None
        Of a formula of arrays.
    program : Program or None
        Its loops.
    product : function, Program or None
        The Hessian's product with a vector: (x, v, p) -> 0 and its numbers, or loops;
        None where nothing asks for it.
    """

    text: str
    variables: Sequence[str]
    parameters: Mapping[str, float]
    evaluate: Callable[..., Any] | None
    curvature: Callable[..., Any] | None
    places: Sequence[int]
    words: ArrayWords | None = None
    program: Program | None = None
    product: Callable[..., Any] | Program | None = None

    @property
    def constants(self) -> int:
        """How many numbers or words ``p`` has."""
        return len(self.parameters) if self.words is None else self.words.count

    @property
    def listed(self) -> str:
        """The variables, a few of many."""
        names = list(self.variables)
        if len(names) > LISTED:
            names = [*names[: LISTED // 2], "...", names[-1]]
        return ", ".join(names)

    @classmethod
    def of(
        cls,
        native: NativeObjective,
        text: str,
        variables: Sequence[str],
        parameters: Mapping[str, float],
        multiplies: bool = False,
    ) -> TravellingFormula:
        """Return what leaves of a formula's code, with products where it multiplies."""
        try:
            curvature, places = native.second_derivatives
        except FormulaError:
            curvature, places = None, []
        own = native.value_and_gradient
        product = native.product if multiplies else None
        named = text, variables, parameters
        return cls(*named, own, curvature, places, product=product)


@dataclass(frozen=True)
class TravellingRule:
    """A rule with the hyperparameters that it has been given.

    Attributes
    ----------
    name, text : str
    state : sequence of str
    hyperparameters : mapping of str to float
        A formula in t stands as 0.
    scheduled : mapping of str to str
        Those that are formulas in t.
    schedule : function
        (t, h) -> the hyperparameters of update t.
    step : ScalarUpdate
    first : ScalarUpdate or None
        What sets the state before the first update; None where it is 0.
    bounds : sequence of (lower, upper) or None
        Of all coordinates, onto which each update is projected; None without any.
    draws : bool
        Whether it reads noise, and so where a coordinate stands among the others.
    """

    name: str
    text: str
    state: Sequence[str]
    hyperparameters: Mapping[str, float]
    scheduled: Mapping[str, str]
    schedule: Callable[..., Any]
    step: ScalarUpdate
    first: ScalarUpdate | None
    bounds: Pairs | None = None
    draws: bool = False

    @classmethod
    def of(
        cls,
        rule: Rule,
        values: Mapping[str, float | str],
        n: int,
        bounds: Pairs | None = None,
    ) -> TravellingRule:
        """Return what leaves of a rule for n coordinates."""

        def part(initial: bool) -> ScalarUpdate:
            slots = slots_after(rule, initial)
            return lowered_update(rule, slots, n, "s[{j}]", Style.LATENCY)

        schedules = tuple(v if isinstance(v, str) else None for v in values.values())
        return cls(
            rule.name,
            rule.text,
            rule.state,
            {k: 0.0 if isinstance(v, str) else v for k, v in values.items()},
            {k: v for k, v in values.items() if isinstance(v, str)},
            lowered_schedule(schedules, Style.LATENCY),
            part(False),
            None if rule.starts_at_zero else part(True),
            bounds,
            rule.asks_for("noise"),
        )

    def sides(self, n: int) -> tuple[Sequence[float], Sequence[float]]:
        """Return the lower and the upper bounds, infinite where there are none."""
        if self.bounds is None:
            return (-math.inf,) * n, (math.inf,) * n
        lower, upper = zip(*self.bounds, strict=True)
        return lower, upper


def refuse_calls(rule: Rule, what: str, *names: str) -> None:
    """Raise InputError if a rule calls what the loop of something doesn't compute."""
    for name in names:
        if rule.asks_for(name):
            problem = f"rule {rule.name!r} asks for {name}(...), and {what}"
            raise InputError(f"{problem} has no loop that computes it; minimize has")


def described(formula: TravellingFormula, rule: TravellingRule | None) -> list[str]:
    """Return lines that say what a file is of, for a comment."""
    text = textwrap.shorten(formula.text, LONGEST)
    lines = [f"f({formula.listed}) = {text}"]
    if rule is None:
        return lines
    lines += rule.text.splitlines()
    sides = zip(formula.variables, rule.bounds or (), strict=False)
    within = [
        f"{x} in [{low!r}, {high!r}]"
        for x, (low, high) in sides
        if low > -math.inf or high < math.inf
    ]
    return [*lines, *([f"with {', '.join(within)}"] if within else [])]


def remark(lines: Iterable[str], sign: str) -> str:
    r"""Return lines as comments that begin with a sign, and end where they end.

    >>> print(remark(["what\u2028is", "", "so"], "//"), end="")
    // what is
    //
    // so
    """
    return "".join(f"{sign} {line}".rstrip() + "\n" for line in wrapped(lines))


def wrapped(lines: Iterable[str]) -> list[str]:
    """Return lines of signs that can be printed, none of them very long."""
    return [
        part
        for line in lines
        for part in textwrap.wrap(_printable(line), WIDTH, subsequent_indent="  ")
        or [""]
    ]


def _printable(line: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in line)


@dataclass(frozen=True)
class Checks:
    """What symgd's own code gave, with which a file can check itself.

    Attributes
    ----------
    points : sequence of (x, f, g, h)
        h is empty where there is no Hessian, or a large one; of a formula of arrays it
        is the Hessian's product with x.
    run : (start, updates, x, f) or None
        A descent by the rule.
    data : mapping of str to MadeUp
        What arrays had there.
    rows : mapping of str to int
        The sizes that count their rows.
    """

    points: Sequence[tuple[Sequence[float], float, Sequence[float], Sequence[float]]]
    run: tuple[Sequence[float], int, Sequence[float], float] | None
    data: Mapping[str, MadeUp] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
