"""Elementary functions: special values, errors in ulp, the same bits in every form."""

import math
import random
import struct
from dataclasses import dataclass

import mpmath
import numba
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from llvmlite import ir

from symgd import Objective
from symgd.arithmetic import elementary as vectormath
from symgd.arithmetic import primitives
from symgd.arithmetic import special as numeric
from symgd.lowering import building
from symgd.lowering.inlining import straight
from symgd.lowering.packs import Block
from symgd.lowering.source import HELPERS
from symgd.lowering.tracing import writing
from symgd.native import machine

WIDTH = 8
LARGEST = float(np.finfo(float).max)
SPECIAL = [0.0, 5e-324, 1e-310, 2.0**-1022, 1e-160, 1e-20, 0.25, 0.5, 1.0, 1.5, 2.0]
SPECIAL += [3.0, math.pi / 2, 20.0, 709.9, 746.0, 3.1e6, 2.0**53 + 2, 1e160, LARGEST]
SPECIAL += [math.inf]
SPECIAL = [*SPECIAL, *(-x for x in SPECIAL), math.nan]


# --------------------------------------------------------- every form of a function


def over(function, many):
    """Return a compiled function of arrays that applies one to every element."""
    arity = function.__code__.co_argcount if function not in primitives.C_NAMES else 1

    def of_numbers(x, y):
        return (function(*(x, y)[:arity]),)

    if many:
        return over_packs(of_numbers)
    one = straight(of_numbers, 1)

    @numba.njit(error_model="numpy")
    def apply(x, y, out):
        for i in range(len(x)):
            out[i] = one(x[i], y[i])[0]

    return apply


def over_packs(function):
    """Return the same of packs; of x, y and the result a register is a row."""
    entry = building.function_of(machine.ENTRY, building.WORD, [building.POINTER])
    builder = ir.IRBuilder(entry.append_basic_block())
    block = Block(builder, entry.args[0], 1, WIDTH)
    result = block.memory(1)
    result.write([writing(function)(*block.loaded(0, 2)[0])])
    block.store(2, result.read())
    builder.ret(building.WORD(0))
    kernel = machine.linked(machine.optimised(str(entry.module)), "i:p")

    def apply(x, y, out):
        for start in range(0, len(x), WIDTH):
            table = np.zeros((3, WIDTH))
            row = slice(start, start + WIDTH)
            size = len(x[row])
            table[0, :size], table[1, :size] = x[row], y[row]
            kernel(machine.address(table))
            out[row] = table[2, :size]

    return apply


COMPILED = {}


def computed(function, x, y=None, many=False):
    key = function, many
    if key not in COMPILED:
        COMPILED[key] = over(function, many)
    x = np.array(x, dtype=float)
    out = np.empty_like(x)
    COMPILED[key](x, x if y is None else np.array(y, dtype=float), out)
    return out


def assert_same_bits(a, b):
    a, b = (np.where(np.isnan(v), np.nan, v).view(np.int64) for v in (a, b))
    np.testing.assert_array_equal(a, b)


# --------------------------------------------------------------- exact references


def ulps(number, exact):
    """Return the error in units of the last place of the exact result."""
    if mpmath.isnan(exact) or number != number:
        return 0.0 if mpmath.isnan(exact) and number != number else math.inf
    if math.isinf(number):  # as if the range of exponents had no end
        number = math.copysign(1.0, number) * mpmath.mpf(2) ** 1024
        exact = max(min(exact, abs(number)), -abs(number))
    exponent = max(int(mpmath.frexp(exact)[1]) - 53, -1074) if exact else -1074
    return float(abs(mpmath.mpf(number) - exact) * mpmath.mpf(2) ** -exponent)


def within(low, high, function):
    def exact(x):
        return function(x) if low <= x <= high else mpmath.nan

    return exact


def clipped(size, function):
    return lambda x: function(max(min(x, mpmath.mpf(size)), -mpmath.mpf(size)))


def exact_softplus(x):
    return x if x > 1e4 else mpmath.log1p(mpmath.exp(max(x, mpmath.mpf(-1e4))))


def exact_cbrt(x):
    return mpmath.sign(x) * mpmath.cbrt(abs(x))


def exact_log(x):
    return mpmath.log(x) if x > 0 else (-mpmath.inf if x == 0 else mpmath.nan)


@dataclass(frozen=True)
class Case:
    """A function of one number: references, hard regions and the error allowed."""

    name: str
    numpy: object
    exact: object
    ulps: float
    regions: tuple

    @property
    def function(self):
        return getattr(vectormath, self.name)

    def error(self, x, number):
        extreme = not 1e-15 < abs(x) < 1e15
        with mpmath.workprec(1500 if extreme and self.name not in ERROR else 200):
            return ulps(number, self.exact(mpmath.mpf(x)))


ERROR = ("erf", "erfc")
TURNS = [(-1, 1), (-10, 10), (-1e3, 1e3), (-3e6, 3e6), (-1e9, 1e9)]
CASES = [
    Case("exp", np.exp, clipped(1e4, mpmath.exp), 1.0, ((-1, 1), (-746, 710))),
    Case("expm1", np.expm1, clipped(1e4, mpmath.expm1), 1.5, ((-1, 1), (-40, 710))),
    Case("sinh", np.sinh, clipped(1e4, mpmath.sinh), 2.5, ((-1, 1), (-711, 711))),
    Case("cosh", np.cosh, clipped(1e4, mpmath.cosh), 1.75, ((-2, 2), (-711, 711))),
    Case("tanh", np.tanh, clipped(1e4, mpmath.tanh), 2.25, ((-1, 1), (-20, 20))),
    Case(
        "sigmoid",
        lambda x: np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-abs(x))),
        clipped(1e4, lambda x: 1 / (1 + mpmath.exp(-x))),
        2.0,
        ((-1, 1), (-5, 5), (-746, 40)),
    ),
    Case(
        "softplus",
        lambda x: np.logaddexp(0.0, x),
        exact_softplus,
        1.75,
        ((-1, 1), (-5, 5), (-746, 40)),
    ),
    Case("log", np.log, exact_log, 1.0, ((0, 10), (0.5, 2), (0.99, 1.01))),
    Case(
        "log1p",
        np.log1p,
        lambda x: exact_log(1 + x),
        1.5,
        ((-1, 1), (-1, 100), (-0.01, 0.01)),
    ),
    Case("cbrt", np.cbrt, exact_cbrt, 0.6, ((-1, 1), (1, 8), (-1e-308, 1e-308))),
    Case("sin", np.sin, mpmath.sin, 0.9, (*TURNS, "quarters")),
    Case("cos", np.cos, mpmath.cos, 0.9, (*TURNS, "quarters")),
    Case("tan", np.tan, mpmath.tan, 2.0, (*TURNS, "quarters")),
    Case(
        "asin",
        np.arcsin,
        within(-1, 1, mpmath.asin),
        1.75,
        ((-1.001, 1.001), (0.45, 0.55), (0.999, 1)),
    ),
    Case(
        "acos",
        np.arccos,
        within(-1, 1, mpmath.acos),
        1.5,
        ((-1.001, 1.001), (-0.55, -0.45), (0.45, 0.55), (0.999, 1)),
    ),
    Case("atan", np.arctan, mpmath.atan, 1.5, ((-3, 3), (0.9, 1.1), (-100, 100))),
    Case("asinh", np.arcsinh, mpmath.asinh, 1.75, ((-1, 1), (-100, 100))),
    Case(
        "acosh",
        np.arccosh,
        within(1, math.inf, mpmath.acosh),
        2.5,
        ((0.99, 1.01), (1, 3), (1, 100)),
    ),
    Case(
        "atanh",
        np.arctanh,
        within(-1, 1, mpmath.atanh),
        2.0,
        ((-1, 1), (-0.1, 0.1), (0.999, 1)),
    ),
    Case(
        "erf",
        scipy.special.erf,
        clipped(40, mpmath.erf),
        1.5,
        ((-1, 1), (0.6, 0.7), (-7, 7)),
    ),
    Case(
        "erfc",
        scipy.special.erfc,
        clipped(40, mpmath.erfc),
        2.25,
        ((-1, 1), (0, 3), (-7, 28), (26, 28)),
    ),
]
NAMES = {case.name: case for case in CASES}
each_case = pytest.mark.parametrize("case", CASES, ids=NAMES)


def any_float(rng):
    number = math.nan
    while number - number != 0.0:
        (number,) = struct.unpack("<d", rng.randbytes(8))
    return number


def samples(region, count, seed=0):
    rng = random.Random(seed)
    if region == "quarters":  # what is nearest to a multiple of pi/2
        with mpmath.workprec(200):
            return [float(rng.randint(-(2**21), 2**21) * mpmath.pi / 2)] + [
                float(rng.randint(-(2 ** rng.randint(1, 21)), 2**21) * mpmath.pi / 2)
                for _ in range(count)
            ]
    if region == "all":
        return [any_float(rng) for _ in range(count)]
    if region == "sizes":
        sizes = (math.exp(rng.uniform(-40, 7)) for _ in range(count))
        return [rng.choice([-1, 1]) * size for size in sizes]
    return [rng.uniform(*region) for _ in range(count)]


# ---------------------------------------------------------------------- the tests


@each_case
def test_special_values_are_those_of_numpy(case):
    with np.errstate(all="ignore"):
        expected = case.numpy(np.array(SPECIAL))
    ours = computed(case.function, SPECIAL)
    np.testing.assert_allclose(ours, expected, rtol=1e-15)
    zeros = (expected == 0.0) | np.isinf(expected)
    np.testing.assert_array_equal(np.signbit(ours)[zeros], np.signbit(expected)[zeros])


BINARY = {
    vectormath.power: np.power,
    vectormath.atan2: np.arctan2,
    numeric.mod: np.mod,
    numeric.maximum: np.maximum,
    numeric.minimum: np.minimum,
    numeric.heaviside: np.heaviside,
}
UNARY = {numeric.sign: np.sign, numeric.floor: np.floor, numeric.ceiling: np.ceil}
PAIRS = [(a, b) for a in SPECIAL for b in (*SPECIAL, 1 / 3, -5.0, 2.0**52 + 1)]


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_special_pairs_are_those_of_numpy(function):
    x, y = np.array(PAIRS).T
    with np.errstate(all="ignore"):
        expected = BINARY[function](x, y)
    ours = computed(function, x, y)
    np.testing.assert_allclose(ours, expected, rtol=1e-15)
    if function not in (numeric.maximum, numeric.minimum):  # which of 0 and -0 is free
        where = (expected == 0.0) | np.isinf(expected)
        np.testing.assert_array_equal(
            np.signbit(ours)[where], np.signbit(expected)[where]
        )


@pytest.mark.parametrize("function", UNARY, ids=lambda f: f.__name__)
def test_exact_functions_are_those_of_numpy(function):
    x = SPECIAL + samples("all", 1000) + samples((-5, 5), 1000)
    np.testing.assert_array_equal(computed(function, x), UNARY[function](np.array(x)))


@each_case
def test_errors_on_dense_samples(case):
    worst = 0.0, 0.0
    for seed, region in enumerate(("all", "sizes", *case.regions)):
        x = samples(region, 400, seed)
        for number, result in zip(x, computed(case.function, x), strict=True):
            worst = max(worst, (case.error(number, float(result)), number))
    assert worst[0] <= case.ulps, worst


@each_case
@given(x=st.floats(allow_nan=False, allow_infinity=False))
def test_errors_anywhere(case, x):
    assert case.error(x, float(computed(case.function, [x])[0])) <= 4.0


def pairs(kind, count):
    """Return bases and exponents that make all sizes of powers."""
    rng = random.Random(kind)
    for _ in range(count):
        if kind == "all":
            yield abs(any_float(rng)), rng.uniform(-3, 3)
            continue
        near = 1 + rng.uniform(-1, 1) * math.exp(rng.uniform(-30, -1))
        wide = math.exp(rng.uniform(-700, 700))
        x = near if kind == "near" else wide
        low, high = (-746, -700) if kind == "tiny" else (-746, 710)
        yield x, rng.uniform(low, high) / math.log(x)


@pytest.mark.parametrize("kind", ["all", "near", "wide", "tiny"])
def test_errors_of_powers(kind):
    x, y = np.array(list(pairs(kind, 1500))).T
    worst = 0.0, 0.0, 0.0
    with mpmath.workprec(200):
        for a, b, result in zip(x, y, computed(vectormath.power, x, y), strict=True):
            exact = mpmath.exp(min(mpmath.log(a) * b, mpmath.mpf(800)))
            worst = max(worst, (ulps(float(result), exact), a, b))
    assert worst[0] <= 1.2, worst


@given(
    x=st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    y=st.floats(allow_nan=False, allow_infinity=False),
)
def test_errors_of_powers_anywhere(x, y):
    result = float(computed(vectormath.power, [x], [y])[0])
    with mpmath.workprec(1500):
        exponent = max(min(mpmath.log(x) * y, mpmath.mpf(800)), mpmath.mpf(-800))
        assert ulps(result, mpmath.exp(exponent)) <= 4.0


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(y=finite, x=finite)
def test_errors_of_angles(y, x):
    result = float(computed(vectormath.atan2, [y], [x])[0])
    with mpmath.workprec(200):
        if y or x > 0:
            assert ulps(result, mpmath.atan2(mpmath.mpf(y), mpmath.mpf(x))) <= 2.0


@given(x=finite, y=finite.filter(lambda y: y != 0.0))
def test_remainders_are_pythons(x, y):
    expected = np.array([x % y])
    assert_same_bits(computed(numeric.mod, [x], [y]), expected)
    assert_same_bits(np.array([numeric.mod(x, y)]), expected)


def test_generated_code_calls_these_functions():
    assert "power(x[0], x[1])" in Objective("x**y").source
    assert HELPERS["sqrt"] is primitives.square_root
    for name in NAMES:
        assert HELPERS[name] is getattr(vectormath, name)


ALL = [case.function for case in CASES] + [*BINARY, *UNARY, numeric.loggamma]


@pytest.mark.parametrize("function", ALL, ids=lambda f: f.__name__)
def test_packs_and_plain_python_have_the_same_bits(function):
    x = SPECIAL + samples("all", 300) + samples("sizes", 400) + samples((0, 3), 300)
    x = x[: len(x) // WIDTH * WIDTH]
    y = samples((-3, 3), len(x))
    alone = computed(function, x, y)
    assert_same_bits(computed(function, x, y, many=True), alone)
    if function is not numeric.loggamma:  # Python's lgamma isn't the C library's
        assert_plain_python_has_the_same_bits(function, x, y, alone)


def assert_plain_python_has_the_same_bits(function, x, y, alone):
    arity = function.__code__.co_argcount
    plain = [function(*pair[:arity]) for pair in zip(x, y, strict=True)]
    assert_same_bits(np.array(plain), alone)


@pytest.mark.parametrize("region", [(-6, 40), (0.9, 1.1), (27.9, 28.1), (28, 1e5)])
def test_what_is_left_of_erfc_far_out_is_exact(region):
    with mpmath.workprec(300):
        for x in samples(region, 300):
            # Beyond 1e3 the series' first terms are all that 53 bits see.
            w = mpmath.mpf(x) ** -2
            far = (1 - w / 2 + 3 * w**2 / 4) / (x * mpmath.sqrt(mpmath.pi))
            near = mpmath.exp(clipped(1e7, abs)(1 / w)) * mpmath.erfc(min(x, 1e3))
            scaled = far if x > 1e3 else near
            logarithm = mpmath.log(scaled) - 1 / w
            assert ulps(vectormath.erfcx(x), scaled) < 4
            assert ulps(vectormath.log_erfc(x), logarithm) < 4 or abs(x) < 0.5
