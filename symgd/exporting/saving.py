"""Export: one formula, with a rule or without one, as a file by its suffix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symgd.errors import InputError
from symgd.exporting.request import MACHINE, Request, in_single, request
from symgd.native.replacing import replacing
from symgd.objectives.meant import objective_of

Files = dict[Path, Any]  # texts, or bytes
# What there is where there is no such file.
INSTEAD = {
    ".dll": "; a linker makes .dll of .o, with target x86_64-pc-windows-msvc",
}
MATHS = ("own", "libm")


def export(
    objective: Any,
    path: str | Path,
    *,
    method: Any = None,
    bounds: Any = None,
    name: str | None = None,
    math: str = "own",
    float32: bool = False,
    target: str | None = None,
    cpu: str | None = None,
    **hyperparameters: Any,
) -> list[Path]:
    """Write a formula, and a method, as a file that works without symgd.

    It has the value, the exact gradient and Hessian; with a method also one update, and
    a loop. The suffix says what is written: ``.c`` is C99 with a header beside it,
    ``.py`` a module of Python, ``.js`` or ``.mjs`` one of JavaScript, ``.html`` a page,
    ``.o`` machine code with a header, for this machine or another one, ``.so`` the same
    as a shared library, which needs a C compiler that links it, ``.wasm`` WebAssembly
    with a loader, ``.mjs``.

    Parameters
    ----------
    objective : str, SymPy expression or Objective
        Data of sums aren't written, but given to what is.
    path : str or Path
    method : str or Rule, optional
        An update rule, whose hyperparameters follow as keywords. Of machine code also
        "auto", the loop of the default method.
    bounds : mapping or sequence, optional
        Of a rule: onto which its loop projects each iterate, as that of
        :func:`symgd.minimize` does, which also says how they are given.
    name : str, optional
        How all names begin in C; by default as the file's.
    math : {"own", "libm"}
        Of C: whether elementary functions are symgd's own, with the same bits, or the
        C library's, for machines without a fused multiply-add.
    float32 : bool
        Of C: whether all numbers are ``float``, for processors whose unit for floats
        has no double precision. Elementary functions are then the C library's.
    target : str, optional
        Of an object file: the machine, such as "aarch64-linux-gnu"; by default this.
    cpu : str, optional
        Of machine code: the processor, such as "x86-64-v3" or "cortex-a72", or
        "native"; by default any of its kind.

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
        instead = INSTEAD.get(path.suffix.lower(), "")
        raise InputError(f"{problem}: {', '.join(WRITERS)}{instead}")
    if math not in MATHS:
        raise InputError(f"unknown math {math!r}: {', '.join(MATHS)}")
    if math != "own" and path.suffix.lower() != ".c":
        raise InputError(f"math={math!r} is about C only")
    if (target or cpu) and path.suffix.lower() not in MACHINE:
        raise InputError(f"target and cpu are about machine code: {', '.join(MACHINE)}")
    given = objective_of(objective)
    options = FileOptions(math, target, cpu)
    asked = request(given, path, method, name, hyperparameters, bounds)
    asked = in_single(asked) if float32 else asked
    contents = write(asked, options)
    for file, content in contents.items():
        _save(file, content)
    return list(contents)


@dataclass(frozen=True)
class FileOptions:
    """What only some kinds of files are asked for."""

    math: str
    target: str | None
    cpu: str | None


def _save(file: Path, content: str | bytes) -> None:
    try:
        with replacing(file, binary=isinstance(content, bytes)) as out:
            out.write(content)
    except OSError as error:
        problem = f"can't write {str(file)!r}: {error.strerror}"
        raise InputError(problem) from None


def _c(asked: Request, options: FileOptions) -> Files:
    from symgd.lowering.c_file import c_file

    header = asked.path.with_suffix(".h")
    texts = c_file(
        asked.formula,
        asked.method,
        asked.checks(),
        asked.name,
        header.name,
        libm=options.math == "libm",
        single=asked.single,
    )
    return dict(zip((asked.path, header), texts, strict=True))


def _javascript(asked: Request, options: FileOptions) -> Files:
    from symgd.lowering.javascript_module import javascript_module

    return {asked.path: javascript_module(asked.formula, asked.method)}


def _python(asked: Request, options: FileOptions) -> Files:
    from symgd.lowering.python_module import python_module

    return {asked.path: python_module(asked.formula, asked.method)}


def _html(asked: Request, options: FileOptions) -> Files:
    from symgd.pages.document import page

    methods = None if asked.rule is None else [(asked.rule, asked.values)]
    shown = page(asked.objective, methods=methods, bounds=asked.bounds)
    return {asked.path: shown.html}


def _object(asked: Request, options: FileOptions) -> Files:
    from symgd.exporting.kernels_of import modules_of, stages_of
    from symgd.lowering.object_header import object_header
    from symgd.native.objects import object_file

    formula, modules = asked.formula, modules_of(asked)
    header = object_header(formula, asked.method, asked.name, stages_of(asked))
    return {
        asked.path: object_file(modules, options.target, options.cpu),
        asked.path.with_suffix(".h"): header,
    }


def _shared(asked: Request, options: FileOptions) -> Files:
    from symgd.native.linking import shared_library

    if options.target is not None:
        raise InputError(
            ".so is for this machine: for another one write .o and link it"
        )
    files = _object(asked, options)
    return {**files, asked.path: shared_library(files[asked.path])}


def _wasm(asked: Request, options: FileOptions) -> Files:
    from symgd.exporting.kernels_of import modules_of, stages_of
    from symgd.lowering.wasm_loader import wasm_loader
    from symgd.native.objects import object_file
    from symgd.native.webassembly import module_of

    if options.target is not None:
        raise InputError("the target of .wasm is known: leave target out")
    code = object_file(modules_of(asked), "wasm32-unknown-unknown", options.cpu)
    loader = wasm_loader(asked.formula, asked.method, asked.name, stages_of(asked))
    return {asked.path: module_of(code), asked.path.with_suffix(".mjs"): loader}


WRITERS: dict[str, Callable[[Request, FileOptions], Files]] = {
    ".c": _c,
    ".o": _object,
    ".so": _shared,
    ".wasm": _wasm,
    ".js": _javascript,
    ".mjs": _javascript,
    ".py": _python,
    ".html": _html,
}
