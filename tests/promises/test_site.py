"""What the site prints of symgd is all that there is, and true."""

import importlib
import re
import sys

import pytest

from symgd import Status
from symgd.language.functions import TABLE
from symgd.rules.family import BUILT_IN
from symgd.rules.rule import Rule
from tests.promises.test_pages import COMMANDS, DOCS

C_LIBRARY = ("gamma", "loggamma", "digamma", "polygamma", "factorial")


@pytest.fixture(scope="module")
def printed():
    sys.path.insert(0, str(DOCS))
    try:
        yield importlib.import_module("printed")
    finally:
        sys.path.remove(str(DOCS))


def test_each_block_of_a_page_is_printed(printed):
    pages = "".join(page.read_text("utf-8") for page in DOCS.glob("[a-z]*/*.md"))
    assert sorted(printed.BLOCK.findall(pages)) == sorted(printed.PRINTED)


def test_each_function_has_its_row_and_a_small_error(printed):
    rows = [line.split("|")[1:-1] for line in printed.functions().splitlines()[2:]]
    names = {re.search(r"\w+", row[0])[0]: row for row in rows}
    assert {*names} == {row.name for row in TABLE}
    for row in TABLE:
        told = names[row.name]
        assert [*re.findall(r"\w+", told[1])] == [*row.aliases]
        assert told[2].strip()
        if row.name not in C_LIBRARY and "exact" not in told[3]:
            assert float(told[3].split()[0]) <= 4.0


def test_each_rule_is_printed_as_it_can_be_read(printed):
    text = printed.rules()
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert [*sections] == [*BUILT_IN]
    for name, section in sections.items():
        rule = BUILT_IN[name]
        assert (
            Rule.from_text(re.search(r"```text\n(.*?)\n```", section, re.S)[1]) == rule
        )
        assert section.count(r"\leftarrow") == len(rule.assignments)


def test_each_status_and_each_command_is_printed(printed):
    assert re.findall(r"`(\w+)`", printed.statuses()) == [each.name for each in Status]
    headed = re.findall(r"^### `symgd (\w+)", printed.command_line(), re.MULTILINE)
    assert {*headed} == {*COMMANDS}
    assert "Usage: symgd minimize" in printed.command_line()


@pytest.mark.parametrize(
    ("formula", "latex"),
    [
        ("a - (b - c)", r"a - \left(b - c\right)"),
        ("a - b - c", r"a - b - c"),
        ("(a + b)*c", r"\left(a + b\right)\,c"),
        ("a*b**2", r"a\,{b}^{2}"),
        ("(a*b)**2", r"{\left(a\,b\right)}^{2}"),
        ("-(a + b)", r"-\left(a + b\right)"),
        ("a/(b*c)*d", r"\frac{a}{b\,c}\,d"),
        ("(a/b)**2", r"{\left(\frac{a}{b}\right)}^{2}"),
        ("a*-b", r"a\,\left(-b\right)"),
        ("a*(b*c)", r"a\,\left(b\,c\right)"),
        ("-a*b + -c", r"-a\,b + \left(-c\right)"),
        ("a*(b/c)", r"a\,\frac{b}{c}"),
        ("step_size*g", r"\text{step size} \cdot g"),
        ("beta1*vhat", r"\beta_{1}\,\hat{v}"),
    ],
)
def test_equations_are_written_as_they_are_meant(printed, formula, latex):
    assert printed.written.latex(formula) == latex
