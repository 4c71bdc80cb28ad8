"""Whole numbers in indices and ranges: exact, or refused; they never wrap around."""

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from symgd import FormulaError, InputError, Objective
from symgd.calculus.structure import ranges_of
from symgd.calculus.whole import LEAST, Spans
from symgd.language.formula import read
from tests.exactly import exactly

KEYS = np.array([3, 2**31 - 1, -(2**31), 77], dtype=np.int32)


@pytest.mark.parametrize(
    ("formula", "known", "length"),
    [
        ("sum(x[(i*2**62 + 1)//2**62]*(i + 1) for i in range(4))", {}, 4),
        ("sum(x[(i*2**62) % 7]*i for i in range(8))", {}, 7),
        ("sum(x[(k[i]*2654435761) % 1009] for i in range(n))", {"k": KEYS}, 1009),
        ("sum(x[abs(k[i])//2**62] for i in range(n))", {"k": -KEYS[:2]}, 1),
        ("sum(x[(i*2**63 + 3*2**62)//2**63] for i in range(3))", {}, 4),
        ("sum(x[-((-i*2**63)//2**63)] for i in range(3))", {}, 3),
        ("sum(x[i] for i in range((3*2**62 + 1)//2**62))", {}, 3),
        ("sum(x[(2**64 + 3 - i) % (-5) + 4] for i in range(4))", {}, 5),
    ],
)
def test_numbers_beyond_64_bits_are_exact_where_they_drop_out(formula, known, length):
    x = 1.0 + np.arange(length) % 5
    sizes = {"n": len(known["k"])} if known else {}
    found = Objective(formula, data=known or None).value(x)
    assert found == exactly(formula, {"x": x}, np.ones(length), **known, **sizes)[0]


SMALLEST = {"k": np.array([LEAST, 1])}


@pytest.mark.parametrize(
    ("formula", "options", "messages"),
    [
        (
            "sum(x[abs(k[i])//2**62] for i in range(n))",
            {"data": SMALLEST},
            ["Abs(k[i]) may become 9223372036854775808", "which 64 bits can't hold"],
        ),
        ("sum(x[(-k[i])//2**62] for i in range(n))", {"data": SMALLEST}, ["-k[i]"]),
        (
            "sum(x[k[i]//j] for i in range(n) for j in range(-1, 0))",
            {"data": SMALLEST},
            ["k[i]/j"],
        ),
        (
            "sum(x[k[i] % j] for i in range(n) for j in range(-1, 0))",
            {"data": SMALLEST},
            ["Mod(k[i], j)"],
        ),
        (
            "sum(x[(k[i]*k[i]) % 10] for i in range(n))",
            {"data": {"k": [2**40, 1]}},
            ["k[i]**2 may become 1.21e+24", "in the index Mod(k[i]**2, 10)", "(a % m)"],
        ),
        (
            "sum(x[(i*2**62) % n] for i in range(n))",
            {"sizes": {"n": 5}},
            ["may become"],
        ),
        ("sum(x[i**99 % 7] for i in range(4))", {}, ["i**99 may become"]),
        ("sum(x[max(i, 2**63)] for i in range(4))", {}, ["9223372036854775808"]),
        (
            "sum(x[0] for i in range((n*m)//2**62))",
            {"sizes": {"n": 2**40, "m": 2**40}},
            ["m*n may become 1.21e+24", "in a range from 0 to floor("],
        ),
        ("sum(x[0] for i in range(3) for j in range(i*2**60))", {}, ["too long"]),
        ("sum(x[i] for i in range(4) if i > 2**70)", {}, ["too long to compute"]),
        ("sum(x[floor(2**i)] for i in range(3))", {}, ["2**i can't be an index"]),
        ("sum(x[floor(i**0.5)] for i in range(3))", {}, ["sqrt(i) can't be an index"]),
    ],
)
def test_what_64_bits_may_not_hold_is_refused(formula, options, messages):
    with pytest.raises(FormulaError) as caught:
        Objective(formula, **options)
    assert formula in str(caught.value)
    for message in messages:
        assert message in str(caught.value)


def test_keys_may_be_of_any_whole_type_and_of_no_other():
    formula = "sum(x[k[i]]*(i + 1) for i in range(n))"
    for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4"):
        keys = np.array([2, 0, 1], dtype=kind)
        assert Objective(formula, data={"k": keys}).value([1, 10, 100]) == 132
    for kind in ("f4", "f8", "?"):
        with pytest.raises(InputError, match="must be integers"):
            Objective(formula, data={"k": np.array([1, 0], dtype=kind)})


def test_data_that_guard_themselves_may_be_as_small_as_there_is():
    formula = "sum(x[k[i]]**2 for i in range(n) if k[i] >= 0)"
    data = {"k": np.array([1, LEAST, 0])}
    assert Objective(formula, data=data).value([1, 3]) == 10


@pytest.mark.parametrize("divisor", [3, 7, 49, 103])
def test_a_quotient_of_whole_numbers_in_a_body_is_rounded_as_it_is(divisor):
    d = divisor
    body = f"(i//{d} + 7*ceiling(i/{d}) + (3*i + 2)//{d} - (-i)//{d})"
    formula = f"sum({body}*x[0] for i in range(n))"
    wanted = sum(
        i // d - 7 * (-i // d) + (3 * i + 2) // d - (-i) // d for i in range(1000)
    )
    assert Objective(formula, sizes={"n": 1000}).value([1.0]) == wanted


# ------------------------------------------------------------------------- spans


EXPRESSIONS = ["i", "j", "n", "3", "-2", "i - j", "2*i + j", "n - 1 - i", "k[i]", "i*j"]


def grown(inner):
    pair = st.tuples(inner, inner)
    signs = ["({} + {})", "({} - {})", "({})*({})", "max({}, {})", "min({}, {})"]
    return st.one_of(
        st.tuples(st.sampled_from(signs), pair).map(lambda t: t[0].format(*t[1])),
        st.tuples(inner, st.sampled_from(["//2", "//(-3)", " % 4", " % (-3)"])).map(
            lambda t: f"({t[0]}){t[1]}"
        ),
        inner.map("ceiling(({})/4)".format),
        inner.map("abs({})".format),
        inner.map("({})**2".format),
    )


texts = st.recursive(st.sampled_from(EXPRESSIONS), grown, max_leaves=5)


@given(texts, st.booleans())
def test_spans_hold_all_values(text, tight):
    keys = {"k": np.array([3, -4, 2, 5])}
    nested = "for i in range(n) for j in range(i, i + 3)"
    whole = read(f"sum(x[i*i + ({text})] {nested})", arrays=True)
    spans = Spans({"n": 4}, keys, ranges_of(whole), tight)
    try:
        low, high = spans.of(whole.function.indices[0])
    except FormulaError:
        reject()
    known = {"ceiling": lambda x: -(-x // 1), "n": 4, "k": keys["k"].tolist()}
    for i in range(4):
        for j in range(i, i + 3):
            value = eval(f"i*i + ({text})", {**known, "i": i, "j": j})
            assert low <= value <= high
