"""What nothing reads is no part of a program."""

from symgd.calculus.gathering import quickened
from symgd.calculus.program import gradient_program
from symgd.calculus.unread import symbols_of, symbols_read, without_unread
from symgd.language.formula import read

VARIANCE = "sum((y[i] - a - sum(y[j] for j in range(n))/n)**2 for i in range(n))"


def unread(program):
    """Return the names that a program has and nobody reads."""
    values = [program.value, *(add.value for add in program.adds)]
    read_names = symbols_of(values).union(*map(symbols_read, program.steps))
    made = {
        total.name for step in program.steps for total in getattr(step, "totals", ())
    }
    return made - read_names


def test_totals_that_nothing_reads_are_left_out():
    program = gradient_program(read(VARIANCE, arrays=True), ["a"])
    quick = quickened(program)
    assert not unread(quick)
    assert without_unread(quick) is quick
