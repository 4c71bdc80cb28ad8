"""What a notebook shows of formulas, rules, runs, races, sweeps and fits: HTML.

Colours are those of the page, light or dark; no script, and nothing from elsewhere.

Elsewhere: rich display representations.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from symgd.fitting.fit_summary import summary_table
from symgd.language.text import duration, number
from symgd.native.status import Status
from symgd.objectives.objective import Objective
from symgd.plotting import sparks
from symgd.plotting.mathml import latex_of, mathml_of

if TYPE_CHECKING:
    from symgd.descent.history import Trace
    from symgd.descent.result import Result
    from symgd.fitting.fit_result import Fit
    from symgd.many.many_results import Results, Sweep
    from symgd.many.race_result import Race
    from symgd.rules.rule import Rule

SHOWN = 10  # coordinates, components, rows
GOOD, BAD, STOPPED = "#2e9e5b", "#d1495b", "#c08a00"
STYLE = """<style>
.symgd{font:13px/1.5 system-ui,sans-serif;color:inherit}
.symgd>div{max-width:60em}
.symgd table{border-collapse:collapse;margin:.4em 0;font-variant-numeric:tabular-nums}
.symgd th,.symgd td{padding:.1em .8em .1em 0;text-align:right;background:none;
white-space:nowrap;color:inherit;border:0;border-bottom:1px solid rgba(128,128,128,.35)}
.symgd th{font-weight:600}
.symgd td:first-child,.symgd th:first-child{text-align:left}
.symgd .head{font-weight:600}
.symgd .about{opacity:.75;font-size:12px}
.symgd pre{background:none;color:inherit;margin:.3em 0}
.symgd math{font-size:1.15em}
.symgd math[display=block]{text-align:left;margin:.3em 0}
.symgd .row{display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start}
.symgd summary{cursor:pointer}
</style>"""


def objective(thing: Objective) -> str:
    """Return the formula, its gradient, its constants and data."""
    names = ", ".join(map(latex_of, thing.variables))
    parts = [mathml_of(thing.expression, f"f({names})", display=True)]
    if thing.arrays is None:
        symbols = thing.symbols[:SHOWN]
        rows = [
            mathml_of(
                slope,
                rf"\frac{{\partial f}}{{\partial {latex_of(s.name)}}}",
                display=True,
            )
            for s, slope in zip(symbols, list(thing.gradient), strict=False)
        ]
        more = len(thing.symbols) - len(symbols)
        rows += [_about(f"and {more} more")] if more else []
        parts.append(f"<details><summary>gradient</summary>{''.join(rows)}</details>")
    constants = [f"{name} = {number(v)}" for name, v in thing.constants.items()]
    parts.append(_about(", ".join(constants)))
    if thing.arrays is not None:
        shapes = [f"{k} {v.shape}" for k, v in thing.arrays.data.items()]
        sizes = [f"{name} = {size}" for name, size in thing.arrays.sizes.items()]
        parts.append(_about("; ".join(filter(None, map(", ".join, (shapes, sizes))))))
    return _card(parts)


def proof(thing: object) -> str:
    """Return what is proven of a formula: the first line, then the others."""
    first, *others = str(thing).splitlines()
    return _card([_head(first), f"<pre>{escape(chr(10).join(others))}</pre>"])


def rule(thing: Rule) -> str:
    """Return a rule's equations, hyperparameters and source."""
    values = [f"{k} = {v!r}" for k, v in thing.hyperparameters.items()]
    parts = [_head(thing.name), *_equations(thing), _about(", ".join(values))]
    return _card([*parts, _about(thing.reference)])


def result(thing: Result) -> str:
    """Return what was found, where, why the run ended, and how it went."""
    space = thing.objective.space
    rows = [(space[k], number(thing.x[k])) for k in range(min(len(space), SHOWN))]
    rows += [(f"... {len(space) - SHOWN} more", "")] if len(space) > SHOWN else []
    counts = f"{thing.nit} iterations, {thing.nfev} evaluations, method {thing.method}"
    parts = [
        _head(thing.headline, thing.status),
        _row([_table(("variable", "value"), rows), *_history(thing)]),
        f"<div>{escape(thing.status.name)}: {escape(thing.message)}</div>",
        *(f"<div>{escape(remark)}</div>" for remark in thing.remarks),
        _about(f"{counts}, {duration(thing.seconds)}; start: {thing.start_source}"),
    ]
    return _card(parts)


def trace(thing: Trace) -> str:
    """Return the first and last rows of a history, and its curve."""
    rows = range(len(thing))
    shown = [*rows[:5], *rows[-5:]] if len(thing) > SHOWN else [*rows]
    names = [name for name in thing.names if thing[name].ndim == 1]
    cells = [[number(float(thing[name][r])) for name in names] for r in shown]
    if len(thing) > SHOWN:
        cells.insert(5, ["..."] + [""] * (len(names) - 1))
    others = [f"{n} {thing[n].shape}" for n in thing.names if thing[n].ndim > 1]
    title = f"{len(thing)} rows"
    parts = [_head(title), _row([_table(names, cells), _norms([("", thing)])])]
    return _card([*parts, _about("and " + ", ".join(others) if others else "")])


def results(thing: Results) -> str:
    """Return how many descents ended how, and the lowest minima."""
    ended = [(s, int((thing.status == s).sum())) for s in Status]
    rows = [(s.name, str(n), s.sentence) for s, n in ended if n]
    found = [
        (number(m.fun), str(m.count), ", ".join(number(v) for v in m.x[:4]))
        for m in thing.minima()[:SHOWN]
    ]
    values = np.sort(thing.fun[np.isfinite(thing.fun)])
    line = sparks.lines([("", values)], False, "f, of all ends in order")
    parts = [
        _head(f"{len(thing)} descents, method {thing.method}"),
        _row([_table(("status", "descents", ""), rows), line]),
        _table(("minimum", "descents", "at"), found) if found else "",
    ]
    return _card(parts)


def sweep(thing: Sweep) -> str:
    """Return the axes of a grid, its best place, and f along a single axis."""
    rows = [
        (name, str(v.size), f"{number(v.min())} to {number(v.max())}")
        for name, v in thing.axes.items()
    ]
    best = ", ".join(f"{name} = {number(v)}" for name, v in thing.best_at.items())
    line = ""
    if len(thing.axes) == 1:
        values = np.where(thing.status == Status.DIVERGED, np.nan, thing.fun)
        log = bool((values[np.isfinite(values)] > 0.0).all())
        line = sparks.lines([("", values)], log, "f along the axis")
    title = f"lowest f = {number(thing.best.fun)} at {best}"
    ended = [(s, int((thing.status == s).sum())) for s in Status]
    counts = ", ".join(f"{n} {s.name}" for s, n in ended if n)
    table = _table(("axis", "values", "from and to"), rows)
    return _card([_head(title), _row([table, line]), _about(counts)])


def race(thing: Race) -> str:
    """Return the table of a race, the fastest first, and how its runs converged."""
    rows = []
    for each in thing.table():
        mark = sparks.dot(GOOD if each["success"] else BAD)
        rows.append(
            (
                *(mark + " " + escape(each["label"]), each["status"]),
                *(str(each["nit"]), str(each["nfev"]), duration(each["seconds"])),
                *(number(each["fun"]), number(each["grad_norm"])),
            )
        )
    header = ("method", "status", "iterations", "evaluations", "time", "f", "gradient")
    title = f"fastest: {thing.fastest}" if thing.fastest else "none has arrived"
    parts = [_head(title), _table(header, rows, plain=False)]
    return _card([*parts, _norms(list(thing.traces.items()))])


def fit(thing: Fit) -> str:
    """Return the parameters of a fit with their errors, and how good it is."""
    header, *rows = summary_table(thing)
    title = f"fit of {thing.source.target}: R² = {thing.r_squared:.6g}"
    known = f"{thing.regression.count} rows, {thing.nit} iterations"
    parts = [
        _head(title, thing.status),
        f"<code>{escape(str(thing.model))}</code>",
        _table(header, rows),
        f"<div>{escape(thing.status.name)}: {escape(thing.message)}</div>",
        _about(thing.note),
        _about(f"{known}; start: {thing.start_source}"),
    ]
    return _card(parts)


# ------------------------------------------------------------------- its parts


def _card(parts: Iterable[str]) -> str:
    return f"{STYLE}<div class='symgd'>{''.join(parts)}</div>"


def _head(title: str, status: Status | None = None) -> str:
    mark = "" if status is None else sparks.dot(_colour(status)) + " "
    return f"<div class='head'>{mark}{escape(title)}</div>"


def _colour(status: Status) -> str:
    stopped = (Status.MAXITER, Status.TIME_LIMIT, Status.INTERRUPTED)
    return GOOD if status.success else STOPPED if status in stopped else BAD


def _about(text: str) -> str:
    return f"<div class='about'>{escape(text)}</div>" if text else ""


def _row(parts: Iterable[str]) -> str:
    return f"<div class='row'>{''.join(f'<div>{p}</div>' for p in parts if p)}</div>"


def _table(
    header: Sequence[str], rows: Iterable[Sequence[str]], plain: bool = True
) -> str:
    """Return a table; cells are text, or HTML that is escaped already."""
    told = escape if plain else str
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr>{''.join(f'<td>{told(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _equations(thing: Rule) -> list[str]:
    return [
        mathml_of(formula, latex_of(name), display=True, sign="<-")
        for name, formula in thing.read()
    ]


def _history(thing: Result) -> list[str]:
    if thing.trace is None or len(thing.trace) < 2:
        return []
    parts = [_norms([("", thing.trace)])]
    if len(thing.objective.space) == 2:
        names = list(thing.objective.space)
        parts.append(sparks.path(thing.trace.x, names))
    return parts


def _norms(traces: Sequence[tuple[str, Trace]]) -> str:
    named = [(name, each.grad_norm) for name, each in traces]
    return sparks.lines(named, True, "gradient") if named else ""
