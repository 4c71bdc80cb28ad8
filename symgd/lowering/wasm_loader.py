"""The module of JavaScript that loads a WebAssembly module of kernels."""

from __future__ import annotations

import json
import re
from typing import Any

from symgd.lowering import wasm_templates as templates
from symgd.lowering.array_words import ArrayWords
from symgd.lowering.javascript import JAVASCRIPT, PRELUDE
from symgd.lowering.javascript_loops import columns, data_constants
from symgd.lowering.projection import projected
from symgd.lowering.textual import Written
from symgd.lowering.travelling import (
    TravellingFormula,
    TravellingRule,
    described,
    remark,
)
from symgd.native import records
from symgd.native.version import __version__

START = 1 << 20  # of what the loader puts into memory: below are constants and stack


def wasm_loader(
    formula: TravellingFormula,
    rule: TravellingRule | None,
    prefix: str,
    stages: tuple[int, ...] = (),
) -> str:
    """Return the text of a loader.

    Parameters
    ----------
    formula : TravellingFormula
    rule : TravellingRule or None
    prefix : str
        How the names of kernels begin.
    stages : tuple of int, optional
        Of the default method: the iterations of L-BFGS, of Newton's method, and so on.
    """
    lines = [*described(formula, rule), "", f"Written by symgd {__version__}."]
    constants = _constants(formula, rule, stages)
    offered, method = ["value", "gradient"], ""
    has_hessian = formula.curvature is not None
    has_product = formula.product is not None
    if has_hessian:
        offered.append("hessian")
    if has_product:
        offered.append("hessp")
    if rule is not None or stages:
        offered.append("minimize")
        method = templates.RECORD + (_rule(rule) if rule else _solver(stages))
    words = {
        "p": prefix,
        "hessian": templates.HESSIAN.replace("@p@", prefix) if has_hessian else "",
        "hessp": templates.HESSP.replace("@p@", prefix) if has_product else "",
        "method": method.replace("@p@", prefix),
        "offered": ", ".join(offered),
        "data": "" if formula.words is None else ", data = {}",
        "rooms": "" if formula.words is None else templates.ROOMS,
        "filled": "" if formula.words is None else templates.FILLED,
    }
    loader = re.sub(r"@(\w+)@", lambda match: words[match[1]], templates.LOADER)
    parts = [remark(lines, "//"), "\n", _without_word(PRELUDE), templates.FMA]
    parts += [f"const {k} = {json.dumps(value)};\n" for k, value in constants.items()]
    if formula.words is not None:
        parts.append(columns("BigInt64Array", "BigInt"))
    if rule is not None and rule.bounds is not None:
        program = Written(JAVASCRIPT)
        program.add("inside", projected(rule.bounds), {"x": "numbers"})
        parts.append(program.text)
    exported = "export {variables, parameters, hyperparameters};\n"
    return "".join((*parts, loader, exported))


def _without_word(prelude: str) -> str:
    """Return the prelude without what the emulation of fma declares, too."""
    return prelude.partition("\n")[2]


def _constants(
    formula: TravellingFormula, rule: TravellingRule | None, stages: tuple[int, ...]
) -> dict[str, Any]:
    n = len(formula.variables)
    hyper = rule.hyperparameters if rule else {}
    lower, upper = rule.sides(n) if rule else ((), ())
    run, arrays = records.RunState, records.RunArrays
    return {
        "variables": list(formula.variables),
        "parameters": list(formula.parameters),
        "CONSTANTS": formula.constants,
        "parameterValues": list(formula.parameters.values()),
        "hyperparameters": list(hyper),
        "hyperparameterValues": list(hyper.values()),
        "width": 1 + len(rule.state) if rule else 1,
        "LOWER": lower,
        "UPPER": upper,
        "START": START,
        "RECORD": {name: run.word_of(name) for name in run.kinds()},
        "RECORD_WORDS": run.length(),
        "ARRAYS": {name: arrays.word_of(name) for name in arrays.kinds()},
        "ARRAYS_WORDS": arrays.length(),
        "MEMORY": records.solver_space(n) if stages else 1,
        "MATRICES": 2 * n * n if len(stages) > 1 else 1,
        "STAGES": list(stages),
        **_data(formula.words),
    }


def _data(words: ArrayWords | None) -> dict[str, Any]:
    """Return what a loader is told of data."""
    if words is None:
        return {}
    return {**data_constants(words), "WORDS": list(words.filled().items())}


def _rule(rule: TravellingRule) -> str:
    first = templates.FIRST if rule.first is not None else ""
    inside = "" if rule.bounds is None else templates.INSIDE
    return templates.RULE.replace("@first@", first).replace("@inside@", inside)


def _solver(stages: tuple[int, ...]) -> str:
    newton = len(stages) > 1
    second = "  table.set(101, kernel.@p@_second);\n" if newton else ""
    text = templates.SOLVER.replace("@second@", second)
    return text.replace("@hessian_at@", "101" if newton else "0")
