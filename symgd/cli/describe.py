"""``symgd show`` and ``symgd rules``: what will be computed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from symgd.cli import reading
from symgd.cli.options import Formula, Json, Parameters, given_text
from symgd.cli.output import errors_reported, print_json

RuleName = Annotated[str | None, typer.Argument(metavar="NAME", help="One rule only.")]


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
def rules(name: RuleName = None, as_json: Json = False) -> None:
    """Print the update rules: equations, defaults and source."""
    from symgd.family import BUILT_IN, find

    chosen = [find(name)] if name else list(BUILT_IN.values())
    if as_json:
        print_json(
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
