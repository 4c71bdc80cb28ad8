"""The texts of options, read; nothing here needs the formula."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symgd.errors import FormulaError, InputError, SymgdError
from symgd.language.plain import constant, split

if TYPE_CHECKING:
    from symgd.rules.rule import Rule

PICTURES = (".png", ".pdf", ".svg")
OPEN = {"": None, "inf": math.inf, "+inf": math.inf, "-inf": -math.inf}
MOST = 1_000_000  # combinations of a sweep


def assignments(pairs: Iterable[str] | None, option: str) -> dict[str, Any]:
    """Read ``name=value`` pairs; a value that isn't a number stays text.

    >>> assignments(["step_size=0.1/t", "beta1=0.5"], "--set")
    {'step_size': '0.1/t', 'beta1': 0.5}
    """
    result: dict[str, Any] = {}
    for pair in pairs or []:
        name, value = _assignment(pair, option, "name=value")
        try:
            result[name] = float(value)
        except ValueError:
            result[name] = value
    return result


def formulas(pairs: Iterable[str] | None, option: str) -> dict[str, str]:
    """Read ``name=formula`` pairs; each name is given once.

    >>> formulas(["b=2*a"], "--tie")
    {'b': '2*a'}
    """
    found = [_assignment(pair, option, "name=formula") for pair in pairs or []]
    _check_unique([name for name, _ in found], option)
    return dict(found)


def point(text: str | None) -> Any:
    """Read ``x=-1.2,y=1`` as a mapping, ``-1.2,1`` as a sequence.

    >>> point("x=-1.2, y=1"), point("-1.2,1")
    ({'x': -1.2, 'y': 1.0}, [-1.2, 1.0])
    """
    if text is None:
        return None
    if not text.strip():
        raise InputError("--start is empty: give x=1,y=2, or 1,2 in order")
    expected = f"--start expects x=1,y=2 or 1,2, not {text!r}"
    parts = [part.strip() for part in split(text)]
    pairs = [part.partition("=") for part in parts]
    named = any(equals for _, equals, _ in pairs)
    if named and not all(equals for _, equals, _ in pairs):
        raise InputError(expected)
    names = [name.strip() for name, _, _ in pairs]
    try:
        if not named:
            return [constant(part, "--start") for part in parts]
        values = [constant(value, name) for name, _, value in pairs]
    except FormulaError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{expected} ({reason})") from None
    _check_unique(names, "--start")
    return dict(zip(names, values, strict=True))


def sizes(texts: Iterable[str] | None) -> dict[str, Any]:
    """Read ``n=1000`` and ``n=1000,m=20``.

    >>> sizes(["n=1000,m=2*10", "k=3"])
    {'n': 1000.0, 'm': 20.0, 'k': 3.0}
    """
    parts = [part for text in texts or [] for part in split(text)]
    pairs = [_assignment(part, "--size", "n=1000") for part in parts]
    _check_unique([name for name, _ in pairs], "--size")
    return {name: constant(value, f"--size {name}") for name, value in pairs}


def bounds(text: str | None) -> Any:
    """Read ``x=-2:2,y=0:`` as a mapping of names to pairs.

    >>> bounds("x=-2:2,y=0:")
    {'x': (-2.0, 2.0), 'y': (0.0, None)}
    """
    if text is None:
        return None
    result: dict[str, Any] = {}
    for part in split(text):
        name, equals, pair = part.partition("=")
        low, colon, high = pair.partition(":")
        if not equals or not colon:
            raise InputError(f"--bounds expects x=-2:2,y=0:1, not {text!r}")
        _check_unique([*result, name.strip()], "--bounds")
        sides = [each.strip() for each in (low, high)]
        result[name.strip()] = tuple(
            OPEN[side] if side in OPEN else constant(side, name) for side in sides
        )
    return result


def axes(texts: Iterable[str]) -> dict[str, list[float]]:
    """Read the axes of a sweep: lists, and ranges ``low:high:count[:log]``.

    >>> axes(["a=1,2,5", "b=0:1:3", "c=1e-3:10:5:log"])
    {'a': [1.0, 2.0, 5.0], 'b': [0.0, 0.5, 1.0], 'c': [0.001, 0.01, 0.1, 1.0, 10.0]}
    """
    pairs = [_assignment(text, "--over", RANGES) for text in texts]
    names = [name for name, _ in pairs]
    _check_unique(names, "--over")
    ranges = [_range(f"--over {name}", text) for name, text in pairs]
    if (size := math.prod(count for count, _ in ranges)) > MOST:
        raise InputError(f"--over: {size:,} combinations; at most {MOST:,}")
    return {
        name: _spaced(*values) if isinstance(values, tuple) else values
        for name, (_, values) in zip(names, ranges, strict=True)
    }


RANGES = "name=low:high:count, name=low:high:count:log or name=0.1,0.2,0.5"


def _range(what: str, text: str) -> tuple[int, Any]:
    """Return how many values there are, and a list or what a range is made of."""
    if ":" not in text:
        parts = split(text)
        if not all(part.strip() for part in parts):
            raise InputError(f"{what}: a value is missing in {text!r}")
        return len(parts), [constant(part, what) for part in parts]
    low, high, count, *kind = (part.strip() for part in [*text.split(":"), "", ""])
    kind = [word for word in kind if word]
    if kind not in ([], ["log"]) or not count:
        raise InputError(f"{what} expects {RANGES}, not {text!r}")
    if not count.isdecimal() or int(count) < 2:
        raise InputError(f"{what}: the count must be 2 or more, not {count!r}")
    ends = constant(low, what), constant(high, what)
    if ends[0] == ends[1] or not math.isfinite(ends[1] - ends[0]):
        raise InputError(f"{what}: there is no range from {low} to {high}")
    if kind and min(ends) <= 0.0:
        raise InputError(f"{what}: a range of log needs ends above 0, not {text!r}")
    return int(count), (*ends, int(count), bool(kind))


def _spaced(low: float, high: float, count: int, log: bool) -> list[float]:
    import numpy as np

    spaced = np.geomspace if log else np.linspace
    return spaced(low, high, count).tolist()


def methods(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Read the methods of a race, which may have hyperparameters of their own.

    >>> methods("gd, gd(step_size=0.1), adam(step_size=0.1/t, beta1=0.5)")[1:]
    [('gd', {'step_size': 0.1}), ('adam', {'step_size': '0.1/t', 'beta1': 0.5})]
    """
    found = []
    for part in split(text):
        match = re.fullmatch(r"([^()=]+)(?:\((.*)\))?", part.strip())
        if match is None:
            expected = 'auto,gd,adam or "gd(step_size=0.1),gd(step_size=0.2)"'
            raise InputError(f"--methods expects {expected}, not {text!r}")
        pairs = split(match[2]) if match[2] and match[2].strip() else []
        found.append((match[1].strip(), assignments(pairs, "--methods")))
    return found


def rule(file: Path) -> Rule:
    """Read a rule from a file; what is wrong in it is shown with its line.

    Raises
    ------
    InputError
        If the file can't be read, or is no rule.
    """
    from symgd.rules.rule import Rule

    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        problem = error.strerror or error
        raise InputError(f"--rule-file {file}: {problem}") from None
    except UnicodeDecodeError:
        raise InputError(f"--rule-file {file} is not a text in UTF-8") from None
    try:
        return Rule.from_text(text, file.stem)
    except SymgdError as error:
        raise InputError(_placed(error, file, text)) from None


def _placed(error: SymgdError, file: Path, text: str) -> str:
    """Return an error about a rule with its file, and the line if it can be found."""
    lines = ["".join(line.split("#")[0].split()) for line in text.splitlines()]
    wanted = []
    if isinstance(error, FormulaError) and error.formula:
        wanted = [re.escape("".join(error.formula.split()))]
    elif isinstance(error, InputError):
        named = re.findall(r"'(\w+)'", re.sub(r"rule '[^']*'", "", str(error)))
        wanted = [rf"(^|with|where|,){name}(=|startsat)" for name in named]
    for pattern in wanted:
        for number, line in enumerate(lines, start=1):
            if re.search(pattern, line):
                shown = f"\n    {text.splitlines()[number - 1].strip()}"
                has_line = isinstance(error, FormulaError)
                return f"{file}, line {number}: {error}{'' if has_line else shown}"
    return f"{file}: {error}"


def check_writable(
    file: Path | None, suffixes: tuple[str, ...] = (), what: str = "a picture"
) -> None:
    """Refuse a file that can't be written before the run, not after it."""
    if file is None:
        return
    if not file.resolve().parent.is_dir():
        raise InputError(f"{file}: the folder {file.parent} does not exist")
    if file.is_dir():
        raise InputError(f"{file} is a folder")
    if suffixes and file.suffix.lower() not in suffixes:
        raise InputError(f"{file}: {what} ends in {', '.join(suffixes)}")


def _assignment(pair: str, option: str, expected: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in pair.partition("="))
    if not (equals and name and value):
        raise InputError(f"{option} expects {expected}, not {pair!r}")
    parts = [part.strip() for part in split(pair)]
    if len(parts) > 1 and all(re.match(r"[^\W\d][\w.]*\s*=(?!=)", p) for p in parts):
        repeated = " ".join(f"{option} {part}" for part in parts)
        raise InputError(f"{option} takes one at a time: {repeated}")
    return name, value


def _check_unique(names: list[str], option: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{option} names {name!r} twice")
