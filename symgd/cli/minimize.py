"""``symgd minimize`` and ``symgd maximize``."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from symgd.cli import option_texts
from symgd.cli.options import ConstraintOptions, DescentOptions, taking
from symgd.cli.output import NO_SUCCESS, errors_reported, print_json, shown
from symgd.errors import InputError

if TYPE_CHECKING:
    from symgd.descent.callbacks import State
    from symgd.descent.result import Result
    from symgd.insight.global_minimum import GlobalMinimum

SHOWN = 20  # numbers of an iterate

Seed = Annotated[
    int | None, typer.Option(help="For a random start, and the order of batches.")
]
TraceFile = Annotated[
    Path | None, typer.Option("--trace", help="Write every iterate to a CSV file.")
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1, help="Each update of a rule sees so many rows of the data, by chance."
    ),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Print each iterate while it runs.")
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the state of the run there; the same command goes on from it.",
    ),
]
ProgressBar = Annotated[bool, typer.Option("--progress", help="Show a progress bar.")]
Certify = Annotated[
    bool,
    typer.Option(
        "--certify", help="Also prove the global minimum within the bounds of all."
    ),
]
CERTIFIED = 10.0  # seconds, unless --time-limit says more or less


@dataclass(kw_only=True)
class RunOptions(ConstraintOptions, DescentOptions):
    """The options of a single run."""

    seed: Seed = None
    trace: TraceFile = None
    verbose: Verbose = False
    progress: ProgressBar = False
    checkpoint: Checkpoint = None
    batch_size: BatchSize = None
    certify: Certify = False

    @property
    def traced(self) -> bool:
        """Whether the iterates are wanted."""
        return bool(self.trace or self.plot)


@taking(RunOptions)
def minimize(run: RunOptions) -> None:
    """Find a minimum.

    Example: symgd minimize "(x - 1)**2 + y**2" --start "x=3,y=1"
    """
    _optimize("minimize", run)


@taking(RunOptions)
def maximize(run: RunOptions) -> None:
    """Find a maximum.

    Example: symgd maximize "3*x - x**2 - y**2" --start "x=3,y=1"
    """
    _optimize("maximize", run)


@errors_reported()
def _optimize(verb: str, run: RunOptions) -> None:
    option_texts.check_writable(run.trace)
    option_texts.check_writable(run.plot, option_texts.PICTURES)
    arguments = run.arguments()
    if run.certify and verb == "maximize":
        raise InputError("--certify is of minima: minimize the formula's opposite")
    if run.verbose:
        printer = IteratePrinter(to=sys.stderr if run.as_json else sys.stdout)
        arguments |= {"callback": printer, "callback_every": 1}
    start = option_texts.point(run.start)
    from symgd.descent import optimize

    result = getattr(optimize, verb)(
        run.objective(),
        start,
        rng=run.seed,
        trace=run.traced,
        progress=run.progress,
        checkpoint=run.checkpoint,
        batch_size=run.batch_size,
        **arguments,
    )
    _deliver(result, run, _certificate(run))
    if not result.success:
        raise typer.Exit(NO_SUCCESS)


def _certificate(run: RunOptions) -> GlobalMinimum | None:
    if not run.certify:
        return None
    from symgd.insight.global_minimum import minimize_global

    seconds = CERTIFIED if run.time_limit is None else run.time_limit
    limits = option_texts.bounds(run.bounds)
    return minimize_global(
        run.objective(), limits, time_limit=seconds, progress=run.progress
    )


def _deliver(result: Result, run: RunOptions, proven: GlobalMinimum | None) -> None:
    """Print the result, and write the files that are wanted."""
    trace: Any = result.trace
    result.elsewhere_known = proven is not None
    if run.trace is not None:
        trace.to_csv(run.trace, result.objective.space)
    if run.plot is not None:
        from symgd.plotting.door import save

        save(result, run.plot)
    if run.as_json:
        more = {} if proven is None else {"certificate": proven.to_dict()}
        print_json(**result.to_dict(), **more)
    else:
        print(shown(result), flush=True)
        if proven is not None:
            print(f"\nglobal minimum\n{textwrap.indent(str(proven), '  ')}")


class IteratePrinter:
    """A callback that prints a line for each iterate, also for a long one."""

    def __init__(self, to: TextIO) -> None:
        self.file = to
        self._last = -1

    def __call__(self, state: State) -> None:
        """Print a line, unless this iterate has one: where a run failed to go on."""
        from symgd.language.text import number

        if state.t != self._last:
            line = f">{state.t} f({_short(state.x)}) = {number(state.fun)}"
            print(line, file=self.file, flush=True)
        self._last = state.t


def _short(x: Any) -> str:
    """Return a point on one line."""
    import numpy as np

    return np.array2string(x, threshold=SHOWN, max_line_width=10_000)
