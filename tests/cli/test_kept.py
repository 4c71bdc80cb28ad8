"""The command line: what ``show`` has answered is kept, and is said again."""

import dataclasses
import sys

import pytest

from symgd.cli import describe
from symgd.native import compiled, store
from tests.cli.running import run
from tests.cli.test_stored_code import DAMAGES, in_a_process
from tests.problems import ROSENBROCK

BOX = ("--bounds", "x=-2:2,y=-2:2")


class Answers:
    """The answers of processes, as it were: each knows what is stored, no more."""

    def __init__(self, monkeypatch):
        self.composed = 0
        self._monkeypatch, self._real = monkeypatch, describe._described
        monkeypatch.setattr(describe, "_described", self._counted)

    def _counted(self, shown):
        self.composed += 1
        return self._real(shown)

    def __call__(self, *arguments, stdin=None):
        """Return what is printed, and whether it was composed."""
        before = self.composed
        self._monkeypatch.setattr(compiled, "_facts", compiled._Recent(100))
        done = run("show", *arguments, stdin=stdin)
        return (done.exit_code, done.stdout, done.stderr), self.composed > before


@pytest.fixture
def answers(monkeypatch, tmp_path):
    monkeypatch.setenv("SYMGD_CACHE_DIR", str(tmp_path / "cache"))
    return Answers(monkeypatch)


@pytest.mark.parametrize("options", [(), BOX, ("--json", *BOX)])
def test_what_is_known_is_shown_without_sympy(options, tmp_path):
    command = ("show", ROSENBROCK, *options)
    first, imported = in_a_process(*command, folder=tmp_path / "cache")
    assert "sympy" in imported
    assert in_a_process(*command, folder=tmp_path / "cache") == (first, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ("x**2 - a*y", "--parameter", "a=3"),
        ("x*y", "--subject-to", "x + y == 10"),
        ("x*y", "--subject-to", "x + y == 10", "--json"),
        ("sum((x[i] - 1)**2 for i in range(3))", "--json"),
        ("-x**2",),
    ],
)
def test_an_answer_that_is_kept_is_the_same(answers, arguments):
    fresh, kept = answers(*arguments), answers(*arguments)
    assert fresh[0][0] == 0
    assert kept == (fresh[0], False)


@pytest.mark.filterwarnings("default")
def test_notes_are_kept_too_and_depend_on_what_warnings_are_to_be(answers, monkeypatch):
    fresh, kept = answers("x**2 + Pi**2"), answers("x**2 + Pi**2")
    assert fresh[0][2].startswith("note: 'Pi' is a variable")
    assert kept == (fresh[0], False)
    monkeypatch.setattr(sys, "warnoptions", ["ignore"])
    assert answers("x**2 + Pi**2")[1]


def test_a_formula_from_standard_input_is_the_one_that_is_kept(answers):
    typed = answers("x**2 + 1")
    assert answers("-", stdin="x**2 + 1") == (typed[0], False)
    assert answers("-", stdin="x**2 + 2")[1]


def test_standard_input_is_read_once():
    options = ("--bounds", "x=-2:2", "--certify")
    done = run("minimize", "-", *options, stdin="x**2 + (x - 1)**4")
    assert done.stdout == run("minimize", "x**2 + (x - 1)**4", *options).stdout
    assert "(proven)" in done.stdout


OTHERS = {
    "formula": "x**2 + b",
    "parameters": ["a=3"],
    "iteration": "t",
    "sizes": ["n=3"],
    "missing": "drop",
    "subject_to": ["x == 1"],
    "bounds": "x=0:1",
    "as_json": True,
}


def test_other_arguments_have_another_answer():
    fields = {field.name for field in dataclasses.fields(describe.ShowOptions)}
    assert fields == {*OTHERS, "data"}
    given = [{}, *({name: value} for name, value in OTHERS.items())]
    keys = [describe.ShowOptions(**{"formula": "x**2", **each}).key for each in given]
    assert len(set(keys)) == len(given)


def test_what_is_of_a_file_is_not_kept(answers, tmp_path):
    table = tmp_path / "t.csv"
    command = ("sum((x - t[i])**2 for i in range(n))", "--data", str(table))
    for rows in ("t\n1\n2\n", "t\n1\n2\n"):
        table.write_text(rows)
        assert answers(*command)[1]


def test_what_time_cut_short_is_tried_again(answers, monkeypatch):
    formula = "exp(x)*sin(x*y) + y**4"
    monkeypatch.setattr(describe, "ANALYSED", 1e-9)
    assert answers(formula, *BOX)[1]
    assert answers(formula, *BOX)[1]
    monkeypatch.setattr(describe, "ANALYSED", 100.0)
    fresh = answers("x**2 + y**2", *BOX)
    assert answers("x**2 + y**2", *BOX) == (fresh[0], False)


def test_errors_are_found_again(answers):
    for _ in range(2):
        (status, printed, told), composed = answers("x^2")
        assert (status, printed, composed) == (2, "", True)
        assert "write x**2" in told


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_answer_is_composed_again(answers, damage):
    fresh = answers(ROSENBROCK)
    damage(store.folder())
    assert answers(ROSENBROCK) == (fresh[0], True)


def test_an_answer_is_read_from_a_store_that_cannot_be_written(answers, monkeypatch):
    fresh = answers(ROSENBROCK)
    monkeypatch.setattr(store, "_write", _refused)
    monkeypatch.setattr("os.utime", _refused)
    assert answers(ROSENBROCK) == (fresh[0], False)
    other = answers("x**2")
    assert answers("x**2") == other == (other[0], True)


def test_a_store_without_room_keeps_no_answers(answers, monkeypatch):
    monkeypatch.setenv("SYMGD_CACHE_SIZE", "0")
    fresh = answers("x**2")
    assert answers("x**2") == fresh == (fresh[0], True)
    assert store.contents().entries == 0


def _refused(*_, **__):
    raise OSError("read only")


def test_what_other_sources_said_is_not_repeated(answers, monkeypatch):
    fresh = answers(ROSENBROCK)
    monkeypatch.setattr(compiled, "_setting", lambda: "of another version")
    assert answers(ROSENBROCK) == (fresh[0], True)
