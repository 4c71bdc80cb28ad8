"""Export: one formula, with a rule or without one, as a file by its suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from symgd.errors import InputError
from symgd.exporting.request import Request, request
from symgd.native.replacing import replacing
from symgd.objectives.objective import objective_of

MATHS = ("own", "libm")


def export(
    objective: Any,
    path: str | Path,
    *,
    method: Any = None,
    name: str | None = None,
    math: str = "own",
    **hyperparameters: Any,
) -> list[Path]:
    """Write a formula, and a method, as a file that works without symgd.

    It has the value, the exact gradient and Hessian; with a method also one update, and
    a loop. The suffix says what is written: ``.c`` is C99 with a header beside it,
    ``.py`` a module of Python, ``.js`` or ``.mjs`` one of JavaScript, ``.html`` a page.

    Parameters
    ----------
    objective : str, SymPy expression or Objective
        A formula of single numbers, without arrays.
    path : str or Path
    method : str or Rule, optional
        An update rule, whose hyperparameters follow as keywords.
    name : str, optional
        How all names begin in C; by default as the file's.
    math : {"own", "libm"}
        Of C: whether elementary functions are symgd's own, with the same bits, or the
        C library's, for machines without a fused multiply-add.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    FormulaError, InputError
        If the formula or the rule is wrong, can't be written, or the file can't.

    Examples
    --------
    >>> import symgd, tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> files = symgd.export("(x - 1)**2 + 3*y**2", folder / "bowl.c", method="adam")
    >>> [file.name for file in files]
    ['bowl.c', 'bowl.h']
    """
    path = Path(path)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        problem = f"{str(path)!r}: the suffix says what is written"
        raise InputError(f"{problem}: {', '.join(WRITERS)}")
    if math not in MATHS:
        raise InputError(f"unknown math {math!r}: {', '.join(MATHS)}")
    if math != "own" and path.suffix.lower() != ".c":
        raise InputError(f"math={math!r} is about C only")
    given = objective_of(objective)
    texts = write(request(given, path, method, name, hyperparameters), math)
    for file, text in texts.items():
        _save(file, text)
    return list(texts)


def _save(file: Path, text: str) -> None:
    try:
        with replacing(file) as out:
            out.write(text)
    except OSError as error:
        problem = f"can't write {str(file)!r}: {error.strerror}"
        raise InputError(problem) from None


def _c(asked: Request, math: str) -> dict[Path, str]:
    from symgd.lowering.c_file import c_file

    header = asked.path.with_suffix(".h")
    texts = c_file(
        asked.formula,
        asked.method,
        asked.checks(),
        asked.name,
        header.name,
        libm=math == "libm",
    )
    return dict(zip((asked.path, header), texts, strict=True))


def _javascript(asked: Request, math: str) -> dict[Path, str]:
    from symgd.lowering.javascript_module import javascript_module

    return {asked.path: javascript_module(asked.formula, asked.method)}


def _python(asked: Request, math: str) -> dict[Path, str]:
    from symgd.lowering.python_module import python_module

    return {asked.path: python_module(asked.formula, asked.method)}


def _html(asked: Request, math: str) -> dict[Path, str]:
    from symgd.pages.document import page

    methods = None if asked.rule is None else [(asked.rule, asked.values)]
    return {asked.path: page(asked.objective, methods=methods).html}


WRITERS: dict[str, Callable[[Request, str], dict[Path, str]]] = {
    ".c": _c,
    ".js": _javascript,
    ".mjs": _javascript,
    ".py": _python,
    ".html": _html,
}
