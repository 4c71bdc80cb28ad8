"""What symgd raises: every error names the thing, shows where, and says what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SymgdError(Exception):
    """Base of everything that symgd raises on purpose."""


class InputError(SymgdError, ValueError):
    """An argument that can't be used: a wrong name, length, bound or number."""


class FormulaError(SymgdError, ValueError):
    """A formula that symgd refuses to read, or can't differentiate.

    Attributes
    ----------
    problem : str
        What is wrong, in one sentence.
    formula : str
        The whole text, as the user gave it.
    start, end : int or None
        The place in ``formula``: characters ``start`` up to ``end``.
    suggestion : str or None
        What to write instead, where that can be guessed.

    Examples
    --------
    >>> import symgd
    >>> symgd.Objective("x^2 + 1")
    Traceback (most recent call last):
        ...
    symgd.errors.FormulaError: '^' is not a power here
        x^2 + 1
         ^
    write x**2 + 1
    """

    def __init__(
        self,
        problem: str,
        formula: str = "",
        start: int | None = None,
        end: int | None = None,
        suggestion: str | None = None,
    ) -> None:
        self.problem = problem
        self.formula = formula
        self.start = start
        self.end = start + 1 if end is None and start is not None else end
        self.suggestion = suggestion
        super().__init__(problem, formula, start, end, suggestion)

    def __str__(self) -> str:
        lines = [self.problem]
        if self.formula and self.start is not None:
            lines += _marked(self.formula, self.start, self.end or 0)
        elif self.formula:
            lines.append(f"    {shortened(self.formula, 72)}")
        if self.suggestion:
            lines.append(self.suggestion)
        return "\n".join(lines)


def unknown_name(
    what: str, name: str, accepted: Iterable[str], none: str = "none", meant: str = ""
) -> InputError:
    """Return the error for a name that is not among the accepted ones."""
    accepted = list(accepted)
    message = f"unknown {what} {name!r}{guess(meant or name, accepted)}; accepted: "
    return InputError(message + (", ".join(accepted) or none))


def unused_parameter(name: str, written: Iterable[str]) -> InputError:
    """Return the error for a parameter that a formula doesn't have."""
    hint = guess(name, written)
    return InputError(f"unused parameter {name!r}{hint}: it is not in the formula")


def guess(name: str, accepted: Iterable[str]) -> str:
    """Return ``", did you mean ...?"`` if one accepted name is close, else nothing."""
    accepted = list(accepted)
    same = [each for each in accepted if each.casefold() == name.casefold()]
    close = same or difflib.get_close_matches(name, accepted, n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def slip(name: str, accepted: Iterable[str]) -> str:
    """Return what :func:`guess` does, where hardly anything else can be meant.

    >>> slip("Y", ["y"]), slip("temperatur", ["temperature"]), slip("x", ["x1"])
    (" (did you mean 'y'?)", " (did you mean 'temperature'?)", '')
    """
    accepted = list(accepted)
    same = [each for each in accepted if each.casefold() == name.casefold()]
    close = difflib.get_close_matches(name, accepted, n=1, cutoff=0.75)
    return guess(name, same or (close if len(name) > 3 else []))


def _marked(formula: str, start: int, end: int, width: int = 72) -> list[str]:
    """Return the line of the formula around a place, and carets under the place."""
    line_start = formula.rfind("\n", 0, start) + 1
    line_end = formula.find("\n", start)
    line = formula[line_start : line_end if line_end >= 0 else len(formula)]
    start, end = start - line_start, min(end - line_start, len(line))
    left = max(0, min(start - width // 2, len(line) - width))
    shown = line[left : left + width]
    carets = "^" * max(1, min(end, left + width) - start)
    head = "..." if left else ""
    tail = "..." if left + width < len(line) else ""
    return [f"    {head}{shown}{tail}", " " * (4 + len(head) + start - left) + carets]


def shortened(text: str, width: int = 40) -> str:
    """Return a text, cut if it is long.

    >>> shortened("a long formula", 9)
    'a long...'
    """
    return text if len(text) <= width else text[: width - 3] + "..."
