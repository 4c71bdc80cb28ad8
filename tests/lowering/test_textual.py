"""Functions as text of another language compute the same numbers."""

import math
import subprocess
import sys

import pytest

import symgd
from symgd.arithmetic import elementary, primitives
from symgd.lowering.code_printer import Style
from symgd.lowering.javascript import JAVASCRIPT, javascript
from symgd.lowering.python_language import PYTHON, helpers_of
from symgd.lowering.rule_functions import lane_update
from symgd.lowering.source import HELPERS, lower
from symgd.lowering.textual import Text, Written
from symgd.rules.family import BUILT_IN


def written_in_python(function, arguments, count):
    program = Written(PYTHON)
    program.add("written", function, arguments)
    space = {}
    exec(f"import math, struct\n{helpers_of(program.text)}{program.text}", space)

    def call(*given):
        out = [0.0] * count
        space["written"](*given, out)
        return out

    return call


FORMULAS = [
    "(1 - x)**2 + 100*(y - x**2)**2",
    "exp(-x**2)*sin(3*y) + log(1 + x**2 + y**2) + tanh(x*y) + abs(x)**1.5",
    "erf(x) + erfc(y) + loggamma(2 + x**2) + digamma(1 + y**2)",
    "x**2 if x > y else y**4 + x",
    "Max(x, y, x*y) + sigmoid(x) + atan2(x, 1 + y**2)",
    "log(cosh(x)) + sqrt(x**2 + y**2) + cbrt(y) + asinh(x)*acosh(2 + y**2)",
]
POINTS = [(0.3, 0.7), (-1.2, 1.0), (2.5, -3.25), (1e-9, 40.0)]


def lowered(formula):
    f = symgd.Objective(formula, ["x", "y"])
    places = {s: f"x[{i}]" for i, s in enumerate(f.symbols)}
    outputs = (f.expression, *f.gradient)
    return lower("f", ("x", "p"), outputs, places, style=Style.LATENCY)


@pytest.mark.parametrize("formula", FORMULAS)
def test_text_has_the_bits_of_the_function(formula):
    plain = lowered(formula)
    text = written_in_python(plain, {"x": "numbers", "p": "numbers"}, 3)
    for point in POINTS:
        assert list(map(repr, map(float, text(point, ())))) == [
            repr(float(v)) for v in plain(point, ())
        ]


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("initial", [True, False])
def test_a_rule_as_text_has_the_bits_of_the_rule(name, initial):
    rule = BUILT_IN[name]
    update, width = lane_update(rule, 2, initial), 1 + len(rule.state)
    kinds = {"t": "double", **dict.fromkeys(("fg", "s", "h"), "numbers")}
    text = written_in_python(update, kinds, 2 * width)
    state = [0.25 + 0.375 * k for k in range(2 * width)]
    given = (3.0, (1.5, -0.3, 0.7), state, [*rule.hyperparameters.values()])
    assert text(*given) == list(update(*given))


def test_a_function_that_others_call_is_written_once():
    text = javascript(
        {"f": (lowered("erf(x) + erf(y)"), dict.fromkeys("xp", "numbers"))}
    )
    assert text.count("function symgd_erf(") == 1
    assert text.index("function symgd_erf(") < text.index("function f(")


def test_what_is_not_needed_is_not_written():
    def wasteful(x):
        x[0] * x[1]
        return (x[0] + 1.0,)

    assert "*" not in written_body(wasteful)


def written_body(function):
    program = Written(JAVASCRIPT)
    program.add("f", function, {"x": "numbers"})
    return program.text


def test_a_branch_is_refused_and_not_taken_silently():
    def branching(x):
        return (1.0 if x[0] > 0.0 else 2.0,)

    with pytest.raises(TypeError, match="no branches"):
        written_body(branching)


def test_numbers_that_javascript_writes_in_its_own_way():
    def constants(x):
        return x[0] + math.inf, x[0] + math.nan, x[0] - -2.5, x[0] * 1e-300

    text = written_body(constants)
    assert all(part in text for part in ("Infinity", "NaN", "(-2.5)", "1e-300"))


def test_every_elementary_function_can_be_written():
    program = Written(JAVASCRIPT)
    for name, function in HELPERS.items():
        constant = ("polygamma", "besselj", "standard_normal")  # one of the arguments
        if function in vars(primitives).values() or name in constant:
            continue
        count = 1 if function is abs else function.__code__.co_argcount
        program.add(name, _of_numbers(function, count), {"x": "numbers"})
    assert "undefined" not in program.text
    assert elementary.exp in JAVASCRIPT.functions


def _of_numbers(function, count):
    if count == 1:
        return lambda x: (function(x[0]),)
    return lambda x: (function(x[0], x[1]),)


def test_neither_numba_nor_llvm_is_needed():
    code = (
        "import sys, symgd.lowering.textual, symgd.lowering.rule_functions;"
        "print({'numba', 'llvmlite'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_a_number_in_text_knows_what_kind_it_is():
    with pytest.raises(TypeError):
        bool(Text(None, "t0"))
