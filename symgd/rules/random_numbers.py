"""Random numbers in rules: ``noise()`` is standard normal, another for each coordinate.

It is a function of the hyperparameter ``seed``, the update and the coordinate, so that
every loop, and a run that goes on later, has the same.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgd.language.functions import Function

COORDINATE = sp.Symbol("[coordinate]", real=True)  # its place among all, from 0


class noise(sp.Function):
    """A standard normal number of a coordinate, and which of several it is."""

    nargs = 2
    is_extended_real = True

    @property
    def stream(self) -> sp.Expr:
        """Which of the coordinate's numbers it is."""
        return self.args[1]

    def _sympystr(self, printer: Any) -> str:
        return f"noise({printer._print(self.stream) if self.stream else ''})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        base = rf"\xi_{{{printer._print(self.stream)}}}" if self.stream else r"\xi"
        return base if exp is None else f"{base}^{{{exp}}}"


def _of_coordinate(stream: sp.Expr = sp.S.Zero) -> sp.Expr:
    """Return noise as rules write it; it is no constant, whatever its argument is."""
    return noise(COORDINATE, stream)


TABLE = {"noise": Function("noise", _of_coordinate, lambda *_: 0.0, (0, 1), node=noise)}
