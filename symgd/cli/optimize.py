"""``symgd minimize`` and ``symgd maximize``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symgd.cli import reading
from symgd.cli.options import Descents, given_text, taking
from symgd.cli.output import NO_SUCCESS, errors_reported, print_json

if TYPE_CHECKING:
    from symgd.result import Result

Seed = Annotated[int | None, typer.Option(help="For a random start.")]
TraceFile = Annotated[
    Path | None, typer.Option("--trace", help="Write every iterate to a CSV file.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="One line an iteration.")]
Progress = Annotated[bool, typer.Option("--progress", help="Show a progress bar.")]


@dataclass(kw_only=True)
class Run(Descents):
    """The options of a single run."""

    seed: Seed = None
    trace: TraceFile = None
    verbose: Verbose = False
    progress: Progress = False

    @property
    def traced(self) -> bool:
        """Whether the iterates are wanted."""
        return bool(self.trace or self.plot or self.verbose)


@taking(Run)
def minimize(run: Run) -> None:
    """Find a minimum.

    Example: symgd minimize "(x - 1)**2 + y**2" --start "x=3,y=1"
    """
    _optimize("minimize", run)


@taking(Run)
def maximize(run: Run) -> None:
    """Find a maximum.

    Example: symgd maximize "3*x - x**2 - y**2" --start "x=3,y=1"
    """
    _optimize("maximize", run)


@errors_reported()
def _optimize(verb: str, run: Run) -> None:
    reading.check_writable(run.trace)
    reading.check_writable(run.plot, reading.PICTURES)
    arguments = run.arguments()
    start = reading.point(run.start)
    import symgd

    constants = reading.assignments(run.parameters, "--parameter")
    result = getattr(symgd, verb)(
        symgd.Objective(given_text(run.formula), parameters=constants),
        start,
        rng=run.seed,
        trace=run.traced,
        progress=run.progress,
        **arguments,
    )
    _deliver(result, run)
    if not result.success:
        raise typer.Exit(NO_SUCCESS)


def _deliver(result: Result, run: Run) -> None:
    """Print the result, and write the files that are wanted."""
    trace: Any = result.trace
    if run.verbose:
        _print_iterates(trace, to=sys.stderr if run.as_json else sys.stdout)
    if run.trace is not None:
        trace.to_csv(run.trace, result.variables)
    if run.plot is not None:
        from symgd.plotting import save

        save(result, run.plot)
    if run.as_json:
        print_json(**result.to_dict())
    else:
        print(repr(result), flush=True)


def _print_iterates(trace: Any, to: Any) -> None:
    from symgd.result import number

    for t, x, fun in zip(trace.t, trace.x, trace.fun, strict=True):
        print(f">{t} f({x}) = {number(fun)}", file=to)
