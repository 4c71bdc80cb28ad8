"""NumPy's arrays as a language that straight-line functions are written in."""

from __future__ import annotations

import re

from symgd.arithmetic import elementary, primitives, special
from symgd.lowering.textual import DOUBLE, TRUTH, WORD, Language

_OF_NUMPY = {
    getattr(elementary, name): f"np.{name}"
    for name in (
        *("exp", "expm1", "sinh", "cosh", "tanh", "log", "log1p", "sin", "cos", "tan"),
        "cbrt",
    )
} | {
    getattr(elementary, f"a{name}"): f"np.arc{name}"
    for name in ("sin", "cos", "tan", "tan2", "sinh", "cosh", "tanh")
}
_OF_NUMPY |= {
    elementary.power: "np.power",
    special.mod: "np.mod",
    special.sign: "np.sign",
    special.maximum: "np.maximum",
    special.minimum: "np.minimum",
    special.ceiling: "np.ceil",
}


def _number(value: float) -> str:
    return re.sub(r"inf|nan", r"np.\g<0>", repr(value))


NUMPY = Language(
    declared=dict.fromkeys((DOUBLE, WORD, TRUTH), ""),
    number=_number,
    word=str,
    truth=("False", "True"),
    operation=lambda sign, kind: f"{{0}} {sign} {{1}}",
    choice="np.where({0}, {1}, {2})",
    primitives={
        abs: (DOUBLE, "np.abs({0})"),
        primitives.fma: (DOUBLE, "{0}*{1} + {2}"),
        primitives.square_root: (DOUBLE, "np.sqrt({0})"),
        primitives.whole: (DOUBLE, "np.rint({0})"),
        primitives.whole_below: (DOUBLE, "np.floor({0})"),
        primitives.with_sign: (DOUBLE, "np.copysign({0}, {1})"),
        primitives.bits: (WORD, "words_of({0})"),
        primitives.from_bits: (DOUBLE, "floats_of({0})"),
    },
    functions=_OF_NUMPY,
    library={
        "fmod": "np.fmod",
        "tgamma": "each_gamma",
        "lgamma": "each_lgamma",
        **{name: f"np.{name}" for name in ("sin", "cos", "tan")},
    },
    definition="def {name}({arguments}):\n{body}\n\n",
    argument=dict.fromkeys((DOUBLE, WORD, TRUTH, "numbers", "out"), "{}"),
    result="return {}",
    nothing="pass",
    end="",
    indent="    ",
    own="of_arrays_",
)

HELPERS = {
    "words_of": """\
def words_of(x):
    return np.asarray(x, float).view(np.int64)
""",
    "floats_of": """\
def floats_of(words):
    return np.asarray(words, np.int64).view(float)
""",
    "each_gamma": """\
each_gamma = np.vectorize(c_tgamma, otypes=[float])
""",
    "each_lgamma": """\
each_lgamma = np.vectorize(c_lgamma, otypes=[float])
""",
    "larger": """\
def larger(a, b):
    return np.maximum(a, b)
""",
    "smaller": """\
def smaller(a, b):
    return np.minimum(a, b)
""",
    "floored": """\
def floored(a, b):
    return a // b
""",
    "modulus": """\
def modulus(a, b):
    return a % b
""",
    "blocks": """\
def blocks(start, stop, inner):
    \"""Yield parts of a range, with ``inner`` numbers for each, that fit a cache.\"""
    size = max(1, 16384 // max(1, inner))
    for low in range(start, stop, size):
        yield low, min(low + size, stop)
""",
    "scatter": """\
def scatter(g, places, values, shape):
    \"""Add values at places, of which some may be the same.\"""
    places = tuple(np.broadcast_to(place, shape) for place in places)
    np.add.at(g, places, np.broadcast_to(values, shape))
""",
}
