"""An ES module of a formula and a rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from symgd.calculus.program import Program
from symgd.lowering.array_words import ArrayWords
from symgd.lowering.javascript import JAVASCRIPT, PRELUDE
from symgd.lowering.javascript_loops import CONSTANTS as DATA_CONSTANTS
from symgd.lowering.javascript_loops import JAVASCRIPT_LOOPS, columns, data_constants
from symgd.lowering.javascript_loops import helpers_of as loop_helpers
from symgd.lowering.modules import functions_of, loop_of
from symgd.lowering.text_loops import loops_in_text
from symgd.lowering.textual import Written
from symgd.lowering.travelling import (
    TravellingFormula,
    TravellingRule,
    described,
    remark,
)
from symgd.native.version import __version__


def javascript_module(formula: TravellingFormula, rule: TravellingRule | None) -> str:
    """Return the text of a module."""
    program = Written(JAVASCRIPT)
    about, words = functions_of(program, formula, rule), formula.words
    if words is not None:
        _add_loops(program, formula, words)
    told = _TOLD if words is None else [*_TOLD, "", *_OF_DATA, *words.told_of()]
    lines = [*described(formula, rule), "", *told, f"Written by symgd {__version__}."]
    constants = {
        "variables": list(formula.variables),
        **_named("parameter", formula.parameters),
        **(_named("hyperparameter", rule.hyperparameters) if rule else {}),
        **about,
        **({} if words is None else {"NAMES": words.names, **data_constants(words)}),
    }
    parts = [
        remark(lines, "//"),
        "\n",
        PRELUDE,
        loop_helpers(program.text),
        program.text,
    ]
    parts += [
        f"const {name} = {json.dumps(value)};\n" for name, value in constants.items()
    ]
    exported = ["variables", "parameters", "evaluate", "value", "gradient"]
    parts.append(_CONSTANTS if words is None else _constants_of_data())
    parts.append(_OF_POINT)
    if formula.product is not None:
        parts.append(_HESSP)
        exported.append("hessp")
    if formula.curvature is not None:
        parts.append(_HESSIAN)
        exported.append("hessian")
    if rule is not None:
        parts.append(loop_of(_LOOP, rule, _PARTS))
        exported += ["hyperparameters", "Run", "minimize"]
    parts.append(f"export {{{', '.join(exported)}}};\n")
    return "".join(parts)


def _add_loops(program: Written, formula: TravellingFormula, words: ArrayWords) -> None:
    """Write ``evaluate`` and ``product`` of a formula of arrays."""
    for name, loops, given in (
        ("evaluate", formula.program, "x"),
        ("product", formula.product, "x, v"),
    ):
        if isinstance(loops, Program):
            lines = loops_in_text(loops, words, program, JAVASCRIPT_LOOPS)
            text = "".join(f"{line}\n" for line in lines)
            program.parts[name] = _LOOPS.format(name=name, given=given, lines=text)


def _constants_of_data() -> str:
    return columns("Float64Array", "Number") + DATA_CONSTANTS


def _named(kind: str, values: Mapping[str, float]) -> dict[str, Any]:
    return {f"{kind}s": list(values), f"{kind}Values": list(values.values())}


_TOLD = (
    "JavaScript has no fused multiply-add and its own exp, sin, ...: the last digits",
    "are not symgd's.",
)

_OF_DATA = (
    "Data are given with the parameters, by name, as nested or flat arrays; typed",
    "arrays of the kind that data had when this was written aren't copied.",
)
_LOOPS = """\
function {name}_loops({given}, d, g) {{
{lines}}}
function {name}({given}, d, out) {{
  out[0] = {name}_loops({given}, d, out.subarray(1));
}}
"""
_CONSTANTS = """\
function constants(given) { return taken(parameters, parameterValues, given); }
"""
_OF_POINT = """\
function taken(names, values, given) {
  const result = Float64Array.from(values);
  for (const [name, value] of Object.entries(given)) {
    const known = names.join(", ");
    if (!names.includes(name)) throw new Error(`unknown name ${name}: ${known}`);
    result[names.indexOf(name)] = value;
  }
  return result;
}
function evaluated(x, given) {
  const out = new Float64Array(variables.length + 1);
  evaluate(x, constants(given), out);
  return out;
}
// Return f at x; parameters by name, such as {a: 3}.
function value(x, parameters = {}) { return evaluated(x, parameters)[0]; }
// Return the gradient of f at x.
function gradient(x, parameters = {}) { return evaluated(x, parameters).slice(1); }
"""
_HESSP = """\
// Return the product of the Hessian of f at x with v.
function hessp(x, v, parameters = {}) {
  const out = new Float64Array(variables.length + 1);
  product(x, v, constants(parameters), out);
  return out.slice(1);
}
"""
_HESSIAN = """\
// Return the Hessian of f at x, row by row.
function hessian(x, given = {}) {
  const n = variables.length, out = new Float64Array(n*n);
  second(x, constants(given), out);
  return out;
}
"""
_PARTS = {
    "project": "    inside(this.x, this.x);\n",
    "slopes": "    slopes(this.x, this.gradient, free);\n",
    "first": """\
    if (this.status !== "DIVERGED") {
      this.move(first_slots, first_summands, first_totals, first_stages, 1);
      this.look();
    }
""",
    "ends": ", ends = []",
    "more": ", update_ends",
    "points": """\
    const n = this.x.length, there = new Float64Array(n), ahead = [];
    let place = totals, point = totals;
""",
    "wider": " + points",
    "derived": """\
      ahead.forEach((slopes, row) => { own[width + row] = slopes[k]; });
""",
    "there": "        there[k] = parts[place];\n",
    "evaluated": """\
      if (ends[stage]) { // 1: a gradient, 2: a value alone, 3: a product
        const out = new Float64Array(n + 1);
        if (ends[stage] !== 3) {
@confine@          evaluate(there, this.p, out);
          r[point++] = out[0];
        }
@multiplied@        place++;
        // A value that isn't finite spoils the gradient.
        if (ends[stage] !== 2) ahead.push(out.slice(1).map(g => g + (out[0] - out[0])));
      }
""",
    "multiplied": """\
        if (ends[stage] === 3) product(this.x, there, this.p, out);
""",
    "confine": "          inside(there, there);\n",
    "spoilt": """\
      for (const slopes of ahead) this.x[k] += slopes[k] - slopes[k];
""",
}
_LOOP = """\
// A descent from x. Its x, f, gradient, norm (the gradient's largest component), state
// and t, the updates so far, all describe the same point. Its status is RUNNING,
// CONVERGED (norm <= gtol), or DIVERGED: x is the last iterate where all was finite.
class Run {
  constructor(x, {gtol = 1e-8, parameters: p = {}, hyperparameters: h = {}} = {}) {
    this.gtol = gtol;
    this.p = constants(p);
    this.h = taken(hyperparameters, hyperparameterValues, h);
    this.x = Float64Array.from(x);
    this.state = Array.from({length: width - 1}, () => new Float64Array(x.length));
    this.t = 0;
@project@    this.look();
@first@  }
  look() {
    const out = new Float64Array(this.x.length + 1);
    evaluate(this.x, this.p, out);
    this.f = out[0];
    this.gradient = out.slice(1);
    const free = this.gradient.slice();
@slopes@    let everything = this.f;
    this.norm = 0;
    for (let k = 0; k < this.x.length; k++) {
      const size = Math.abs(free[k]);
      if (size > this.norm) this.norm = size;
      everything += this.gradient[k];
      everything += this.x[k];
      for (const row of this.state) everything += row[k];
    }
    this.status = this.norm <= this.gtol ? "CONVERGED" : "RUNNING";
    if (!(Math.abs(everything) < Infinity)) this.status = "DIVERGED";
  }
  move(slots, summands, totals, stages, t@ends@) {
    const own = new Float64Array(width@wider@), next = new Float64Array(width);
    const h = new Float64Array(this.h.length), parts = new Float64Array(totals@wider@);
    const r = new Float64Array(totals@wider@);
@points@    schedule(t, this.h, h);
    const load = k => {
      own[0] = this.x[k];
      for (let j = 1; j < width; j++) own[j] = this.state[j - 1][k];
@derived@    };
    for (let stage = 0; stage < stages; stage++) {
      const sums = new Float64Array(totals);
      for (let k = 0; k < this.x.length; k++) {
        load(k);
        summands(t, this.gradient[k], this.f, own, k, h, r, parts);
        for (let i = 0; i < totals; i++) sums[i] += parts[i];
@there@      }
      r.set(sums);
@evaluated@    }
    for (let k = 0; k < this.x.length; k++) {
      load(k);
      slots(t, this.gradient[k], this.f, own, k, h, r, next);
      this.x[k] = next[0];
@spoilt@      for (let j = 1; j < width; j++) this.state[j - 1][k] = next[j];
    }
  }
  // Update once; return the status.
  update() {
    const before = {...this, status: "DIVERGED"}, t = this.t + 1;
    this.x = this.x.slice();
    this.state = this.state.map(row => row.slice());
    this.move(update_slots, update_summands, update_totals, update_stages, t@more@);
@project@    this.t = t;
    this.look();
    if (this.status === "DIVERGED") Object.assign(this, before);
    return this.status;
  }
}
// Update until there is a reason to end; the status is MAXITER if there was none.
function minimize(x, {maxiter = 10000, ...more} = {}) {
  const run = new Run(x, more);
  while (run.status === "RUNNING" && run.t < maxiter) run.update();
  if (run.status === "RUNNING") run.status = "MAXITER";
  return run;
}
"""
