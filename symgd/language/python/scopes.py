"""Statements and arguments of Python: which names they assign, and where they end."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from symgd.language.python.values import Listed


def bound(
    arguments: ast.arguments,
    values: Sequence[Any],
    named: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the arguments of a function stand for.

    Raises
    ------
    ValueError
        If they don't fit, with what is wrong.
    """
    only = [each.arg for each in arguments.posonlyargs]
    listed = [*only, *(each.arg for each in arguments.args)]
    every = [*listed, *(each.arg for each in arguments.kwonlyargs)]
    found = dict(zip(listed, values, strict=False))
    rest = tuple(values[len(listed) :])
    if arguments.vararg is not None:
        found[arguments.vararg.arg] = Listed(rest)
    elif rest:
        raise ValueError(f"takes {len(listed)} arguments, not {len(values)}")
    for name, value in named.items():
        if name in found or name in only:
            raise ValueError(f"is given {name!r} twice")
        if name not in every:
            raise ValueError(f"has no argument {name!r}")
        found[name] = value
    for name in every:
        if name not in found and name not in defaults:
            raise ValueError(f"needs the argument {name!r}")
        found.setdefault(name, defaults.get(name))
    return found


def body_of(node: ast.FunctionDef | ast.Lambda) -> list[ast.stmt]:
    """Return a function's statements; a lambda has none."""
    return node.body if isinstance(node, ast.FunctionDef) else []


def arguments_of(node: ast.FunctionDef | ast.Lambda) -> set[str]:
    """Return the names of a function's arguments."""
    return {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}


def own_names(node: ast.FunctionDef | ast.Lambda) -> frozenset[str]:
    """Return the names that are a function's own."""
    return frozenset(assigned(body_of(node)) | arguments_of(node))


def own_nodes(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of statements, without those of inner functions."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (*_SCOPES,)):
            pending += ast.iter_child_nodes(node)


_SCOPES = (
    *(ast.FunctionDef, ast.Lambda, ast.ClassDef, ast.GeneratorExp),
    *(ast.ListComp, ast.SetComp, ast.DictComp),
)


def assigned(nodes: Sequence[ast.AST]) -> set[str]:
    """Return the names that statements assign to."""
    found = set()
    for node in own_nodes(nodes):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
    return found


def changes_of(nodes: Sequence[ast.AST], name: str) -> ast.AST:
    """Return the last statement that assigns to a name."""
    last: ast.AST = nodes[0]
    for node in own_nodes(nodes):
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        if isinstance(node, ast.stmt) and any(
            isinstance(each, ast.Name) and each.id == name for each in targets
        ):
            last = node
    return last


def leaves(step: ast.If) -> bool:
    """Return whether a branch may end the function or the pass it is in."""
    pending: list[tuple[ast.AST, bool]] = [(e, False) for e in step.body + step.orelse]
    while pending:
        node, in_loop = pending.pop()
        if isinstance(node, ast.Return):
            return True
        if isinstance(node, (ast.Continue, ast.Break)) and not in_loop:
            return True
        if not isinstance(node, _SCOPES):
            inside = in_loop or isinstance(node, ast.For)
            pending += [(each, inside) for each in ast.iter_child_nodes(node)]
    return False


def head_of(step: Any) -> Any:
    """Return the first line of a statement, as a place to be shown."""
    parts = hasattr(step, "body") or hasattr(step, "cases")
    if not (parts and isinstance(step, ast.stmt)):
        return step
    inner = (getattr(step, name, None) for name in ("test", "iter", "subject"))
    end = next((each for each in inner if each is not None), None)
    if end is None:
        word = {"Try": 3, "With": 4, "ClassDef": 5}.get(type(step).__name__, 3)
        line, column = step.lineno, step.col_offset + word
    else:
        line, column = end.end_lineno, end.end_col_offset
    return types.SimpleNamespace(
        lineno=step.lineno, col_offset=step.col_offset,
        end_lineno=line, end_col_offset=column,
    )  # fmt: skip


def changed_in_place(what: str) -> tuple[str, str]:
    """Return why nothing is changed in place, and what to write."""
    advice = "build it at once: r = [a, b, c], or r = [... for i in range(n)]"
    return f"{what} is changed, and a formula changes nothing", advice


_REFUSED: dict[type, tuple[str, str]] = {
    ast.While: (
        "how often 'while' goes round depends on the numbers",
        "write for i in range(n), with a number n",
    ),
    ast.Try: ("'try' is not part of a formula", "write a if condition else b"),
    ast.With: ("'with' is not part of a formula", "leave it out"),
    ast.Raise: (
        "'raise' is not part of a formula",
        "give bounds= or subject_to= for where there is no value",
    ),
    ast.Global: ("a formula changes nothing outside", "return the value"),
    ast.Nonlocal: ("a formula changes nothing outside", "return the value"),
    ast.Delete: ("'del' is not part of a formula", "leave it out"),
    ast.ClassDef: ("a class is not part of a formula", "write what it computes"),
    ast.Match: ("'match' is not part of a formula", "write if and elif"),
}


def refused_statement(step: ast.stmt) -> tuple[str, str | None]:
    """Return why a statement is not part of a formula, and what to write."""
    what = type(step).__name__.lower()
    return _REFUSED.get(type(step), (f"{what!r} is not part of a formula", None))
