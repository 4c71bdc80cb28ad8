"""The ratios as a picture: a line for each case, times in terms of symgd's."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.cases import GROUPS
from benchmarks.measure import Report, Row

SHOWN = "ABCDEHIJKN"
# A color for each library, the first that a contender's name begins with.
COLORS = {
    "C ": "black",
    "CasADi": "tab:green",
    "JAX": "tab:purple",
    "NumPy": "tab:blue",
    "PyTorch": "tab:orange",
    "SciPy": "tab:cyan",
    "heyoka": "tab:brown",
    "numba": "tab:pink",
}
MARKS = "osD^vP"
# Where there are special functions, this is the C to compare with.
C_LINES = {"C": "C", "C fast-math, libmvec": "C"}


def draw(report: Report, machine: str, file: Path) -> None:
    """Draw all cases with ratios and save the picture; nothing if there are none."""
    rows = [row for row in report.rows if row.ratio is not None and row.group in SHOWN]
    lines = [(key, list(group)) for key, group in itertools.groupby(rows, _place)]
    if not lines:
        return
    looks = _looks([row.contender for row in rows])
    figure = Figure(figsize=(11, 2.4 + 0.32 * len(lines)), layout="constrained")
    axes = figure.add_subplot()
    line = axes.axvline(1.0, color="tab:red", linewidth=1.5, zorder=0)
    labels = {"symgd": line}
    for height, (_, members) in enumerate(lines):
        present = {row.contender for row in members}
        for row in members:
            if row.contender == "symgd":
                continue
            name, look = row.contender, looks[row.contender]
            if name == "C" or (name in C_LINES and "C" not in present):
                name, look = "C", {"marker": "|", "markersize": 16, "zorder": 3}
                look |= {"color": "black", "markeredgewidth": 3.0}
            (point,) = axes.plot(row.ratio, height, linestyle="none", **look)
            labels.setdefault(name, point)
    _name_lines(axes, [key for key, _ in lines])
    axes.set_xscale("log")
    axes.set_xlabel("time in terms of symgd's (right of the line: slower than symgd)")
    axes.set_title(machine, fontsize=10)
    axes.grid(axis="both", alpha=0.25)
    figure.legend(
        labels.values(), labels.keys(), loc="outside lower center", ncols=4, fontsize=9
    )
    figure.savefig(file, dpi=130)


def _looks(names: list[str]) -> dict[str, dict[str, object]]:
    """Return how each contender is drawn: the library's color, a mark of its own."""
    looks: dict[str, dict[str, object]] = {}
    counts: dict[str, int] = {}
    for name in dict.fromkeys(names):
        begins = (c for start, c in COLORS.items() if f"{name} ".startswith(start))
        color = next(begins, "grey")
        mark = MARKS[counts.setdefault(color, 0) % len(MARKS)]
        counts[color] += 1
        look = {"marker": mark, "color": color, "markersize": 6.5, "alpha": 0.85}
        if color == "black":
            look |= {"markerfacecolor": "white"}
        looks[name] = look
    return looks


def _place(row: Row) -> tuple[str, str, int]:
    return row.group, row.case, row.cores


def _name_lines(axes: Axes, keys: list[tuple[str, str, int]]) -> None:
    """Name the lines, and part the groups."""
    several = {key[:2] for key in keys if key[2] == 2}
    texts = []
    for group, case, cores in keys:
        on = f" ({cores} core{'s' * (cores > 1)})" if (group, case) in several else ""
        texts.append(f"{group} {GROUPS[group]}: {case}{on}")
    axes.set_yticks(range(len(keys)), texts, fontsize=9)
    axes.set_ylim(len(keys) - 0.5, -0.5)
    for height in range(1, len(keys)):
        if keys[height][0] != keys[height - 1][0]:
            axes.axhline(height - 0.5, color="grey", linewidth=0.8)


def draw_starts(report: Report, file: Path) -> None:
    """Draw whole processes, and first calls against operations; nothing without."""
    starts = [row for row in report.rows if row.group == "F" and row.each is not None]
    calls = [row for row in report.rows if row.group == "G" and row.each is not None]
    drawers = [(d, rows) for d, rows in ((_starts, starts), (_calls, calls)) if rows]
    if not drawers:
        return
    figure = Figure(figsize=(6 * len(drawers), 4.2), layout="constrained")
    panels = figure.subplots(1, len(drawers), squeeze=False)[0]
    for axes, (drawer, rows) in zip(panels, drawers, strict=True):
        drawer(axes, rows)
    figure.savefig(file, dpi=130)


def _starts(axes: Axes, rows: list[Row]) -> None:
    ours = ["tab:red" if "symgd" in row.contender else "grey" for row in rows]
    bars = axes.barh(
        [row.contender for row in rows], [r.each for r in rows], color=ours
    )
    axes.bar_label(bars, [f"{row.each:.2g} s" for row in rows], padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlabel("whole process (s)")


def _calls(axes: Axes, rows: list[Row]) -> None:
    for case, group in itertools.groupby(rows, lambda row: row.case):
        members = list(group)
        operations = [int(re.findall(r"\d+", row.note)[0]) for row in members]
        axes.loglog(operations, [row.each for row in members], "o-", label=case)
    low, high = min(operations), max(operations)
    end = max(row.each for row in rows)
    axes.loglog([low, high], [end * low / high, end], "k:", label="linear")
    axes.set_xlabel("operations of value and gradient")
    axes.set_ylabel("first call (s)")
    axes.grid(alpha=0.25, which="both")
    axes.legend()
