"""How C tells the loops of a formula where its data are, and how many rows they have.

Elsewhere: array descriptors, "dope vectors".
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from symgd.language.nodes import natural_order
from symgd.native.layout import Layout

C_KINDS = {
    "f8": "double",
    "f4": "float",
    "b1": "uint8_t",
    **{f"i{k}": f"int{8 * k}_t" for k in (1, 2, 4, 8)},
    **{f"u{k}": f"uint{8 * k}_t" for k in (1, 2, 4)},
}
_TAKEN = """
    auto break case char const continue default do double else enum extern float for
    goto if inline int long register restrict return short signed sizeof static struct
    switch typedef union unsigned void volatile while alignas alignof and asm bool catch
    class compl delete explicit export false friend mutable namespace new not nullptr
    operator or private protected public template this throw true try typeid typename
    using virtual xor never words p NULL NAN INFINITY HUGE_VAL
"""  # of C and C++, and what the function has itself


@dataclass(frozen=True)
class ArrayWords:
    """The words of a formula of arrays.

    Attributes
    ----------
    layout : Layout
        Of data without gaps.
    sizes : mapping of str to int
        As they are where the file is written.
    rows : mapping of str to sequence of str
        The sizes that only count rows, and may be others: of which data.
    shapes : mapping of str to tuple
        Of variables and data.
    """

    layout: Layout
    sizes: Mapping[str, int]
    rows: Mapping[str, Sequence[str]]
    shapes: Mapping[str, Sequence[int]]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.layout.words)

    @functools.cached_property
    def columns(self) -> dict[str, str]:
        """NumPy's letters of the data, in the order of their names."""
        kinds = {name: column.kind for name, column in self.layout.data}
        return {name: kinds[name] for name in natural_order(kinds)}

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """What parameters, numbers of rows and data are called in C."""
        return _identifiers([*self.layout.parameters, *self.rows, *self.columns])

    @property
    def offsets(self) -> dict[str, int]:
        """Where each variable begins in ``x``."""
        names = [name for name, _ in self.layout.variables]
        ends = itertools.accumulate(math.prod(self.shapes[name]) for name in names)
        return dict(zip(names, itertools.chain([0], ends), strict=False))

    def filled(self) -> dict[int, int | tuple[str, str]]:
        """Return what is in each word beside parameters.

        A number; or ("rows", a size), ("address", of data), ("stop", "").
        """
        offsets = self.offsets
        found: dict[int, int | tuple[str, str]] = {}
        for (kind, *of), place in self.layout.words.items():
            name = of[0] if of else ""
            if kind == "size":
                found[place] = ("rows", name) if name in self.rows else self.sizes[name]
            elif kind == "offset":
                found[place] = offsets[name]
            elif kind == "length":
                found[place] = self.shapes[name][of[1]]
            elif kind == "stride":
                inner = math.prod(self.shapes[name][of[1] + 1 :])
                found[place] = int(self.columns[name][1:]) * inner
            elif kind != "parameter":
                found[place] = (kind, name)
        return found

    # ----------------------------------------------------------------------- in C

    def arguments(self) -> list[str]:
        """Return the arguments by which C gives them."""
        taken = [f"double {self.names[name]}" for name in self.layout.parameters]
        taken += [f"int64_t {self.names[name]}" for name in self.rows]
        return taken + [
            f"const {C_KINDS[kind]} *{self.names[name]}"
            for name, kind in self.columns.items()
        ]

    def told(self) -> list[str]:
        """Return what a comment says of the arguments."""
        return [
            f"{self.names[name]}: how many rows there are of {', '.join(data)}"
            for name, data in self.rows.items()
        ] + self.told_of(self.names)

    def told_of(self, names: Mapping[str, str] | None = None) -> list[str]:
        """Return what a comment says of data, under other names if they are given."""
        lines = []
        for name in self.columns:
            first, *axes = self.shapes[name]
            each = f" of {' x '.join(map(str, axes))} numbers" if axes else ""
            counted = any(name in data for data in self.rows.values())
            rows = "rows" if counted else f"{first} rows"
            own = name if names is None else names[name]
            lines.append(f"{own}: {rows}{each}, without gaps")
        return lines

    def assignments(self) -> list[str]:
        """Return the statements of C that fill ``words`` and, after them, ``p``."""
        places = self.layout.words
        words = [f"words[{at}] = {self._in_c(v)};" for at, v in self.filled().items()]
        numbers = [
            f"p[{places['parameter', name]}] = {self.names[name]};"
            for name in self.layout.parameters
        ]
        return [*words, "memcpy(p, words, sizeof words);", *numbers]

    def _in_c(self, what: int | tuple[str, str]) -> str:
        if isinstance(what, int):
            return str(what)
        kind, name = what
        if kind == "rows":
            return self.names[name]
        return f"(int64_t)(intptr_t){self.names[name] if name else '&never'}"


def _identifiers(names: Iterable[str]) -> dict[str, str]:
    """Return identifiers of C for names, themselves where they are some."""
    made: dict[str, str] = {}
    for k, name in enumerate(names):
        plain = (
            re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) and name not in _TAKEN.split()
        )
        made[name] = name if plain else f"array_{k}"
    return made
