"""Gathered gradients: which loops they replace, and that they are the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import Objective
from symgd.calculus.gathering import merged, quickened
from symgd.calculus.program import Gather, Let, Nest, gradient_program
from symgd.language.formula import read
from symgd.lowering import array_objective as programs
from symgd.native import machine
from symgd.native.machine import address
from tests.expansion import error_of, forward

CHAIN = "sum(100*(x[i + 1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))"


def quick(formula, *variables):
    return quickened(gradient_program(read(formula, arrays=True), variables))


def kinds(program):
    return [type(step) for step in program.steps]


# ----------------------------------------------------------------- what is done


def test_a_chain_is_one_pass_over_its_elements():
    program = quick(CHAIN, "x")
    assert kinds(program) == [Gather]
    (gather,) = program.steps
    assert (gather.array, gather.rank, len(gather.regions)) == ("x", 1, 2)
    assert program.value in {total.name for total in gather.totals}


@pytest.mark.parametrize(
    "formula",
    [
        "sum(x[i]**2 for i in range(n)) + sum(x[i + 1]*x[i] for i in range(n - 1))",
        "sum((x[i] - y[i])**2 for i in range(n)) - sum(x[i + 2] for i in range(3, m))",
        "sum((u[i + 1, j] - u[i, j])**2 for i in range(n - 1) for j in range(m))"
        " + sum((u[i, j + 1] - u[i, j])**2 for i in range(n) for j in range(m - 1))",
        "3*sum(x[i]**2 for i in range(n)) + 2*n",
    ],
)
def test_sums_of_shifts_are_one_pass(formula):
    assert kinds(quick(formula, "x", "u")) == [Gather]


def test_what_a_slope_waits_for_comes_first():
    program = quick("log(sum(exp(x[i]) for i in range(n)))", "x")
    assert kinds(program)[0] is Nest
    assert kinds(program)[-1] is Gather


@pytest.mark.parametrize(
    "formula",
    [
        "sum(x[2*i]**2 for i in range(n))",
        "sum(x[n - 1 - i]*x[i] for i in range(n))",
        "sum(x[key[i]]**2 for i in range(n))",
        "sum(u[j, i]**2 for i in range(n) for j in range(m))",
        "sum(u[i, j]**2 for i in range(n) for j in range(i))",
        "sum((x[i] - x[j])**2 for i in range(n) for j in range(n))",
    ],
)
def test_other_accesses_are_added_one_by_one(formula):
    assert Gather not in kinds(quick(formula, "x", "u"))


def test_what_is_left_is_added_to_what_was_gathered():
    formula = "sum((x[i] - 1)**2 for i in range(n)) + 3*x[0] + x[n - 1]**2*x[2]"
    assert Gather in kinds(quick(formula, "x"))
    objective = Objective(f"{formula} + sum(x[2*i] for i in range(4))", sizes={"n": 9})
    x = np.linspace(-1, 2, 9)
    assert error_of(objective.value_and_grad(x), forward(objective, x)) < 1e-14


def test_sums_with_the_same_outer_range_are_one_pass():
    formula = (
        "sum((u[i, j] - y[i, j])**2 for i in range(n) for j in range(m))"
        " + sum((u[i, j + 1] - u[i, j])**2 for i in range(n) for j in range(m - 1))"
    )
    assert kinds(quick(formula, "u")) == [Gather]


def test_one_array_is_gathered_beside_another_that_is_not():
    program = quick("sum((x[i] - z[key[i]])**2 for i in range(n))", "x", "z")
    assert Gather in kinds(program)
    assert Nest in kinds(program)


def test_loops_over_the_same_range_are_one():
    terms = " + ".join(
        f"sum(sin({k}*x[key[i]])*a for i in range(n))" for k in (1, 2, 3)
    )
    program = gradient_program(read(terms, arrays=True), ["x", "a"])
    assert len([s for s in program.steps if isinstance(s, Nest)]) == 3
    assert len(merged(program.steps)) == 1


def test_a_loop_does_not_join_one_that_it_waits_for():
    formula = "sum(x[key[i]] for i in range(n))**2"
    steps = merged(gradient_program(read(formula, arrays=True), ["x"]).steps)
    assert [type(step) for step in steps] == [Nest, Let, Nest]


# -------------------------------------------------------------- that it is right


def value_and_grad(program, objective, x):
    layout = objective.arrays.layout
    text = programs.evaluation(program, layout)
    kernel = machine.linked(machine.optimised(text), "d:ppp")
    words, gradient = objective.parameter_values(), np.full(x.size, np.nan)
    return kernel(address(x), address(words), address(gradient)), gradient


shifts = st.integers(0, 9)
starts = st.sampled_from(["", "1, ", "3, ", "n - 2, ", "12, "])
stops = st.sampled_from(["n", "n - 1", "n + 4", "8", "n//2"])


@st.composite
def passes(draw):
    """Return a sum of sums over shifts of one array, over ranges that differ."""
    terms = []
    for _ in range(draw(st.integers(1, 3))):
        a, b, c = draw(shifts), draw(shifts), draw(shifts)
        ends = f"for i in range({draw(starts)}{draw(stops)})"
        body = f"(x[i + {a}] - 0.5*x[i + {b}]**2)*(2 + x[i + {c}])"
        terms.append(f"sum({body} {ends})")
    return " - 0.7*".join(terms)


@given(passes(), st.integers(2, 30))
@settings(max_examples=20)
def test_gathered_shifts_over_any_ranges(formula, n):
    objective = Objective(
        f"{formula} + sum(x[i]**2 for i in range(n + 1))", sizes={"n": n}
    )
    program = objective.arrays.program()
    assert isinstance(program.steps[-1], Gather)
    x = np.random.default_rng(n).normal(size=len(objective.space))
    assert error_of(objective.value_and_grad(x), forward(objective, x)) < 1e-12


@st.composite
def planes(draw):
    """Return a sum of sums over shifts of one array of two indices."""
    terms = []
    for _ in range(draw(st.integers(1, 3))):
        a, b, c, d = (draw(st.integers(0, 4)) for _ in range(4))
        outer, inner = draw(stops), draw(starts) + draw(stops)
        body = f"(u[i + {a}, j + {b}] - u[i + {c}, j + {d}]**2)**2"
        terms.append(f"sum({body} for i in range({outer}) for j in range({inner}))")
    return " + ".join(terms)


@given(planes(), st.sampled_from([2, 5, 8, 9, 17]))
@settings(max_examples=12)
def test_gathered_planes_over_any_ranges(formula, n):
    formula += " + sum(u[i, j]**2 for i in range(2) for j in range(n))"
    objective = Objective(formula, sizes={"n": n})
    x = np.random.default_rng(n).normal(size=len(objective.space))
    assert error_of(objective.value_and_grad(x), forward(objective, x)) < 1e-12


@pytest.mark.parametrize("n", [2, 3, 9, 17, 2047, 2048, 2049, 2050, 4100, 6200])
def test_gathered_or_not_is_the_same_at_the_edges_of_blocks(n):
    x = np.random.default_rng(n).normal(size=n)
    objective = Objective(CHAIN).sized(x)
    plain = gradient_program(objective.expression, ["x"])
    value, gradient = value_and_grad(plain, objective, x)
    quicker = objective.value_and_grad(x)
    assert quicker[0] == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(quicker[1], gradient, rtol=1e-12, atol=1e-12)


def test_elements_that_no_sum_reaches_have_no_slope():
    objective = Objective(
        "sum(x[i + 3]**2 for i in range(n)) + sum(x[key[i]] for i in range(m))",
        data={"key": [1, 19]},
        sizes={"n": 10},
    )
    gradient = objective.grad(np.ones(25))
    assert gradient.tolist() == [0, 1, 0, *[2] * 10, *[0] * 6, 1, *[0] * 5]
