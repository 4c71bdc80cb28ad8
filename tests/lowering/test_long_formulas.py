"""Long formulas: the work grows with the length, and so does the code."""

import itertools
import re
import sys

import numpy as np
import pytest
import sympy as sp
from sympy.core.cache import clear_cache

from symgd import Objective
from symgd.calculus import removable, stable
from symgd.language import quick, signs
from symgd.language.nodes import symbol
from symgd.lowering import building
from symgd.lowering.building import MOST_IN_BLOCK
from symgd.lowering.limits import with_limits
from symgd.lowering.tracing import MOST_COPIES
from symgd.native import compiled, machine

MOST = 9  # times the work for 4 times the length: a square would be 16
TEXTS = {
    "product of variables": lambda n: "*".join(f"x{i}" for i in range(n)),
    "product of Gaussians": lambda n: "*".join(
        f"(exp(-(x - {i})**2) + y**2)" for i in range(n)
    ),
    "product of logarithms": lambda n: "*".join(
        f"(y + log(x + {i}))" for i in range(n)
    ),
    "product of powers": lambda n: "*".join(
        f"(x**2 + {i})**(y/{i})" for i in range(1, n)
    ),
    "logarithm of a sum": lambda n: (
        f"log({'+'.join(f'exp(x*{i} - y/{i})' for i in range(1, n))})"
    ),
    "sum of sines": lambda n: "+".join(f"sin({i}*x)*y" for i in range(n)),
    "sum of squares": lambda n: "+".join(f"(x{i} - {i})**2" for i in range(n)),
    "sum of max": lambda n: "+".join(f"max(x - {i}, y, {i}*y)" for i in range(n)),
    "max": lambda n: f"max({', '.join(f'x - {i}*y' for i in range(n))})",
    "choices": lambda n: "".join(f"{i}*x if x > {i}*y else " for i in range(n)) + "y",
    "choices of squares": lambda n: (
        "".join(f"(x - {i})**2 + y if x > {i}*y else " for i in range(n)) + "y"
    ),
    "logarithm of a product": lambda n: (
        f"log({'*'.join(f'exp(-(x - {i})**2/2)' for i in range(n))})"
    ),
    "logistic losses": lambda n: "+".join(
        f"log(1 + exp({i}*x - y))" for i in range(1, n)
    ),
    "distances": lambda n: "+".join(
        f"sqrt((x - {i})**2 + (y - {i * i})**2)" for i in range(n)
    ),
    "sum of abs": lambda n: "+".join(f"abs({i}*x - y + {i * i})" for i in range(n)),
    "quotients": lambda n: "+".join(f"(x + {i})/(x**2 + y + {i})" for i in range(n)),
    "chain": lambda n: "+".join(f"(x{i} - x{i + 1}**2)**2" for i in range(n)),
    "norm": lambda n: f"sqrt({'+'.join(f'(x{i} - 1)**2' for i in range(n))})",
    "square of a sum": lambda n: f"({'+'.join(f'{i + 1}*x{i}' for i in range(n))})**2",
    "product of sums": lambda n: (
        f"({'+'.join(f'x{i}' for i in range(n))})"
        f"*({'+'.join(f'y{i}' for i in range(n))})"
    ),
}


def every(frame, event):
    return event in ("call", "c_call")


def question(frame, event):
    """Return whether SymPy asks what an expression is, which takes it long."""
    asked = event == "call" and frame.f_code.co_name == "_ask"
    return asked and not frame.f_locals["obj"].is_Number


def calls(function, counts=every):
    """Return how many calls of functions a call takes, of those that count."""
    count = [0]

    def noted(frame, event, argument):
        count[0] += counts(frame, event)

    clear_cache()  # SymPy's own, which would know some answers, and ours
    for module in (quick, removable, signs, stable):
        for thing in vars(module).values():
            getattr(thing, "cache_clear", lambda: None)()
    before = sys.getprofile()
    sys.setprofile(noted)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count[0]


@pytest.mark.parametrize("kind", TEXTS)
def test_deriving_and_lowering_take_as_long_as_the_formula_is(kind):
    assert Objective(TEXTS[kind](3)).native.value_and_gradient  # which imports modules
    few, many = (Objective(TEXTS[kind](n)) for n in (15, 60))
    assert calls(lambda: many.gradient) <= MOST * calls(lambda: few.gradient)
    lowered = [calls(lambda f=f: f.native.value_and_gradient) for f in (few, many)]
    assert lowered[1] <= MOST * lowered[0]


@pytest.mark.parametrize(
    "term",
    [
        "sin({i}*x + y)*cos(y - {i})",
        "exp(-0.{i}*(x - 1.{i})**2)*sin(0.{i}*y)",
        "exp(-(x - {i})**2/{i})*y",
        "log(1 + exp({i}*x - y))",
        "sqrt((x - {i})**2 + (y - {i})**2)",
        "max({i}*x, y + {i}, 0)**2",
        "({i}*x if x > {i} else y)",
        "(x - y)/(x**2 + {i})",
    ],
)
def test_of_a_usual_term_sympy_is_asked_little(term):
    objective = Objective("+".join(term.format(i=i) for i in range(2, 42)))
    asked = calls(lambda: objective.native.value_and_gradient, question)
    assert asked <= 2 * 40


@pytest.mark.parametrize(
    "kind",
    [
        *("sum of sines", "max", "sum of max", "choices of squares"),
        *("norm", "square of a sum", "product of sums"),
    ],
)
def test_the_code_is_as_long_as_the_formula_is(kind):
    few, many = (
        Objective(TEXTS[kind](n)).native.written("evaluation") for n in (40, 160)
    )
    assert many.count("\n") <= 5 * few.count("\n")


@pytest.mark.parametrize("kind", ["sum of max", "choices of squares", "norm"])
def test_blocks_stay_short(kind):
    lines = Objective(TEXTS[kind](160)).native.written("evaluation").split("\n")
    starts = [place for place, line in enumerate(lines) if line.endswith(":")]
    lengths = [after - before for before, after in itertools.pairwise(starts)]
    assert max(lengths) < 2 * MOST_IN_BLOCK


@pytest.mark.parametrize("kind", ["sum of max", "choices of squares", "sum of sines"])
def test_what_is_emitted_as_it_is_written_has_the_same_bits(kind, monkeypatch):
    text = TEXTS[kind](40)
    points = np.random.default_rng(0).normal(scale=20.0, size=(20, 2))
    usual = [Objective(text).value_and_grad(x) for x in points]
    monkeypatch.setattr(machine, "LONG", 0)
    monkeypatch.setattr(compiled, "_kernels", compiled._Recent(16))
    monkeypatch.setattr(compiled, "_get", lambda key: None)
    for x, (value, gradient) in zip(points, usual, strict=True):
        plain = Objective(text).value_and_grad(x)
        assert np.array_equal([value, *gradient], [plain[0], *plain[1]])


@pytest.mark.parametrize("function", ["sin", "exp", "log", "erf", "atan"])
def test_a_function_that_is_called_often_is_written_once(function):
    def code(n):
        terms = (f"{function}(x/{i + 1} + y)" for i in range(n))
        return Objective("+".join(terms)).native.written("evaluation")

    definition = re.compile(rf"define internal .*symgd\.{function}\.")
    assert not definition.search(code(MOST_COPIES))
    assert len(definition.findall(code(MOST_COPIES + 1))) == 1


def test_what_is_written_once_has_the_bits_of_what_is_written_out():
    inner = [f"x/{i + 1} + y" for i in range(MOST_COPIES + 8)]
    functions = ("sin", "exp", "erf")
    terms = [f"{f}({each})/{i + 2}" for i, each in enumerate(inner) for f in functions]
    terms += [f"(x**2 + {i + 1})**(y/{i + 2})" for i, _ in enumerate(inner)]
    objective = Objective("+".join(terms))
    random = np.random.default_rng(0)
    for x in (*random.normal(size=(20, 2)), [1e8, 1.0], [-1e3, 0.0], [0.0, 0.0]):
        value, gradient = objective.value_and_grad(x)
        plain = objective.native.value_and_gradient(tuple(map(float, x)), ())
        assert np.array_equal([value, *gradient], plain, equal_nan=True)


def test_each_factor_of_a_long_product_has_its_limit():
    symbols = [symbol(f"x{i}") for i in range(12)]
    factors = [*symbols, *map(sp.log, symbols)]
    product = with_limits(factors)
    assert product is not None
    assert len(product.atoms(sp.Piecewise)) == len(symbols)
    assert product.xreplace(dict.fromkeys(symbols, sp.S.Zero)) == 0


@pytest.mark.parametrize("written", range(MOST_IN_BLOCK - 3, MOST_IN_BLOCK + 3))
def test_memory_is_allocated_in_a_first_block_that_is_full(written):
    function = building.function_of("f", building.DOUBLE, [building.DOUBLE])
    builder = building.InPieces(function.append_basic_block())
    total = function.args[0]
    for _ in range(written):
        total = builder.fadd(total, function.args[0])
    building.memory(builder, building.DOUBLE)
    builder.ret(builder.fadd(total, function.args[0]))
    assert machine.parsed(str(function.module))
