"""What is computed at once where code is written: primitives of constants alone.

Elsewhere: constant folding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def unless_known(
    written: type, primitive: Callable[..., Any], write: Callable[..., Any]
) -> Callable[..., Any]:
    """Return what writes a primitive, or computes it if all it gets is constants.

    ``written`` is the kind of arguments that stand for code.

    >>> class Text(str):
    ...     pass
    >>> root = unless_known(Text, abs, "abs({})".format)
    >>> root(-2.0), root(Text("x"))
    (2.0, 'abs(x)')
    """

    def either(*arguments: Any) -> Any:
        known = not any(isinstance(argument, written) for argument in arguments)
        return primitive(*arguments) if known else write(*arguments)

    return either
