"""The command line: ``symgd minimize | maximize | show | rules``.

Standard output holds results only; everything said about them goes to standard error.
The exit status is 0 on success, 1 when a run ended without success, 2 on bad input.
Heavy modules are imported by the commands that need them, not here.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from symgd import __version__
from symgd.arguments import constant
from symgd.errors import InputError, SymgdError

if TYPE_CHECKING:
    from symgd.objective import Objective
    from symgd.result import Result

BAD_INPUT, NO_SUCCESS = 2, 1
PICTURES = (".png", ".pdf", ".svg")

app = typer.Typer(
    help="Minimise formulas at the speed of hand-written C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Formula = Annotated[
    str,
    typer.Argument(metavar="FORMULA", help="The objective; - reads standard input."),
]
Json = Annotated[
    bool, typer.Option("--json", help="Machine-readable output, and nothing else.")
]
Start = Annotated[
    str | None, typer.Option(help='Where to begin: "x=-1.2,y=1", or "-1.2,1" in order.')
]
Bounds = Annotated[
    str | None, typer.Option(help='"x=-2:2,y=0:"; an empty side is open.')
]
Method = Annotated[
    str, typer.Option(help="auto, or an update rule (see: symgd rules).")
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="A hyperparameter: step_size=0.1, or text in t."),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", help="A named constant of the formula: a=3."),
]
Maxiter = Annotated[int, typer.Option(help="The largest number of iterations.")]
Gtol = Annotated[
    float, typer.Option(help="Converged when no component of the gradient is larger.")
]
Ftol = Annotated[float, typer.Option(help="An improvement by no more is none.")]
Patience = Annotated[
    int, typer.Option(help="Iterations without improvement allowed; 0: any number.")
]
Target = Annotated[float | None, typer.Option(help="Stop at this value.")]
TimeLimit = Annotated[float | None, typer.Option(help="Stop after so many seconds.")]
Seed = Annotated[int | None, typer.Option(help="For a random start.")]
TraceFile = Annotated[
    Path | None, typer.Option("--trace", help="Write every iterate to a CSV file.")
]
PlotFile = Annotated[
    Path | None, typer.Option("--plot", help="Draw the run to a PNG, PDF or SVG file.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="One line an iteration.")]
Progress = Annotated[bool, typer.Option("--progress", help="Show a progress bar.")]
RuleName = Annotated[str | None, typer.Argument(metavar="NAME", help="One rule only.")]


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
    return [f" {a}" if re.match(r"-[^-]", a) and a != "-h" else a for a in arguments]


@app.callback(invoke_without_command=True)
def _top(
    version: Annotated[bool, typer.Option("--version", help="Print it.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def _optimising(verb: str) -> Callable[..., None]:
    """Return the command that minimises or maximises."""

    def command(
        formula: Formula,
        start: Start = None,
        bounds: Bounds = None,
        method: Method = "auto",
        sets: Sets = None,
        parameters: Parameters = None,
        maxiter: Maxiter = 10_000,
        gtol: Gtol = 1e-8,
        ftol: Ftol = 0.0,
        patience: Patience = 0,
        target: Target = None,
        time_limit: TimeLimit = None,
        seed: Seed = None,
        trace: TraceFile = None,
        plot: PlotFile = None,
        verbose: Verbose = False,
        progress: Progress = False,
        as_json: Json = False,
    ) -> None:
        with _errors_reported():
            _check_writable(trace)
            _check_writable(plot, PICTURES)
            import symgd
            from symgd.rules import RESERVED

            objective = _objective(formula, parameters)
            hyperparameters = _assignments(sets, "--set")
            for name in hyperparameters:
                if name in RESERVED:
                    raise InputError(f"--set {name}: that is no hyperparameter")
            result = getattr(symgd, verb)(
                objective,
                _point(start),
                method=method,
                bounds=_bounds(bounds),
                maxiter=maxiter,
                gtol=gtol,
                ftol=ftol,
                patience=patience,
                target=target,
                time_limit=time_limit,
                rng=seed,
                trace=bool(trace or plot or verbose),
                progress=progress,
                **hyperparameters,
            )
            _deliver(result, trace, plot, verbose, as_json)
        if not result.success:
            raise typer.Exit(NO_SUCCESS)

    command.__doc__ = f"""Find a {"minimum" if verb == "minimize" else "maximum"}.

    Example: symgd {verb} "(x - 1)**2 + y**2" --start "x=3,y=1"
    """.replace("(x - 1)**2 + y**2", EXAMPLES[verb])
    return command


EXAMPLES = {"minimize": "(x - 1)**2 + y**2", "maximize": "3*x - x**2 - y**2"}
for _verb in EXAMPLES:
    app.command(_verb)(_optimising(_verb))


@app.command()
def show(
    formula: Formula, parameters: Parameters = None, as_json: Json = False
) -> None:
    """Print a formula's exact gradient and Hessian, and the code made from it."""
    with _errors_reported():
        import sympy as sp

        from symgd.errors import FormulaError
        from symgd.formula import text_of

        objective = _objective(formula, parameters)
        names = objective.variables
        gradient = [text_of(entry) for entry in objective.gradient]
        try:
            hessian = [[text_of(e) for e in row] for row in objective.hessian.tolist()]
        except FormulaError:
            hessian = None
        if as_json:
            _print_json(
                expression=text_of(objective.expression),
                variables=list(names),
                parameters=dict(objective.parameters),
                gradient=dict(zip(names, gradient, strict=True)),
                hessian=hessian,
                latex=sp.latex(objective.expression),
                source=objective.source,
            )
            return
        print(f"f({', '.join(names)}) = {text_of(objective.expression)}\n")
        print("gradient")
        for name, entry in zip(names, gradient, strict=True):
            print(f"  df/d{name} = {entry}")
        print("\nHessian" + ("" if hessian else ": none, it is not defined"))
        for i, row in enumerate(hessian or []):
            for j, entry in enumerate(row[: i + 1]):
                print(f"  d2f/d{names[i]} d{names[j]} = {entry}")
        print("\ncode")
        places = [f"x[{i}] is {name}" for i, name in enumerate(names)]
        places += [f"p[{i}] is {name}" for i, name in enumerate(objective.parameters)]
        print(f"  # {', '.join(places)}")
        print("  " + objective.source.rstrip().replace("\n", "\n  "))


@app.command()
def rules(name: RuleName = None, as_json: Json = False) -> None:
    """Print the update rules: equations, defaults and source."""
    with _errors_reported():
        from symgd.rules import BUILT_IN, find

        chosen = [find(name)] if name else list(BUILT_IN.values())
        if as_json:
            _print_json(
                **{
                    rule.name: {
                        "equations": rule.equations.splitlines(),
                        "hyperparameters": dict(rule.hyperparameters),
                        "state": list(rule.state),
                        "reference": rule.reference,
                    }
                    for rule in chosen
                }
            )
            return
        print("\n\n".join(f"{rule!r}\n  {rule.reference}" for rule in chosen))


# ------------------------------------------------------------------- arguments


def _objective(formula: str, parameters: list[str] | None) -> Objective:
    from symgd.objective import Objective

    text = sys.stdin.read() if formula.strip() == "-" else formula
    return Objective(text, parameters=_assignments(parameters, "--parameter"))


def _assignments(pairs: list[str] | None, option: str) -> dict[str, Any]:
    """Read ``name=value`` pairs; a value that isn't a number stays text."""
    result: dict[str, Any] = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise InputError(f"{option} expects name=value, not {pair!r}")
        try:
            result[name.strip()] = float(value)
        except ValueError:
            result[name.strip()] = value.strip()
    return result


def _point(text: str | None) -> Any:
    """Read ``x=-1.2,y=1`` as a mapping, ``-1.2,1`` as a sequence."""
    if text is None:
        return None
    parts = [part.strip() for part in _split(text)]
    if not any("=" in part for part in parts):
        return [constant(part, "--start") for part in parts]
    pairs = [part.partition("=") for part in parts]
    if not all(equals for _, equals, _ in pairs):
        raise InputError(f"--start expects x=1,y=2 or 1,2, not {text!r}")
    names = [name.strip() for name, _, _ in pairs]
    _check_unique(names, "--start")
    values = [constant(value, name) for name, _, value in pairs]
    return dict(zip(names, values, strict=True))


def _bounds(text: str | None) -> Any:
    """Read ``x=-2:2,y=0:`` as a mapping of names to pairs."""
    if text is None:
        return None
    result: dict[str, Any] = {}
    for part in _split(text):
        name, equals, pair = part.partition("=")
        low, colon, high = pair.partition(":")
        if not equals or not colon:
            raise InputError(f"--bounds expects x=-2:2,y=0:1, not {text!r}")
        _check_unique([*result, name.strip()], "--bounds")
        sides = [None if s.strip() in OPEN else constant(s, name) for s in (low, high)]
        result[name.strip()] = tuple(sides)
    return result


OPEN = ("", "inf", "+inf", "-inf")


def _check_unique(names: list[str], option: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{option} names {name!r} twice")


def _split(text: str) -> list[str]:
    """Split at the commas that are not inside parentheses."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _check_writable(file: Path | None, suffixes: tuple[str, ...] = ()) -> None:
    """Refuse a file that can't be written before the run, not after it."""
    if file is None:
        return
    if not file.resolve().parent.is_dir():
        raise InputError(f"{file}: the folder {file.parent} does not exist")
    if file.is_dir():
        raise InputError(f"{file} is a folder")
    if suffixes and file.suffix.lower() not in suffixes:
        raise InputError(f"{file}: a picture ends in {', '.join(suffixes)}")


# --------------------------------------------------------------------- results


def _deliver(
    result: Result, trace: Path | None, plot: Path | None, verbose: bool, as_json: bool
) -> None:
    from symgd.result import number

    if verbose and result.trace is not None:
        out = sys.stderr if as_json else sys.stdout
        columns = (result.trace.t, result.trace.x, result.trace.fun)
        for t, x, fun in zip(*columns, strict=True):
            print(f">{t} f({x}) = {number(fun)}", file=out)
    if as_json:
        _print_json(**_record(result))
    else:
        print(repr(result), flush=True)
    if trace is not None and result.trace is not None:
        result.trace.to_csv(trace, result.variables)
    if plot is not None:
        from symgd.plotting import save

        save(result, plot)


def _record(result: Result) -> dict[str, Any]:
    return {
        "success": result.success,
        "status": result.status.name,
        "message": result.message,
        "values": result.values,
        "fun": result.fun,
        "variables": list(result.variables),
        "x": result.x.tolist(),
        "jac": result.jac.tolist(),
        "grad_norm": result.grad_norm,
        "nit": result.nit,
        "nfev": result.nfev,
        "njev": result.njev,
        "method": result.method,
        "hyperparameters": result.hyperparameters,
        "start": result.start.tolist(),
        "start_source": result.start_source,
    }


def _print_json(**record: Any) -> None:
    print(json.dumps(_plain(record), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """Return what JSON can hold: it has no infinities, so they become null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def _errors_reported() -> Iterator[None]:
    """Turn bad input into a message and exit status 2."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (SymgdError, OSError) as error:
        _refuse(str(error))
    except MemoryError:
        _refuse("out of memory: a long run keeps every iterate for its trace or plot")


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(BAD_INPUT)
