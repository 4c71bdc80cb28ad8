"""How many indices each name of a formula has, as far as the formula tells.

Inference of ranks. A name that nothing tells of is a scalar; what ``@``, ``norm`` or
``sum`` are of must be an array, and is a vector if only one name is in question.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping

from symgd.errors import FormulaError
from symgd.language.functions import REDUCING

_OF_VECTORS = REDUCING | {
    "softmax",
    "log_softmax",
    "flip",
    "diff",
    "diag",
    "roll",
    "cumsum",
}
_OF_MATRICES = dict.fromkeys(
    ("trace", "det", "logdet", "logabsdet", "slogdet", "inv", "tril", "triu"), 2
)
_BUILT = {"eye": 2, "identity": 2, "outer": 2, "arange": 1, "ones": 1, "zeros": 1}
_CLOSED = REDUCING | _BUILT.keys()  # of which no argument is as large as they are
_PRODUCTS = ("dot", "matmul", "inner", "vdot")
_METHODS_OF_VECTORS = _OF_VECTORS | {"T", "size", "shape", "transpose"}


def called(node: ast.AST) -> str | None:
    """Return the name of the function or method that is called; or None."""
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else None


def arguments(node: ast.Call) -> list[ast.expr]:
    """Return what a function, or a method of an array, is applied to."""
    if isinstance(node.func, ast.Attribute):
        return [node.func.value, *node.args]
    return list(node.args)


def items(node: ast.Subscript) -> list[ast.expr]:
    """Return what stands in brackets after a name."""
    inner = node.slice
    return list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]


def is_new_axis(node: ast.expr) -> bool:
    """Return whether an item in brackets adds an axis of length 1."""
    named = isinstance(node, ast.Attribute) and node.attr == "newaxis"
    return named or (isinstance(node, ast.Constant) and node.value is None)


def ranks_of(
    tree: ast.expr,
    known: Mapping[str, int],
    start: int | None,
    refuse: Callable[[ast.expr, str, str | None], FormulaError],
) -> dict[str, int]:
    """Return the number of indices of each name.

    Parameters
    ----------
    tree : syntax tree
    known : mapping of str to int
        Of some names.
    start : int, optional
        The rank of a start that has no names, if it is not of length 1.
    refuse : callable
        Returns the error for a node, with what is wrong and what to write.

    Raises
    ------
    FormulaError
        If it can't be known which of several names are arrays.
    """
    found = _Ranks(tree, known)
    if start is not None and len(free := found.variables(known)) == 1:
        found.ranks.setdefault(free[0], start)
    for name, (node, count) in found.uneven.items():
        if name not in known:
            both = sorted((count, found.ranks[name]))
            problem = f"{name!r} is used with {both[0]} and with {both[1]} indices"
            advice = "an array has the same number of indices everywhere"
            raise refuse(node, problem, advice)
    while found.narrow():
        pass
    if found.open:
        node, names = found.open[0]
        listed = " and ".join([", ".join(names[:-1]), names[-1]])
        example = ", ".join(f"{name!r}: 3" for name in names[:1])
        raise refuse(
            *(node, f"which of {listed} are arrays can't be known"),
            f"give data, a start x0 by name, or sizes={{{example}}}",
        )
    return {name: found.ranks.get(name, 0) for name in found.names}


def least_rank(tree: ast.expr, known: Mapping[str, int]) -> int:
    """Return how many indices an expression has at least, by those of some names.

    >>> least_rank(ast.parse("2*x[0] + y", mode="eval").body, {"x": 1, "y": 2})
    2
    """
    return _Ranks(tree, known).rank(tree)


class _Ranks:
    def __init__(self, tree: ast.expr, known: Mapping[str, int]) -> None:
        self.nodes = list(ast.walk(tree))[::-1]  # what is inside comes first
        self.bound = set(_targets(self.nodes))
        functions = {id(n.func) for n in self.nodes if isinstance(n, ast.Call)}
        names = [n for n in self.nodes if isinstance(n, ast.Name)]
        self.names = {n.id for n in names if id(n) not in functions} - self.bound
        self.ranks = {name: rank for name, rank in known.items() if name in self.names}
        self.open: list[tuple[ast.expr, list[str]]] = []
        self.uneven: dict[str, tuple[ast.expr, int]] = {}
        for node in self.nodes:
            self._note_indices(node)

    def _note_indices(self, node: ast.AST) -> None:
        if isinstance(node, ast.Subscript):
            places = [each for each in items(node) if not isinstance(each, ast.Compare)]
            inner = [n for each in places for n in ast.walk(each)]
            names = [n for n in inner if isinstance(n, ast.Name)]
            sizes = {n.id for n in names if not _is_measured(n, node.slice)}
            inside = {indexed_name(n) for n in inner}
            for name in (sizes - inside) & self.names:
                self.ranks.setdefault(name, 0)
            if (name := indexed_name(node)) in self.names:
                count = sum(not is_new_axis(each) for each in items(node))
                if self.ranks.setdefault(name, count) != count:
                    self.uneven.setdefault(name, (node, count))
        elif called(node) == "range":
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and not _is_measured(part, node):
                    self.ranks.setdefault(part.id, 0)

    def variables(self, known: Mapping[str, int]) -> list[str]:
        """Return the names that are not known from outside, and are no sizes."""
        mine = {name for name in self.names if self.ranks.get(name) != 0}
        return sorted(mine - known.keys() - {"pi", "E", "inf"})

    def narrow(self) -> bool:
        """Conclude what can be; return whether that was anything."""
        before, self.open = dict(self.ranks), []
        for node in self.nodes:
            for whole, least in _wanted(node):
                self._want(node, [whole], least)
            if (pair := _multiplied(node)) is not None:
                known = [self.rank(side) for side in pair]
                if all(known):
                    continue
                if any(known):
                    self._want(node, [pair[0] if known[1] else pair[1]], 1)
                else:
                    self._want(node, list(pair), 1)
        return before != self.ranks

    def _want(self, node: ast.AST, wholes: list[ast.expr], least: int) -> None:
        """Take what must be an array for one, if only one name is in question."""
        if any(self.rank(whole) >= min(least, 1) for whole in wholes):
            return
        names = sorted({n for whole in wholes for n in self._in_question(whole)})
        if len(names) == 1:
            self.ranks[names[0]] = least
        elif names and isinstance(node, ast.expr):
            self.open.append((node, names))

    def _in_question(self, node: ast.AST) -> Iterator[str]:
        """Yield the names by which an expression might be an array."""
        if isinstance(node, ast.Name):
            if node.id in self.names and node.id not in self.ranks:
                yield from () if node.id in ("pi", "E", "inf") else (node.id,)
        elif not isinstance(node, ast.Subscript) and called(node) not in _CLOSED:
            for part in _operands(node):
                yield from self._in_question(part)

    def rank(self, node: ast.AST) -> int:
        """Return the least rank that an expression may have."""
        if isinstance(node, ast.Name):
            return self.ranks.get(node.id, 0)
        if isinstance(node, ast.Subscript):
            inner = items(node)
            places = [self.rank(each) for each in inner if _is_place(each)]
            # Arrays of places are taken together.
            together = max(places, default=0) - sum(rank > 0 for rank in places)
            added = sum(map(self._added, inner)) + min(0, together)
            return max(0, self.rank(node.value) + added)
        if (pair := _multiplied(node)) is not None:
            one, other = map(self.rank, pair)
            return max(0, one + other - 2) if one and other else 0
        if isinstance(node, ast.Call) and called(node) in _BUILT:
            shape = node.args[0] if node.args else None
            if isinstance(shape, ast.Tuple):
                return len(shape.elts)
            return _BUILT[str(called(node))]
        if called(node) == "diag" and isinstance(node, ast.Call) and node.args:
            return 1 if self.rank(node.args[0]) == 2 else 2
        if called(node) in REDUCING:
            has_axis = isinstance(node, ast.Call) and node.keywords
            return 1 if has_axis else 0
        if isinstance(node, (ast.List, ast.Tuple)):
            return 1 + max(map(self.rank, node.elts), default=0)
        return max(map(self.rank, _operands(node)), default=0)

    def _added(self, item: ast.expr) -> int:
        """Return how many axes an item in brackets adds."""
        if is_new_axis(item):
            return 1
        return 0 if isinstance(item, ast.Slice) or self.rank(item) else -1


def _is_place(item: ast.expr) -> bool:
    """Return whether an item in brackets is a place, or an array of such."""
    return not (isinstance(item, ast.Slice) or is_new_axis(item))


def _operands(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call):
        yield from arguments(node)
    elif not isinstance(node, (ast.GeneratorExp, ast.ListComp)):
        yield from (n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr))


def indexed_name(node: ast.AST) -> str:
    """Return the name that has an index; nothing if it is no name, or has none."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return node.value.id
    return ""


def _is_measured(name: ast.Name, within: ast.AST) -> bool:
    """Return whether a name in a range, or an index, is there for its length."""
    measuring = (n for n in ast.walk(within) if called(n) == "len" or _is_shape(n))
    return any(name in ast.walk(each) for each in measuring)


def _is_shape(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("shape", "size")


def _multiplied(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    """Return the sides of a product of matrices."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return node.left, node.right
    if called(node) in _PRODUCTS and isinstance(node, ast.Call):
        sides = arguments(node)
        return (sides[0], sides[1]) if len(sides) == 2 else None
    return None


def _wanted(node: ast.AST) -> Iterator[tuple[ast.expr, int]]:
    """Yield what must be an array, with its least rank."""
    if isinstance(node, ast.Call):
        name, parts = called(node), arguments(node)
        if name in ("zip", "enumerate"):
            yield from ((part, 1) for part in parts)
        elif name in ("max", "min") and len(parts) != 1:
            return
        elif parts and not isinstance(parts[0], (ast.GeneratorExp, ast.ListComp)):
            if name in _OF_MATRICES:
                yield parts[0], _OF_MATRICES[name]
            elif name == "solve":
                yield from zip(parts, (2, 1), strict=False)
            elif name == "outer":
                yield from ((part, 1) for part in parts)
            elif name in _OF_VECTORS and name not in _PRODUCTS:
                yield parts[0], 1
    elif isinstance(node, ast.Attribute) and node.attr in _METHODS_OF_VECTORS:
        yield node.value, 1
    elif isinstance(node, ast.comprehension) and called(node.iter) not in (
        *("range", "zip", "enumerate"),
    ):
        yield node.iter, 1


def _targets(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.comprehension):
            for part in ast.walk(node.target):
                if isinstance(part, ast.Name):
                    yield part.id
        elif called(node) in ("Sum", "Product") and isinstance(node, ast.Call):
            for limit in node.args[1:]:
                if isinstance(limit, ast.Tuple) and isinstance(limit.elts[0], ast.Name):
                    yield limit.elts[0].id
