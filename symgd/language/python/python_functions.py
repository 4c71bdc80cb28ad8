"""Python functions as formulas: read, as text is, and never run.

A function's source is parsed; assignments are substituted, choices become conditions,
loops sums, and helpers what they return. What comes out is text of the formula
language, with the numbers and arrays that the function finds around it.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symgd.errors import FormulaError, InputError
from symgd.language.notation.ranks import called
from symgd.language.python.bodies import Body, bound, defaults_of, place_of
from symgd.language.python.python_source import KnownFunction, known
from symgd.language.python.values import Listed, Names
from symgd.language.text import COUNTING

MOST_NODES = 50_000
LONG = 200  # of what is advised

__all__ = ["PythonFormula", "read_function"]


@dataclass(frozen=True, eq=False)
class PythonFormula:
    """What a Python function says, as a formula.

    Attributes
    ----------
    text : str
    variables : tuple of str
        The arguments that nothing is known of, in their order.
    parameters : dict of str to float
    data : dict of str to array
    sizes : dict of str to int
        Numbers from outside by which loops end.
    lengths : dict of str to (str, int)
        Names of sizes, and which axis of which array they are the length of.
    exact : dict of str to int
        Lengths that an array must have.
    shapes : dict of str to tuple
        Of arrays, those that are known.
    """

    text: str
    variables: tuple[str, ...]
    parameters: dict[str, float]
    data: dict[str, Any]
    sizes: dict[str, int]
    lengths: dict[str, tuple[str, int]]
    exact: dict[str, int]
    shapes: dict[str, Sequence[int]]
    _tree: ast.expr = field(repr=False)
    _function: KnownFunction = field(repr=False)

    @contextlib.contextmanager
    def placed(self) -> Iterator[None]:
        """Give errors of the text their place in the function's source."""
        try:
            yield
        except FormulaError as error:
            raise self._explained(error) from None

    def _explained(self, error: FormulaError) -> FormulaError:
        if error.formula != self.text or error.start is None:
            return error
        node = self._node_at(error.start, error.end or error.start + 1)
        origin = getattr(node, "origin", None)
        if origin is None:
            return error
        source, name = origin
        advice = error.suggestion
        if advice is not None and len(advice) > LONG:
            advice = None  # it repeats what has been substituted
        return source.error(node, name, error.problem, advice)

    def _node_at(self, start: int, end: int) -> ast.AST | None:
        """Return the node of the source that a part of the text came from."""
        first, last = (len(self.text[:place].encode()) for place in (start, end))
        pairs: list[tuple[Any, Any]] = [
            (ast.parse(self.text, mode="eval").body, self._tree)
        ]
        best, size = None, len(self.text) * 4 + 1
        while pairs:
            mine, theirs = pairs.pop()
            if hasattr(mine, "col_offset"):
                inside = mine.col_offset <= first and last <= mine.end_col_offset
                width = mine.end_col_offset - mine.col_offset
                if inside and width <= size and hasattr(theirs, "origin"):
                    best, size = theirs, width
            if type(mine) is type(theirs):
                children = map(list, map(ast.iter_child_nodes, (mine, theirs)))
                pairs += zip(*children, strict=False)
        return best


def read_function(
    function: Any,
    *,
    args: Sequence[Any] = (),
    parameters: Mapping[str, float] | None = None,
    columns: Mapping[str, Any] | None = None,
    start: Any = None,
    meant: Sequence[str] = (),
    literal: bool = False,
) -> PythonFormula:
    """Return the formula that a Python function computes.

    Parameters
    ----------
    function : callable
        With its source in Python; it isn't called.
    args : sequence
        What follows the first argument.
    parameters, columns : mapping by name
        Arguments that are numbers, and those that are arrays; also instead of what
        functions find under these names around them.
    start : sequence, or mapping by name
        Tells how long arguments are, where that is asked.
    meant : sequence of str
        Arguments that are variables although they have a default.
    literal : bool
        Whether numbers from outside are written into the text.

    Raises
    ------
    FormulaError
        If there is no source, or it says something that no formula says.

    Examples
    --------
    >>> read_function(lambda x, y: (1 - x)**2 + 100*(y - x**2)**2).text
    '(1 - x)**2 + 100*(y - x**2)**2'
    """
    found = known(function)
    given = _Given(args, parameters or {}, columns or {}, start, meant)
    variables, fixed = _arguments(found, given)
    instead = {} if literal else {**given.parameters, **given.columns}
    names = Names(variables, _shapes(variables, given), instead)
    place = place_of(found)
    defaults = defaults_of(found, names)
    values, named = _values(found, names, variables, fixed)
    try:
        place.names.update(bound(found.node.args, values, named, defaults))
    except ValueError as wrong:
        raise InputError(f"{found.name} {wrong}") from None
    place.given = frozenset(map(id, place.names.values()))
    body = Body(names, place, (found.node,))
    result = body.result(found.node)
    if isinstance(result, Listed):
        result = _only(result, body, found)
    tree = body.as_tree(result, _return_of(found.node))
    for name in given.parameters:
        if name not in names.asked:
            raise InputError(f"unused parameter {name!r}: {found.name} doesn't read it")
    return _formula(found, names, tree, variables, literal)


@dataclass(frozen=True, eq=False)
class _Given:
    """What is told of a function's arguments."""

    args: Sequence[Any]
    parameters: Mapping[str, float]
    columns: Mapping[str, Any]
    start: Any
    meant: Sequence[str]


def _arguments(
    found: KnownFunction, given: _Given
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the arguments that are variables, and what the others are."""
    spec = found.node.args
    if spec.kwarg is not None:
        problem = f"{found.name} takes **{spec.kwarg.arg}: what it may be isn't known"
        raise FormulaError(problem, suggestion="name its arguments")
    listed = [each.arg for each in (*spec.posonlyargs, *spec.args)]
    free = listed[len(found.given) :]
    free = [name for name in free if name not in found.named]
    fixed: dict[str, Any] = {**given.parameters, **given.columns}
    following = free[1 : 1 + len(given.args)]
    fixed |= dict(zip(following, given.args, strict=False))
    optional = set(found.function.__kwdefaults__ or ())
    if count := len(found.function.__defaults__ or ()):
        optional |= {*listed[len(listed) - count :]}
    started = given.start if isinstance(given.start, Mapping) else {}
    meant = {*map(str, started), *given.meant}
    free += [each.arg for each in spec.kwonlyargs if each.arg not in found.named]
    variables = tuple(
        name
        for name in free
        if name not in fixed and (name not in optional or name in meant)
    )
    if not variables and spec.vararg is not None:
        problem = f"{found.name} takes *{spec.vararg.arg}: how many isn't known"
        raise FormulaError(problem, suggestion="name its arguments")
    if not variables:
        problem = f"{found.name} has no argument that is a variable"
        raise FormulaError(
            problem, suggestion="write def f(x, y): ..., or def f(x): ..."
        )
    rest = given.args[len(following) :]
    if rest and spec.vararg is None:
        problem = f"{found.name} takes {len(following)} of {len(given.args)} args"
        raise InputError(problem)
    return variables, {**fixed, "*": tuple(rest)}


def _values(
    found: KnownFunction,
    names: Names,
    variables: tuple[str, ...],
    fixed: Mapping[str, Any],
) -> tuple[list[Any], dict[str, Any]]:
    """Return what a function's arguments stand for, by place and by name."""
    spec = found.node.args
    listed = [each.arg for each in (*spec.posonlyargs, *spec.args)]
    values: list[Any] = []
    for place, name in enumerate(listed):
        if place < len(found.given):
            values.append(names.meaning(name, found.given[place]))
        elif name in variables:
            values.append(ast.Name(name, ast.Load()))
        elif name in fixed and name not in found.named:
            values.append(names.meaning(name, fixed[name]))
        else:
            break
    if spec.vararg is not None and len(values) == len(listed):
        own = enumerate(fixed["*"])
        values += (names.meaning(f"{spec.vararg.arg}_{k}", each) for k, each in own)
    only = {each.arg for each in spec.kwonlyargs} | {*listed[len(values) :]}
    named = {name: names.meaning(name, value) for name, value in found.named.items()}
    for name in only:
        if name in variables:
            named[name] = ast.Name(name, ast.Load())
        elif name in fixed and name not in named:
            named[name] = names.meaning(name, fixed[name])
    return values, named


def _shapes(variables: tuple[str, ...], given: _Given) -> dict[str, tuple[int, ...]]:
    """Return the shapes of variables that a start tells."""
    if given.start is None:
        return {}
    import numpy as np

    start = given.start
    told = start if isinstance(start, Mapping) else {}
    if not isinstance(start, Mapping) and len(variables) == 1:
        told = {variables[0]: start}
    shapes = {}
    for name, value in told.items():
        with contextlib.suppress(TypeError, ValueError):
            shape = np.shape(value)
            shapes[str(name)] = (
                shape[1:] if len(shape) == 2 and shape[0] == 1 else shape
            )
    return {name: shape for name, shape in shapes.items() if shape}


def _only(value: Listed, body: Body, found: KnownFunction) -> Any:
    if len(value.items) == 1 and not isinstance(value.items[0], Listed):
        return value.items[0]
    count = len(value.items)
    problem = f"{found.name} returns {count} values, and what is minimised is a number"
    advice = "return the value alone: derivatives are symgd's own"
    if value.is_array or count > 2:
        advice = "return a number, such as the sum of squares"
    raise body.error(_return_of(found.node), problem, advice)


def _return_of(node: ast.FunctionDef | ast.Lambda) -> ast.AST:
    if isinstance(node, ast.Lambda):
        return node.body
    returns = [each for each in ast.walk(node) if isinstance(each, ast.Return)]
    return returns[-1].value or returns[-1]


# ------------------------------------------------------------------ as text


def _formula(
    found: KnownFunction,
    names: Names,
    tree: ast.expr,
    variables: tuple[str, ...],
    literal: bool,
) -> PythonFormula:
    if _size(tree, {}) > MOST_NODES:
        problem = f"{found.name}, written out, has more than {MOST_NODES} operations"
        raise FormulaError(problem, suggestion="write loops as sums")
    text = _unparsed(found, tree)
    whole = ast.parse(text, mode="eval").body
    _check_flat(found, names, whole)
    used = {node.id for node in ast.walk(whole) if isinstance(node, ast.Name)}
    counted = _in_sizes(whole)
    written: dict[str, Any] = {}
    exact = {name: n for name, n in names.exact.items() if name in variables}
    parameters: dict[str, float] = {}
    sizes: dict[str, int] = {}
    lengths: dict[str, tuple[str, int]] = {}
    for name, value in names.numbers.items():
        if name in names.fixed or literal:
            written[name] = value
        elif name in counted and isinstance(value, int):
            sizes[name] = value
        elif name in used:
            parameters[name] = float(value)
    for name, (array, axis) in names.lengths.items():
        length = names.shapes.get(array, ())[axis : axis + 1]
        if name in names.fixed or (literal and length):
            written[name] = length[0]
            if array in variables:
                exact[array] = length[0]
        elif name in counted and array in used:
            lengths[name] = array, axis
        elif name in counted and length:
            sizes[name] = length[0]
        elif length and array not in variables and name in used:
            parameters[name] = float(length[0])
        elif name in used:
            written[name] = ast.Call(ast.Name("len"), [ast.Name(array)], [])
    if written.keys() & used:
        text = _unparsed(found, _Writer(written).visit(whole))
    data = {name: value for name, value in names.arrays.items() if name in used}
    made = (parameters, data, sizes, lengths, exact, names.shapes)
    return PythonFormula(text, variables, *made, tree, found)


def _check_flat(found: KnownFunction, names: Names, tree: ast.expr) -> None:
    """Refuse the size of what turns out to be a matrix."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
            name = node.value.id if isinstance(node.value, ast.Name) else ""
            if name in names.flat and name not in names.arrays:
                problem = f"the size of a matrix is {name}.shape[0]*{name}.shape[1]"
                raise found.source.error(names.flat[name], found.name, problem)


def _size(tree: ast.AST, known: dict[int, int]) -> int:
    """Return how many nodes a tree has when it is written out, shared ones again."""
    pending = [tree]
    while pending:
        node = pending[-1]
        inner = list(ast.iter_child_nodes(node))
        missing = [each for each in inner if id(each) not in known]
        if missing:
            pending += missing
        else:
            known[id(node)] = 1 + sum(known[id(each)] for each in inner)
            pending.pop()
    return known[id(tree)]


def _unparsed(found: KnownFunction, tree: ast.expr) -> str:
    try:
        text = ast.unparse(tree)
        return _without_brackets(re.sub(r" (\*\*|\*|/) ", r"\1", text))
    except (
        RecursionError,
        MemoryError,
        SyntaxError,
    ):  # which deep texts are, to Python
        problem = f"{found.name}, written out, is nested too deeply"
        raise FormulaError(problem, suggestion="write loops as sums") from None


def _without_brackets(text: str) -> str:
    """Return a text with sum(... for ...) instead of sum((... for ...))."""
    written = text.encode()
    left_out = set()
    for node in ast.walk(ast.parse(text, mode="eval")):
        if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
            (inner,) = node.args
            if isinstance(inner, ast.GeneratorExp):
                assert inner.end_col_offset is not None
                left_out |= {inner.col_offset, inner.end_col_offset - 1}
    kept = bytes(sign for place, sign in enumerate(written) if place not in left_out)
    return kept.decode()


def _in_sizes(tree: ast.expr) -> set[str]:
    """Return the names that stand in indices, or as lengths."""
    found = set()
    for node in ast.walk(tree):
        inner: list[ast.AST] = []
        if isinstance(node, ast.Subscript):
            inner = [node.slice]
        elif isinstance(node, ast.Call) and called(node) in COUNTING:
            inner = [*node.args]
        for part in inner:
            found |= {n.id for n in ast.walk(part) if isinstance(n, ast.Name)}
    return found


class _Writer(ast.NodeTransformer):
    """Writes numbers in for their names."""

    def __init__(self, numbers: Mapping[str, Any]) -> None:
        self.numbers = numbers

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return a number for its name."""
        if node.id not in self.numbers:
            return node
        number = self.numbers[node.id]
        if isinstance(number, ast.expr):
            return number
        size = ast.Constant(abs(number))
        return size if number >= 0 else ast.UnaryOp(ast.USub(), size)
