"""Lines that can be pasted: what failed, as a user would type it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from symgd.objectives.objective import Objective
from symgd.rules.family import BUILT_IN
from symgd.rules.rule import Rule


def formula_of(objective: Objective) -> str:
    """Return an objective's formula with the values of its parameters in it."""
    import sympy as sp

    from symgd.language.formula import symbol, text_of

    def number(value: float) -> sp.Expr:
        whole = value == int(value) if abs(value) < 2**53 else False
        return sp.Integer(int(value)) if whole else sp.Float(value)

    values = {symbol(k): number(v) for k, v in objective.constants.items()}
    return text_of(objective.expression.xreplace(values))


def objective_of_text(objective: Objective) -> str:
    """Return Python for an objective: its formula, or a call where that isn't all."""
    from symgd.language.formula import names_in, natural_order, read

    text, names = formula_of(objective), tuple(objective.variables)
    more: dict[str, Any] = {}
    more |= {"iteration": objective.iteration} if objective.iteration else {}
    if objective.arrays is None:
        plain, _ = names_in(read(text))
        usual = tuple(natural_order(set(plain) - {objective.iteration}))
        if usual == names and not more:
            return python(text)
        more = {"variables": list(names)} | more
    else:
        more |= {"data": objective.arrays.data, "sizes": objective.arrays.sizes}
    return call("symgd.Objective", python(text), **more)


def python(value: Any) -> str:
    """Return a value as Python that can be pasted where symgd is imported."""
    if isinstance(value, str):
        return '"' + value + '"' if '"' not in value else repr(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{python(k)}: {python(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(python, value))}]"
    if isinstance(value, np.ndarray):
        return repr(value.tolist())
    return repr(value.item() if isinstance(value, np.generic) else value)


def call(function: str, *arguments: str, **named: Any) -> str:
    """Return a call; positional arguments are Python already."""
    parts = [*arguments, *(f"{k}={python(v)}" for k, v in named.items())]
    return f"{function}({', '.join(parts)})"


def rule_lines(rule: Rule, name: str = "rule") -> tuple[str, str]:
    """Return what names a method, and the lines that must be pasted before it."""
    if BUILT_IN.get(rule.name) == rule:
        return python(rule.name), ""
    return name, f"{name} = symgd.Rule.from_text('''\n{rule.text}\n''')\n"


def run_lines(
    objective: Objective, start: Any, rule: Rule, options: Mapping[str, Any]
) -> str:
    """Return a run of a rule as lines that can be pasted."""
    method, before = rule_lines(rule)
    point = repr(np.asarray(start, float).tolist())
    given = [objective_of_text(objective), point, f"method={method}"]
    return before + call("symgd.minimize", *given, **options)


def failure(problem: str, lines: str) -> str:
    """Return the message of a check that failed; the lines can be pasted."""
    return f"{problem}:\n{lines}"
