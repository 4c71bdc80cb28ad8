"""``symgd sweep``: a rule with every combination of some numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symgd.cli import option_texts
from symgd.cli.options import START_HELP, DescentOptions, taking
from symgd.cli.output import NO_SUCCESS, errors_reported, print_json, print_table, shown
from symgd.errors import InputError

if TYPE_CHECKING:
    from symgd.descent.result import Result
    from symgd.many.many_results import Sweep
    from symgd.objectives.objective import Objective
    from symgd.rules.rule import Rule

LONGEST = 20  # row of combinations printed
WIDEST = 8  # sides of a grid printed

Start = Annotated[str, typer.Option(help=START_HELP)]
RuleName = Annotated[
    str | None, typer.Option(help="An update rule (see: symgd rules).")
]
Over = Annotated[
    list[str],
    typer.Option(
        help="An axis of the grid, a hyperparameter or a constant of the formula: "
        "step_size=1e-4:1e-1:30:log, momentum=0:0.95:20 or a=1,2,5."
    ),
]
CsvFile = Annotated[
    Path | None, typer.Option("--csv", help="Write a row for each combination.")
]


@dataclass(kw_only=True)
class SweepOptions(DescentOptions):
    """The options of a sweep."""

    start: Start = field()  # it has no default here
    method: RuleName = None
    over: Over
    csv: CsvFile = None


@taking(SweepOptions)
@errors_reported()
def sweep(grid: SweepOptions) -> None:
    """Minimise with every combination of hyperparameters.

    Example: symgd sweep "(1 - x)**2 + 100*(y - x**2)**2" --start "-1.2,1"
    --method momentum --over step_size=1e-4:1e-2:7:log --over momentum=0,0.5,0.9
    """
    option_texts.check_writable(grid.csv)
    option_texts.check_writable(grid.plot, option_texts.PICTURES)
    done = _swept(grid)
    best = done.best
    if grid.csv is not None:
        done.to_csv(grid.csv)
    if grid.plot is not None:
        from symgd.plotting.door import save

        save(done, grid.plot)
    if grid.as_json:
        print_json(**_record(done, best))
    else:
        _print(done, best)
    if not done.success.any():
        raise typer.Exit(NO_SUCCESS)


# ------------------------------------------------------------------- the sweep


def _swept(grid: SweepOptions) -> Sweep:
    """Check what is asked for, and do it."""
    from symgd.rules.family import find

    chosen = grid.chosen()
    if chosen is None:
        raise InputError("missing option '--method', an update rule, or '--rule-file'")
    if chosen == "auto":
        raise InputError(
            "--method auto has no hyperparameters; name a rule: gd, say. (In Python, "
            "symgd.sweep takes constants of the formula with it, too.)"
        )
    rule = find(chosen)
    start = option_texts.point(grid.start)
    axes, fixed = option_texts.axes(grid.over), grid.hyperparameters()
    arguments = {"method": rule, **grid.limits(), **fixed}
    for name in axes:
        if name in fixed:
            raise InputError(f"{name!r} is given by --set and by --over; keep one")
    _check_drawable(grid, axes)
    objective, constants = _objective(grid, rule, axes)
    from symgd.many import descents

    hyperparameters = {k: v for k, v in axes.items() if k not in constants}
    arguments |= {"parameters": constants, **hyperparameters}
    return descents.sweep(objective, start, **arguments)


def _check_drawable(grid: SweepOptions, axes: Iterable[str]) -> None:
    names = list(axes)
    if grid.plot is not None and len(names) > 2:
        raise InputError(
            f"--plot draws one or two axes, not {len(names)}: give {names[-1]} one "
            f"value, with --set or --parameter"
        )


def _objective(
    grid: SweepOptions, rule: Rule, axes: Mapping[str, list[float]]
) -> tuple[Objective, dict[str, list[float]]]:
    """Return the objective, and those axes that are constants of it.

    A name that the rule doesn't know but the formula does is a constant, whether it
    has been declared by ``--parameter`` or not.
    """
    text = grid.text
    declared = option_texts.assignments(grid.parameters, "--parameter")
    ours = {k: v for k, v in axes.items() if k not in rule.hyperparameters}
    for name in axes:
        if name not in ours and name in declared:
            raise _not_an_axis(f"{name!r} may be either", rule, declared)
    if any(name not in declared for name in ours):
        formula = grid.objective_with(text, declared)
        known = [*formula.parameters, *formula.variables]
        for name in ours:
            if name not in known:
                raise _not_an_axis(f"{name!r} is unknown", rule, known)
        declared |= {name: values[0] for name, values in ours.items()}
    return grid.objective_with(text, declared), ours


def _not_an_axis(problem: str, rule: Rule, known: Iterable[str]) -> InputError:
    hyperparameters = ", ".join(rule.hyperparameters)
    return InputError(
        f"--over: {problem}; accepted: a hyperparameter of {rule.name} "
        f"({hyperparameters}), or another name in the formula ({', '.join(known)})"
    )


# ---------------------------------------------------------------------- output


def _record(done: Sweep, best: Result) -> dict[str, Any]:
    return {
        "success": bool(done.success.any()),
        "axes": {name: values.tolist() for name, values in done.axes.items()},
        "shape": list(done.shape),
        "fun": done.fun.tolist(),
        "nit": done.nit.tolist(),
        "status": done.status_names.tolist(),
        "best": best.to_dict(),
    }


def _print(done: Sweep, best: Result) -> None:
    from symgd.language.text import number

    sides = [f"{name} {_extent(values)}" for name, values in done.axes.items()]
    size = " x ".join(map(str, done.shape))
    runs = size if len(done.shape) == 1 else f"{size} = {len(done.results)}"
    print(f"{runs} runs of {best.method}: {', '.join(sides)}\n", flush=True)
    print_table(("status", "runs"), _counts(done))
    place = (f"{name} = {number(value)}" for name, value in done.best_at.items())
    best_is = "best" if done.success.any() else "none succeeded; the lowest"
    print(f"\n{best_is}:", ", ".join(place))
    print(shown(best), flush=True)
    if len(done.shape) == 1 and done.shape[0] <= LONGEST:
        print()
        print_table(*_list(done))
    elif len(done.shape) == 2 and max(done.shape) <= WIDEST:
        print("\nfinal f (* the best)")
        print_table(*_grid(done))


def _extent(values: Any) -> str:
    return f"from {values[0]:.4g} to {values[-1]:.4g}"


def _counts(done: Sweep) -> list[tuple[str, str]]:
    from symgd.native.status import Status

    counts = [(s.name, int((done.status == s).sum())) for s in Status]
    return [(name, str(count)) for name, count in counts if count]


def _list(done: Sweep) -> tuple[Sequence[str], list[list[str]]]:
    """Return header and rows of a sweep over one axis."""
    ((axis, values),) = done.axes.items()
    columns = (values, _shown(done), done.nit, done.status_names)
    header = (axis, "final f", "iterations", "status")
    return header, [
        [f"{value:.4g}", f, str(nit), name]
        for value, f, nit, name in zip(*columns, strict=True)
    ]


def _grid(done: Sweep) -> tuple[Sequence[str], list[list[str]]]:
    """Return header and rows of a sweep over two axes."""
    (down, rows), (across, columns) = done.axes.items()
    header = [f"{down} \\ {across}", *(f"{value:.4g}" for value in columns)]
    return header, [
        [f"{value:.4g}", *shown]
        for value, shown in zip(rows, _shown(done), strict=True)
    ]


def _shown(done: Sweep) -> Any:
    """Return the final values as text, shaped as the grid."""
    import numpy as np

    from symgd.native.status import Status

    shown = np.array([f"{f:.4g}" for f in done.fun.ravel()], dtype=object)
    shown[done.results.status == Status.DIVERGED] = "diverged"
    best = done.results.best_index
    shown[best] = f"*{shown[best]}"
    return shown.reshape(done.shape)
