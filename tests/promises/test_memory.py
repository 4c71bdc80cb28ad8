"""No formula, data or size reaches memory that isn't its own.

Random indices against Python's integers: a formula is refused, or it is exactly right,
value, gradient and Hessian along a direction, and nothing around its arrays has changed
or was read.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import Objective
from symgd.errors import SymgdError
from symgd.native.machine import address
from tests.exactly import exactly

CANARY = -1.25e300  # what is computed from it is no small whole number
MARGIN = 64  # numbers around each array
V = [3, -1, 2, 5, -2, 1, 4, -3, 2, 7, 1, -1]
HUGE = ["2**31", "2654435761", "3*2**40", "10**18", "2**62"]
HUGE += ["2**63 - 1", "2**63", "2**64 + 3"]
NUMBERS = [-(2**63), -(2**40), -2, -1, 0, 0, 1, 2, 3, 5, 2**31, 2**62, 2**63 - 1]
KINDS = ["i1", "i2", "i4", "i8", "i8", "u1", "u4", "u8"]


def whole(names, depth):
    """Return texts of whole numbers in some names."""
    leaf = st.sampled_from([*names, *names, "1", "2", "3", "7"])
    leaf |= st.sampled_from(HUGE).map("({})".format)
    if depth == 0:
        return leaf
    inner = whole(names, depth - 1)
    pairs = st.tuples(inner, inner)
    two = st.sampled_from(["({} + {})", "({} - {})", "({}*{})", "max({}, {})"])
    divided = st.sampled_from(["({}//{})", "({} % {})"])
    return st.one_of(
        leaf,
        st.tuples(two, pairs).map(lambda t: t[0].format(*t[1])),
        st.tuples(two, pairs).map(lambda t: t[0].replace("max", "min").format(*t[1])),
        st.tuples(divided, pairs).map(lambda t: t[0].format(*t[1])),
        st.tuples(divided, inner, st.sampled_from(["2", "3", "-2", "7", "2**62"])).map(
            lambda t: t[0].format(t[1], f"({t[2]})")
        ),
        inner.map("(-{})".format),
        inner.map("abs({})".format),
        inner.map("({})**2".format),
    )


def index(names):
    """Return texts of indices, of which many stay small."""
    small = st.sampled_from(
        [*names, "i", "i + 1", "i - 1", "2*i", "n - 1 - i", "i + j"]
    )
    large = whole(names, 2)
    return st.one_of(
        small,
        large,
        large.map("({}) % 5".format),
        large.map("max(0, min({}, 4))".format),
        st.tuples(large, st.sampled_from(["2**60", "2**62", "3"])).map(
            lambda t: f"({t[0]})//({t[1]})"
        ),
    )


def condition(names):
    """Return texts of conditions."""
    sides = st.sampled_from([*names, "k[i]", "i % 2", "w[i]", "k[i] % 3"])
    signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    bounds = st.sampled_from([*names, "0", "0", "1", "3", "n - 1", "0.5"])
    plain = st.tuples(sides, signs, bounds).map(" ".join)
    joined = st.tuples(plain, st.sampled_from([" and ", " or "]), plain)
    return plain | joined.map("".join) | plain.map("not ({})".format)


def numbers(kind):
    """Return numbers of a type, some of them its ends."""
    least, most = np.iinfo(kind).min, np.iinfo(kind).max
    most = min(most, 2**53) if kind == "u8" else most
    known = [n for n in {*NUMBERS, int(least), int(most)} if least <= n <= most]
    return st.sampled_from(sorted(known)) | st.integers(0, 4)


@st.composite
def cases(draw):
    """Return a formula of x, with data and sizes."""
    outer, inner = ["i", "n"], ["i", "j", "n"]
    kind = draw(st.sampled_from(KINDS))
    keys = draw(st.lists(numbers(kind), min_size=5, max_size=5))
    data = {"k": np.array(keys, kind), "w": np.array([1.0, 0.0, 3.0, -1.0, 2.0])}
    a, b, c = (draw(index([*inner, "k[i]"])) for _ in range(3))
    test = draw(condition(inner))
    body = draw(
        st.sampled_from(
            [
                f"(i + 1)*x[{a}]**2 + x[{b}]*x[{c}]",
                f"(i + 1)*x[{a}]**2 if {test} else x[i]",
                f"x[i]*(x[{b}] if {test} else 2) + (i + 1)*x[j]**2",
                f"0 if {test} else x[{a}]*x[{b}]",
            ]
        )
    )
    ranges = ["3", "i + 1", "max(0, 2 - i)", "(n*2**62 + i)//2**62"]
    last = draw(st.sampled_from(ranges))
    if draw(st.booleans()):
        guard = draw(st.just("") | condition(inner).map(" if {}".format))
        whole = f"sum({body} for i in range(n) for j in range({last}){guard})"
    else:
        guard = draw(st.just("") | condition(outer).map(" if {}".format))
        whole = f"sum(sum({body} for j in range({last})) for i in range(n){guard})"
    return whole, data, {"n": draw(st.integers(1, 5))}


def surrounded(values):
    """Return an array, and the larger one around it that is full of canaries."""
    around = np.full(len(values) + 2 * MARGIN, CANARY)
    inside = around[MARGIN:-MARGIN]
    inside[:] = values
    return inside, around


def are_alive(around):
    """Return whether nobody has written to the canaries."""
    return (np.concatenate([around[:MARGIN], around[-MARGIN:]]) == CANARY).all()


@given(cases(), st.integers(0, 1))
@settings(max_examples=40)
def test_a_formula_is_refused_or_exactly_right_and_keeps_to_its_arrays(case, less):
    attack(case, less)


def attack(case, less):
    """Evaluate a formula in the midst of canaries, x as long as it needs, or less."""
    formula, data, sizes = case
    w, *around = surrounded(data["w"])
    try:
        objective = Objective(formula, data={**data, "w": w}, sizes=sizes)
        length = objective.space.size - less
        if not 1 <= length <= len(V):
            return
        x = 1.0 + np.arange(length) % 3
        objective = objective.sized(x)
    except SymgdError:
        return
    vectors = (x, 0 * x, 0 * x, V[:length])
    point, gradient, along, way = (surrounded(each) for each in vectors)
    words = objective.parameter_values()
    value = objective.kernel("evaluation")(
        address(point[0]), address(words), address(gradient[0])
    )
    objective.kernel("product")(
        *(address(point[0]), address(words), address(along[0]), address(way[0]))
    )
    around += [array for _, array in (point, gradient, along, way)]
    assert all(map(are_alive, around))
    assert point[0].tolist() == x.tolist()
    assert w.tolist() == data["w"].tolist()
    try:
        wanted = exactly(formula, {"x": x}, V, **data, **sizes)
    except (IndexError, ZeroDivisionError):
        return  # of a term that is 0, or in which nothing is chosen
    assert (value, gradient[0].tolist(), along[0].tolist()) == wanted
