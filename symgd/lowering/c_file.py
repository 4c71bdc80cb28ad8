"""A C99 file of a formula and a rule, with its header."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from symgd.calculus.program import Program
from symgd.lowering import c_loop_templates as loop_templates
from symgd.lowering import c_templates as templates
from symgd.lowering.array_objective import BLOCK, OUTER_BLOCK
from symgd.lowering.array_words import ArrayWords
from symgd.lowering.c_comments import comment
from symgd.lowering.c_language import (
    HELPERS,
    c_language,
    c_loop_syntax,
    c_single,
    in_floats,
    single_number,
)
from symgd.lowering.places import LANES
from symgd.lowering.projection import projected, projected_gradient
from symgd.lowering.rule_functions import ScalarUpdate
from symgd.lowering.single import errors_of
from symgd.lowering.text_loops import loops_in_text
from symgd.lowering.textual import Written
from symgd.lowering.travelling import (
    Checks,
    TravellingFormula,
    TravellingRule,
    described,
)
from symgd.native.status import RUNNING, Status
from symgd.native.version import __version__

# What of the C library a file may call: what is rounded correctly, or exact; the rest.
_ROUNDED = (
    *("fma", "sqrt", "rint", "floor", "copysign", "fabs", "fmod", "memcpy"),
    "strlen",
)
_OTHERS = ("sin", "cos", "tan", "tgamma", "lgamma")

# Where something has parameters, or a rule hyperparameters; without them all is empty.
_OPTIONAL = {
    "take": "const double *{}, ",
    "last": ", const double *{}",
    "pass": "{}, ",
    "tail": ", {}",
}


def c_file(
    formula: TravellingFormula,
    rule: TravellingRule | None,
    checks: Checks,
    prefix: str,
    header: str,
    libm: bool = False,
    single: bool = False,
) -> tuple[str, str]:
    """Return a formula and a rule as C: the text of the file, and of its header.

    Parameters
    ----------
    formula : TravellingFormula
    rule : TravellingRule or None
    checks : Checks
    prefix : str
        How all names begin; an identifier.
    header : str
        What the header is called.
    libm : bool
        Whether elementary functions are the C library's, and nothing is fused.
    single : bool
        Whether all numbers are floats, and elementary functions the C library's.
    """
    writer = CWriter(formula, rule, prefix, libm, single)
    return writer.source(checks, header), writer.header()


class CWriter:
    """What both texts are written from."""

    def __init__(
        self,
        formula: TravellingFormula,
        rule: TravellingRule | None,
        prefix: str,
        libm: bool,
        single: bool = False,
    ) -> None:
        self.formula, self.rule = formula, rule
        self.libm, self.single = libm or single, single
        language = c_single(prefix) if single else c_language(prefix, libm)
        self.prefix, self.program = prefix, Written(language)
        self.has_p = self._takes_p()
        self.has_h = rule is not None and bool(rule.hyperparameters)
        n, width = len(formula.variables), 1 + len(rule.state) if rule else 1
        has = {"p": self.has_p, "h": self.has_h}
        self.words = {
            "p": prefix,
            "U": prefix.upper(),
            "n": str(n),
            "width": str(width),
            "lanes": str(LANES),
            "hyper": str(len(rule.hyperparameters)) if rule else "0",
            "h_now": "now, " if self.has_h else "",
            "wide": "(double)",
            "place": "(double)k, " if rule is not None and rule.draws else "",
            "scope": "",  # of the functions that a header declares
            "includes": "#include <string.h>\n" if formula.words else "",
            "kernels": "",
            "inline": "",
        } | {
            f"{name}_{place}": self._c(text).format(name) if there else ""
            for name, there in has.items()
            for place, text in _OPTIONAL.items()
        }
        for name in ("load", "store", "summed", "zero"):
            template = getattr(templates, name.upper()) if width > 1 else ""
            self.words[name] = self.filled(template)
        points = rule is not None and rule.step.places > 0
        self.words["p_points_pass"] = self.words["p_pass"] if points else ""
        bounded = rule is not None and rule.bounds is not None
        for name in ("inside", "slopes"):
            template = getattr(templates, name.upper()) if bounded else ""
            self.words[name] = self.filled(template)
        self.words["slope"] = "slopes" if bounded else "run->g"

    def _takes_p(self) -> bool:
        """Return whether functions are told anything beside x."""
        words = self.formula.words
        return bool(self.formula.parameters if words is None else words.names)

    def _c(self, text: str) -> str:
        """Return C with numbers of the precision that this file has."""
        return in_floats(text) if self.single else text

    def filled(self, template: str, **parts: str) -> str:
        """Return a template with names, and what depends on the formula, put in."""
        words, template = {**self.words, **parts}, self._c(template)
        return re.sub(r"@(\w+)@", lambda match: words[match[1]], template)

    # -------------------------------------------------------------- the source

    def source(self, checks: Checks, header: str) -> str:
        """Return the text of the file."""
        self._write_formula()
        code = self._functions_and_loop()
        helpers = self._helpers(code)
        evaluated = "" if self.libm else templates.EVALUATED
        told = self._told(helpers + code)
        opening = self.filled(
            templates.OPENING, told=told, header=header, evaluated=evaluated
        )
        return "".join((opening, helpers, code, self._self_test(checks)))

    def _helpers(self, code: str) -> str:
        """Return the helpers that code calls, and those that these call."""
        called = ""
        for name, text in reversed((HELPERS | loop_templates.HELPERS).items()):
            if f"{self.prefix}_{name}(" in called + code:
                called = self.filled(text) + called
        return called

    def _write_formula(self) -> None:
        if self.formula.program is not None:
            self._write_loops(self.formula.program)
            return
        own, second = self.formula.evaluate, self.formula.curvature
        assert own is not None
        self._add("value", own, out="")
        self._add("gradient", own, out="g", places=range(len(self.formula.variables)))
        if second is not None:
            places = self.formula.places
            self._add("second", second, out="h", places=places, scope="static ")
            hessian = self.filled(templates.HESSIAN)
            self.program.parts[f"{self.prefix}_hessian"] = hessian
        product = self.formula.product
        if product is not None:
            assert not isinstance(product, Program)
            places = range(len(self.formula.variables))
            self._add("hessp", product, "xv", out="g", places=places)

    def _write_loops(self, program: Program) -> None:
        """Write a formula of arrays."""
        self._add_loops("gradient", program)
        value = self.filled(loop_templates.VALUE)
        self.program.parts[f"{self.prefix}_value"] = value
        if isinstance(self.formula.product, Program):
            self._add_loops("hessp", self.formula.product, "const double *v, ")

    def _add_loops(self, name: str, program: Program, vector: str = "") -> None:
        words, syntax = self.formula.words, c_loop_syntax(self.prefix)
        assert words is not None
        lines = loops_in_text(program, words, self.program, syntax)
        self.program.parts[f"{self.prefix}_{name}"] = self.filled(
            loop_templates.LOOPS,
            name=name,
            v_take=vector,
            data=self.filled(loop_templates.TOLD) if self.has_p else "",
            lines="".join(f"{line}\n" for line in lines),
        )

    def _add(
        self, name: str, function: Callable[..., Any], of: str = "x", **more: Any
    ) -> None:
        """Write a function of a point, or of a point and a vector."""
        kinds = dict.fromkeys(of, "numbers")
        if self.has_p:
            kinds["p"] = "numbers"
        else:
            function = _without_parameters(function)
        self.program.add(f"{self.prefix}_{name}", function, kinds, **more)

    def _functions_and_loop(self) -> str:
        if (rule := self.rule) is None:
            return self.program.text
        loops = ""
        if self.has_h:
            kinds = {"t": "double", "h": "numbers"}
            name = f"{self.prefix}_schedule"
            self.program.add(name, rule.schedule, kinds, scope="static ")
        for name, part in (("update", rule.step), ("first", rule.first)):
            if part is not None:
                loops += self._moving(name, part)
        self._write_inside("static ")
        if rule.bounds is not None:
            slopes = projected_gradient(rule.bounds)
            kinds = dict.fromkeys("xg", "numbers")
            name = f"{self.prefix}_slopes"
            self.program.add(name, slopes, kinds, scope="static ")
        first = templates.AT_ZERO if rule.first is None else templates.FIRST
        ignored = "  (void)h;\n" if self.has_h and rule.first is None else ""
        status = "  int status;\n" if rule.first is not None else ""
        loop = self.filled(
            templates.LOOP, first=self.filled(first), ignored=ignored, status=status
        )
        return self.program.text + loops + loop

    def _write_inside(self, scope: str) -> None:
        """Write what brings a point inside the bounds, if there are any."""
        if self.rule is not None and self.rule.bounds is not None:
            inside, name = projected(self.rule.bounds), f"{self.prefix}_inside"
            self.program.add(name, inside, {"x": "numbers"}, scope=scope)

    def _moving(self, name: str, part: ScalarUpdate) -> str:
        """Write what a coordinate becomes; return the loop over all of them."""
        reduces = part.stages > 0
        assert self.rule is not None
        draws = self.rule.draws
        kinds = {"t": "double", "g": "double", "f": "double", "s": "numbers"}
        kinds |= {"k": "double"} if draws else {}
        kinds |= {"h": "numbers"} if self.has_h else {}
        kinds |= {"r": "numbers"} if reduces else {}
        written = {"of_one": part.slots}
        written |= {"summands": part.summands} if reduces else {}
        for what, function in written.items():
            own = _of_what_there_is(function, self.has_h, reduces, draws)
            full_name = f"{self.prefix}_{name}_{what}"
            self.program.add(full_name, own, kinds, scope="static ")
        words = {
            "name": name,
            "r": "r, " if reduces else "",
            "totals": str(part.totals),
            "stages": str(part.stages),
            "all": str(1 + len(self.rule.state) + part.derivatives),
            "known": str(part.totals + part.values),
            "parts": str(part.totals + part.places),
            "places": str(part.places),
            "ends": ", ".join(map(str, part.ends)),
            "p_points": self.words["p_take"] if part.places else "",
            "point": ", point = 0" if part.values else "",
            "confine": "",
            "kept": "",
            "multiplied": "",
        }
        if part.values:
            words["kept"] = self.filled(templates.KEPT, **words)
        if self.rule.bounds is not None:
            words["confine"] = self.filled(templates.CONFINE, **words)
        if part.multiplies:
            words["multiplied"] = self.filled(templates.MULTIPLIED)
        for each in ("points", "fresh", "derived", "there", "at_point", "spoilt"):
            text = getattr(templates, each.upper()) if part.places else ""
            words[each] = self.filled(text, **words)
        sums = self.filled(templates.SUMS, **words) if reduces else ""
        schedule = self.filled(templates.SCHEDULE) if self.has_h else ""
        return self.filled(templates.MOVE, sums=sums, schedule=schedule, **words)

    def _told(self, code: str) -> str:
        """Return the comment above the file."""
        lines = [*described(self.formula, self.rule), ""]
        if self.libm:
            told = templates.SINGLE if self.single else templates.LIBRARYS
            lines.append(told)
        else:
            called = {*re.findall(r"\b[a-z]\w*(?=\()", code)}
            exact = [name for name in _ROUNDED if name in called]
            others = [name for name in _OTHERS if name in called]
            names = ", ".join((*exact, *others)) or "nothing"
            lines += [templates.EXACT, f"Of the C library it calls {names}."]
            if self.formula.program is not None:
                lines.append(loop_templates.ORDER.format(LANES, BLOCK, OUTER_BLOCK))
            if others:
                last = f"The last digits of {', '.join(others)} are the library's"
                far = {"sin", "cos", "tan"} & {*others}
                lines.append(f"{last}{' (of angles beyond 3e6)' if far else ''}.")
        test = "makes a program of it that checks itself."
        lines.append(self.filled(f"-D@U@_SELF_TEST {test}"))
        return comment([*lines, f"Written by symgd {__version__}."])

    # ----------------------------------------------------------- the self-test

    def _self_test(self, checks: Checks) -> str:
        got, told = self._got_second() if checks.points[0][3] else ("", "")
        expected = [(f, *g, *(h if got else ())) for _, f, g, h in checks.points]
        return self.filled(
            templates.SELF_TEST,
            points=self._rows(x for x, *_ in checks.points),
            expected=self._rows(self._with_tolerances(checks, expected)),
            row=str(len(expected[0]) * (2 if self.single else 1)),
            tolerances=", then how far they may be off" if self.single else "",
            count=str(len(expected[0])),
            and_hessian=told,
            same=self._same(str(len(expected[0]))),
            with_p=self._with_p(checks),
            got_hessian=got,
            run=self._run_test(checks),
        )

    def _rows(self, rows: Iterable[Sequence[float]]) -> str:
        return "".join(f"  {{{self.numbers(row)}}},\n" for row in rows)

    def numbers(self, values: Iterable[float]) -> str:
        """Return numbers as C lists them."""
        return ", ".join(map(single_number if self.single else _literal, values))

    def _same(self, count: str) -> str:
        """Return the test that two numbers are as they should be."""
        if self.single:
            return templates.WITHIN.replace("@count@", count)
        return templates.NEAR if self.libm else templates.SAME

    def _with_tolerances(
        self, checks: Checks, expected: Sequence[Sequence[float]]
    ) -> Sequence[Sequence[float]]:
        """Return expected numbers, in single precision with tolerances after them."""
        if not self.single:
            return expected
        formula = self.formula
        assert formula.evaluate is not None
        n, p = len(formula.variables), list(formula.parameters.values())
        rows = []
        for (x, *_), told in zip(checks.points, expected, strict=True):
            errors = errors_of(formula.evaluate, x, p)
            if len(told) > 1 + n and formula.curvature is not None:
                flat = [0.0] * (n * n)
                second = errors_of(formula.curvature, x, p)[1:]
                for place, error in zip(formula.places, second, strict=True):
                    flat[place] = error
                errors += flat
            rows.append([*told, *errors])
        return rows

    def _got_second(self) -> tuple[str, str]:
        """Return what a test computes of second derivatives, and how it says so."""
        if isinstance(self.formula.product, Program):
            told = " and its Hessian's product with x"
            return self.filled(templates.GOT_PRODUCT), told
        if self.formula.curvature is None:
            return "", ""
        return self.filled(templates.GOT_HESSIAN), " and its Hessian"

    def _with_p(self, checks: Checks) -> str:
        """Return what declares p for the test."""
        if not self.has_p:
            return ""
        words = self.formula.words
        if words is None:
            return self.filled(templates.WITH_P)
        names = {name: f"made{k}" for k, name in enumerate(words.columns)}
        filled = [s for k, v in names.items() for s in checks.data[k].in_c(v)]
        parameters = self.formula.parameters
        given = [_literal(parameters[name]) for name in words.layout.parameters]
        given += [str(checks.rows[name]) for name in words.rows]
        return self.filled(
            loop_templates.WITH_P,
            filled="".join(f"  {line}\n" for line in filled),
            given=", ".join(["p", *given, *names.values()]),
        )

    def _run_test(self, checks: Checks) -> str:
        """Return the test of a descent; small differences may grow on the way."""
        if checks.run is None or self.libm:
            return ""
        start, updates, x, f = checks.run
        return self.filled(
            templates.RUN,
            start=numbers(start),
            end=numbers((f, *x)),
            updates=str(updates),
            with_h=self.filled(templates.WITH_H) if self.has_h else "",
        )

    # -------------------------------------------------------------- the header

    def header(self) -> str:
        """Return the text of the header."""
        formula, rule = self.formula, self.rule
        has_hessian = formula.curvature is not None
        hessian = self.filled(templates.HESSIAN_DECLARED) if has_hessian else ""
        parameters = ""
        if formula.words is not None:
            parameters = self._bound(formula.words)
        elif self.has_p:
            parameters = self.filled(
                templates.PARAMETERS,
                comment=comment([f"p: {', '.join(formula.parameters)}."]),
                numbers=self.numbers(formula.parameters.values()),
            )
        lines = [
            *described(self.formula, self.rule),
            "",
            f"x: {formula.listed}.",
        ]
        return self.filled(
            templates.HEADER,
            told=comment(lines),
            parameters=parameters,
            hessian=hessian,
            product=self._product_declared(),
            loop="" if rule is None else self._loop_declared(rule),
        )

    def _product_declared(self) -> str:
        if self.formula.product is None:
            return ""
        returned = "0" if self.formula.words is None else "f's derivative along v"
        return self.filled(templates.PRODUCT_DECLARED, returned=returned)

    def _bound(self, words: ArrayWords) -> str:
        """Return what p is made of: a structure that knows where the data are."""
        if not self.has_p:
            return ""
        arguments = words.arguments()
        return self.filled(
            loop_templates.DATA,
            comment=comment(["Tell where the data are.", *words.told()]),
            fields="".join(f"  {each};\n" for each in arguments),
            names=", ".join(words.names.values()),
            arguments=",\n    ".join(["double *p", *arguments]),
        )

    def _loop_declared(self, rule: TravellingRule) -> str:
        names, hyper, state = ("CONVERGED", "MAXITER", "DIVERGED"), "", ""
        if self.has_h:
            lines = [f"h: {', '.join(rule.hyperparameters)}."]
            lines += [f"{k} is {v}, whatever h has." for k, v in rule.scheduled.items()]
            hyper = self.filled(
                templates.HYPERPARAMETERS,
                comment=comment(lines),
                numbers=self.numbers(rule.hyperparameters.values()),
            )
        if rule.state:
            size = f"{len(rule.state)}][{len(self.formula.variables)}"
            kept = comment([", ".join(rule.state)])
            state = f"  {self._c('double')} state[{size}]; {kept}"
        known = {"RUNNING": RUNNING} | {name: int(Status[name]) for name in names}
        enum = (f"{self.prefix.upper()}_{name} = {v}" for name, v in known.items())
        return self.filled(
            templates.LOOP_HEADER, hyper=hyper, state=state, enum=", ".join(enum)
        )


def _without_parameters(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *x: function(*x, ())


def _of_what_there_is(
    function: Callable[..., Any], has_h: bool, has_r: bool, draws: bool
) -> Callable[..., Any]:
    """Return a part of an update that takes only what there is."""
    if draws and has_r:
        return function
    if draws:
        return lambda t, g, f, s, k, h: function(t, g, f, s, k, h, ())
    if has_h and has_r:
        return lambda t, g, f, s, h, r: function(t, g, f, s, 0.0, h, r)
    if has_h:
        return lambda t, g, f, s, h: function(t, g, f, s, 0.0, h, ())
    if has_r:
        return lambda t, g, f, s, r: function(t, g, f, s, 0.0, (), r)
    return lambda t, g, f, s: function(t, g, f, s, 0.0, (), ())


def numbers(values: Iterable[float]) -> str:
    """Return numbers with all their bits, as C lists them."""
    return ", ".join(map(_literal, values))


def _literal(value: float) -> str:
    """Return a number with all its bits; of a NaN it is not known which one."""
    if math.isfinite(value):
        return repr(float(value))
    name = "NAN" if math.isnan(value) else "INFINITY"
    return f"{'-' if value < 0.0 else ''}(double){name}"
