"""The table of ratios, as text and as JSON."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

from benchmarks.cases import GROUPS
from benchmarks.load import DISTURBED
from benchmarks.measure import Check, Report, Row

HEAD = f"{'':38}{'each':>12}{'ratio':>9}{'quartiles':>19}{'first call':>12}"


def seconds(value: float | None) -> str:
    """Write a time with three digits and a unit that fits."""
    if value is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def number(value: float) -> str:
    """Write a ratio with three digits, never with an exponent."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def digits(value: float) -> str:
    """Write a measured number so that it can be told from its limit."""
    return f"{value:.4g}" if value < 1000 else number(value)


def row_line(row: Row) -> str:
    """Write one contender's row."""
    name = row.contender + (f" ({row.cores})" if row.cores else "")
    ratio = "-" if row.ratio is None else number(row.ratio)
    spread = "" if row.low is None else f"{number(row.low)} .. {number(row.high)}"
    numbers = f"{seconds(row.each):>12}{ratio:>9}{spread:>19}{seconds(row.first):>12}"
    return f"    {name:34}{numbers}  {row.note}".rstrip()


def check_line(check: Check) -> str:
    """Write one requirement beside what was measured."""
    sign = ">=" if check.at_least else "<="
    wanted = [
        f"{what} {sign} {bound:g}"
        for what, bound in (("required", check.limit), ("aim", check.aim))
        if bound is not None
    ]
    if check.measured is None:
        return f"  - {check.text:40} not measured; {', '.join(wanted)}"
    if check.doubt:
        return (
            f"  - {check.text:40}{digits(check.measured):>8}   {', '.join(wanted)}: "
            f"NOT DECIDED, {check.doubt}"
        )
    verdicts = [
        f"{what} {'met' if good else 'MISSED' if what == 'required' else 'missed'}"
        for what, good in (("required", check.met), ("aim", check.aim_met))
        if good is not None
    ]
    doubt = (
        ""
        if check.steady
        else f"; UNSTEADY, {digits(check.low)} .. {digits(check.high)}"
    )
    return (
        f"  - {check.text:40}{digits(check.measured):>8}   {', '.join(wanted)}: "
        f"{', '.join(verdicts)}{doubt}"
    )


def disturbance(report: Report, group: str, case: str) -> str:
    """Say how busy others kept the machine, if they did."""
    others = report.others.get((group, case))
    if others is None or others < DISTURBED:
        return ""
    return f"   [other processes used {others:.1f} cores meanwhile]"


def written(report: Report, machine: dict[str, str], missing: dict[str, str]) -> str:
    """Return the whole table as text."""
    lines = [", ".join(f"{k} {v}" for k, v in machine.items() if v)]
    lines += [f"left out: {name} ({why})" for name, why in missing.items()]
    lines += [
        "each: one step, element-step, row, call or process; ratio: to symgd, same",
        "cores, the median of the rounds' ratios; (1), (2): cores; first call: with",
        "building and compiling.",
    ]
    for (group, case), rows in itertools.groupby(
        report.rows, lambda row: (row.group, row.case)
    ):
        lines += [
            "",
            f"{group} {GROUPS[group]}: {case}{disturbance(report, group, case)}",
        ]
        lines += [HEAD]
        lines += [row_line(row) for row in rows]
        lines += [
            check_line(check)
            for check in report.checks
            if (check.group, check.case) == (group, case)
        ]
    required = [check for check in report.checks if check.met is not None]
    missed = [check for check in required if not check.met]
    undecided = [c for c in report.checks if c.limit is not None and c.met is None]
    doubtful = sum(not check.steady for check in required)
    lines += [
        "",
        f"{len(required) - len(missed)} of {len(required)} requirements met, "
        f"{len(undecided)} more not decided or measured; "
        f"of these verdicts {doubtful} are unsteady: the rounds' quartiles disagree",
    ]
    lines += [
        f"missed: {c.group} {c.case}: {check_line(c).strip(' -')}" for c in missed
    ]
    return "\n".join(lines)


def save(
    report: Report, machine: dict[str, str], missing: dict[str, str], file: Path
) -> None:
    """Save the table as JSON."""
    checks = [
        dataclasses.asdict(check) | {"met": check.met, "aim_met": check.aim_met}
        for check in report.checks
    ]
    content = {
        "machine": machine,
        "missing": missing,
        "rows": [dataclasses.asdict(row) for row in report.rows],
        "checks": checks,
        "cores used by others": {
            f"{group} {case}": others for (group, case), others in report.others.items()
        },
    }
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
