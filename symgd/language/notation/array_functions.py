"""Functions and methods of whole arrays: a table from names to what they mean."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import sympy as sp

from symgd.language.notation import slices, square_matrices
from symgd.language.notation.array_values import Indices, Rewriting, Whole
from symgd.language.notation.ranks import called

ArrayFunction: TypeAlias = Callable[["Rewriting", ast.Call, list[ast.expr]], Whole]
METHODS = "there are sum, mean, prod, max, min, dot and norm, .T, .size and .shape[k]"


def _options(
    form: Rewriting, node: ast.Call, given: list[ast.expr], count: int, accepted: str
) -> tuple[list[ast.expr], dict[str, ast.expr]]:
    """Return plain arguments, and others by name; those after ``count`` are named."""
    names = [_plain(name) for name in accepted.split()]
    extra = given[count:]
    options = dict(zip(names, extra, strict=False))
    for keyword in node.keywords:
        name = _plain(keyword.arg or "")
        if name not in names:
            known = ", ".join(names) or "no keywords"
            raise form.refuse(node, f"there is no {keyword.arg} here: {known}", None)
        options[name] = keyword.value
    if len(given) < count or len(extra) > len(names):
        name = ast.unparse(node.func)
        problem = f"{name} takes {count} array(s), not {len(given)} argument(s)"
        raise form.refuse(node, problem, None)
    return given[:count], options


def _plain(name: str) -> str:
    return {"dim": "axis", "keepdim": "keepdims", "p": "ord"}.get(name, name)


def _axes(form: Rewriting, node: ast.expr | None, rank: int) -> tuple[int, ...]:
    """Return the axes over which there is a sum: all, if none is named."""
    if node is None or (isinstance(node, ast.Constant) and node.value is None):
        return tuple(range(rank))
    parts = node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]
    axes = [slices.whole_number(form, part) for part in parts]
    for axis in axes:
        if not (axis.is_Integer and -rank <= axis < rank):
            problem = f"there is no axis {axis}: of {rank}, counted from 0"
            advice = "if a name is a matrix, say so: sizes={'A': (3, 3)}"
            raise form.refuse(node, problem, advice)
    return tuple(int(axis) % rank for axis in axes)


def _reduced(
    form: Rewriting,
    node: ast.Call,
    whole: Whole,
    options: dict[str, ast.expr],
    made: Callable[[list[sp.Expr], Callable[[Indices], ast.expr]], ast.expr],
) -> Whole:
    """Return an array with an axis less, or none; ``made`` is of lengths and body."""
    axes = _axes(form, options.get("axis"), whole.rank)
    kept = [k for k in range(whole.rank) if k not in axes]
    keeps = options.get("keepdims")
    holds = isinstance(keeps, ast.Constant) and keeps.value is True
    shape = [n for k, n in enumerate(whole.shape) if k in kept]
    if holds:
        shape = [n if k in kept else sp.S.One for k, n in enumerate(whole.shape)]

    def at(indices: Indices) -> ast.expr:
        if holds:
            indices = tuple(indices[k] for k in kept)
        fixed = dict(zip(kept, indices, strict=True))

        def body(inner: Indices) -> ast.expr:
            places = fixed | dict(zip(axes, inner, strict=True))
            return whole.at(tuple(places[k] for k in range(whole.rank)))

        return made([whole.shape[k] for k in axes], body)

    return Whole(tuple(shape), at, node)


def _of_kind(kind: str) -> ArrayFunction:
    def reduction(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
        (inner,), options = _options(form, node, given, 1, "axis keepdims")
        whole = form.array(inner, kind)
        return _reduced(
            *(form, node, whole, options),
            lambda lengths, body: form.over(kind, node, lengths, body),
        )

    return reduction


def _mean(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (inner,), options = _options(form, node, given, 1, "axis keepdims")
    whole = form.array(inner, "mean")

    def made(lengths: list[sp.Expr], body: Callable[..., Any]) -> ast.expr:
        total = form.over("sum", node, lengths, body)
        return form.write.binary(
            node, total, ast.Div(), _number_of(form, node, lengths)
        )

    return _reduced(form, node, whole, options, made)


def _variance(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    """Return the mean square of what is left beside the mean; std is its root."""
    (inner,), options = _options(form, node, given, 1, "axis ddof correction keepdims")
    whole, write = form.array(inner, "var"), form.write
    less = options.pop("correction", options.pop("ddof", None))
    less = write.number(node, 0) if less is None else less

    def made(lengths: list[sp.Expr], body: Callable[..., Any]) -> ast.expr:
        count = _number_of(form, node, lengths)

        def square(indices: Indices) -> ast.expr:
            total = form.over("sum", node, lengths, body)
            mean = write.binary(node, total, ast.Div(), count)
            apart = write.binary(node, body(indices), ast.Sub(), mean)
            return write.binary(node, apart, ast.Pow(), write.number(node, 2))

        total = form.over("sum", node, lengths, square)
        counted = write.binary(node, count, ast.Sub(), less)
        result = write.binary(node, total, ast.Div(), counted)
        return write.call(node, "sqrt", result) if called(node) == "std" else result

    return _reduced(form, node, whole, options, made)


def _number_of(form: Rewriting, node: ast.expr, lengths: Sequence[sp.Expr]) -> ast.expr:
    return form.write.length(node, sp.Mul(*map(form.extents.resolved, lengths)))


def _norm(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (inner,), options = _options(form, node, given, 1, "ord axis keepdims")
    whole, write = form.array(inner, "norm"), form.write
    order = options.get("ord")
    kind = _order(form, order)
    if whole.rank > 1 and "axis" not in options and kind not in (None, "fro"):
        problem = "of a matrix, only the Frobenius norm is known here"
        advice = "write norm(A); sum(abs(A)), max(abs(A)) are norms of its elements"
        raise form.refuse(node, problem, advice)

    def made(lengths: list[sp.Expr], body: Callable[..., Any]) -> ast.expr:
        def raised(indices: Indices) -> ast.expr:
            element = body(indices)
            if kind in (None, "fro", 2):
                return write.binary(node, element, ast.Pow(), write.number(node, 2))
            size = write.call(node, "abs", element)
            if order is None or kind in (1, "inf", "-inf"):
                return size
            return write.binary(node, size, ast.Pow(), order)

        if kind in ("inf", "-inf"):
            extreme = "max" if kind == "inf" else "min"
            return form.over(extreme, node, lengths, raised)
        total = form.over("sum", node, lengths, raised)
        if kind == 1:
            return total
        if order is None or kind in ("fro", 2):
            return write.call(node, "sqrt", total)
        root = write.binary(node, write.number(node, 1), ast.Div(), order)
        return write.binary(node, total, ast.Pow(), root)

    return _reduced(form, node, whole, options, made)


def _order(form: Rewriting, node: ast.expr | None) -> Any:
    """Return which norm is meant: None, 1, 2, 'inf', '-inf', 'fro', or another."""
    if node is None:
        return None
    if isinstance(node, ast.Constant):
        if node.value in (None, "fro") or type(node.value) in (int, float):
            if node.value == 0 and node.value is not None:
                raise form.refuse(node, "norm(x, 0) counts: it has no gradient", None)
            return node.value
        raise form.refuse(node, "this norm isn't known here", "write norm(A)")
    if isinstance(node, ast.Name) and node.id == "inf":
        return "inf"
    if ast.unparse(node) == "-inf":
        return "-inf"
    form.scalar(node, "the order of a norm")
    return "other"


def _dot(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (left, right), _ = _options(form, node, given, 2, "")
    sides = form.value(left), form.value(right)
    if not all(side.rank for side in sides):
        return form.elementwise(node, sides, lambda a, b: ast.BinOp(a, ast.Mult(), b))
    return form.product(node, *sides)


def _outer(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (left, right), _ = _options(form, node, given, 2, "")
    one, other = form.array(left, "outer"), form.array(right, "outer")
    if one.rank != 1 or other.rank != 1:
        raise form.refuse(node, "outer is of two vectors", None)

    def at(indices: Indices) -> ast.expr:
        factors = one.at(indices[:1]), other.at(indices[1:])
        return form.write.binary(node, factors[0], ast.Mult(), factors[1])

    return Whole((*one.shape, *other.shape), at, node)


def _trace(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (inner,), _ = _options(form, node, given, 1, "")
    whole = _square(form, node, inner, "trace")

    def at(_: Indices) -> ast.expr:
        return form.over(
            "sum", node, whole.shape[:1], lambda each: whole.at((*each, *each))
        )

    return Whole((), at, node)


def _square(form: Rewriting, node: ast.expr, inner: ast.expr, what: str) -> Whole:
    whole = form.array(inner, what)
    if whole.rank != 2 or not form.extents.equal(*whole.shape):
        shape = form.extents.shape(whole.shape)
        text = form.source(inner)
        problem = f"{what} is of a square matrix, and {text} has shape {shape}"
        raise form.refuse(node, problem, None)
    return whole


def _len(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (inner,), _ = _options(form, node, given, 1, "")
    length = form.array(inner, "len").shape[0]
    return Whole((), lambda _: form.write.length(node, length), node)


def _logsumexp(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (inner,), options = _options(form, node, given, 1, "axis keepdims")
    whole, write = form.array(inner, "logsumexp"), form.write

    def made(lengths: list[sp.Expr], body: Callable[..., Any]) -> ast.expr:
        def powers(indices: Indices) -> ast.expr:
            return write.call(node, "exp", body(indices))

        return write.call(node, "log", form.over("sum", node, lengths, powers))

    return _reduced(form, node, whole, options, made)


def _softmax(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    """exp(x[i])/sum(exp(x[k])); its logarithm is x[i] less that of the sum."""
    (inner,), options = _options(form, node, given, 1, "axis")
    whole, write = form.array(inner, "softmax"), form.write
    options["keepdims"] = ast.Constant(True)
    total = _logsumexp(form, node, [inner]) if "axis" not in options else None
    if total is None:
        keywords = [ast.keyword(name, value) for name, value in options.items()]
        call = ast.copy_location(ast.Call(node.func, [inner], keywords), node)
        total = _logsumexp(form, call, [inner])
    logarithmic = called(node) == "log_softmax"
    whole_total = total

    def made(element: ast.expr, logarithm: ast.expr) -> ast.expr:
        less = write.binary(node, element, ast.Sub(), logarithm)
        return less if logarithmic else write.call(node, "exp", less)

    return form.elementwise(node, [whole, whole_total], made)


def _determinant(*outer: str) -> ArrayFunction:
    def made(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
        (inner,), _ = _options(form, node, given, 1, "")
        whole = form.array(inner, "a determinant")
        return square_matrices.determinant(form, node, whole, outer)

    return made


def _slogdet(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (inner,), _ = _options(form, node, given, 1, "")
    whole = form.array(inner, "slogdet")
    return square_matrices.sign_and_logarithm(form, node, whole)


def _inverse(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (inner,), _ = _options(form, node, given, 1, "")
    return square_matrices.inverse(form, node, form.array(inner, "inv"))


def _solution(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (left, right), _ = _options(form, node, given, 2, "")
    matrix, side = form.array(left, "solve"), form.array(right, "solve")
    return square_matrices.solution(form, node, matrix, side)


def _transposed(form: Rewriting, node: ast.expr, inner: ast.expr) -> Whole:
    whole = form.array(inner, "a transpose")
    if whole.rank > 2:
        raise form.refuse(node, "only matrices are transposed", None)
    return Whole(whole.shape[::-1], lambda indices: whole.at(indices[::-1]), node)


def _transpose(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (inner,), _ = _options(form, node, given, 1, "")
    return _transposed(form, node, inner)


def _as_given(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (inner,), _ = _options(form, node, given, 1, "")
    return form.value(inner)


def _difference(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (inner,), _ = _options(form, node, given, 1, "")
    whole, write = form.array(inner, "diff"), form.write
    if whole.rank != 1:
        raise form.refuse(node, "diff is of a vector", "write A[1:] - A[:-1]")

    def at(indices: Indices) -> ast.expr:
        (index,) = indices
        after = write.binary(node, index, ast.Add(), write.number(node, 1))
        return write.binary(node, whole.at((after,)), ast.Sub(), whole.at((index,)))

    return Whole((whole.shape[0] - 1,), at, node)


def _rolled(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    """Return a vector whose elements have moved on, the last ones to the front."""
    (inner, by), _ = _options(form, node, given, 2, "")
    whole, write = form.array(inner, "roll"), form.write
    if whole.rank != 1:
        raise form.refuse(node, "roll is of a vector", None)
    steps = slices.whole_number(form, by)

    def at(indices: Indices) -> ast.expr:
        back = write.binary(node, indices[0], ast.Sub(), write.length(node, steps))
        end = write.length(node, whole.shape[0])
        return whole.at((write.binary(node, back, ast.Mod(), end),))

    return Whole(whole.shape, at, node)


def _triangle(op: type[ast.cmpop]) -> ArrayFunction:
    def made(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
        (inner,), _ = _options(form, node, given, 1, "")
        whole, write = form.array(inner, "a triangle"), form.write
        if whole.rank != 2:
            raise form.refuse(node, "a triangle is of a matrix", None)

        def at(indices: Indices) -> ast.expr:
            inside = write.like(node, ast.Compare(indices[1], [op()], [indices[0]]))
            none = write.number(node, 0)
            return write.like(node, ast.IfExp(inside, whole.at(indices), none))

        return Whole(whole.shape, at, node)

    return made


def _filled(number: int) -> ArrayFunction:
    def filled(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
        (inner,), _ = _options(form, node, given, 1, "")
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        shape = tuple(slices.whole_number(form, part) for part in parts)
        return Whole(shape, lambda _: form.write.number(node, number), node)

    return filled


def _identity(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    (inner,), _ = _options(form, node, given, 1, "")
    size, write = slices.whole_number(form, inner), form.write

    def at(indices: Indices) -> ast.expr:
        same = write.like(node, ast.Compare(indices[0], [ast.Eq()], [indices[1]]))
        yes, no = write.number(node, 1), write.number(node, 0)
        return write.like(node, ast.IfExp(same, yes, no))

    return Whole((size, size), at, node)


def _diagonal(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    """Return the matrix of a diagonal, or the diagonal of a matrix, as NumPy does."""
    (inner,), _ = _options(form, node, given, 1, "")
    if form.array(inner, "diag").rank == 2:
        whole = _square(form, node, inner, "diag")
        return Whole(whole.shape[:1], lambda each: whole.at((*each, *each)), node)
    whole, write = form.array(inner, "diag"), form.write

    def at(indices: Indices) -> ast.expr:
        same = write.like(node, ast.Compare(indices[0], [ast.Eq()], [indices[1]]))
        entry = whole.at(indices[:1])
        return write.like(node, ast.IfExp(same, entry, write.number(node, 0)))

    return Whole((*whole.shape, *whole.shape), at, node)


def _counting(form: Rewriting, node: ast.Call, given: list[ast.expr]) -> Whole:
    ends = [slices.whole_number(form, each) for each in given]
    if not 1 <= len(ends) <= 2 or node.keywords:
        raise form.refuse(node, "arange has one end or two", "write arange(n)")
    first, last = ends if len(ends) == 2 else (sp.S.Zero, ends[0])

    def at(indices: Indices) -> ast.expr:
        if first == 0:
            return indices[0]
        start = form.write.length(node, first)
        return form.write.binary(node, indices[0], ast.Add(), start)

    return Whole((last - first,), at, node)


def attribute(form: Rewriting, node: ast.Attribute) -> Whole:
    """Return what is after a dot and not called: A.T, x.size."""
    if node.attr in ("T", "mT"):
        return _transposed(form, node, node.value)
    if node.attr == "size":
        whole = form.array(node.value, "size")
        return Whole((), lambda _: _number_of(form, node, whole.shape), node)
    text = form.source(node)
    raise form.refuse(node, f"{text!r} is not part of a formula", METHODS)


TABLE: dict[str, ArrayFunction] = {
    "sum": _of_kind("sum"),
    "prod": _of_kind("prod"),
    "max": _of_kind("max"),
    "min": _of_kind("min"),
    "mean": _mean,
    "average": _mean,
    "var": _variance,
    "std": _variance,
    "norm": _norm,
    "dot": _dot,
    "matmul": _dot,
    "inner": _dot,
    "outer": _outer,
    "trace": _trace,
    "len": _len,
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "transpose": _transpose,
    "det": _determinant(),
    "logdet": _determinant(*square_matrices.LOG),
    "logabsdet": _determinant(*square_matrices.LOG_ABS),
    "slogdet": _slogdet,
    "inv": _inverse,
    "solve": _solution,
    "diff": _difference,
    "roll": _rolled,
    "tril": _triangle(ast.LtE),
    "triu": _triangle(ast.GtE),
    "array": _as_given,
    "asarray": _as_given,
    "tensor": _as_given,
    "ones": _filled(1),
    "zeros": _filled(0),
    "diag": _diagonal,
    "eye": _identity,
    "identity": _identity,
    "arange": _counting,
}
