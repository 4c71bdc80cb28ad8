"""``symgd fit``: a formula fitted to the rows of a file."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symgd.cli import option_texts
from symgd.cli.asked_of_fits import Answers, Profiles, Quantities, Samples
from symgd.cli.minimize import (
    Checkpoint,
    IteratePrinter,
    ProgressBar,
    TraceFile,
    Verbose,
)
from symgd.cli.options import (
    START_HELP,
    Bounds,
    Json,
    Maxiter,
    PlotFile,
    TimeLimit,
    check_hyperparameter,
    given_text,
    read_rows,
    taking,
)
from symgd.cli.output import NO_SUCCESS, errors_reported, print_json
from symgd.native.criteria import Criteria

if TYPE_CHECKING:
    from symgd.fitting.fit_result import Fit

Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        help="The model, or one for each target; - reads standard input.",
    ),
]
DataFile = Annotated[
    Path,
    typer.Option(
        metavar="FILE", help="The rows: text with names first, .npz, .parquet, ..."
    ),
]
Targets = Annotated[
    list[str],
    typer.Option(
        "--target",
        help="The column that the model should give, or a formula of columns. "
        "Repeatable.",
    ),
]
Start = Annotated[
    str | None, typer.Option(help=f"{START_HELP} What is left out is chosen.")
]
Fixed = Annotated[
    list[str] | None,
    typer.Option("--fix", help="A parameter that is known: c=0. Repeatable."),
]
Tied = Annotated[
    list[str] | None,
    typer.Option("--tie", help="A parameter that follows: b=2*a. Repeatable."),
]
LossName = Annotated[
    str,
    typer.Option(
        help="squared, huber, log_cosh, absolute, poisson, binomial, exponential, "
        "or a formula in r, or in y and f."
    ),
]
Sigma = Annotated[
    list[str] | None,
    typer.Option(
        help="The standard deviation: a column, or a number. Repeatable, for targets."
    ),
]
AbsoluteSigma = Annotated[
    bool, typer.Option("--absolute-sigma", help="Sigma is known, not up to a factor.")
]
SigmaX = Annotated[
    str | None,
    typer.Option(help="That of the only column of the model: a column, or a number."),
]
Trials = Annotated[
    str | None, typer.Option(help="Trials of a row, of the loss binomial: a column.")
]
Weights = Annotated[
    list[str] | None,
    typer.Option(help="The weight of a row: a column. Repeatable, for targets."),
]
Missing = Annotated[
    str, typer.Option(help="Rows that aren't finite: error, the default, or drop.")
]
Method = Annotated[
    str,
    typer.Option(help="auto (Levenberg-Marquardt), lbfgs, or a rule (symgd rules)."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="A constant of the loss (huber_delta=2), or a hyperparameter."
    ),
]
Seed = Annotated[int | None, typer.Option(help="For the choice of a start.")]
FitGtol = Annotated[float, typer.Option(help="Converged when the offset is no larger.")]


@dataclass(kw_only=True)
class FitOptions:
    """The options of a fit, as they were given."""

    models: Models
    data: DataFile = field()  # it has no default
    targets: Targets = field()
    start: Start = None
    bounds: Bounds = None
    fixed: Fixed = None
    tied: Tied = None
    profiles: Profiles = None
    quantities: Quantities = None
    samples: Samples = None
    loss: LossName = "squared"
    sigma: Sigma = None
    absolute_sigma: AbsoluteSigma = False
    sigma_x: SigmaX = None
    weights: Weights = None
    trials: Trials = None
    missing: Missing = "error"
    method: Method = "auto"
    sets: Sets = None
    maxiter: Maxiter = Criteria.maxiter
    gtol: FitGtol = 1e-8
    time_limit: TimeLimit = Criteria.time_limit
    seed: Seed = None
    trace: TraceFile = None
    verbose: Verbose = False
    progress: ProgressBar = False
    checkpoint: Checkpoint = None
    as_json: Json = False
    plot: PlotFile = None

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of ``symgd.fit``."""
        constants = option_texts.assignments(self.sets, "--set")
        for name in constants:
            check_hyperparameter(name)
        same = (
            *("loss", "absolute_sigma", "missing", "method", "maxiter", "gtol"),
            *("time_limit", "progress", "checkpoint"),
        )
        if self.verbose:
            printer = IteratePrinter(to=sys.stderr if self.as_json else sys.stdout)
            constants |= {"callback": printer, "callback_every": 1}
        return {
            **{name: getattr(self, name) for name in same},
            "trace": self.trace is not None,
            "bounds": option_texts.bounds(self.bounds),
            "fixed": option_texts.formulas(self.fixed, "--fix"),
            "tied": option_texts.formulas(self.tied, "--tie"),
            "sigma": _for_targets(self.sigma),
            "sigma_x": _column(self.sigma_x),
            "weights": _for_targets(self.weights),
            "trials": _column(self.trials),
            "rng": self.seed,
            **constants,
        }


@taking(FitOptions)
@errors_reported()
def fit(options: FitOptions) -> None:
    """Fit a model to data: names that are no columns are its parameters.

    Example: symgd fit "a*exp(-b*t) + c" --data decay.csv --target y --profile b
    """
    option_texts.check_writable(options.trace)
    option_texts.check_writable(options.plot, option_texts.PICTURES)
    start = option_texts.point(options.start)
    arguments = options.arguments()
    from symgd.fitting import curve_fit as fitting

    models, targets = list(map(given_text, options.models)), options.targets
    several = len(models) > 1 or len(targets) > 1
    found = fitting.fit(
        models if several else models[0],
        read_rows(options.data, options.missing),
        targets if several else targets[0],
        start,
        **arguments,
    )
    _deliver(found, options)
    if not found.success:
        raise typer.Exit(NO_SUCCESS)


def _deliver(found: Fit, options: FitOptions) -> None:
    asked = (options.profiles or (), options.quantities or (), options.samples)
    answers = Answers(found, *asked, options.seed) if any(asked) else None
    if options.trace is not None and found.trace is not None:
        found.trace.to_csv(options.trace, found.names)
    if options.plot is not None:
        from symgd.plotting.door import save

        save(found, options.plot)
    if options.as_json:
        more = {} if answers is None else answers.to_dict()
        print_json(**found.to_dict(), **more)
    else:
        print(found, *([] if answers is None else [answers]), sep="\n", flush=True)


def _for_targets(texts: list[str] | None) -> Any:
    """Return a column or number, or a list with that of each target."""
    given = [_column(text) for text in texts or ()]
    return given if len(given) > 1 else given[0] if given else None


def _column(text: str | None) -> str | float | None:
    """Return the name of a column, or a number."""
    try:
        return text if text is None else float(text)
    except ValueError:
        return text
