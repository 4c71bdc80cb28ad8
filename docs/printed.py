"""A Sphinx extension: what pages print of symgd itself, so that it is never pasted.

A fenced block ``{printed} NAME`` in a page is replaced by what the function of this
name returns, as Markdown.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import mpmath
import sympy as sp
import typer.main
import written
from typer.testing import CliRunner

from symgd import Status
from symgd.calculus.derivatives import gradient
from symgd.cli import app as commands
from symgd.errors import FormulaError
from symgd.language.formula import symbol, text_of
from symgd.language.functions import ORDERS, TABLE, Function
from symgd.lowering.source import lower
from symgd.rules.family import BUILT_IN
from symgd.rules.rule import Rule

if TYPE_CHECKING:
    from sphinx.application import Sphinx

BLOCK = re.compile(r"^```\{printed\} (\w+)\n```$", re.MULTILINE)
ARGUMENTS = 100  # at which the error of a function is measured
DIGITS = 150  # of the exact values: what is written naively must not cancel
NAMES = ("x", "y")
WAVES = ("besselj", "j0", "j1")  # whose zeros are known to some digits of the whole


def table(*rows: tuple[str, ...]) -> str:
    """Return a table; the first row is its head."""
    head, *rest = (f"| {' | '.join(cells)} |" for cells in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest])


def plain(text: str) -> str:
    """Return a text of which Markdown makes nothing else."""
    return re.sub(r"([*_<|`$\[])", r"\\\1", " ".join(text.split()))


# ------------------------------------------------------------------- functions


def functions() -> str:
    """Return the functions of the language: other names, derivative, error."""
    head = ("function", "also", "derivative", "largest error seen")
    return table(head, *map(_function, sorted(TABLE, key=lambda row: row.name.lower())))


def _function(row: Function) -> tuple[str, ...]:
    names = NAMES[: 2 if row.arity[0] == 2 else 1]
    also = ", ".join(f"`{name}`" for name in row.aliases)
    return f"`{row.name}({', '.join(names)})`", also, _slopes(row, names), _error(row)


def _slopes(row: Function, names: tuple[str, ...]) -> str:
    """Return the derivatives as symgd has them."""
    symbols = tuple(map(symbol, names))
    formula = row.build(*symbols)
    if row.node in ORDERS:  # the order is a whole number
        names, symbols = names[1:], symbols[1:]
    try:
        slopes = gradient(formula, symbols)
    except FormulaError:
        return "none: refused where a descent would need it"
    texts = (f"`{text_of(slope)}`" for slope in slopes)
    if names == NAMES[:1]:
        return next(texts)
    pairs = zip(names, texts, strict=True)
    return "; ".join(f"by {name}: {text}" for name, text in pairs)


def _error(row: Function) -> str:
    """Return the largest error among random arguments, in units in the last place."""
    symbols = tuple(map(symbol, NAMES[: 2 if row.arity[0] == 2 else 1]))
    formula = row.build(*symbols)
    places = {each: f"x[{k}]" for k, each in enumerate(symbols)}
    computed = lower("computed", ("x", "p"), [formula], places)
    worst = 0.0
    for point in _points(row, len(symbols)):
        exact = (sp.Float(each, DIGITS) for each in point)
        number = sp.N(formula.xreplace(dict(zip(symbols, exact, strict=True))), DIGITS)
        if number.is_real and 1e-300 < abs(number) < 1e300:
            size = _amplitude(point[-1]) if row.name in WAVES else 0.0
            worst = max(worst, _ulps(computed(point, ())[0], number, size))
    where = " of the amplitude" if row.name in WAVES else ""
    return f"{worst:.1f} ulp{where}" if worst else "exact"


def _points(row: Function, count: int) -> Iterator[tuple[float, ...]]:
    """Draw arguments of all usual sizes."""
    rng = random.Random(0)
    for _ in range(ARGUMENTS):
        sizes = [2.0 ** rng.uniform(-12, 7) for _ in range(count)]
        point = [rng.choice([-1, 1]) * size for size in sizes]
        if row.node in ORDERS:
            point = [float(rng.randint(0, 4)), sizes[-1]]
        yield tuple(point)


def _amplitude(x: float) -> float:
    """Return how far a Bessel function swings beside x; at most 1."""
    return min(1.0, math.sqrt(2.0 / (math.pi * abs(x))))


def _ulps(number: float, exact: sp.Expr, size: float) -> float:
    with mpmath.workprec(500):
        right = mpmath.mpf(exact)
        largest = max(abs(right), mpmath.mpf(size))
        unit = mpmath.mpf(2) ** (int(mpmath.frexp(largest)[1]) - 53)
        return float(abs(mpmath.mpf(number) - right) / unit)


# ----------------------------------------------------------------------- rules


def rules() -> str:
    """Return a section for each rule: its source, its equations, its defaults."""
    return "\n\n".join(map(_rule, BUILT_IN.values()))


def _rule(rule: Rule) -> str:
    lines = (
        rf"{written.name(assigned)} & \leftarrow & {written.latex(formula)}"
        for assigned, formula in rule.assignments
    )
    equations = "\\begin{array}{rcl}\n" + " \\\\\n".join(lines) + "\n\\end{array}"
    shown = [f"## `{rule.name}`", plain(rule.reference), f"$$\n{equations}\n$$"]
    return "\n\n".join([*shown, f"```text\n{rule.text}\n```"])


# -------------------------------------------------------------------- statuses


def statuses() -> str:
    """Return the statuses in the order of their numbers."""
    rows = (
        (str(int(status)), f"`{status.name}`", "yes" if status.success else "no")
        for status in Status
    )
    sentences = (status.sentence for status in Status)
    full = ((*row, text) for row, text in zip(rows, sentences, strict=True))
    return table(("number", "name", "success", "sentence"), *full)


# ---------------------------------------------------------------- command line


def command_line() -> str:
    """Return a section for each command: what its --help prints."""
    paths = _commands((), typer.main.get_command(commands))
    return "\n\n".join(
        f"### `symgd {' '.join(path)}`\n\n```text\n{_help(path)}\n```" for path in paths
    )


def _commands(path: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
    """Return the words of each command, those of a group after the others."""
    for name, each in getattr(command, "commands", {}).items():
        yield from _commands((*path, name), each)
    if not hasattr(command, "commands"):
        yield path


def _help(path: tuple[str, ...]) -> str:
    width = {"COLUMNS": "88", "TERMINAL_WIDTH": "88"}
    told = CliRunner().invoke(
        commands,
        [*path, "--help"],
        prog_name="symgd",
        env=width,
        catch_exceptions=False,
    )
    return told.stdout.strip()


# --------------------------------------------------------------------- Sphinx

PRINTED = {each.__name__: each for each in (functions, rules, statuses, command_line)}


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put in what is printed."""
    source[0] = BLOCK.sub(lambda block: PRINTED[block[1]](), source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Make it known to Sphinx."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
