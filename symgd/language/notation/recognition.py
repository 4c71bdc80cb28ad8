"""Where a formula has whole arrays: which nodes of its tree are more than indices."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator, Mapping, Sequence

from symgd.language.notation.array_functions import TABLE
from symgd.language.notation.ranks import arguments, called, items
from symgd.language.notation.slices import is_more_than_index

MANY = 99  # indices
BUILT = ("sum", "prod", "max", "min")  # over indices that the reader knows
_OF_ELEMENTS = (*BUILT, "det", "logdet", "logabsdet", "inv", "solve")


def is_of_numbers(name: str, node: ast.Call) -> bool:
    """Return whether max(a, b), say, is of its arguments and not of an array's."""
    return name in ("max", "min") and len(arguments(node)) > 1 and not node.keywords


def rank_of_elements(node: ast.expr) -> int | None:
    """Return the rank of det(A[i, j] for i ... for j ...) and the like; else None."""
    if not isinstance(node, ast.Call) or called(node) not in _OF_ELEMENTS[len(BUILT) :]:
        return None
    loops = [a for a in node.args if isinstance(a, ast.GeneratorExp)]
    clauses = [c for a in loops for c in a.generators]
    if len(loops) < len(node.args) or any(called(c.iter) != "range" for c in clauses):
        return None
    counts = [len(a.generators) for a in loops]
    if called(node) == "solve":
        return counts[1] if counts in ([2, 1], [2, 2]) else None
    return (2 if called(node) == "inv" else 0) if counts == [2] else None


def may_have_arrays(tree: ast.expr, names: Container[str]) -> bool:
    """Return whether anything in a tree, or a name that is known, may be an array."""
    for node in ast.walk(tree):
        if isinstance(node, _SIGNS) or (
            isinstance(node, ast.Name) and node.id in names
        ):
            return True
        if isinstance(node, ast.Call) and _is_call_of_arrays(node):
            return True
    return False


_SIGNS = (ast.MatMult, ast.Attribute, ast.Subscript, ast.comprehension, ast.List)


def arrayed(tree: ast.expr, ranks: Mapping[str, int]) -> set[int]:
    """Return the nodes, by identity, in which there is a whole array."""
    found: set[int] = set()
    nodes = list(ast.walk(tree))[::-1]
    elements = [n for n in nodes if _is_element(n, ranks)]
    whole = {id(n.value) for n in elements if isinstance(n, ast.Subscript)}
    loose = set(_loose(nodes))
    for node in nodes:
        own = _is_array(node, ranks, loose) and id(node) not in whole
        if own or any(id(part) in found for part in ast.iter_child_nodes(node)):
            found.add(id(node))
    return found


def without_index(tree: ast.expr, ranks: Mapping[str, int]) -> str | None:
    """Return what an array in a sum over an index might have been: y[i]; or None."""
    for node in ast.walk(tree):
        if isinstance(node, ast.GeneratorExp):
            subscripts = [n for n in ast.walk(node) if isinstance(n, ast.Subscript)]
            indexed = {id(n.value) for n in subscripts if _is_element(n, ranks)}
            first = node.generators[0].target
            names = [n for n in ast.walk(node.elt) if isinstance(n, ast.Name)]
            for name in names if isinstance(first, ast.Name) else ():
                if ranks.get(name.id) == 1 and id(name) not in indexed:
                    return f"{name.id}[{ast.unparse(first)}]"
    return None


def _loose(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Yield the names in loops that aren't the index of a range in a sum."""
    kept: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Call) and called(node) in _OF_ELEMENTS:
            loops = [a for a in node.args if isinstance(a, ast.GeneratorExp)]
            kept |= {
                id(c) for a in loops for c in a.generators if called(c.iter) == "range"
            }
    for node in nodes:
        if isinstance(node, ast.comprehension) and id(node) not in kept:
            for part in ast.walk(node.target):
                if isinstance(part, ast.Name):
                    yield part.id


def _is_element(node: ast.AST, ranks: Mapping[str, int]) -> bool:
    """Return whether a node has all indices of an array, or more than it can have."""
    if not isinstance(node, ast.Subscript):
        return False
    inside = items(node)
    if (rank := rank_of_elements(node.value)) is not None:
        return rank == len(inside) and not any(map(is_more_than_index, inside))
    if not isinstance(node.value, ast.Name):
        return False
    plain = not any(map(is_more_than_index, inside))
    arrays = any(isinstance(n, ast.Name) and ranks.get(n.id, 0) for n in inside)
    return plain and not arrays and ranks.get(node.value.id, MANY) <= len(inside)


def _is_array(node: ast.AST, ranks: Mapping[str, int], loose: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return ranks.get(node.id, 0) > 0 or node.id in loose
    if isinstance(node, ast.Subscript):
        return not _is_element(node, ranks)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.MatMult)
    if isinstance(node, ast.Call):
        return _is_call_of_arrays(node)
    return isinstance(node, (ast.Attribute, ast.List))


def _is_call_of_arrays(node: ast.Call) -> bool:
    name = called(node)
    given = node.args[0] if node.args else None
    if isinstance(given, ast.GeneratorExp):
        if name not in BUILT:
            return name not in _OF_ELEMENTS or rank_of_elements(node) is None
        return any(called(c.iter) != "range" for c in given.generators)
    if name in ("sum", "prod"):
        return not isinstance(given, ast.ListComp)
    return name in TABLE and not is_of_numbers(str(name), node)
