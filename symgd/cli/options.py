"""The options of the commands, and what those of every descent mean."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symgd.cli import option_texts, wording
from symgd.errors import InputError
from symgd.native.criteria import MEANINGS, Criteria

if TYPE_CHECKING:
    from symgd.objectives.objective import Objective
    from symgd.rules.rule import Rule

Formula = Annotated[
    str,
    typer.Argument(metavar="FORMULA", help="The objective; - reads standard input."),
]
Json = Annotated[
    bool, typer.Option("--json", help="Machine-readable output, and nothing else.")
]
START_HELP = 'Where to begin: "x=-1.2,y=1", or "-1.2,1" in order.'
Start = Annotated[str | None, typer.Option(help=START_HELP)]
Bounds = Annotated[
    str | None, typer.Option(help='"x=-2:2,y=0:"; an empty side is open.')
]
Method = Annotated[
    str | None,
    typer.Option(help="auto, the default, or an update rule (see: symgd rules)."),
]
RuleFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--rule-file",
        metavar="FILE",
        help="A rule of your own instead, written as symgd rules NAME prints it.",
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A hyperparameter: step_size=0.1, or text in t; of gd also step_size=auto",
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", help="A named constant of the formula: a=3."),
]
Iteration = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The name in the formula that counts updates, from 1: an online problem.",
    ),
]
DataFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="What indexed names of the formula are: columns of a CSV file with a line "
        "of names, of .npz, .npy, .parquet, ...",
    ),
]
Sizes = Annotated[
    list[str] | None,
    typer.Option(
        "--size",
        help="A name in a range that no data tell, or an array's length: n=1000.",
    ),
]
Missing = Annotated[
    str | None,
    typer.Option(help="Rows that aren't finite: error, the default, or drop."),
]
Maxiter = Annotated[int, typer.Option(help=MEANINGS["maxiter"])]
Gtol = Annotated[float | None, typer.Option(help=MEANINGS["gtol"])]
Ftol = Annotated[float, typer.Option(help=MEANINGS["ftol"])]
Patience = Annotated[int, typer.Option(help=MEANINGS["patience"])]
Target = Annotated[float | None, typer.Option(help=MEANINGS["target"])]
TimeLimit = Annotated[float | None, typer.Option(help=MEANINGS["time_limit"])]
SubjectTo = Annotated[
    list[str] | None,
    typer.Option(
        "--subject-to",
        metavar="RELATION",
        help='What the point is to satisfy: "x + y == 10"; may be given several times.',
    ),
]
PlotFile = Annotated[
    Path | None, typer.Option("--plot", help="Draw it to a PNG, PDF or SVG file.")
]


@dataclass(kw_only=True)
class ObjectiveOptions:
    """The options that say what the objective is, as they were given."""

    formula: Formula
    parameters: Parameters = None
    iteration: Iteration = None
    data: DataFile = None
    sizes: Sizes = None
    missing: Missing = None

    def objective(self) -> Objective:
        """Return the objective: the formula and what is said about its names."""
        constants = option_texts.assignments(self.parameters, "--parameter")
        return self.objective_with(self.text, constants)

    def objective_with(self, text: str, constants: dict[str, Any]) -> Objective:
        """Return the objective that a text is, with these constants."""
        from symgd.objectives.meant import objective_of

        return objective_of(
            text,
            *self.named(),
            parameters=constants,
            iteration=self.iteration,
            data=self.columns,
            sizes=option_texts.sizes(self.sizes),
            missing="error" if self.missing is None else self.missing,
            **self.more(),
        )

    def more(self) -> dict[str, Any]:
        """Return what else the objective is made of."""
        return {}

    def named(self) -> tuple[Any, ...]:
        """Return what names variables beside the formula: by a start, by bounds."""
        return ()

    @functools.cached_property
    def text(self) -> str:
        """The formula; what is on standard input is read once."""
        return given_text(self.formula)

    @functools.cached_property
    def columns(self) -> Any:
        """What the file of data holds, read once; None if there is no file."""
        if self.data is None:
            if self.missing is not None:
                raise InputError("--missing is about the rows of --data: give a file")
            return None
        return read_rows(self.data, self.missing)


@dataclass(kw_only=True)
class ConstraintOptions(ObjectiveOptions):
    """What a point is to satisfy."""

    subject_to: SubjectTo = None

    def more(self) -> dict[str, Any]:
        """Return what else the objective is made of."""
        return {"subject_to": self.subject_to} if self.subject_to else {}


@dataclass(kw_only=True)
class PlacedOptions(ObjectiveOptions):
    """Where descents of an objective begin, and where they may go."""

    start: Start = None
    bounds: Bounds = None

    def named(self) -> tuple[Any, ...]:
        """Return what names variables beside the formula: by a start, by bounds."""
        return option_texts.point(self.start), option_texts.bounds(self.bounds)


@dataclass(kw_only=True)
class MethodOptions(ObjectiveOptions):
    """Which method, and its hyperparameters."""

    method: Method = None
    rule_file: RuleFiles = None
    sets: Sets = None

    def chosen(self) -> str | Rule | None:
        """Return the method, by name or as the rule of a file; None if none is given.

        Raises
        ------
        InputError
            If more than one is given, or the file can't be read.
        """
        if not self.rule_file:
            return self.method
        if self.method is not None:
            raise InputError("--method and --rule-file both name a method; keep one")
        if len(self.rule_file) > 1:
            raise InputError("--rule-file is given twice; only a race takes several")
        return option_texts.rule(self.rule_file[0])

    def hyperparameters(self) -> dict[str, Any]:
        """Return what ``--set`` gives, by name."""
        given = option_texts.assignments(self.sets, "--set")
        for name in given:
            check_hyperparameter(name)
        return given


@dataclass(kw_only=True)
class DescentOptions(MethodOptions, PlacedOptions):
    """The options that all descents share, as they were given."""

    maxiter: Maxiter = Criteria.maxiter
    gtol: Gtol = Criteria.gtol
    ftol: Ftol = Criteria.ftol
    patience: Patience = Criteria.patience
    target: Target = Criteria.target
    time_limit: TimeLimit = Criteria.time_limit
    as_json: Json = False
    plot: PlotFile = None

    def limits(self) -> dict[str, Any]:
        """Return the keyword arguments that any descent takes."""
        criteria = {name: getattr(self, name) for name in MEANINGS}
        return {"bounds": option_texts.bounds(self.bounds), **criteria}

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of ``minimize`` and its relatives."""
        chosen = self.chosen()
        method = {"method": "auto" if chosen is None else chosen}
        return {**method, **self.limits(), **self.hyperparameters()}


def read_rows(file: Path, missing: str | None) -> Any:
    """Return the columns of a file; messages tell its lines unless rows are dropped."""
    from symgd.objectives.files import lines_of, read_file

    columns = read_file(file)
    if missing in (None, "error"):
        wording.number_rows(functools.partial(lines_of, file))
    return columns


def check_hyperparameter(name: str) -> None:
    """Refuse a name that is an argument of the functions that are called."""
    from symgd.rules.rule import RESERVED

    if name in (*RESERVED, "methods", "callback_every", "batch_size"):
        raise InputError(f"--set {name}: that is no hyperparameter")


def given_text(formula: str) -> str:
    """Return the formula, which may be on standard input."""
    return sys.stdin.read() if formula.strip() == "-" else formula


def taking(options: type) -> Callable[[Callable[[Any], None]], Callable[..., None]]:
    """Return a decorator: typer sees the fields of a dataclass, the command one."""
    hints = typing.get_type_hints(options, include_extras=True)
    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default
            if field.default is not dataclasses.MISSING
            else inspect.Parameter.empty,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(options)
    ]

    def decorated(command: Callable[[Any], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(**given: Any) -> None:
            command(options(**given))

        # typer reads this, which a function has only if it is set.
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return called

    return decorated
