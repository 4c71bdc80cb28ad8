"""``symgd export``: files that work without symgd."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from symgd.cli import option_texts
from symgd.cli.options import Bounds, MethodOptions, taking
from symgd.cli.output import errors_reported

Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="The file; its suffix says what is written: .c is C99, with a header, .py "
        "a module of Python, .js one of JavaScript, .html a page, .o machine code, "
        ".so a shared library, .wasm WebAssembly.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        metavar="PREFIX", help="How all names begin in C; by default as the file's."
    ),
]
Math = Annotated[
    str,
    typer.Option(
        help="Elementary functions in C: own, with symgd's bits, or libm, for machines "
        "without a fused multiply-add."
    ),
]
Float32 = Annotated[
    bool,
    typer.Option(
        "--float32",
        help="In C, all numbers are float, for processors without double precision.",
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="A hyperparameter of the rule: step_size=0.1, or text in t."
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        metavar="TRIPLE",
        help="Of .o: the machine, such as aarch64-linux-gnu; by default this one.",
    ),
]
Cpu = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Of .o and .so: the processor, such as x86-64-v3, or native; by default "
        "any.",
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        help="An update rule that is written, too (see: symgd rules); for .o, .so "
        "and .wasm also auto."
    ),
]


@dataclass(kw_only=True)
class ExportOptions(MethodOptions):
    """The options of ``symgd export``."""

    output: Output
    method: Method = None
    sets: Sets = None
    bounds: Bounds = None
    name: Name = None
    math: Math = "own"
    float32: Float32 = False
    target: Target = None
    cpu: Cpu = None

    def named(self) -> tuple[Any, ...]:
        """Return what names variables beside the formula: by bounds."""
        return (option_texts.bounds(self.bounds),)


@taking(ExportOptions)
@errors_reported()
def export(options: ExportOptions) -> None:
    """Write a formula, its derivatives and a method as a file that needs no symgd.

    Example: symgd export "(1 - x)**2 + 100*(y - x**2)**2" --method amsgrad -o valley.c
    """
    option_texts.check_writable(options.output)
    chosen, values = options.chosen(), options.hyperparameters()
    objective = options.objective()
    from symgd.exporting import saving

    files = saving.export(
        objective,
        options.output,
        method=chosen,
        bounds=option_texts.bounds(options.bounds),
        name=options.name,
        math=options.math,
        float32=options.float32,
        target=options.target,
        cpu=options.cpu,
        **values,
    )
    print(f"written: {', '.join(map(str, files))}")
