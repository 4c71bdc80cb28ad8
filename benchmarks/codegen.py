"""From assignment lines to functions in Python and in C.

A step of the whole descent is the gradient's lines followed by the rule's lines for
each coordinate, names renamed. Slots are what is carried from step to step: the
variables first, then each state for all coordinates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.formulas import Problem, Rule

WORD = re.compile(r"[A-Za-z_]\w*")
FUNCTIONS = {"sqrt", "exp", "sin", "cos", "max"}


def lines_of(text: str) -> list[str]:
    """Return the assignments of a text, one a line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def renamed(lines: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """Rename whole words."""
    return [WORD.sub(lambda m: names.get(m[0], m[0]), line) for line in lines]


def suffixed(lines: Sequence[str], suffix: str, kept: Iterable[str]) -> list[str]:
    """Give every name a suffix, except functions and those to keep."""
    kept = {*kept, *FUNCTIONS}
    words = {word for line in lines for word in WORD.findall(line)}
    return renamed(lines, {word: word + suffix for word in words - kept})


def slot_names(problem: Problem, rule: Rule) -> list[str]:
    """Return the names of the slots in order."""
    return [f"{name}{k}" for name in ("x", *rule.state) for k in range(problem.size)]


def update_lines(rule: Rule, size: int) -> list[str]:
    """Return the rule's lines for every coordinate."""
    lines = lines_of(rule.lines)
    return [
        line
        for k in range(size)
        for line in renamed(lines, {n: f"{n}{k}" for n in ("x", "g", *rule.state)})
    ]


def gradient_lines(problem: Problem) -> list[str]:
    """Return the lines that assign g0, g1, ..."""
    lines = lines_of(problem.gradient)
    if not problem.separable:
        return lines
    return [
        line
        for k in range(problem.size)
        for line in renamed(lines, {"x": f"x{k}", "g": f"g{k}"})
    ]


def step_lines(problem: Problem, rule: Rule) -> list[str]:
    """Return the lines of one step of the descent."""
    return gradient_lines(problem) + update_lines(rule, problem.size)


def folded_lines(problem: Problem, rule: Rule) -> list[str]:
    """Return the lines with the update folded into the gradient, if there are any."""
    return lines_of(problem.folded.get(rule.name, ""))


# ------------------------------------------------------------------------ Python


def python_function(
    name: str,
    arguments: Iterable[str],
    lines: Iterable[str],
    returned: Iterable[str],
    space: Mapping[str, Any],
) -> Callable[..., Any]:
    """Return a Python function of these lines; it returns a tuple."""
    body = "".join(f"    {line}\n" for line in lines)
    values = ", ".join(returned)
    source = f"def {name}({', '.join(arguments)}):\n{body}    return {values},\n"
    names = dict(space)
    exec(source, names)
    return names[name]


def value_function(problem: Problem, space: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the objective as a Python function of x0, x1, ... in a library's terms."""
    constants = {"pi": math.pi, "E": math.e}
    source = f"lambda {', '.join(problem.variables)}: {problem.formula}"
    return eval(source, {**constants, **space})


def vector_update(rule: Rule, space: Mapping[str, Any]) -> Callable[..., Any]:
    """Return ``update(x, g, *state, *hyper) -> (x, *state)`` for whole arrays."""
    arguments = ("x", "g", *rule.state, *rule.hyperparameters)
    lines, returned = lines_of(rule.lines), ("x", *rule.state)
    return python_function("update", arguments, lines, returned, space)


def scalar_step(
    problem: Problem, rule: Rule, space: Mapping[str, Any]
) -> Callable[..., Any]:
    """Return ``step(*slots, *hyper) -> slots``.

    The gradient is ``gradient(x0, x1, ...)`` if ``space`` has it, else as by hand.
    """
    slots = slot_names(problem, rule)
    lines = step_lines(problem, rule)
    if "gradient" in space:
        targets = "".join(f"g{k}, " for k in range(problem.size))
        call = f"{targets.strip()} = gradient({', '.join(problem.variables)})"
        lines = [call, *update_lines(rule, problem.size)]
    return python_function("step", (*slots, *rule.hyperparameters), lines, slots, space)


# ----------------------------------------------------------------------------- C


def c_statements(lines: Iterable[str], known: Iterable[str]) -> str:
    """Return the lines as C, where names that are not known yet are declared."""
    declared, statements = set(known), []
    for line in lines:
        name = line.split("=")[0].strip()
        statements.append(f"{'' if name in declared else 'real '}{line};")
        declared.add(name)
    return "\n".join(statements)


def c_hyperparameters(rule: Rule) -> str:
    """Return the declarations that read the hyperparameters from the array ``h``."""
    names = enumerate(rule.hyperparameters)
    return "\n".join(f"const double {name} = h[{k}];" for k, name in names)
