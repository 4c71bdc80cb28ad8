"""Elements and parts of arrays, lists and mappings in a Python function."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from symgd.language.python.expressions import Expressions, has_items, no_number
from symgd.language.python.values import (
    ArrayShape,
    Listed,
    NotKnownYet,
    Outside,
    is_array,
    is_table,
)


class Elements(Expressions):
    """Reads what stands in brackets."""

    def _of_Subscript(self, node: ast.Subscript) -> Any:
        base = self.value(node.value)
        if isinstance(base, Outside) and (
            is_table(base.value) or not is_array(base.value)
        ):
            return self._item_of(node, base)
        if isinstance(node.slice, ast.Tuple):
            inner = [self.expression(each) for each in node.slice.elts]
        else:
            inner = [self.expression(node.slice)]
        if isinstance(base, Outside):
            with_number = self._element_of_list(node, base, inner)
            if with_number is not None:
                return with_number
            base = self.as_tree(base, node.value)
        return self.element(base, inner, node)

    def _element_of_list(
        self, node: ast.AST, base: Outside, inner: Sequence[ast.expr]
    ) -> Any:
        """Return a number of a list from outside, where it is known which."""
        if len(inner) != 1 or not isinstance(base.value, (list, tuple)):
            return None
        try:
            place = self.known(inner[0])
            value = base.value[place]
        except (NotKnownYet, TypeError):
            return None
        except IndexError:
            raise self.error(node, f"{base.name} has {len(base.value)} items") from None
        return self.names.meaning(f"{base.name}_{place}".replace("-", "m"), value)

    def element(self, base: Any, inner: list[ast.expr], node: ast.AST) -> Any:
        """Return an element, or a part, of what has several."""
        if isinstance(base, ArrayShape):
            return self.length(base.array, self._whole(inner[0]), node)
        if isinstance(base, Listed):
            return self._of_several(base, inner, node)
        if isinstance(base, ast.Subscript) and _is_element(base):
            # A[i][j] is A[i, j]
            before = base.slice
            first = before.elts if isinstance(before, ast.Tuple) else [before]
            base, inner = base.value, [*first, *inner]
        tree = self.as_tree(base, node)
        if isinstance(tree, ast.Name):
            inner = [self._from_end(tree, axis, i) for axis, i in enumerate(inner)]
        slices = inner[0] if len(inner) == 1 else ast.Tuple(inner, ast.Load())
        self.place.placed(slices, node)
        return self.place.placed(ast.Subscript(tree, slices, ast.Load()), node)

    def _of_several(self, base: Listed, inner: list[ast.expr], node: ast.AST) -> Any:
        first, *rest = inner
        if isinstance(first, ast.Slice):
            ends = (first.lower, first.upper, first.step)
            whole = [None if each is None else self._whole(each) for each in ends]
            found: Any = Listed(base.items[slice(*whole)], base.is_array)
        else:
            try:
                found = base.items[self._whole(first)]
            except IndexError:
                problem = f"there are {len(base.items)} items here"
                raise self.error(node, problem) from None
        return self.element(found, rest, node) if rest else found

    def _whole(self, tree: ast.expr) -> int:
        number = self.known(tree)
        if not isinstance(number, int):
            raise NotKnownYet
        return number

    def _from_end(self, array: ast.Name, axis: int, index: ast.expr) -> ast.expr:
        """Return an index counted from the start: x[-1] is x[n - 1]."""
        fixed = {*self.names.fixed}
        try:
            number = self.known(index)
        except NotKnownYet:
            return index
        if not isinstance(number, int) or number >= 0:
            self.names.fixed = fixed  # nothing was decided by it
            return index
        length = self.length(array, axis, index)
        return self._binary(index, ast.Sub(), length, ast.Constant(-number))

    def _item_of(self, node: ast.Subscript, base: Outside) -> Any:
        key = self.value(node.slice)
        try:
            key = self.known(key)
            value = base.value[key] if has_items(base.value) else None
        except NotKnownYet:
            value = None
        except LookupError:
            raise self.error(node, f"{base.name!r} has no item {key!r}") from None
        if value is None:
            raise self.error(node, *no_number(base))
        return self.names.meaning(
            str(key) if isinstance(key, str) else base.name, value
        )


def _is_element(node: ast.Subscript) -> bool:
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return isinstance(node.value, ast.Name) and not any(
        isinstance(part, ast.Slice) for part in parts
    )
