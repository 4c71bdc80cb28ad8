"""JavaScript as a language that straight-line functions are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from symgd.arithmetic import elementary, primitives, special
from symgd.lowering.textual import DOUBLE, TRUTH, WORD, Language, Written


def _number_in_javascript(value: float) -> str:
    return repr(value).replace("inf", "Infinity").replace("nan", "NaN")


_OF_MATH = {
    getattr(elementary, name): f"Math.{name}"
    for name in (
        *("exp", "expm1", "sinh", "cosh", "tanh", "log", "log1p", "sin", "cos", "tan"),
        *("atan", "atan2", "asin", "acos", "asinh", "acosh", "atanh", "cbrt"),
    )
} | {elementary.power: "Math.pow", special.mod: "modulo"}


def _operation(sign: str, kind: str) -> str:
    template = f"{{0}} {_SIGNS.get(sign, sign)} {{1}}"
    whole = kind == WORD and sign in _OF_WORDS
    return f"BigInt.asIntN(64, {template})" if whole else template


_SIGNS = {"==": "===", "!=": "!=="}
_OF_WORDS = ("+", "-", "*", "<<", ">>", "&", "|", "^")

JAVASCRIPT = Language(
    declared=dict.fromkeys((DOUBLE, WORD, TRUTH), "const "),
    number=_number_in_javascript,
    word=lambda value: f"{value}n" if value >= 0 else f"({value}n)",
    truth=("false", "true"),
    operation=_operation,
    choice="{0} ? {1} : {2}",
    primitives={
        abs: (DOUBLE, "Math.abs({0})"),
        # Rounded twice: JavaScript has no fused multiply-add.
        primitives.fma: (DOUBLE, "{0}*{1} + {2}"),
        primitives.square_root: (DOUBLE, "Math.sqrt({0})"),
        primitives.whole: (DOUBLE, "whole({0})"),
        primitives.whole_below: (DOUBLE, "Math.floor({0})"),
        primitives.with_sign: (DOUBLE, "withSign({0}, {1})"),
        primitives.bits: (WORD, "bits({0})"),
        primitives.from_bits: (DOUBLE, "fromBits({0})"),
    },
    functions=_OF_MATH,
    library={
        "fmod": "remainder",
        "tgamma": "gamma",
        "lgamma": "logGamma",
        **{name: f"Math.{name}" for name in ("sin", "cos", "tan")},
    },
    definition="function {name}({arguments}) {{\n{body}}}\n",
    argument=dict.fromkeys((DOUBLE, WORD, TRUTH, "numbers", "out"), "{}"),
    result="return {};",
)


def javascript(
    functions: Mapping[str, tuple[Callable[..., Any], Mapping[str, str]]],
) -> str:
    """Return functions as JavaScript; what they need beside is in ``PRELUDE``."""
    program = Written(JAVASCRIPT)
    for name, (function, arguments) in functions.items():
        program.add(name, function, arguments)
    return PRELUDE + program.text


PRELUDE = """\
const word = new DataView(new ArrayBuffer(8));
function bits(x) { word.setFloat64(0, x); return word.getBigInt64(0); }
function fromBits(w) { word.setBigInt64(0, w); return word.getFloat64(0); }
function withSign(x, y) {
  const below = y < 0 || Object.is(y, -0);
  return below ? -Math.abs(x) : Math.abs(x);
}
function whole(x) {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}
function remainder(x, y) { return x % y; }
function modulo(x, y) {
  const rest = x % y, over = rest < 0 && y > 0 || rest > 0 && y < 0;
  const result = over ? rest + y : rest;
  return result === 0 ? withSign(0, y) : result;
}
function logGamma(x) {
  if (x < 15) {
    let product = 1;
    while (x < 15) { product *= x; x += 1; }
    return logGamma(x) - Math.log(Math.abs(product));
  }
  const z = 1/(x*x);
  const series = 1/12 - z*(1/360 - z*(1/1260 - z*(1/1680 - z*(1/1188 - z*691/360360))));
  return (x - 0.5)*Math.log(x) - x + 0.91893853320467274178 + series/x;
}
function gamma(x) {
  if (x < 0.5) return Math.PI/(Math.sin(Math.PI*x)*gamma(1 - x));
  if (x % 1 === 0 && x < 172) {
    let product = 1;
    for (let k = 2; k < x; k++) product *= k;
    return product;
  }
  return Math.exp(logGamma(x));
}
"""
