"""The command line: ``symgd minimize | maximize | sweep | race | fit | show | ...``.

Standard output holds results only; everything said about them goes to standard error.
The exit status is 0 on success, 1 when a run ended without success, 2 on bad input,
130 when Ctrl-C came outside of a run.
Heavy modules are imported by the commands that need them, not here.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from typing import Annotated, Any

import typer
import typer.core

from symgd.cli import cache, describe, export, fit, page, race, sweep
from symgd.cli import minimize as optimize
from symgd.cli.wording import Command
from symgd.native.version import __version__


class _Commands(typer.core.TyperGroup):
    """Commands, of which one may have been left out before a formula."""

    def resolve_command(self, context: Any, arguments: list[str]) -> Any:
        formula = arguments[0]
        if formula not in self.commands and not re.fullmatch(r"[\w-]*", formula):
            instead = f"symgd minimize {shlex.quote(formula.strip())}"
            context.fail(f"{formula.strip()!r} is no command: write {instead}")
        return super().resolve_command(context, arguments)


app = typer.Typer(
    cls=_Commands,
    help="Minimise formulas at the speed of hand-written C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    *(optimize.minimize, optimize.maximize, sweep.sweep, race.race),
    *(fit.fit, describe.show, describe.rules, page.report, page.play, export.export),
)
for _command in COMMANDS:
    app.command(cls=Command)(_command)
app.add_typer(cache.app, name="cache")


@app.callback(invoke_without_command=True)
def _top(
    version: Annotated[bool, typer.Option("--version", help="Print it.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not know every letter
            stream.reconfigure(errors="backslashreplace")
    try:
        app(args=prepared(sys.argv[1:]), prog_name="symgd")
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def prepared(arguments: list[str]) -> list[str]:
    """Return arguments in which a formula with a leading minus is not an option.

    >>> prepared(["maximize", "-x**2", "--json", "-h"])
    ['maximize', ' -x**2', '--json', '-h']
    """
    short = {"-h", "-o"} if arguments[:1] in (["report"], ["export"]) else {"-h"}
    return [
        f" {a}" if re.match(r"-[^-]", a) and a not in short else a for a in arguments
    ]
