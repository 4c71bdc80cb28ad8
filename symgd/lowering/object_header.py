"""The header of an object file: how its kernels are called from C."""

from __future__ import annotations

from symgd.lowering import object_templates as templates
from symgd.lowering.array_words import ArrayWords
from symgd.lowering.c_comments import comment
from symgd.lowering.c_file import CWriter, numbers
from symgd.lowering.travelling import TravellingFormula, TravellingRule
from symgd.native import records
from symgd.native.record import Record
from symgd.native.status import RUNNING, Status

_C_KINDS = {"c_long": "int64_t", "c_longlong": "int64_t", "c_double": "double"}


def object_header(
    formula: TravellingFormula,
    rule: TravellingRule | None,
    prefix: str,
    stages: tuple[int, ...] = (),
) -> str:
    """Return the text of a header.

    Parameters
    ----------
    formula : TravellingFormula
    rule : TravellingRule or None
    prefix : str
        How all names begin.
    stages : tuple of int, optional
        Of the default method: the iterations of L-BFGS, of Newton's method, and so on.
    """
    return _ObjectWriter(formula, rule, prefix, stages).header()


class _ObjectWriter(CWriter):
    """Writes what a C file has in its source into the header, as calls of kernels."""

    def __init__(
        self,
        formula: TravellingFormula,
        rule: TravellingRule | None,
        prefix: str,
        stages: tuple[int, ...],
    ) -> None:
        super().__init__(formula, rule, prefix, libm=False)
        self.stages, n = stages, len(formula.variables)
        self.words |= {
            "scope": "static inline ",
            "includes": "#include <math.h>\n#include <string.h>\n",
            "p_or_none": "p" if self.has_p else "(const double *)0",
            "h_or_none": "h" if self.has_h else "(const double *)0",
            "matrices": str(2 * n * n if len(stages) > 1 else 1),
            "memory": str(records.solver_space(n)),
            "parameters_count": str(
                len(formula.parameters)
                if formula.words is None
                else formula.words.count
            ),
        }
        for name in ("load", "store"):
            template = getattr(templates, name.upper()) if rule and rule.state else ""
            self.words[name] = self.filled(template)
        has_hessian = formula.curvature is not None
        second = self.filled(templates.SECOND) if has_hessian else ""
        has_product = formula.product is not None
        along = self.filled(templates.ALONG) if has_product else ""
        kernels = self.filled(templates.KERNELS, second=second, along=along)
        inline = self.filled(templates.FUNCTIONS)
        inline += self.filled(templates.HESSIAN) if has_hessian else ""
        inline += self.filled(templates.HESSP) if has_product else ""
        if rule is not None or stages:
            fields = _fields(records.RunState)
            kernels += self.filled(templates.RECORD, fields=fields)
        if rule is not None:
            kernels += self._rule_kernels(rule)
            inline += self._rule(rule)
        if stages:
            inline += self._solver()
        self.words |= {"kernels": kernels, "inline": inline}

    def _takes_p(self) -> bool:
        return self.formula.constants > 0

    def _bound(self, words: ArrayWords) -> str:
        """Return what fills p with where the data are."""
        return self.filled(
            templates.BIND,
            comment=comment(["Tell where the data are.", *words.told()]),
            count=str(words.count),
            arguments=",\n    ".join(["double *p", *words.arguments()]),
            assigned="".join(f"  {each}\n" for each in words.assignments()),
        )

    def _rule_kernels(self, rule: TravellingRule) -> str:
        initial = "" if rule.first is None else self.filled(templates.INITIAL)
        return self.filled(templates.RULE_KERNELS, initial=initial)

    def _rule(self, rule: TravellingRule) -> str:
        first = "" if rule.first is None else self.filled(templates.FIRST)
        status = "  int status;\n" if first else ""
        self._write_inside("static inline ")
        lower, upper = map(numbers, rule.sides(len(self.formula.variables)))
        more = {"lower": lower, "upper": upper}
        loop = self.filled(templates.RULE, first=first, status=status, **more)
        return f"\n{self.program.text.rstrip()}\n{loop}" if rule.bounds else loop

    def _solver(self) -> str:
        names = ("CONVERGED", "MAXITER", "ABNORMAL", "DIVERGED")
        known = {"RUNNING": RUNNING} | {name: int(Status[name]) for name in names}
        newton = len(self.stages) > 1
        hessian = f"  arrays.hessian = (int64_t)(intptr_t){self.words['p']}_second;\n"
        return self.filled(
            templates.SOLVER,
            enum=", ".join(f"{self.words['U']}_{k} = {v}" for k, v in known.items()),
            arrays=_fields(records.RunArrays),
            ends=", ".join(map(str, self.stages)),
            newton=" and Newton's method" if newton else "",
            hessian_at=hessian if newton else "",
        )


def _fields(kind: type[Record]) -> str:
    """Return the fields of a record as C declares them."""
    return "".join(
        f"  {_C_KINDS[each.__name__]} {name};\n" for name, each in kind.kinds().items()
    )
