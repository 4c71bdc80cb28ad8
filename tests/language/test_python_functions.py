"""A Python function is read as the formula that it computes."""

import functools
import math
import types
from pathlib import Path

import mpmath
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import FormulaError, Objective
from symgd.language.python.python_functions import read_function
from tests.language import python_examples as examples
from tests.language import python_refused as refused

MODULE = Path(examples.__file__).read_text("utf-8")
FUNCTIONS = {**examples.VECTORS, **examples.SCALARS}
NAMES = {value: name for name, value in vars(examples).items() if callable(value)}
READ = {}  # objectives by function: each is compiled once


def read(function):
    if function not in READ:
        READ[function] = Objective(function)
    return READ[function]


def called(function, x):
    """Return what Python computes."""
    return function(x) if function in examples.VECTORS else function(*x)


def in_many_digits():
    """Return the functions by name, with mpmath in place of NumPy and math."""
    names = ("exp", "cos", "sqrt", "hypot", "pi", "e", "inf")
    exact = types.SimpleNamespace(**{name: getattr(mpmath, name) for name in names})
    namespace = {"__name__": examples.__name__, "math": exact}
    arrays = {"array": np.array, "sum": np.sum, "prod": np.prod}
    arrays["linalg"] = types.SimpleNamespace(
        norm=lambda r, p=2: mpmath.sqrt(np.sum(r**2)) if p == 2 else max(abs(r))
    )
    namespace["np"] = types.SimpleNamespace(**{**vars(exact), **arrays})
    data = ("T", "Y", "ROWS", "TABLE")
    namespace |= {name: getattr(examples, name) for name in data}
    left_out = ("import math", "import numpy", *(f"{name} = " for name in data))
    lines = ["" if line.startswith(left_out) else line for line in MODULE.splitlines()]
    exec("\n".join(lines), namespace)
    return namespace


EXACT = in_many_digits()


POINTS = st.lists(
    st.floats(-3, 3, allow_subnormal=False).map(lambda v: round(v, 6)),
    min_size=4,
    max_size=4,
)


@pytest.mark.parametrize("function", FUNCTIONS, ids=NAMES.get)
@given(numbers=POINTS)
@settings(max_examples=25)
def test_the_value_is_that_of_the_function(function, numbers):
    x = np.array(numbers[: FUNCTIONS[function]])
    expected = called(function, x)
    assert read(function).value(x) == pytest.approx(expected, rel=1e-14, abs=1e-13)


@pytest.mark.parametrize("function", FUNCTIONS, ids=NAMES.get)
@given(numbers=POINTS)
@settings(max_examples=5)
def test_the_gradient_is_that_of_the_function_in_50_digits(function, numbers):
    beside_kinks = np.array([0.0003, -0.0007, 0.0011, -0.0013])
    x = (np.array(numbers) + beside_kinks)[: FUNCTIONS[function]]
    exact = EXACT[NAMES[function]]

    def along(k, value):
        point = np.array([mpmath.mpf(v) for v in x], dtype=object)
        point[k] = value
        return exact(point) if function in examples.VECTORS else exact(*point)

    with mpmath.workdps(50):
        slopes = [mpmath.diff(lambda v, k=k: along(k, v), x[k]) for k in range(len(x))]
    expected = [float(slope) for slope in slopes]
    assert read(function).grad(x) == pytest.approx(expected, rel=1e-11, abs=1e-11)


# -------------------------------------------------------------------- what is read

a, b, N, MODE = 1, 100.0, 4, "l1"
P = {"a": 2.0, "my column": 3}
W = [0.5, 1.5]


def with_numbers(x, y):
    return (a - x) ** 2 + b * (y - x**2) ** 2


def with_sizes(x):
    return sum(N * x[k * N] for k in range(N)) + x[N - 1]


def with_a_default(x, power=2, scale=0.5):
    return scale * x**power


def with_a_mode(x):
    return abs(x) if MODE in ("l1", "lasso") else x**2


def with_a_mapping(x):
    return P["a"] * x + P["my column"]


def with_a_list(x):
    return W[0] * x[0] + W[1] * x[1]


def with_rest(x, *args):
    c, d = args
    return c * x + d


def with_a_product(x):
    p = 1
    for i in range(3):
        p *= x - i
    return p


def with_a_step(x):
    s = 1.0
    for i in range(1, len(x), 2):
        s -= x[i] / 2
    return s


def with_names_taken(pi, E):
    return pi * np.e + E * math.pi


def with_own_index(x):
    i = 2
    for i in range(3):
        i = i + 1
        x = x + i
    return x


def with_extremes(x):
    most, least = -math.inf, float("inf")
    for v in x:
        most = max(most, v**2)
        least = min(v, least)
    return most - least


def with_whole_arrays(x):
    return np.sum(x[1:] - x[:-1] ** 2) + np.linalg.norm(x) + x @ x + x.mean()


READ_AS = {
    with_numbers: "(a - x)**2 + b*(y - x**2)**2",
    with_sizes: "sum(N*x[k*N] for k in range(N)) + x[N - 1]",
    with_a_default: "scale*x**2",
    with_a_mode: "abs(x)",
    with_a_mapping: "a*x + my_column",
    with_a_list: "W_0*x[0] + W_1*x[1]",
    with_a_product: "prod(x - i for i in range(3))",
    with_a_step: "1.0 + sum(-(x[i]/2) for i in range(1, n, 2))",
    with_names_taken: f"pi*{math.e!r} + E*{math.pi!r}",
    with_own_index: "x + sum(i + 1 for i in range(3))",
    with_extremes: "max(x[i]**2 for i in range(n)) - min(x[i] for i in range(n))",
    with_whole_arrays: "np.sum(x[1:] - x[:-1]**2) + np.linalg.norm(x)"
    " + x @ x + x.mean()",
    examples.rosenbrock_unpacked: "(1.0 - v[0])*(1.0 - v[0])"
    " + (v[1] - v[0]*v[0])*(v[1] - v[0]*v[0])*100.0",
    examples.rosenbrock_in_a_loop: "sum(100.0*(x[i + 1] - x[i]**2)**2 + (1 - x[i])**2"
    " for i in range(n - 1))",
    examples.griewank: "sum(x[i]**2/4000 for i in range(n))"
    " - prod(cos(x[i]/sqrt(i + 1)) for i in range(n)) + 1",
    examples.residuals_by_zip: "sum((Y[i] - p[0]*exp(-p[1]*T[i]))**2"
    " for i in range(n))/n",
    examples.skipping: "1.0 + sum(0 if i % 2 == 1 else"
    " -x[i] if x[i] < 0 else x[i]**2 for i in range(n))",
}


@pytest.mark.parametrize("function", READ_AS, ids=lambda f: f.__name__)
def test_a_function_becomes_a_text(function):
    assert read_function(function).text == READ_AS[function]


def test_numbers_around_a_function_are_parameters():
    found = read_function(with_numbers)
    assert found.variables == ("x", "y")
    assert found.parameters == {"a": 1.0, "b": 100.0}


def test_whole_numbers_that_loops_end_by_are_sizes():
    assert read_function(with_sizes).sizes == {"N": 4}


def test_exponents_are_written_in_and_other_defaults_are_parameters():
    found = read_function(with_a_default)
    assert found.parameters == {"scale": 0.5}
    assert read_function(with_a_default, meant=["scale"]).variables == ("x", "scale")


def test_arrays_around_a_function_are_data():
    found = read_function(examples.residuals_by_zip)
    assert found.data == {"T": examples.T, "Y": examples.Y}
    assert found.lengths == {"n": ("T", 0)}


def test_what_follows_the_first_argument_may_be_given():
    found = read_function(with_rest, args=(2, 3))
    assert (found.text, found.parameters) == (
        "args_0*x + args_1",
        {"args_0": 2.0, "args_1": 3.0},
    )


def test_numbers_of_the_same_name_in_two_places_are_two():
    one, two = examples.Spring(1.0), examples.Spring(2.0)
    both = lambda x: one.energy(x) + two.energy(x)
    kept = {"stiffness": 1.0, "length": 1.0, "stiffness_2": 2.0}
    assert read_function(both).parameters == kept


def test_a_private_number_of_an_object_is_found():
    class Held:
        def __init__(self):
            self.__weight = 3.0

        def value(self, x):
            return self.__weight * x

    assert list(read_function(Held().value).parameters.values()) == [3.0]


def test_a_compiled_function_is_that_of_its_source():
    jitted = numba.njit(examples.rosenbrock_by_index)
    assert read_function(jitted).text == "(1 - x[0])**2 + 100*(x[1] - x[0]**2)**2"


def test_reading_leaves_the_source_as_it_was():
    for function in FUNCTIONS:
        assert read_function(function).text == read_function(function).text


def test_lambdas_are_told_apart_also_on_one_line():
    two = [lambda x: x**2, lambda x: x**3]
    assert [read_function(each).text for each in two] == ["x**2", "x**3"]
    inner = (lambda y: lambda x: x**y)(3)
    assert read_function(inner).text == "x**3"


# ----------------------------------------------------------------- nothing is run


class Trap:
    """An object that says when its code is run."""

    @property
    def value(self):
        raise AssertionError("it was asked")

    def __bool__(self):
        raise AssertionError("it was asked")

    __iter__ = __len__ = __getitem__ = __float__ = __bool__


def test_neither_a_function_nor_what_it_names_is_run():
    ran = []

    def function(x):
        ran.append(x)
        return x**2

    with pytest.raises(FormulaError):
        read_function(function)
    trap = Trap()
    for caught in (
        lambda x: trap.value * x,
        lambda x: x if trap else 2 * x,
        lambda x: trap[0] * x,
        lambda x: len(trap) * x,
        lambda x: float(trap) * x,
        lambda x: sum(t * x for t in trap),
    ):
        with pytest.raises(FormulaError):
            read_function(caught)
    assert ran == []


# -------------------------------------------------------------------- what is refused

REFUSED = [
    f for f in vars(refused).values() if getattr(f, "__module__", 0) == refused.__name__
]
SOURCE = Path(refused.__file__).read_text("utf-8").splitlines()


def marked(function):
    """Return what is to be shown of a function, and on which line."""
    first = function.__code__.co_firstlineno
    sign = getattr(function, "shown", None)
    for number, line in enumerate(SOURCE[first - 1 :], first):
        shown = line.partition("  #! ")[2]
        if shown or (sign and line.strip() == sign):
            return shown or sign, number
    raise AssertionError(function)


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
def test_a_refusal_shows_the_line_and_what_to_do(function):
    with pytest.raises(FormulaError) as caught:
        Objective(function)
    error, told = caught.value, str(caught.value).splitlines()
    if function is not refused.through_a_helper:
        shown, line = marked(function)
        assert f"line {line} of python_refused.py" in told[0]
        carets = told[2]
        assert told[1][carets.index("^") : carets.rindex("^") + 1] == shown
    assert error.problem


def test_a_refusal_in_a_helper_shows_the_helper():
    with pytest.raises(FormulaError, match=r"in prints, line \d+ of python_refused.py"):
        Objective(refused.through_a_helper)


@pytest.mark.parametrize(
    "function", [print, math.exp, np.sum, np.exp], ids=["print", "exp", "sum", "ufunc"]
)
def test_what_has_no_source_is_refused_with_what_to_do(function):
    with pytest.raises(FormulaError, match="give the formula as text"):
        Objective(function)


def test_what_was_typed_or_made_by_exec_is_refused():
    names = {}
    exec("def typed(x): return x**2", names)
    with pytest.raises(FormulaError, match="the source of typed isn't known"):
        Objective(names["typed"])


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ("def f(x):\n    return x + 1\n", "the source has changed"),
        ("def f(x):\n    return x - 1.0\n", "the source has changed"),
        ("\n\ndef f(x):\n    return x - 1\n", "line 1 of changed.py doesn't define f"),
        ("def f(x:\n", "can't be read"),
    ],
)
def test_a_source_that_has_changed_is_refused(tmp_path, now, told):
    file = tmp_path / "changed.py"
    file.write_text("def f(x):\n    return x - 1\n")
    names = {}
    exec(compile(file.read_text(), file, "exec"), names)
    assert read_function(names["f"]).text == "x - 1"
    file.write_text(now + "# longer\n")
    with pytest.raises(FormulaError, match=told):
        read_function(names["f"])


def test_a_decorator_that_changes_the_value_is_not_read_through():
    def opposite(function):
        @functools.wraps(function)
        def changed(*numbers):
            return -function(*numbers)

        return changed

    with pytest.raises(FormulaError, match=r"changed takes \*numbers"):
        read_function(opposite(examples.rosenbrock_of_scalars))


def test_generators_are_no_formulas():
    def yields(x):
        yield x

    with pytest.raises(FormulaError, match="yields or awaits"):
        read_function(yields)


def test_what_grows_without_end_is_refused():
    def doubles(x):
        for _ in range(60):
            x = x * x + 1
        return x

    with pytest.raises(FormulaError, match="more than 50000 operations"):
        read_function(doubles)
