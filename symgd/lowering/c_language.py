"""C99 as a language that straight-line functions are written in.

Of the C library come fma, sqrt, floor, rint and copysign, which are exact or correctly
rounded, the gamma functions, and sin, cos and tan beyond 3e6. "libm" is C for machines
without a fused multiply-add: products and sums are rounded one by one, and elementary
functions are the library's as well. Single precision is the same with floats.
"""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np

from symgd.arithmetic import elementary, primitives, special
from symgd.lowering.loop_numbers import LoopSyntax
from symgd.lowering.textual import DOUBLE, TRUTH, WORD, Language

OF_MATH = {
    getattr(elementary, name): name
    for name in (
        *("exp", "expm1", "sinh", "cosh", "tanh", "log", "log1p", "sin", "cos", "tan"),
        *("atan", "atan2", "asin", "acos", "asinh", "acosh", "atanh", "cbrt"),
        *("erf", "erfc"),
    )
} | {elementary.power: "pow"}


def c_language(prefix: str, libm: bool = False) -> Language:
    """Return C whose functions have names that begin with a prefix."""
    exact = Language(
        declared={
            DOUBLE: "const double ",
            WORD: "const int64_t ",
            TRUTH: "const int ",
        },
        number=_number,
        word="INT64_C({})".format,
        truth=("0", "1"),
        operation=_operation,
        choice="{0} ? {1} : {2}",
        primitives={
            abs: (DOUBLE, "fabs({0})"),
            primitives.fma: (DOUBLE, "fma({0}, {1}, {2})"),
            primitives.square_root: (DOUBLE, "sqrt({0})"),
            primitives.whole: (DOUBLE, "rint({0})"),
            primitives.whole_below: (DOUBLE, "floor({0})"),
            primitives.with_sign: (DOUBLE, "copysign({0}, {1})"),
            primitives.bits: (WORD, f"{prefix}_bits({{0}})"),
            primitives.from_bits: (DOUBLE, f"{prefix}_from_bits({{0}})"),
        },
        functions={},
        library={n: n for n in ("fmod", "tgamma", "lgamma", "sin", "cos", "tan")},
        definition="{scope}{returns} {name}({arguments})\n{{\n{body}}}\n\n",
        argument={
            DOUBLE: "double {}",
            "numbers": "const double *{}",
            "out": "double *{}",
        },
        result="return {};",
        unused="(void){};",
        returns=("void", "double"),
        own=f"{prefix}_symgd_",
    )
    if not libm:
        return exact
    rounded_twice = {primitives.fma: (DOUBLE, "{0}*{1} + {2}")}
    return dataclasses.replace(
        exact,
        primitives={**exact.primitives, **rounded_twice},
        functions=OF_MATH | {special.mod: f"{prefix}_modulo"},
    )


def c_single(prefix: str) -> Language:
    """Return C in single precision; there is nothing for words of 64 bits."""
    plain = c_language(prefix, libm=True)
    own = f"{prefix}_modulo"
    return dataclasses.replace(
        plain,
        declared={DOUBLE: "const float ", TRUTH: "const int "},
        number=single_number,
        primitives={
            f: (kind, in_floats(template))
            for f, (kind, template) in plain.primitives.items()
            if f not in (primitives.bits, primitives.from_bits)
        },
        functions={
            f: name if name == own else f"{name}f"
            for f, name in plain.functions.items()
        },
        library={name: f"{text}f" for name, text in plain.library.items()},
        argument={k: in_floats(text) for k, text in plain.argument.items()},
        returns=("void", "float"),
    )


def in_floats(code: str) -> str:
    """Return code of C without numbers in it but 0 and 1, in single precision."""
    code = re.sub(r"\bdouble\b", "float", code)
    code = re.sub(r"\b(fabs|sqrt|rint|floor|copysign|fmod)\(", r"\1f(", code)
    return re.sub(r"\b([01]\.0)\b", r"\1f", code)


def single_number(value: float) -> str:
    """Return the nearest float."""
    with np.errstate(over="ignore"):
        single = np.float32(value)
    if np.isfinite(single):
        text = str(single)
        return f"{text}f" if set(text) & {".", "e"} else f"{text}.0f"
    return in_floats(_number(float(single)))


def c_loop_syntax(prefix: str) -> LoopSyntax:
    """Return how C writes loops over arrays."""
    return LoopSyntax(
        helper=f"{prefix}_{{}}",
        changing={DOUBLE: "double ", WORD: "int64_t "},
        numbers=_numbers,
        converted="(double){}",
        large="INT64_C({})",
    )


def _numbers(name: str, count: int, value: str | None) -> str:
    if value is None:
        return f"double {name}[{count}];"
    values = ["0.0"] if value == "0.0" else [value] * count
    return f"double {name}[{count}] = {{{', '.join(values)}}};"


def _number(value: float) -> str:
    if math.isnan(value):
        return "(double)NAN"
    if math.isinf(value):
        return "-(double)INFINITY" if value < 0.0 else "(double)INFINITY"
    return repr(value)


def _operation(sign: str, kind: str) -> str:
    """Return how an operator is written; what wraps is unsigned in between."""
    if kind == WORD and sign in ("+", "-", "*"):
        return f"(int64_t)((uint64_t){{0}} {sign} (uint64_t){{1}})"
    if kind == WORD and sign == "<<":
        return "(int64_t)((uint64_t){0} << {1})"
    return f"{{0}} {sign} {{1}}"


# What functions of bits are made of, and remainders where nothing is fused.
HELPERS = {
    "bits": """\
static int64_t @p@_bits(double x)
{
  int64_t word;
  memcpy(&word, &x, sizeof word);
  return word;
}

""",
    "from_bits": """\
static double @p@_from_bits(int64_t word)
{
  double x;
  memcpy(&x, &word, sizeof x);
  return x;
}

""",
    "modulo": """\
static double @p@_modulo(double x, double y)
{
  const double rest = fmod(x, y);
  const int over = (rest < 0.0 && y > 0.0) || (rest > 0.0 && y < 0.0);
  const double result = over ? rest + y : rest;
  return result == 0.0 ? copysign(0.0, y) : result;
}

""",
}
