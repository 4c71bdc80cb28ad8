"""A test file for a rule, as ``symgd rules NAME --test`` prints it.

What is written follows from the equations: what they take a maximum of never
decreases, and what they are without their memory may be gradient descent.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from symgd.rules.family import BUILT_IN

if TYPE_CHECKING:
    from symgd.rules.rule import Rule

_HEAD = '''"""Tests of the rule {name}, written by symgd rules --test.

They need pytest, and pip install "symgd[testing]". Each check says what it proves:
help(symgd.testing.check_rule).
"""
'''
_EVERY = """\
def test_what_holds_for_any_rule():
    # Do you know how its path scales with the units of f and of x? State it:
    # scales={"f": {"step_size": -1}, "x": {"step_size": 2}} is gradient descent's.
    check_rule(RULE)
"""
_MONOTONE = """\
def test_{name}_never_decreases():
    check_monotone(RULE, "{name}")
"""
_DESCENT = """\
def test_steps_below_2_over_l_descend_on_convex_quadratics():
    check_descent(RULE)
"""
_EQUIVALENT = """\
def test_without_{name}_it_is_gradient_descent():
    check_equivalent(RULE, "gd", {name}=0.0)
"""


def written_tests(rule: Rule) -> str:
    """Return the text of a test file for a rule.

    >>> "check_equivalent(RULE, " in written_tests(BUILT_IN["momentum"])
    True
    """
    tests = [_EVERY, *(_MONOTONE.format(name=name) for name in _growing(rule))]
    if _is_descent(rule):
        tests.append(_DESCENT)
    for name in rule.hyperparameters:
        if not _is_descent(rule) and _is_descent(rule, name):
            tests.append(_EQUIVALENT.format(name=name))
    used = sorted(set(re.findall(r"check_\w+(?=\(RULE)", "".join(tests))))
    imports = f"from symgd.testing import {', '.join(used)}\n"
    named = BUILT_IN.get(rule.name) == rule
    made = f'RULE = "{rule.name}"\n' if named else f"RULE = {_literal(rule.text)}\n"
    lines = imports if named else f"import symgd\n{imports}"
    head = _HEAD.format(name=re.sub(r"[^\w .-]", "_", rule.name))
    return "\n".join([head, lines, f"{made}\n", "\n\n".join(tests)]).rstrip()


def _literal(text: str) -> str:
    """Return Python that reads a rule; a name in it may hold any letter."""
    plain = "\\" not in text and '"""' not in text
    plain = plain and all(line.isprintable() for line in text.splitlines())
    lines = f'"""\n{text}\n"""' if plain else repr(text)
    return f"symgd.Rule.from_text({lines})"


def _growing(rule: Rule) -> list[str]:
    """Return what is assigned the maximum of itself and others, or of what adds up."""
    return [name for name, formula in rule.assignments if _grows(name, formula)]


def _grows(name: str, formula: str) -> bool:
    match ast.parse(formula.strip(), mode="eval").body:
        case ast.Call(ast.Name("max" | "Max"), arguments):
            return any(isinstance(a, ast.Name) and a.id == name for a in arguments)
        case ast.BinOp(ast.Name(own), ast.Add(), ast.BinOp(_, ast.Pow(), exponent)):
            even = isinstance(exponent, ast.Constant) and exponent.value == 2
            return own == name and even
    return False


def _is_descent(rule: Rule, without: str | None = None) -> bool:
    """Return whether a rule is gradient descent, or is where a constant is 0."""
    if "step_size" not in rule.hyperparameters or without == "step_size":
        return False
    from symgd.language.formula import symbol

    x, step_size, g = (symbol(name) for name in ("x", "step_size", "g"))
    update = rule.updates["x"]
    if without is not None:
        update = update.subs(symbol(without), 0)
    return bool((update - (x - step_size * g)).expand() == 0)
