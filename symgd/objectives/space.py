"""The coordinates of a point: scalars and arrays by name, one after the other.

Named arrays are flattened (ravelled) to one vector, and unflattened.
"""

from __future__ import annotations

import bisect
import itertools
import math
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from symgd.errors import InputError, unknown_name
from symgd.language.identifiers import name_of
from symgd.objectives.numbers_given import as_array, as_number, shape_of

if TYPE_CHECKING:
    import numpy as np

Shape = tuple[int, ...]


class Space(Sequence[str]):
    """The names of coordinates, made when they are asked for.

    A scalar's coordinate is called by its name, an array's ``x[3]`` or ``u[0, 2]``;
    arrays are in the order of their rows.

    Parameters
    ----------
    names : sequence of str
    shapes : sequence of tuples, optional
        Of each variable; () is a scalar. By default all are scalars.

    Examples
    --------
    >>> space = Space(["a", "x"], [(), (2, 2)])
    >>> list(space)
    ['a', 'x[0, 0]', 'x[0, 1]', 'x[1, 0]', 'x[1, 1]']
    """

    def __init__(self, names: Sequence[str], shapes: Iterable[Shape] = ()) -> None:
        self.names = tuple(names)
        self.shapes = tuple(shapes) or ((),) * len(self.names)
        ends = itertools.accumulate(map(math.prod, self.shapes), initial=0)
        *self.offsets, self.size = ends
        self.is_plain = not any(self.shapes)  # all variables are scalars

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...

    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return [self[k] for k in range(*place.indices(self.size))]
        if not -self.size <= place < self.size:
            raise IndexError(place)
        place %= self.size
        which = bisect.bisect_right(self.offsets, place) - 1
        indices: list[int] = []
        rest = place - self.offsets[which]
        for length in reversed(self.shapes[which]):
            rest, index = divmod(rest, length)
            indices.insert(0, index)
        inside = f"[{', '.join(map(str, indices))}]" if indices else ""
        return self.names[which] + inside

    def places(self, name: str, what: str) -> range:
        """Return the places of a variable, or of one coordinate.

        Raises
        ------
        InputError
            If there is no such name; ``what`` says where it was found.
        """
        if name in self.names:
            which = self.names.index(name)
            first = self.offsets[which]
            return range(first, first + math.prod(self.shapes[which]))
        if match := re.fullmatch(r"\s*(\w+)\s*\[([\d\s,]+)\]\s*", name):
            indices = [int(each) for each in match[2].split(",") if each.strip()]
            if (place := self._place(match[1], indices)) is not None:
                return range(place, place + 1)
        raise unknown_name(what, name, self.names)

    def _place(self, name: str, indices: list[int]) -> int | None:
        if name not in self.names:
            return None
        which = self.names.index(name)
        shape = self.shapes[which]
        if len(shape) != len(indices):
            return None
        place = 0
        for index, length in zip(indices, shape, strict=True):
            if index >= length:
                return None
            place = place * length + index
        return self.offsets[which] + place

    def flat(self, values: Mapping[Any, Any], what: str) -> array[float]:
        """Return the coordinates of a point that is given by name.

        Raises
        ------
        InputError
            If a name is unknown or missing, or an array has another shape.
        """
        given = {name_of(name): value for name, value in values.items()}
        if self.is_plain and given.keys() == set(self.names):
            numbers = [given[name] for name in self.names]
            if {*map(type, numbers)} != {float}:
                told = zip(self.names, numbers, strict=True)
                numbers = [_number(value, name, what) for name, value in told]
            return array("d", numbers)
        for name in given:
            self.places(name, f"variable in {what}")
        point = array("d", bytes(8 * self.size))
        missing = [name for name in self.names if name not in given]
        elements = {name for name in given if name not in self.names}
        for name in (*self.names, *elements):
            if name in given:
                self._enter(point, name, given[name], what)
        missing = [m for m in missing if not self._complete(m, elements)]
        if missing:
            raise InputError(f"{what} has no value for {', '.join(missing)}")
        return point

    def _complete(self, name: str, elements: set[str]) -> bool:
        """Return whether all elements of an array are given one by one."""
        places = self.places(name, "variable")
        given = {self.places(e, "variable")[0] for e in elements}
        return bool(elements) and given.issuperset(places)

    def _enter(self, point: array[float], name: str, value: Any, what: str) -> None:
        places = self.places(name, f"variable in {what}")
        shape = self.shapes[self.names.index(name)] if name in self.names else ()
        if not shape:
            point[places[0]] = _number(value, name, what)
            return
        import numpy as np

        numbers = as_array(value, f"{what} must be numbers: {name} = ")
        if numbers.ndim and numbers.shape != shape:
            problem = f"{name} in {what} has shape {numbers.shape}; expected {shape}"
            raise InputError(problem)
        view = np.frombuffer(point)[places.start : places.stop]
        view[:] = np.broadcast_to(numbers, shape).ravel()

    def expected(self) -> str:
        """Say how many numbers a point has, and what for."""
        return f"{self.size} number(s), for {self.described()}"

    def described(self) -> str:
        """Return the names, arrays with their lengths."""
        pairs = zip(self.names, self.shapes, strict=True)
        return ", ".join(f"{name}{list(s) if s else ''}" for name, s in pairs)

    def values(self, x: Sequence[float]) -> dict[str, float | np.ndarray]:
        """Return a point by name: floats, and arrays in their shapes."""
        result: dict[str, Any] = {}
        for name, shape, first in zip(
            self.names, self.shapes, self.offsets, strict=True
        ):
            if not shape:
                result[name] = float(x[first])
                continue
            import numpy as np

            part = np.asarray(x[first : first + math.prod(shape)], dtype=np.float64)
            result[name] = part.reshape(shape)
        return result

    def __repr__(self) -> str:
        return f"<Space of {self.described()}>"


def _number(value: Any, name: str, what: str) -> float:
    """Return the value of a scalar."""
    own = f"{what} must be numbers: {name} = "
    if not isinstance(value, (int, float)) and math.prod(shape_of(value, own)) > 1:
        shape = shape_of(value, own)
        problem = f"{what}, {name}: a number in the formula, and here of shape {shape}"
        raise InputError(f"{problem}: for an array say sizes={{{name!r}: {shape}}}")
    return as_number(value, own)
