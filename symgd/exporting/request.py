"""What is to leave symgd: a formula, a rule with its hyperparameters, a name."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from symgd.calculus.program import Program
from symgd.descent.optimize import minimize
from symgd.descent.settings import needs_a_rule
from symgd.errors import FormulaError, InputError
from symgd.exporting.arrays_out import made_up, travelling_arrays, words_of
from symgd.language.formula import text_of
from symgd.lowering.projection import Pairs
from symgd.lowering.travelling import (
    Checks,
    TravellingFormula,
    TravellingRule,
    refuse_calls,
)
from symgd.objectives.objective import Objective
from symgd.objectives.points import read_bounds
from symgd.rules import family
from symgd.rules.equations import OF_ARRAYS
from symgd.rules.rule import Rule

POINTS = 8  # at which a file can check itself
MOST_NUMBERS = 1000  # of such points where they have many coordinates
TRIED = 100  # to find as many where all is finite
LARGEST = 30  # variables of which a Hessian is checked, too
UPDATES = 100  # of the descent with which it does
MACHINE = (".o", ".so", ".wasm")  # suffixes of machine code
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Request:
    """What is to be written, and where.

    Attributes
    ----------
    objective : Objective
    path : Path
    rule : Rule or None
    values : mapping of str to float or str
        All hyperparameters of the rule; a formula in t is text.
    name : str
        How names begin in languages that have no modules.
    is_auto : bool
        Whether the default method is asked for.
    bounds : sequence of (lower, upper) or None
        Of all variables, for the rule; None without any.
    single : bool
        Whether numbers are floats of single precision.
    """

    objective: Objective
    path: Path
    rule: Rule | None
    values: Mapping[str, Any]
    name: str
    is_auto: bool = False
    bounds: Pairs | None = None
    single: bool = False

    @property
    def formula(self) -> TravellingFormula:
        """The code of the formula."""
        f = self.objective
        text = text_of(f.expression)
        if f.arrays is not None:
            named = text, list(f.space), f.parameters
            loops = words_of(f.arrays), f.arrays.program()
            return TravellingFormula(*named, None, None, [], *loops, self._product)
        multiplies = self.rule is not None and self.rule.asks_for("hvp")
        known = text, f.variables, f.parameters, multiplies
        return TravellingFormula.of(f.native, *known)

    @property
    def _product(self) -> Program | None:
        """The loops of the Hessian's product; None where it isn't defined."""
        assert self.objective.arrays is not None
        try:
            return self.objective.arrays.product_program()
        except FormulaError:
            return None

    @property
    def method(self) -> TravellingRule | None:
        """The code of the rule."""
        if self.rule is None:
            return None
        n = len(self.objective.space)
        return TravellingRule.of(self.rule, self.values, n, self.bounds)

    def checks(self) -> Checks:
        """Return what symgd's own code gives, at some points and for a descent."""
        if self.objective.arrays is None:
            points = _points(self.objective, POINTS, self.single)
            return Checks(points, self._run(points[0][0]))
        f, data = made_up(self.objective)
        assert f.arrays is not None
        count = max(1, min(POINTS, MOST_NUMBERS // len(f.space)))
        return Checks(_points(f, count), None, data, f.arrays.sizes)

    def _run(self, start: Any) -> Any:
        """Return a descent: (start, updates, x, f); None where it can't begin."""
        if self.rule is None or not np.isfinite(self.objective.value(start)):
            return None
        end = minimize(
            self.objective,
            start,
            method=self.rule,
            gtol=0.0,
            maxiter=UPDATES,
            bounds=self.bounds,
            **self.values,
        )
        return list(start), end.nit, end.x.tolist(), end.fun


def _points(f: Objective, count: int, single: bool = False) -> list[Any]:
    """Return points, those first where all is finite; of floats if they are single."""
    rng, kind = np.random.default_rng(0), np.float32 if single else np.float64
    drawn = (rng.normal(0.0, 2.0, len(f.space)) for _ in range(TRIED))
    tried = (_at(f, x.astype(kind).astype(float)) for x in drawn)
    found: list[Any] = []
    others: list[Any] = []
    for point in tried:
        numbers = np.concatenate([np.ravel(part) for part in point])
        (found if np.isfinite(numbers).all() else others).append(point)
        if len(found) == count:
            break
    return (found + others)[:count]


def _at(f: Objective, x: Any) -> tuple[Any, float, Any, Any]:
    """Return a point with value, gradient, and Hessian: [] if it is large, or none.

    With arrays it is the Hessian's product with the point.
    """
    if len(x) > LARGEST and f.arrays is None:
        return x.tolist(), f.value(x), f.grad(x).tolist(), []
    try:
        hessian = (f.hess(x).ravel() if f.arrays is None else f.hessp(x, x)).tolist()
    except FormulaError:
        hessian = []
    return x.tolist(), f.value(x), f.grad(x).tolist(), hessian


def request(
    objective: Objective,
    path: Path,
    method: Any,
    name: str | None,
    hyperparameters: Mapping[str, Any],
    bounds: Any = None,
) -> Request:
    """Return what is asked for, checked.

    Raises
    ------
    InputError
        If it can't be written.
    """
    if objective.constraints is not None:
        raise InputError(
            "an exported file can't keep to constraints: of one variable they are "
            "bounds=, others may be penalties in the formula, 1e3*(x + y - 10)**2; or "
            "call minimize"
        )
    if objective.arrays is not None:
        objective = travelling_arrays(objective, path)
    if method is None:
        if bounds is not None:
            problem = "bounds are for a method, and none is given"
            raise InputError(f"{problem}: method='gd', say")
        if hyperparameters:
            given = next(iter(hyperparameters))
            problem = f"{given!r} is for a method, and none is given"
            raise InputError(f"{problem}: method='gd', say")
        return Request(objective, path, None, {}, _name(name, path))
    if method == "auto" and path.suffix.lower() in MACHINE:
        if hyperparameters:
            given = next(iter(hyperparameters))
            raise InputError(f"{given!r}: the default method has no hyperparameters")
        if bounds is not None:
            raise InputError(
                "bounds of the default method are arguments of the function that is "
                "written: leave bounds out, and give them to minimize there"
            )
        if objective.iteration is not None:
            raise needs_a_rule(objective.iteration)
        return Request(objective, path, None, {}, _name(name, path), is_auto=True)
    rule, values = _rule_of(method, hyperparameters)
    if not objective.space.is_plain:  # here a coordinate is an array of its own
        refuse_calls(rule, "a file with arrays", *OF_ARRAYS)
    if objective.iteration is not None:
        raise InputError(
            f"the objective changes with {objective.iteration}: it can be exported "
            "without a method only"
        )
    limits = read_bounds(bounds, objective.space)
    pairs = list(zip(limits.lower, limits.upper, strict=True))
    within = pairs if limits.finite else None
    return Request(objective, path, rule, values, _name(name, path), bounds=within)


def in_single(asked: Request) -> Request:
    """Return the same in single precision.

    Raises
    ------
    InputError
        If there is none.
    """
    if asked.path.suffix.lower() != ".c":
        raise InputError(
            "float32 is about .c only: machine code, .js and .py compute in float64"
        )
    if asked.objective.arrays is not None:
        raise InputError("float32 is for formulas of single numbers: sums are float64")
    if asked.objective.expression.has(sp.besselj):
        problem = "Bessel functions aren't written in float32"
        raise InputError(f"{problem}: their recurrence leaves its range")
    if asked.rule is not None and asked.rule.asks_for("noise"):
        problem = f"rule {asked.rule.name!r} draws noise(), which isn't written in"
        raise InputError(f"{problem} float32: it is made of words of 64 bits")
    return dataclasses.replace(asked, single=True)


def _rule_of(method: Any, given: Mapping[str, Any]) -> tuple[Rule, dict[str, Any]]:
    if method == "auto":
        raise InputError(
            "the default method can't be exported as text, only as machine code, "
            f"{', '.join(MACHINE)}: choose a rule (see symgd rules)"
        )
    rule = family.find(method)
    if rule.name == "gd" and given.get("step_size") == "auto":
        raise InputError(
            "step_size='auto' can't be exported: give a number, or a formula in t"
        )
    values = rule.with_defaults(given)
    return rule, {name: rule.text_of(name, value) for name, value in values.items()}


def _name(name: str | None, path: Path) -> str:
    """Return how names begin: as given, or by the file."""
    if name is None:
        stem = re.sub(r"[^A-Za-z0-9]+", "_", path.stem).strip("_")
        return stem if NAME.fullmatch(stem) else f"f_{stem}".rstrip("_")
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} can't begin names: letters, digits and _ can")
    return name
