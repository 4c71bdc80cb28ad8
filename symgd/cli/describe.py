"""``symgd show`` and ``symgd rules``: what will be computed."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symgd.cli import reading
from symgd.cli.options import Formula, Json, Parameters, given_text
from symgd.cli.output import errors_reported, print_json
from symgd.errors import InputError, shortened

if TYPE_CHECKING:
    from symgd.rules import Rule

RuleName = Annotated[str | None, typer.Argument(metavar="NAME", help="One rule only.")]
RuleFile = Annotated[
    Path | None,
    typer.Option("--rule-file", metavar="FILE", help="The rule of a file instead."),
]
Brief = Annotated[bool, typer.Option("--brief", help="One line for each rule.")]
Latex = Annotated[bool, typer.Option("--latex", help="The equations as LaTeX.")]


@errors_reported()
def show(
    formula: Formula, parameters: Parameters = None, as_json: Json = False
) -> None:
    """Print a formula's exact gradient and Hessian, and the code made from it."""
    constants = reading.assignments(parameters, "--parameter")
    import sympy as sp

    from symgd.formula import text_of
    from symgd.objective import Objective

    objective = Objective(given_text(formula), parameters=constants)
    names = objective.variables
    gradient = dict(zip(names, map(text_of, objective.gradient), strict=True))
    hessian = _hessian(objective)
    if as_json:
        print_json(
            expression=text_of(objective.expression),
            variables=list(names),
            parameters=dict(objective.parameters),
            gradient=gradient,
            hessian=hessian,
            latex=sp.latex(objective.expression),
            source=objective.source,
        )
        return
    print(f"f({', '.join(names)}) = {text_of(objective.expression)}\n")
    print("gradient")
    for name, entry in gradient.items():
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


def _hessian(objective: Any) -> list[list[str]] | None:
    from symgd.errors import FormulaError
    from symgd.formula import text_of

    try:
        return [[text_of(e) for e in row] for row in objective.hessian.tolist()]
    except FormulaError:
        return None


@errors_reported()
def rules(
    name: RuleName = None,
    rule_file: RuleFile = None,
    brief: Brief = False,
    latex: Latex = False,
    as_json: Json = False,
) -> None:
    """Print the update rules: source, equations and defaults.

    What is printed of one rule is a rule file:
    symgd rules momentum > my.rule
    """
    chosen = _chosen(name, rule_file)
    if as_json:
        print_json(**{rule.name: _record(rule, latex) for rule in chosen})
    elif latex:
        print("\n\n".join(f"% {rule.name}\n{rule._repr_latex_()}" for rule in chosen))
    elif brief:
        rows = [(rule.name, _defaults(rule), _source(rule)) for rule in chosen]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (text.ljust(w) for text, w in zip(row, widths, strict=True))
            print("  ".join(cells).rstrip())
    else:
        print("\n\n".join(map(_text, chosen)))


def _chosen(name: str | None, file: Path | None) -> list[Rule]:
    from symgd.family import BUILT_IN, find

    if file is not None:
        if name is not None:
            raise InputError("NAME and --rule-file both name a rule; keep one")
        return [reading.rule(file)]
    if name == "auto":
        raise InputError(
            "auto is no update rule but projected L-BFGS with Newton steps at the end"
        )
    return [find(name)] if name else list(BUILT_IN.values())


def _text(rule: Rule) -> str:
    """Return a rule as a file has it, its source as comments above it."""
    words = textwrap.wrap(
        rule.reference, 76, break_on_hyphens=False, break_long_words=False
    )
    return "\n".join([*(f"# {line}" for line in words), rule.text])


def _defaults(rule: Rule) -> str:
    return ", ".join(f"{k}={v}" for k, v in rule.hyperparameters.items())


def _source(rule: Rule) -> str:
    """Return who and when, without the title."""
    found = re.search(r"[^:\"]*?\d{4}", rule.reference)
    return found[0].strip() if found else shortened(rule.reference)


def _record(rule: Rule, latex: bool) -> dict[str, Any]:
    record = {
        "equations": rule.equations.splitlines(),
        "hyperparameters": dict(rule.hyperparameters),
        "state": list(rule.state),
        "reference": rule.reference,
        "text": _text(rule),
    }
    return {**record, "latex": rule._repr_latex_()} if latex else record
