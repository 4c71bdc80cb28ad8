"""Loops over arrays in JavaScript: their syntax, how they add up, and their data.

Each helper stands before those that call it.
"""

from __future__ import annotations

import math
from typing import Any

from symgd.lowering.array_words import ArrayWords
from symgd.lowering.loop_numbers import LoopSyntax
from symgd.lowering.places import LANES
from symgd.lowering.textual import DOUBLE, WORD


def _numbers(name: str, count: int, value: str | None) -> str:
    fill = "" if value in (None, "0.0") else f".fill({value})"
    return f"const {name} = new Float64Array({count}){fill};"


JAVASCRIPT_LOOPS = LoopSyntax(
    helper="{}",
    changing={DOUBLE: "let ", WORD: "let "},
    numbers=_numbers,
    converted="{}",
    large="{}",
)


def data_constants(words: ArrayWords) -> dict[str, Any]:
    """Return what a module is told of data: their kinds, and how many numbers."""
    each = {name: math.prod(words.shapes[name][1:]) for name in words.columns}
    whole = {name: math.prod(words.shapes[name]) for name in words.columns}
    counted = {name for data in words.rows.values() for name in data}
    return {
        "KINDS": words.columns,
        "ROW": each,
        "LENGTHS": {k: n for k, n in whole.items() if k not in counted},
        "ROWS": words.rows,
    }


# The data of a formula of arrays: flat or nested, of a length that fits. Integers of 64
# bits are @whole@ s.
COLUMNS = """\
const TYPES = {f8: Float64Array, f4: Float32Array, i8: @words@, i4: Int32Array,
  i2: Int16Array, i1: Int8Array, u4: Uint32Array, u2: Uint16Array, u1: Uint8Array,
  b1: Uint8Array};
function typed(name, given) {
  const kind = KINDS[name], type = TYPES[kind];
  if (given instanceof type) return given;
  const flat = Array.isArray(given) ? given.flat(Infinity) : given;
  return type.from(flat, kind === "i8" ? @whole@ : undefined);
}
// Return data by name, and how many rows they have.
function columnsOf(data) {
  const columns = {}, lengths = {}, rows = {};
  for (const name of Object.keys(KINDS)) {
    if (!(name in data)) throw new Error(`data.${name} is missing`);
    columns[name] = typed(name, data[name]);
    const {length} = columns[name];
    if (length !== (LENGTHS[name] ?? length) || length % ROW[name])
      throw new Error(`data.${name} has ${length} numbers`);
    lengths[name] = length/ROW[name];
  }
  for (const [size, names] of Object.entries(ROWS)) {
    rows[size] = lengths[names[0]];
    for (const name of names)
      if (lengths[name] !== rows[size])
        throw new Error(`${names.join(", ")} differ in their numbers of rows`);
  }
  return [columns, rows];
}
"""


def columns(words: str, whole: str) -> str:
    """Return the functions that take data, and what integers of 64 bits become."""
    return COLUMNS.replace("@words@", words).replace("@whole@", whole)


# Of a module: parameters, data and numbers of rows under the names that its loops have.
CONSTANTS = """\
function constants(given) {
  const numbers = Object.entries(given).filter(([name]) => !(name in KINDS));
  const values = taken(parameters, parameterValues, Object.fromEntries(numbers));
  const [columns, rows] = columnsOf(given), d = {};
  parameters.forEach((name, k) => { d[NAMES[name]] = values[k]; });
  for (const [name, value] of Object.entries({...columns, ...rows}))
    d[NAMES[name]] = value;
  return d;
}
"""

HELPERS = {
    "larger": "function larger(a, b) { return a > b ? a : b; }\n",
    "smaller": "function smaller(a, b) { return a < b ? a : b; }\n",
    "floored": "function floored(a, b) { return Math.floor(a/b); }\n",
    "modulus": "function modulus(a, b) { return a - b*Math.floor(a/b); }\n",
    "lane_of": """\
// Which of @lanes@ sums an iteration goes to; the last few go to one more.
function lane_of(i, low, high) {
  const rest = (high - low)%@lanes@;
  return i < high - rest ? (i - low)%@lanes@ : @lanes@;
}
""",
    "join": """\
// Join two parts: of a sum, "+", a product, "*", or a maximum, in which NaN stays.
function join(kind, a, b) {
  if (kind === ">") return a > b || a !== a ? a : b;
  return kind === "*" ? a*b : a + b;
}
""",
    "join_lanes": """\
// Join what is in lanes, in halves, and what is in one more.
function join_lanes(kind, lanes) {
  for (let half = @lanes@/2; half >= 1; half /= 2)
    for (let k = 0; k < half; k++) lanes[k] = join(kind, lanes[k], lanes[k + half]);
  return join(kind, lanes[0], lanes[@lanes@]);
}
""",
    "join_blocks": """\
// Join blocks pairwise: the last two while both are of as many blocks, which they are
// as often as the number of blocks that are done can be halved; if it is 0, all.
function join_blocks(kinds, blocks, depth, done) {
  const width = kinds.length;
  for (; depth > 1 && done%2 === 0; done /= 2) {
    const a = (depth - 2)*width;
    for (let k = 0; k < width; k++)
      blocks[a + k] = join(kinds[k], blocks[a + k], blocks[a + width + k]);
    depth--;
  }
  return depth;
}
""",
}


def helpers_of(code: str) -> str:
    """Return the helpers that code calls, and those that these call."""
    called = ""
    for name, text in reversed(HELPERS.items()):
        if f"{name}(" in called + code:
            called = text.replace("@lanes@", str(LANES)) + called
    return called
