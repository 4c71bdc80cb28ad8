"""The names that a text has, also those that cancel, and those that may be misread."""

from __future__ import annotations

import ast
import contextlib
import functools
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping

from symgd.language.text import CONSTANT_NAMES, COUNTING

# Names that hardly anybody means as a variable, and what is meant.
_MEANT = {
    "Pi": "the number is pi",
    "PI": "the number is pi",
    "inf": "a formula has no infinity",
    "nan": "a formula has no NaN",
}
_GLUED = ("sin", "cos", "tan", "exp", "log", "ln", "sqrt", "abs")


def written_names(text: str, declared: Iterable[str] = ()) -> list[str]:
    """Return the names of a text that was read and has no arrays, in natural order.

    What cancels is a name, too; pi and E are if they are declared.

    >>> written_names("x10 + y - y + 2*sin(pi*x2)")
    ['x2', 'x10', 'y']
    >>> written_names("y + sum(k for k in range(3))")
    ['y']
    """
    from symgd.language.nodes import natural_order

    return natural_order(_names_in(text) - (CONSTANT_NAMES - set(declared)))


@functools.lru_cache(maxsize=256)
def _names_in(text: str) -> frozenset[str]:
    """Return all names of a text but those that are called, and indices of loops."""
    from symgd.language.notation.spellings import respelt

    nodes = list(ast.walk(respelt(_tree(text), _unexpected)))
    other = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for loop in nodes:
        if isinstance(loop, ast.GeneratorExp):
            named = [n for n in ast.walk(loop) if isinstance(n, ast.Name)]
            own = {n.id for n in named if isinstance(n.ctx, ast.Store)}
            other |= {id(n) for n in named if n.id in own}
    names = (node for node in nodes if isinstance(node, ast.Name))
    return frozenset(node.id for node in names if id(node) not in other)


def constants_meant(text: str, *given: object) -> set[str]:
    """Return the constants of a text that mappings by name take for variables.

    >>> constants_meant("exp(-E/x)", {"E": 1, "x": 2})
    {'E'}
    """
    meant = named_in(given) & CONSTANT_NAMES
    if not meant:
        return set()
    with contextlib.suppress(SyntaxError, ValueError):  # which reading explains
        return meant & set(written_names(text, meant))
    return set()


def warn_of_misread(text: str, variables: Iterable[str], *given: object) -> None:
    """Warn of variables by which something else may be meant, if nobody named them."""
    for told in misread(text, variables, named_in(given)):
        warnings.warn(told, stacklevel=5)


def misread(
    text: str, variables: Iterable[str], named: Collection[str]
) -> Iterator[str]:
    """Yield what is to be said of variables that are not among the named ones."""
    variables = list(variables)
    for name in variables:
        if name not in named and (meant := _meant(name, text, variables)):
            what = f"{name!r} is a variable in {text!r}: {meant}"
            advice = f"if it is one, name it in the start, x0={{{name!r}: 1, ...}}"
            yield f"{what}; {advice}"


def named_in(given: Iterable[object]) -> set[str]:
    """Return the names in mappings by name, such as starts and bounds."""
    return {str(n) for each in given if isinstance(each, Mapping) for n in each}


def _meant(name: str, text: str, variables: list[str]) -> str | None:
    if name == "e" and any(_powers_of_e(text)):
        return "Euler's number is E, and its powers are exp(x)"
    if len(name) > 1 and set(name) <= set(variables):
        return f"a product has signs, {'*'.join(name)}"
    others = {"x", *variables} - {name}
    for function in _GLUED:
        if name.startswith(function) and (inner := name[len(function) :]) in others:
            return f"a function has parentheses, {function}({inner})"
    return _MEANT.get(name)


def is_parameter_e(text: str, known: Iterable[str]) -> bool:
    """Return whether E is a parameter of a model, as nobody takes powers of it.

    That is warned of, as elsewhere it is Euler's number; and so is an E beside powers
    of Euler's number, which stays what it is there.

    Parameters
    ----------
    text : str
    known : iterable of str
        Names that are told: as columns, by a start, by bounds.
    """
    if "E" not in text or "E" in known:
        return False
    powers: list[bool] = []
    with contextlib.suppress(SyntaxError, ValueError):  # which reading explains
        if "E" in _names_in(text):
            tree = _tree(text)
            bases = {id(power.left) for power in _powers(tree)}
            names = (n for n in ast.walk(tree) if isinstance(n, ast.Name))
            powers = [id(name) in bases for name in names if name.id == "E"]
    if all(powers):
        return False
    if any(powers):
        what = f"'E' in {text!r} is Euler's number, 2.718..."
        advice = "if it is a parameter, name it in the start, x0={'E': 1, ...}"
    else:
        what = f"'E' is a parameter in {text!r}"
        advice = "name it in the start, x0={'E': 1, ...}; Euler's number is exp(1)"
    warnings.warn(f"{what}: {advice}", stacklevel=5)
    return not any(powers)


def names_of_sizes(text: str) -> set[str]:
    """Return the names in ranges and indices of a text; none if it can't be read.

    >>> sorted(names_of_sizes("sum(x[i + k] for i in range(n - 1)) + norm(y)"))
    ['i', 'k', 'n']
    """
    found: set[str] = set()
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        for node in ast.walk(_tree(text)):
            called = node.func if isinstance(node, ast.Call) else None
            if getattr(called, "id", getattr(called, "attr", "")) in COUNTING:
                found |= _without_arrays(node)
            elif isinstance(node, ast.Subscript):
                found |= _without_arrays(node.slice)
    return found - COUNTING


def _without_arrays(tree: ast.AST) -> set[str]:
    """Return the names in a tree but for those that are indexed or measured."""
    nodes = list(ast.walk(tree))
    arrays = [n.value for n in nodes if isinstance(n, (ast.Subscript, ast.Attribute))]
    for node in nodes:
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and getattr(called, "id", "") == "len":
            arrays += node.args
    inside = {id(n) for n in arrays}
    names = (n for n in nodes if isinstance(n, ast.Name) and id(n) not in inside)
    return {n.id for n in names}


def _powers_of_e(text: str) -> Iterator[bool]:
    for power in _powers(_tree(text)):
        base = power.left
        if isinstance(base, ast.Name) and base.id == "e":
            yield not isinstance(power.right, ast.Constant)


def _powers(tree: ast.expr) -> Iterator[ast.BinOp]:
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            yield node


def _unexpected(node: ast.AST, problem: str, suggestion: str | None) -> Exception:
    return ValueError(problem)  # which reading explains


def _tree(text: str) -> ast.expr:
    plain = re.sub(r"\s", " ", re.sub(r"\ufeff|#[^\n]*", " ", text)).strip()
    return ast.parse(plain, mode="eval").body
