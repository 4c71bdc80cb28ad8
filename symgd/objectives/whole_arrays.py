"""Whole arrays in the text of an objective: their shapes, and the text with indices.

What is known of shapes: data, a start, and ``sizes={"x": 3, "A": (2, 3)}``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from symgd.errors import InputError
from symgd.language.identifiers import name_of
from symgd.language.naming import names_of_sizes
from symgd.objectives.numbers_given import named, shape_of

if TYPE_CHECKING:
    from symgd.language.formula import Measured

# What a text with whole arrays has; many others have it, too.
_SIGNS = re.compile(
    r"@|\[|\.\s*[A-Za-z_]|\b(?:sum|prod|mean|average|norm|dot|matmul|inner|outer|trace|len|"
    r"logsumexp|softmax|log_softmax|transpose|diff|arange|solve|inv|inverse|det|logdet|"
    r"logabsdet|slogdet|diag|var|std|roll|tril|triu|"
    r"mse_loss|sum_squares|sumsqr)\s*\(|"
    r"\b(?:max|min|maximum|minimum)\s*\([^,]{0,200}?(?:\)|axis)"
)


Shape: TypeAlias = tuple[int, ...]


LONG = 50_000  # characters
LENGTHS = ("n", "N")  # names that hardly anybody means as a variable beside arrays


class IndexedText(NamedTuple):
    """A formula with indices, and what was said of the shapes of its variables.

    The formula is text, or an expression if that would be too long to be read again;
    how long its arrays are is ``measured``.
    """

    formula: Any
    shapes: Mapping[str, Shape]
    measured: Measured


def split_sizes(sizes: Any) -> tuple[Any, dict[str, Shape]]:
    """Return sizes by name, and the shapes of arrays that are among them.

    >>> split_sizes({"n": 3, "A": (2, 3)})
    ({'n': 3}, {'A': (2, 3)})
    """
    if not isinstance(sizes, Mapping):
        return sizes, {}
    shapes = {}
    for name, size in sizes.items():
        if isinstance(size, (tuple, list)):
            if not size or not all(_is_length(each) for each in size):
                problem = f"the shape of {name} is lengths, such as (2, 3), not"
                raise InputError(f"{problem} {size!r}")
            shapes[name_of(name)] = tuple(map(int, size))
    return {k: v for k, v in sizes.items() if name_of(k) not in shapes}, shapes


def of_arrays(
    sizes: Mapping[str, Any], expression: Any
) -> tuple[dict[str, Any], dict[str, Shape]]:
    """Return sizes that are names in a formula, and those that are said of its arrays.

    >>> from symgd.language.formula import read
    >>> squares = read("sum(x[i]**2 for i in range(n))", arrays=True)
    >>> of_arrays({"x": 3}, squares), of_arrays({"n": 3}, squares)
    (({}, {'x': (3,)}), ({'n': 3}, {}))
    """
    from symgd.language.formula import names_in

    plain, ranks = names_in(expression)
    mine = {k for k, size in sizes.items() if k not in plain and _is_length(size)}
    shapes: dict[str, Shape] = {k: (int(sizes[k]),) for k in mine if ranks.get(k) == 1}
    return {k: size for k, size in sizes.items() if k not in shapes}, shapes


def _is_length(size: Any) -> bool:
    whole = isinstance(size, (int, float)) and not isinstance(size, bool)
    return whole and size >= 1 and size % 1 == 0


def shapes_of_data(data: Any, names: Collection[str] | None = None) -> dict[str, Shape]:
    """Return the shapes of columns, of all or of those with some of these names."""
    if isinstance(data, Mapping):
        keys = {name_of(key): key for key in data}
        found = [name for name in keys if names is None or name in names]
        # Of rows in partitions, those of the others may be of no use.
        far = data.stand_ins(found) if hasattr(data, "stand_ins") else {}
        own = {n: far[n] if n in far else data[keys[n]] for n in found}
        return {name: shape_of(column, name) for name, column in own.items()}
    fields = getattr(getattr(data, "dtype", None), "names", None)
    if fields:
        every = {name_of(field): data[field].shape for field in fields}
        return {n: s for n, s in every.items() if names is None or n in names}
    listed = getattr(data, "columns", None)
    if listed is None or not hasattr(data, "__len__"):
        return {}
    every = dict.fromkeys(map(name_of, listed), (len(data),))
    return {n: s for n, s in every.items() if names is None or n in names}


def shapes_of_start(x0: Any = None) -> tuple[dict[str, Shape], int | None]:
    """Return the shapes that a start tells by name, or the rank of one without."""
    x0 = named(x0)
    if isinstance(x0, Mapping):
        shapes = {name_of(k): shape_of(v, f"x0, {k}") for k, v in x0.items()}
        return {k: s for k, s in shapes.items() if k.isidentifier()}, None
    if x0 is None or isinstance(x0, (str, bytes)) or not hasattr(x0, "__len__"):
        return {}, None
    shape = shape_of(x0, "x0")
    return {}, None if shape in ((1,), ()) else len(shape)


def names_of(text: str) -> set[str]:
    """Return everything in a text that may be a name."""
    return set(map(name_of, re.findall(r"[^\W\d]\w*", text)))


def with_indices(
    text: str,
    names: Sequence[str],
    scalars: Collection[str],
    data: Any,
    missing: str,
    sizes: Mapping[str, Any],
    told: Mapping[str, Shape],
    x0: Any = None,
) -> IndexedText | None:
    """Return the same formula with indices, if it has whole arrays.

    Parameters
    ----------
    text : str
    names : sequence of str
        What is declared: such names are no constants.
    scalars : collection of str
        The parameters.
    data, missing, sizes
        As an objective takes them.
    told : mapping of str to shape
        Of some arrays.
    x0 : start, optional
    """
    if len(text) > LONG or not _SIGNS.search(text):
        return None
    started, start = shapes_of_start(x0)
    from symgd.language.formula import Shapes, symbol, text_of, without_arrays

    used = names_of(text)
    columns = shapes_of_data(data, used)
    lengths = _lengths_of_names(text, sizes, {*columns, *started, *told})
    known = {**started, **told, **lengths}
    shapes = Shapes(
        {**known, **_counted(columns, missing)},
        frozenset({*scalars, *(sizes.keys() - lengths.keys())}),
        start,
    )
    declared = {name: symbol(name) for name in (*names, *scalars)}
    found = without_arrays(text, declared, shapes)
    if found is None:
        return None
    expression, measured = found
    formula = text_of(expression)
    told_of = {name: shape for name, shape in known.items() if shape}
    given = formula if len(formula) < LONG else expression
    return IndexedText(given, told_of, measured)


def _counted(
    columns: Mapping[str, Shape], missing: str
) -> dict[str, tuple[int | None, ...]]:
    """Return what is known of columns: not how long they are, if rows are dropped."""
    if missing != "drop":
        return dict(columns)
    return {name: (None, *shape[1:]) for name, shape in columns.items()}


def _lengths_of_names(
    text: str, sizes: Mapping[str, Any], others: Collection[str]
) -> dict[str, Shape]:
    """Return the sizes that are said of arrays: of names in no range and no index."""
    inside = names_of_sizes(text)
    return {
        name: (int(size),)
        for name, size in sizes.items()
        if name not in inside and name not in others and _is_length(size)
    }


def warn_of_lengths(text: str, variables: Collection[str]) -> None:
    """Warn of a variable that may be meant as the length of an array.

    >>> with warnings.catch_warnings(record=True) as noted:
    ...     warnings.simplefilter("always")
    ...     warn_of_lengths("sum(x**2)/n", ["n", "x"])
    >>> str(noted[0].message)
    "'n' is a variable in 'sum(x**2)/n': a length is written len(x)"
    """
    for name in LENGTHS:
        if name in variables:
            problem = f"{name!r} is a variable in {text!r}: a length is written len(x)"
            warnings.warn(problem, stacklevel=4)
