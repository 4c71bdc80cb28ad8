"""What a module of JavaScript and one of Python have in common: their functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symgd.calculus.program import Program
from symgd.lowering.projection import projected, projected_gradient
from symgd.lowering.textual import Written
from symgd.lowering.travelling import TravellingFormula, TravellingRule

OF_POINT = {"x": "numbers", "p": "numbers"}
OF_VECTOR = {"x": "numbers", "v": "numbers", "p": "numbers"}
OF_STEP = {
    **dict.fromkeys(("t", "g", "f"), "double"),
    "s": "numbers",
    "k": "double",
    "h": "numbers",
    "r": "numbers",
}


def functions_of(
    program: Written, formula: TravellingFormula, rule: TravellingRule | None
) -> Mapping[str, Any]:
    """Write ``evaluate``, ``second``, ``schedule``, ``update`` and ``first``.

    Where a rule has bounds, ``inside`` and ``slopes``, and where it asks for products
    with the Hessian, ``product``. Loops over arrays are the language's own to write.

    Returns
    -------
    mapping of str to int or tuple of int
        What the loop around them must know of the rule.
    """
    if formula.evaluate is not None:
        program.add("evaluate", formula.evaluate, OF_POINT)
    product = formula.product
    if product is not None and not isinstance(product, Program):
        program.add("product", product, OF_VECTOR)
    if formula.curvature is not None:
        program.add("second", formula.curvature, OF_POINT, places=formula.places)
    if rule is None:
        return {}
    program.add("schedule", rule.schedule, {"t": "double", "h": "numbers"})
    about: dict[str, Any] = {"width": 1 + len(rule.state)}
    for name, part in (("update", rule.step), ("first", rule.first)):
        if part is not None:
            program.add(f"{name}_slots", part.slots, OF_STEP)
            program.add(f"{name}_summands", part.summands, OF_STEP)
            about |= {f"{name}_totals": part.totals, f"{name}_stages": part.stages}
    if rule.step.places:
        about |= {"points": rule.step.places, "update_ends": rule.step.ends}
    if rule.bounds is not None:
        program.add("inside", projected(rule.bounds), {"x": "numbers"})
        kinds = dict.fromkeys("xg", "numbers")
        program.add("slopes", projected_gradient(rule.bounds), kinds)
    return about


def loop_of(template: str, rule: TravellingRule, parts: Mapping[str, str]) -> str:
    """Return the loop of a rule: a template with what only some rules need.

    Parameters
    ----------
    template : str
    rule : TravellingRule
    parts : mapping of str to str
        What stands for ``@first@`` where an initial state is computed, for
        ``@project@``, ``@slopes@`` and ``@confine@`` where there are bounds, for
        ``@multiplied@`` where an update multiplies with the Hessian, and for the others
        where it evaluates at points.
    """
    needs = {"first": rule.first is not None, "multiplied": rule.step.multiplies > 0}
    needs |= dict.fromkeys(("project", "slopes", "confine"), rule.bounds is not None)
    for name, text in parts.items():
        needed = needs.get(name, rule.step.places > 0)
        template = template.replace(f"@{name}@", text if needed else "")
    return template
