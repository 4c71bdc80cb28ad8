"""Python's floats as a language that straight-line functions are written in."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping
from typing import Any

from symgd.arithmetic import primitives
from symgd.lowering.textual import DOUBLE, TRUTH, WORD, Language

_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_LIBRARY = {"fmod": "fmod", "tgamma": "gamma", "lgamma": "lgamma"}
_LIBRARY |= {name: name for name in ("sin", "cos", "tan")}


def _number(value: float) -> str:
    """Return a number; Python has no literals for those that aren't finite."""
    return re.sub(r"inf|nan", r"math.\g<0>", repr(value))


def _operation(sign: str, kind: str) -> str:
    if sign == "/":
        return "quotient({0}, {1})"
    template = f"{{0}} {sign} {{1}}"
    whole = kind == WORD and sign not in _COMPARISONS
    return f"wrapped({template})" if whole else template


PYTHON = Language(
    declared=dict.fromkeys((DOUBLE, WORD, TRUTH), ""),
    number=_number,
    word=str,
    truth=("False", "True"),
    operation=_operation,
    choice="{1} if {0} else {2}",
    primitives={
        abs: (DOUBLE, "abs({0})"),
        primitives.fma: (DOUBLE, "fma({0}, {1}, {2})"),
        primitives.square_root: (DOUBLE, "square_root({0})"),
        primitives.whole: (DOUBLE, "whole({0})"),
        primitives.whole_below: (DOUBLE, "whole_below({0})"),
        primitives.with_sign: (DOUBLE, "with_sign({0}, {1})"),
        primitives.bits: (WORD, "bits({0})"),
        primitives.from_bits: (DOUBLE, "from_bits({0})"),
    },
    functions={},
    library={name: f"c_{name}" for name in _LIBRARY},
    definition="def {name}({arguments}):\n{body}\n\n",
    argument=dict.fromkeys((DOUBLE, WORD, TRUTH, "numbers", "out"), "{}"),
    result="return {}",
    nothing="pass",
    end="",
    indent="    ",
)

_OF_C = """\
def c_{name}(*numbers):
    try:
        return math.{python}(*numbers)
    except ValueError:
        return math.nan
    except OverflowError:
        return math.inf
"""
_FAST_FMA = """

exact_fma = fma
if hasattr(math, "fma"):

    def fma(a, b, c):  # as Python 3.13 has it
        try:
            return math.fma(a, b, c)
        except (ValueError, OverflowError):
            return exact_fma(a, b, c)
"""
_OWN = {
    "quotient": """\
def quotient(a, b):
    if b != 0.0:
        return a / b
    if a == 0.0 or a != a:
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)
""",
    "wrapped": """\
def wrapped(word):
    return (word + 2**63) % 2**64 - 2**63
""",
}


def _source(function: Callable[..., Any]) -> str:
    """Return a primitive without the kinds of its arguments."""
    text = re.sub(r": (float|int|bool|Any)\b(?=[,)])", "", inspect.getsource(function))
    return re.sub(r" -> \w+:", ":", text).replace("_WORD", "2**64")


HELPERS = {
    f.__name__: _source(f)
    for f in (
        *(primitives.fma, primitives.square_root, primitives.whole),
        *(primitives.whole_below, primitives.with_sign),
        *(primitives.bits, primitives.from_bits),
    )
}
HELPERS["fma"] += _FAST_FMA
HELPERS |= _OWN
HELPERS |= {
    f"c_{name}": _OF_C.format(name=name, python=python)
    for name, python in _LIBRARY.items()
}


_NONE: Mapping[str, str] = types.MappingProxyType({})


def helpers_of(code: str, more: Mapping[str, str] = _NONE) -> str:
    """Return the functions that code needs beside, those only that it calls.

    ``more`` are those of arrays, which may call others.
    """
    called = {*re.findall(r"\w+(?=\()", code)}
    texts = [more[name] for name in more if name in called]
    called |= {*re.findall(r"\bc_\w+", "".join(texts))}
    texts = [HELPERS[name] for name in HELPERS if name in called] + texts
    return "".join(f"{text}\n\n" for text in texts)
