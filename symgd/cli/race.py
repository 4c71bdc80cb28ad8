"""``symgd race``: several methods from the same start."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symgd.cli import option_texts
from symgd.cli.minimize import ProgressBar, Seed
from symgd.cli.options import (
    ConstraintOptions,
    DescentOptions,
    check_hyperparameter,
    taking,
)
from symgd.cli.output import NO_SUCCESS, errors_reported, print_json, shown
from symgd.errors import InputError, unknown_name

if TYPE_CHECKING:
    from symgd.many.race_result import Race
    from symgd.rules.rule import Rule

Methods = Annotated[
    str | None,
    typer.Option(
        "--methods",
        help='Who takes part: auto,gd,adam or "auto,gd(step_size=0.1),gd"; by default '
        "auto and all update rules (see: symgd rules).",
    ),
]
RuleFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--rule-file",
        metavar="FILE",
        help="A rule of your own takes part, too, written as symgd rules NAME prints "
        "it; may be given several times.",
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A hyperparameter: step_size=0.1 for all rules that have it, "
        "adam.step_size=0.1 for one; a number, or text in t.",
    ),
]
CsvFile = Annotated[
    Path | None, typer.Option("--csv", help="Write the table, a row for each method.")
]


@dataclass(kw_only=True)
class Options(ConstraintOptions, DescentOptions):
    """The options of a race."""

    method: Methods = None
    rule_file: RuleFiles = None
    sets: Sets = None
    seed: Seed = None
    csv: CsvFile = None
    progress: ProgressBar = False


@taking(Options)
@errors_reported()
def race(options: Options) -> None:
    """Minimise with several methods from the same start, and compare them.

    Example: symgd race "(1 - x)**2 + 100*(y - x**2)**2" --start "-1.2,1"
    --methods auto,gd,adam,bb --set gd.step_size=0.001

    Times are of the descents alone: nothing is compiled or recorded in them.
    """
    option_texts.check_writable(options.csv)
    option_texts.check_writable(options.plot, option_texts.PICTURES)
    done = _raced(options)
    success = any(run.success for run in done.values())
    if options.csv is not None:
        done.to_csv(options.csv)
    if options.plot is not None and not done.traces:
        print("no picture: no run was finished", file=sys.stderr)
    elif options.plot is not None:
        from symgd.plotting.door import save

        save(done, options.plot)
    if options.as_json:
        print_json(**done.to_dict())
    else:
        best_is = "best" if success else "none succeeded; the lowest"
        print(f"{done!r}\n\n{best_is}: {done.best_label}", flush=True)
        print(shown(done.best), flush=True)
    if not success:
        raise typer.Exit(NO_SUCCESS)


def _raced(options: Options) -> Race:
    """Check what is asked for, and do it."""
    asked = None if options.method is None else option_texts.methods(options.method)
    given = option_texts.assignments(options.sets, "--set")
    limits, start = options.limits(), option_texts.point(options.start)
    own = own_rules(options.rule_file or [])
    objective = options.objective()
    from symgd.many import racing

    if asked is None:
        asked = [(name, {}) for name in racing.everybody(objective)]
    missing = own.keys() - {name for name, _ in asked}
    asked += [(name, {}) for name in own if name in missing]
    shared, special = settings(given, {name for name, _ in asked})
    return racing.race(
        objective,
        start,
        [(own.get(name, name), {**special.get(name, {}), **h}) for name, h in asked],
        rng=options.seed,
        trace=options.plot is not None,
        progress=options.progress,
        **limits,
        **shared,
    )


def own_rules(files: list[Path]) -> dict[str, Rule]:
    """Return the rules of files by name: none that another one has."""
    from symgd.rules.family import BUILT_IN

    own: dict[str, Rule] = {}
    for file in files:
        rule = option_texts.rule(file)
        taken = {"auto", *BUILT_IN, *own}
        free = [n for n in (rule.name, file.stem, file.name) if n not in taken]
        if not free:
            raise InputError(f"{file}: another rule is called {rule.name!r}; rename it")
        rule.name = free[0]
        own[rule.name] = rule
    return own


def settings(
    given: dict[str, Any], names: set[str]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return what ``--set`` gives to all rules, and to those it names."""
    shared: dict[str, Any] = {}
    special: dict[str, dict[str, Any]] = {}
    for key, value in given.items():
        owner, dot, name = key.rpartition(".")
        check_hyperparameter(name)
        if not dot:
            shared[name] = value
        elif owner in names:
            special.setdefault(owner, {})[name] = value
        else:
            raise unknown_name("method of the race", owner, sorted(names))
    return shared, special
