"""The native functions of an objective, each compiled when it is asked for.

They depend on the formula and on what its arrays are, not on any number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symgd.native import compiled
from symgd.native.machine import without_loops
from symgd.native.records import EVALUATION, PRODUCT
from symgd.objectives.forms import Forms

if TYPE_CHECKING:
    from symgd.native.machine import Kernel
    from symgd.objectives.arrays import Arrays


class Kernels:
    """The functions of a formula, with arrays or without.

    Parameters
    ----------
    forms : Forms
    arrays : Arrays, optional
    """

    def __init__(self, forms: Forms, arrays: Arrays | None) -> None:
        self.forms, self.arrays = forms, arrays
        self.made: dict[tuple[str, ...], Kernel] = {}
        self.smooth_forms: dict[Any, Any] = {}  # the last one, by what it depends on

    @property
    def key(self) -> tuple[str, ...]:
        """What compiled code depends on: the formula, and the types of arrays."""
        if self.arrays is None:
            return self.forms.key
        return *self.forms.key, self.arrays.key

    def written(self, parts: tuple[str, ...], signature: str, *how: Any) -> Kernel:
        """Return a kernel that depends on the formula and on ``parts``."""
        if parts not in self.made:
            name = (*parts, *self.key)
            self.made[parts] = compiled.written(name, signature, *how)
            if self.forms.text is not None and self.arrays is None:
                compiled.remember(self.forms.key, self.forms.facts)
        return self.made[parts]

    def get(self, kind: str, workers: int = 1) -> Kernel:
        """Return one of the functions of every objective: see ``Objective.kernel``."""
        if self.arrays is None:
            return self.made.get((kind,)) or self._straight(kind)
        if kind == "hessian":
            from symgd.objectives.curvature import hessian_by_columns

            return hessian_by_columns(self.get("product"), len(self.arrays.space))
        if kind == "product":
            return self.written((kind,), PRODUCT, self._product)
        if kind == "evaluation" and workers > 1 and not self.arrays.layout.factors:
            if ("threads",) not in self.made:
                self.made["threads",] = self._in_threads(self.arrays, workers)
            return self.made["threads",]
        return self.written((kind,), EVALUATION, self._loops)

    def _straight(self, kind: str) -> Kernel:
        """Return the kernel of a formula without loops."""
        return self.written(
            *((kind,), PRODUCT if kind == "product" else EVALUATION),
            lambda: self.forms.native.written(kind),
            lambda: self.forms.native.interpreted(kind),
            without_loops,
        )

    def module_text(self, kind: str) -> str:
        """Return LLVM's text of one of them."""
        if self.arrays is None:
            return self.forms.native.written(kind)
        return self._product() if kind == "product" else self._loops()

    def _loops(self) -> str:
        from symgd.lowering import array_objective as programs

        assert self.arrays is not None
        return programs.evaluation(self.arrays.program(), self.arrays.layout)

    def _product(self) -> str:
        from symgd.lowering import array_objective as programs

        assert self.arrays is not None
        return programs.product(self.arrays.product_program(), self.arrays.layout)

    def _in_threads(self, arrays: Arrays, workers: int) -> Kernel:
        """Return the evaluation whose loops are shared among threads."""
        from symgd.lowering import array_objective as programs
        from symgd.objectives.parallel import PIECES, Steps, parallel

        program = arrays.program()
        pieces = self.written(
            ("pieces",), PIECES, lambda: programs.pieces(program, arrays.layout)
        )
        return parallel(Steps(pieces, program, workers))
