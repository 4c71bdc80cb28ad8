"""``symgd show`` and ``symgd rules``: what will be computed."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symgd.cli import option_texts
from symgd.cli.kept import print_kept
from symgd.cli.options import Bounds, ConstraintOptions, Json, taking
from symgd.cli.output import errors_reported, json_of, print_json
from symgd.errors import InputError, shortened

if TYPE_CHECKING:
    from symgd.insight.analysis import Analysis
    from symgd.objectives.objective import Objective
    from symgd.rules.rule import Rule

ANALYSED = 1.0  # seconds, at most about
RuleName = Annotated[str | None, typer.Argument(metavar="NAME", help="One rule only.")]
RuleFile = Annotated[
    Path | None,
    typer.Option("--rule-file", metavar="FILE", help="The rule of a file instead."),
]
Brief = Annotated[bool, typer.Option("--brief", help="One line for each rule.")]
Latex = Annotated[bool, typer.Option("--latex", help="The equations as LaTeX.")]
Test = Annotated[
    bool, typer.Option("--test", help="A test file for the rule, to run with pytest.")
]


@dataclass(kw_only=True)
class ShowOptions(ConstraintOptions):
    """The options of ``symgd show``."""

    bounds: Bounds = None
    as_json: Json = False

    def named(self) -> tuple[Any, ...]:
        """Return what names variables beside the formula."""
        return (option_texts.bounds(self.bounds),)

    def analysis(self, objective: Objective) -> Analysis | None:
        """Return what is proven within the bounds, where there are any."""
        if self.bounds is None:
            return None
        from symgd.insight.analysis import analyze

        limits = option_texts.bounds(self.bounds)
        return analyze(objective, limits, time_limit=ANALYSED)

    @property
    def key(self) -> Sequence[str] | None:
        """What the answer depends on; none where a file, which may change, is read."""
        if self.data is not None:
            return None
        return "show", repr(dataclasses.replace(self, formula=self.text))


@taking(ShowOptions)
@errors_reported()
def show(shown: ShowOptions) -> None:
    """Print a formula's exact gradient and Hessian, and the code made from it.

    Of an array, the gradient's entry is that of any element: df/dx[k]. With --bounds,
    also what is proven within them: convex or not, L and mu, safe steps.
    """
    print_kept(shown.key, lambda: _described(shown))


def _described(shown: ShowOptions) -> str:
    objective = shown.objective()
    analysis = shown.analysis(objective)
    if shown.as_json:
        return json_of(_as_record(objective, analysis))
    return "\n".join(_lines(objective, analysis))


def _as_record(objective: Objective, analysis: Analysis | None) -> dict[str, Any]:
    import sympy as sp

    from symgd.language.formula import text_of

    entries = map(text_of, objective.gradient)
    return {
        "expression": text_of(objective.expression),
        "variables": list(objective.variables),
        "parameters": dict(objective.parameters),
        "gradient": dict(zip(_places(objective), entries, strict=True)),
        "hessian": _hessian(objective),
        **_constraints(objective),
        **({} if analysis is None else {"analysis": analysis.to_dict()}),
        "latex": sp.latex(objective.expression),
        "source": objective.source,
    }


def _lines(objective: Objective, analysis: Analysis | None) -> Iterator[str]:
    from symgd.language.formula import text_of

    names, scalars = objective.variables, objective.arrays is None
    yield f"f({', '.join(names)}) = {text_of(objective.expression)}\n"
    yield "gradient"
    for place, entry in zip(_places(objective), objective.gradient, strict=True):
        yield f"  df/d{place} = {text_of(entry)}"
    if scalars:
        yield from _lines_of_hessian(names, _hessian(objective))
    if known := _constraints(objective):
        yield from _lines_of_constraints(known)
        if scalars:
            yield from _lines_of_hessian(names, known["lagrangian_hessian"], of="L")
    if analysis is not None:
        yield "\nproven"
        yield textwrap.indent(str(analysis), "  ")
    yield "\ncode"
    if scalars:
        where = [f"x[{i}] is {name}" for i, name in enumerate(names)]
        where += [f"p[{i}] is {name}" for i, name in enumerate(objective.parameters)]
        yield f"  # {', '.join(where)}"
    yield "  " + objective.source.rstrip().replace("\n", "\n  ")


def _lines_of_constraints(known: dict[str, Any]) -> Iterator[str]:
    yield "\nconstraints"
    for label, text in known["constraints"].items():
        yield f"  {text}" if label == text else f"  {label}: {text}"
    yield f"\nLagrangian\n  {known['lagrangian']}"
    for place, entry in known["lagrangian_gradient"].items():
        yield f"  dL/d{place} = {entry}"
    if known["jacobian"]:
        yield "\nJacobian of the constraints"
    for row, slopes in known["jacobian"].items():
        for name, slope in slopes.items():
            yield f"  d({row})/d{name} = {slope}"


def _constraints(objective: Objective) -> dict[str, Any]:
    """Return the constraints, and the Lagrangian from which all derivatives come."""
    from symgd.language.formula import text_of

    if (whole := objective.constraints) is None:
        return {}
    with whole.derivatives_told():
        slopes = list(map(text_of, whole.function.gradient))
        bends = _hessian(whole.function)
    places, count = _places(objective), len(objective.variables)
    jacobian = {}
    if bends is not None and objective.arrays is None:
        # The objective's factor is the last one.
        rows = zip(slopes[count:-1], bends[count:-1], strict=True)
        jacobian = {
            row: dict(zip(places, entries, strict=False)) for row, entries in rows
        }
    return {
        "constraints": dict(whole.texts),
        "lagrangian": text_of(whole.function.expression),
        "lagrangian_gradient": dict(zip(places, slopes, strict=False)),
        "lagrangian_hessian": bends and [row[:count] for row in bends[:count]],
        "jacobian": jacobian,
    }


def _places(objective: Objective) -> list[str]:
    """Return what the gradient's entries are by: scalars, and elements of arrays."""
    if objective.arrays is None:
        return list(objective.variables)
    indices = objective.arrays.indices
    texts = {name: ", ".join(map(str, indices[name])) for name in objective.variables}
    return [f"{name}[{text}]" if text else name for name, text in texts.items()]


def _hessian(objective: Objective) -> list[list[str]] | None:
    """Return the Hessian as text; none where it isn't defined, or has loops."""
    from symgd.errors import FormulaError
    from symgd.language.formula import text_of

    try:
        return [[text_of(e) for e in row] for row in objective.hessian.tolist()]
    except FormulaError:
        return None


def _lines_of_hessian(
    names: Sequence[str], hessian: list[list[str]] | None, of: str = "f"
) -> Iterator[str]:
    title = "Hessian" if of == "f" else "Hessian of the Lagrangian"
    yield f"\n{title}" + ("" if hessian else ": none, it is not defined")
    for i, row in enumerate(hessian or []):
        for j, entry in enumerate(row[: i + 1]):
            yield f"  d2{of}/d{names[i]} d{names[j]} = {entry}"


@errors_reported()
def rules(
    name: RuleName = None,
    rule_file: RuleFile = None,
    brief: Brief = False,
    latex: Latex = False,
    test: Test = False,
    as_json: Json = False,
) -> None:
    """Print the update rules: source, equations and defaults.

    What is printed of one rule is a rule file:
    symgd rules momentum > my.rule
    """
    chosen = _chosen(name, rule_file)
    if test:
        if len(chosen) > 1 or brief or latex or as_json:
            raise InputError(
                "--test is of one rule, and alone: symgd rules NAME --test"
            )
        from symgd.cli.written_tests import written_tests

        print(written_tests(chosen[0]))
    elif as_json:
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
    from symgd.rules.family import BUILT_IN, find

    if file is not None:
        if name is not None:
            raise InputError("NAME and --rule-file both name a rule; keep one")
        return [option_texts.rule(file)]
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
