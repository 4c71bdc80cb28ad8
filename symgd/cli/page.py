"""``symgd report`` and ``symgd play``: pages that are dragged in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from symgd.cli import option_texts
from symgd.cli.options import PlacedOptions, taking
from symgd.cli.output import errors_reported
from symgd.cli.race import RuleFiles, Sets, own_rules, settings

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="The HTML file.")
]
Methods = Annotated[
    str | None,
    typer.Option(
        "--methods",
        help='Which paths are shown: gd,adam or "gd(step_size=0.1),gd"; by default '
        "gd, momentum and amsgrad, with steps that fit the formula.",
    ),
]
Given = Annotated[str | None, typer.Argument(metavar="[FORMULA]")]
Port = Annotated[
    int,
    typer.Option(min=0, max=65535, help="Of the address; by default any free one."),
]
Browser = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
]


@dataclass(kw_only=True)
class ReportOptions(PlacedOptions):
    """The options of ``symgd report``."""

    output: Output
    method: Methods = None
    rule_file: RuleFiles = None
    sets: Sets = None


@taking(ReportOptions)
@errors_reported()
def report(options: ReportOptions) -> None:
    """Write a page on which the start and all hyperparameters can be dragged.

    Example: symgd report "(1 - x)**2 + 100*(y - x**2)**2" -o page.html

    It is one file, which works without a network and can be mailed.
    """
    option_texts.check_writable(options.output, (".html", ".htm"), "a page")
    asked = None if options.method is None else option_texts.methods(options.method)
    own = own_rules(options.rule_file or [])
    given = option_texts.assignments(options.sets, "--set")
    objective = options.objective()
    from symgd.pages.content import USUAL
    from symgd.pages.document import page

    asked = [(name, {}) for name in USUAL] if asked is None else asked
    missing = own.keys() - {name for name, _ in asked}
    asked += [(name, {}) for name in own if name in missing]
    shared, special = settings(given, {name for name, _ in asked})
    methods = [
        (own.get(name, name), {**shared, **special.get(name, {}), **h})
        for name, h in asked
    ]
    start, bounds = options.named()
    page(objective, start, methods=methods, bounds=bounds).save(options.output)
    print(f"written: {options.output}")


@errors_reported()
def play(formula: Given = None, port: Port = 0, browser: Browser = True) -> None:
    """Show a page in the browser with fields for formulas and rules, until Ctrl-C.

    Example: symgd play "x**4 - x**2 + y**2"

    Only this machine reaches it, and only with the address that is printed.
    """
    import webbrowser

    from symgd.pages.serving import EXAMPLE, Play

    server = Play(EXAMPLE if formula is None else formula.strip(), port)
    print(f"{server.address}\nCtrl-C ends it", flush=True)
    if browser:
        webbrowser.open(server.address)
    try:
        server.serve()
    except KeyboardInterrupt:
        print("ended")
