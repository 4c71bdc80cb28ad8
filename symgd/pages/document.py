"""The file of a page: everything in one, with a policy that lets nothing else in."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from symgd.descent.result import Result
from symgd.descent.settings import refuse_constraints
from symgd.errors import InputError
from symgd.native.replacing import replacing
from symgd.native.version import __version__
from symgd.objectives.meant import objective_of
from symgd.objectives.objective import Objective
from symgd.pages import content
from symgd.pages.programs import program
from symgd.pages.views import view_of

HEIGHT = 900  # of a page inside a notebook


class Page:
    """A page of a formula, as one HTML file.

    Attributes
    ----------
    html : str
        The file: it needs no other, and asks for nothing from elsewhere.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def save(self, file: str | Path) -> None:
        """Write the page to a file.

        Raises
        ------
        InputError
            If the file can't be written.
        """
        try:
            with replacing(file) as out:
                out.write(self.html)
        except OSError as error:
            problem = f"can't write {str(file)!r}: {error.strerror}"
            raise InputError(problem) from None

    def widget(self) -> Any:
        """Return the page as a widget, from which a notebook reads what was dragged.

        It needs the ``widget`` extra. Its ``state`` is empty until something is moved,
        then ``{"start": {"x": 0.5}, "methods": {"gd": {"step_size": 0.1}}}``.

        Raises
        ------
        InputError
            If anywidget isn't installed.
        """
        from symgd.pages.widget import widget_of

        return widget_of(self.html, asset("widget.js"), HEIGHT)

    def _repr_html_(self) -> str:
        """Return a frame from which the page reaches nothing of the notebook."""
        return (
            f'<iframe srcdoc="{escape(self.html)}" width="100%" height="{HEIGHT}" '
            'sandbox="allow-scripts allow-downloads" style="border:0"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<Page of {len(self.html.encode()) / 1000:.0f} KB>"


def page(
    objective: Any,
    x0: Any = None,
    *,
    methods: Iterable[Any] | None = None,
    bounds: Any = None,
) -> Page:
    """Return a page on which the descent of a formula can be dragged.

    A notebook shows it; ``save`` writes it as one file that works offline.

    Parameters
    ----------
    objective : str, SymPy expression or Objective
        A formula of single numbers, without arrays.
    x0 : sequence or mapping, optional
        Where the paths begin at first.
    methods : iterable, optional
        Rules: names, :class:`symgd.Rule` s, or pairs of one and a mapping of
        hyperparameters. Step sizes that aren't given are chosen for the formula.
    bounds : mapping or sequence, optional
        As for :func:`symgd.minimize`.

    Returns
    -------
    Page

    Raises
    ------
    FormulaError, InputError
        If the formula or a rule is wrong, or can't be shown on a page.

    Examples
    --------
    >>> import symgd
    >>> shown = symgd.page("(x - 1)**2 + 3*y**2", [-1, 1], methods=["gd", "adam"])
    >>> shown.html.startswith("<!doctype html>"), "http://" in shown.html[:1000]
    (True, False)
    """
    given = objective_of(objective)
    refuse_constraints(given, "a page")
    return Page(written(given, x0, methods, bounds))


def save(result: Result, file: str | Path, **options: Any) -> None:
    """Write a page that begins where a run did, with its method and bounds."""
    if options:
        raise InputError(f"a page takes no options such as {next(iter(options))!r}")
    if result.maximized:
        raise InputError("a page shows minimisation: minimise -f instead")
    methods: Any = None
    if result.method != "auto" and "auto" not in result.hyperparameters.values():
        from symgd.rules.family import BUILT_IN

        if result.method in BUILT_IN:
            others = [name for name in content.USUAL if name != result.method]
            methods = [(result.method, result.hyperparameters), *others]
    page(result.objective, result.start, methods=methods, bounds=result.bounds).save(
        file
    )


def written(
    objective: Objective, x0: Any, asked: Any, bounds: Any, fields: str = ""
) -> str:
    """Return the HTML; ``fields`` stands above the formula."""
    content.check(objective)
    view = view_of(objective, x0, bounds)
    methods = content.methods_of(asked, objective, view)
    data = content.data_of(objective, view, methods, bounds)
    code = program(objective, [method.scheduled for method in methods])
    scripts = {
        "D3": asset("d3.js"),
        # Of constants that follow each other one word is enough.
        "PROGRAM": tightened(code).replace(";\nconst t", ",\nt"),
        "DESCENT": tightened(asset("descent.js")),
        "PAGE": tightened(asset("page.js")),
    }
    style = asset("page.css")
    formulas = {k: slimmed(v) for k, v in content.formulas_of(objective).items()}
    for method in data["methods"]:
        method["maths"] = [slimmed(line) for line in method["maths"]]
    return filled(
        asset("page.html"),
        {
            **scripts,
            "STYLE": style,
            "POLICY": policy(scripts.values(), style),
            "TITLE": escape(f"{data['formula'][:80]} - symgd"),
            "FORMULA": formulas["formula"],
            "GRADIENT": formulas["gradient"],
            "HESSIAN": formulas["hessian"],
            "DATA": as_data(data),
            "LICENCE": asset("d3.LICENSE"),
            "VERSION": escape(__version__),
            "FIELDS": fields,
        },
    )


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Return a template with its places filled, each once.

    >>> filled("@A@ and @B@", {"A": "@B@", "B": "b"})
    '@B@ and b'
    """
    return re.sub(r"@([A-Z0-9]+)@", lambda match: parts[match[1]], template)


def slimmed(mathml: str) -> str:
    """Return MathML as a browser needs it inside of HTML.

    >>> slimmed('<mi mathvariant="normal">a</mi><mi mathvariant="normal">b</mi>')
    '<mi mathvariant="normal">ab</mi>'
    """
    parts = {
        ' xmlns="http://www.w3.org/1998/Math/MathML"': "",
        ' display="inline"': "",
        '</mi><mi mathvariant="normal">': "",
    }
    for long, short in parts.items():
        mathml = mathml.replace(long, short)
    plain = re.sub(r"<mrow>(<m([ion])(?: [^>]*)?>[^<]*</m\2>)</mrow>", r"\1", mathml)
    return re.sub(r"&#x0*([0-9A-F]{2,5});", _letter, plain)


def _letter(match: re.Match[str]) -> str:
    letter = chr(int(match[1], 16))
    return match[0] if letter in "<>&\"'" else letter


def tightened(script: str) -> str:
    r"""Return a script without its indentation and the lines that are comments.

    >>> tightened("f();\n  // why\n  g();\n")
    'f();\ng();\n'
    """
    return re.sub(r"(?m)^ *//.*\n|^ +", "", script)


def as_data(value: Any) -> str:
    r"""Return JSON that can't end the element which it stands in.

    >>> as_data("</script>")
    '"\\u003c/script>"'
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )


def policy(scripts: Iterable[str], style: str) -> str:
    """Return what the page may do: run its own scripts, and a worker made of them."""
    hashes = " ".join(_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; "
        "worker-src blob:; base-uri 'none'; form-action 'self'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@functools.lru_cache(maxsize=16)
def asset(name: str) -> str:
    """Return the text of a file that travels with symgd."""
    return resources.files("symgd.pages").joinpath("assets", name).read_text("utf-8")
