"""What is said, in the words of the door: arguments of Python as options.

Messages name arguments as Python has them, ``give sizes={'n': 5}``. Here a setting
``name=value`` becomes an option with its value as the option reads it, by one table;
what the command has no option for isn't said.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection
from contextvars import ContextVar
from typing import Any

from typer.core import TyperCommand

from symgd.errors import FormulaError, guess

# The option that an argument is.
OPTIONS = {
    "x0": "--start",
    "rng": "--seed",
    "seed": "--seed",
    "fixed": "--fix",
    "tied": "--tie",
    "sizes": "--size",
    "parameters": "--parameter",
}
for _name in (
    *("absolute_sigma", "batch_size", "bounds", "checkpoint", "data", "ftol", "gtol"),
    *("iteration", "loss", "maxiter", "method", "methods", "missing", "patience"),
    *("progress", "sigma", "sigma_x", "subject_to", "target", "time_limit", "trace"),
    *("trials", "weights"),
):
    OPTIONS[_name] = f"--{_name.replace('_', '-')}"
_FLAGS = {"progress": "--progress", "trace": "--trace FILE"}
_REPEATED = ("parameters", "fixed", "tied", "subject_to")
_PYTHON_ONLY = ("callback", "executor", "labels", "options", "variables")

# What others call an option.
_OTHERS = {
    **dict.fromkeys(("p0", "init", "initial", "guess", "x"), "--start"),
    **dict.fromkeys(("constraint", "constraints", "cons", "st"), "--subject-to"),
    **dict.fromkeys(("bound", "limits", "range"), "--bounds"),
    **dict.fromkeys(("iterations", "iters", "niter", "nit", "epochs"), "--maxiter"),
    **dict.fromkeys(("max_iter", "max_iterations"), "--maxiter"),
    **dict.fromkeys(("tol", "tolerance", "xtol"), "--gtol"),
    **dict.fromkeys(("param", "params", "const", "constant", "args"), "--parameter"),
    **dict.fromkeys(("file", "csv", "input", "table"), "--data"),
    **dict.fromkeys(("timeout", "max_time"), "--time-limit"),
    **dict.fromkeys(("y", "response", "dependent"), "--target"),
    **dict.fromkeys(("algorithm", "solver", "optimizer", "rule"), "--method"),
    **dict.fromkeys(("lr", "learning_rate", "step", "alpha"), "--set step_size=0.1"),
    **{
        name: f"--set {name}=0.1"
        for name in ("step_size", "momentum", "beta1", "beta2", "eps")
    },
}

_SETTING = re.compile(rf"({'|'.join([*OPTIONS, *_PYTHON_ONLY])})=(?!=)")
# Names of arguments in sentences; they may be words, or a user's variables.
_NAMED = re.compile(
    r"((?:^(?=\w+(?: (?:must|has|have|is|are|isn't|needs|takes|can't)\b|:)))"
    r"|^(?=(?:fixed|tied) \w+ = |checkpoint .* can't be written)"
    r"|\b(?:in|into|give|or|leave|value of) |\b(?:start|as) (?=x0)|, (?=data for)"
    r"|with (?=patience))"
    rf"({'|'.join(OPTIONS)})(?=[ :;,]|\.?$)"
)
_UNMISTAKABLE = ["maxiter", "gtol", "ftol", *(name for name in OPTIONS if "_" in name)]
_SPELT = re.compile(rf"(?<![\w.-])({'|'.join(_UNMISTAKABLE)})(?![\w=]| =)")
_QUOTED = re.compile(r"(?<!\w)'[^']*'(?!\w)|(?<!\w)\"[^\"]*\"(?!\w)")
_PHRASES = (
    (r"a start (?=--start)", "a "),
    (r"^a seed must", "--seed must"),
    (r"Objective\(\.\.\., (--.*)\)", r"\1"),
    (r"^--start has shape \((\d+),\)", r"--start has \1 number(s)"),
    (r"or a symgd\.Rule$", "or a file, by --rule-file"),
    (r"^unknown argument '(\w+)': (?:--)?method 'auto'", r"--set \1: method 'auto'"),
)
# The options of the command that is run.
_spoken: ContextVar[Collection[str] | None] = ContextVar("options", default=None)
# What numbers the lines of the rows that are read.
_lines: ContextVar[Callable[[], list[int]] | None] = ContextVar("lines", default=None)
_ROWS = re.compile(r"\b(in|of) row(s?) (\d+(?:, \d+)*)")


def speak_of(options: Collection[str] | None) -> None:
    """Say what a command has options for, of these names; None: everything."""
    _spoken.set(options)


def number_rows(lines: Callable[[], list[int]] | None) -> None:
    """Say rows by the lines of a file, from 1, which are counted when it is needed."""
    _lines.set(lines)


def _as_lines(text: str) -> str:
    lines = _lines.get()
    if lines is None or not _ROWS.search(text) or not (numbers := lines()):
        return text
    return _ROWS.sub(
        lambda m: (
            f"{m[1]} line{m[2]} "
            + re.sub(r"\d+", lambda row: str(numbers[int(row[0])]), m[3])
        ),
        text,
    )


def as_options(message: str) -> str:
    """Return a message with options where it names arguments.

    >>> as_options("x0 must be numbers, not 'a'; or leave method out")
    "--start must be numbers, not 'a'; or leave --method out"
    """
    text = settings_as_options(message)
    parts = re.split(f"({_QUOTED.pattern})", text)
    for place in range(0, len(parts), 2):
        front = "" if place == 0 else "."  # a sentence begins only once
        named = _NAMED.sub(_option, front + parts[place])[len(front) :]
        parts[place] = _SPELT.sub(lambda m: OPTIONS[m[1]], named)
    text = "".join(parts)
    for pattern, better in _PHRASES:
        text = re.sub(pattern, better, text)
    return _as_lines(text)


def settings_as_options(message: str) -> str:
    """Return a message with options for ``name=value``; those that the command has."""
    clauses = [_clause(each) for each in message.split("; ")]
    return "; ".join(each for each in clauses if each is not None)


def error_as_options(error: Exception) -> str:
    """Return what is wrong, in words of options; formulas stay as they are."""
    if not isinstance(error, FormulaError):
        first, *rest = str(error).split("\n")
        return "\n".join([as_options(first), *rest])
    advice = error.suggestion
    if advice is not None:  # what is to be written is a formula
        written = advice.startswith("write ")
        advice = (settings_as_options if written else as_options)(advice) or None
    place = (error.formula, error.start, error.end)
    return str(FormulaError(as_options(error.problem), *place, advice))


def _option(match: re.Match[str]) -> str:
    return match[1] + OPTIONS[match[2]]


def _clause(text: str) -> str | None:
    """Return a clause with options for settings; None if there is no such option."""
    out, place = "", 0
    while place < len(text):
        quoted = _QUOTED.match(text, place)
        setting = _SETTING.match(text, place)
        if setting and not re.search(r"[\w.'\"-]$", out):
            end = _end_of_value(text, setting.end())
            shown = _rendered(setting[1], text[setting.end() : end])
            if shown is None:
                return None
            out, place = out + shown, end
        else:
            end = quoted.end() if quoted else place + 1
            out, place = out + text[place:end], end
    return out


def _end_of_value(text: str, place: int) -> int:
    opening = text[place : place + 1]
    if opening in tuple("\"'"):
        return text.index(opening, place + 1) + 1
    depth = 0
    for end in range(place, len(text)):
        depth += (text[end] in "([{") - (text[end] in ")]}")
        if depth < 0 or (depth == 0 and opening not in tuple("([{")):
            if not re.match(r"[\w.+-]", text[end]):
                return end
        elif depth == 0:
            return end + 1
    return len(text)


def _rendered(name: str, value: str) -> str | None:
    option, known = OPTIONS.get(name), _spoken.get()
    if option is None or (known is not None and option not in known):
        return None
    if name in _FLAGS or not value:
        return _FLAGS.get(name, option)
    more = ",..." if value.endswith(", ...}") else ""
    try:
        given = ast.literal_eval(value.replace(", ...}", "}"))
    except (ValueError, SyntaxError):
        given = value
    if isinstance(given, (dict, list)):
        if name == "methods" and isinstance(given, dict):
            return None  # labels are Python's
        parts = [_part(name, each) for each in _items(given)]
        if name in _REPEATED:
            return " ".join(f"{option} {_shell(part)}" for part in parts)
        return f"{option} {_shell(','.join(parts) + more)}"
    return f"{option} {_shell(str(given))}"


def _items(given: dict[Any, Any] | list[Any]) -> list[Any]:
    return list(given.items()) if isinstance(given, dict) else given


def _part(name: str, item: Any) -> str:
    if not isinstance(item, tuple):
        return str(item)
    key, value = item
    if name == "bounds" and isinstance(value, tuple):
        value = ":".join("" if side is None else str(side) for side in value)
    return f"{key}={'...' if value is ... else value}"


def _shell(text: str) -> str:
    return text if re.fullmatch(r"[\w=:,.+-]*", text) else f'"{text}"'


class Command(TyperCommand):
    """A command that explains options of elsewhere, and formulas without quotes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments; those that it has not are explained."""
        options = {
            name: each
            for each in self.params
            for name in (*each.opts, *each.secondary_opts)
        }
        takes = {k: not getattr(each, "is_flag", False) for k, each in options.items()}
        named: dict[str, set[str]] = {}
        speak_of(frozenset(takes))
        number_rows(None)
        plain, place = [], 0
        while place < len(args):
            option, equals, value = args[place].partition("=")
            if option == "--":
                break
            if not option.startswith("--") and option not in takes:
                plain.append(args[place].strip())
            elif option not in takes and option != "--help":
                ctx.fail(_no_option(option, takes))
            elif option in ("--start", "--bounds"):
                value = value if equals else "".join(args[place + 1 : place + 2])
                names = set(re.findall(r"(\w+)\s*=", value))
                if not names <= named.setdefault(option, names):
                    ctx.fail(f"{option} is given once, for all: {option} x=...,y=...")
            place += 2 if takes.get(option) and not equals else 1
        short = [each for each in plain if re.fullmatch("-[A-Za-z]", each)]
        if short and len(plain) > 1:
            ctx.fail(f"there is no {short[0]}")
        self._check_quoted(ctx, plain)
        return super().parse_args(ctx, args)

    def _check_quoted(self, ctx: Any, plain: list[str]) -> None:
        """Refuse x**2 + y**2 without quotes, which a shell takes apart."""
        if len(plain) < 2:
            return
        from symgd.language.retyping import in_language

        whole = " ".join(plain)
        if in_language(whole) and not all(map(in_language, plain)):
            written = f"symgd {ctx.info_name} '{whole}'"
            ctx.fail(f"a formula stands in quotes: write {written}")


def _no_option(option: str, known: Collection[str]) -> str:
    name = option.lstrip("-").replace("-", "_")
    meant = OPTIONS.get(name) or _OTHERS.get(name.lower())
    if meant is not None and meant.partition(" ")[0] in known:
        return f"there is no {option}: it is {meant}"
    return f"there is no {option}{guess(option, known)}"
