"""Relations as they are read: what they mean, and what to write instead."""

import pytest
import sympy as sp

from symgd import FormulaError
from symgd.language.nodes import symbol
from symgd.language.relations import read_relation

x, y = symbol("x"), symbol("y")


@pytest.mark.parametrize(
    ("text", "body", "sense"),
    [
        ("x + y == 10", x + y - 10, "=="),
        ("x**2 <= 4*y", x**2 - 4 * y, "<="),
        ("x*y >= 1", x * y - 1, ">="),
        ("x < 3", x - 3, "<="),
        ("3 > x", 3 - x, ">="),
        ("-x <= 3  # a comment", -x - 3, "<="),
    ],
)
def test_a_relation_is_its_left_side_without_the_right_one(text, body, sense):
    relation = read_relation(text, {})
    assert (sp.expand(relation.body - body), relation.sense) == (0, sense)


@pytest.mark.parametrize("text", ["1 <= x + y <= 2", "2 >= x + y >= 1", "1 < x+y <= 2"])
def test_a_chain_is_between(text):
    relation = read_relation(text, {})
    assert relation.sense == "between"
    assert (relation.low, relation.body, relation.high) == (1, x + y, 2)


def test_a_family_has_a_relation_for_each_index():
    relation = read_relation("x[i+1] - x[i] <= r for i in range(n - 1)", {})
    ((index, first, last),) = relation.limits
    assert (str(index), first, str(last)) == ("i", 0, "n - 2")


def test_a_family_may_be_of_some_indices():
    relation = read_relation("x[i] <= 1 for i in range(n) if i > 2 if i < k[i]", {})
    assert str(relation.condition) == "(i > 2) & (i < k[i])"
    assert read_relation("x[i] <= 1 for i in range(n)", {}).condition == sp.true


def test_relations_of_sympy_are_read():
    p, q = sp.symbols("x y")
    assert read_relation(sp.Eq(p, q), {}).body == x - y
    assert read_relation(sp.Ge(p, 1), {}).sense == ">="


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("x = 3", "write == for an equality"),
        ("x => 3", "write >="),
        ("x*y =< 3", "write <="),
        ("x <= inf", "a side that is infinite is no constraint"),
        ("-oo <= x <= 1", "leave it out"),
        ("x <= 1 and y <= 2", "give a list of relations"),
        ("not x <= 1", "give a list of relations"),
        ("x != 3", "almost every point"),
        ("x + y", "write x \\+ y == 0, or x \\+ y <= 0"),
        ("x <= y <= z <= 1", "in one direction"),
        ("1 <= x >= 0", "in one direction"),
        ("x <= ", "something is missing after it"),
        ("", "empty"),
        (True, "always holds"),
        (sp.Ne(sp.Symbol("x"), 1), "almost every point"),
        (sp.Symbol("x") + 1, "a constraint is a relation"),
    ],
)
def test_what_is_no_constraint_is_refused_with_what_to_write(given, told):
    with pytest.raises(FormulaError, match=told):
        read_relation(given, {})


@pytest.mark.parametrize("text", ["x>=1, y>=2", "[x>=1, y>=2]"])
def test_several_relations_are_a_list_of_texts(text):
    with pytest.raises(FormulaError, match="a text is one relation") as caught:
        read_relation(text, {})
    assert caught.value.suggestion == "give subject_to=['x>=1', 'y>=2']"
