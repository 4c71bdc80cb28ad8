"""Update rules: a method is its equations, as the papers print them.

Elsewhere a rule is an optimizer (SGD, Adam), its ``step_size`` the learning rate.
"""

from __future__ import annotations

import ast
import functools
import numbers
import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from symgd.errors import FormulaError, InputError, guess, unknown_name
from symgd.language.drawing import card
from symgd.language.plain import plain_number, split
from symgd.native import compiled
from symgd.native.criteria import MEANINGS
from symgd.rules.equations import (
    ELSEWHERE,
    NOISE,
    OF_ARRAYS,
    REDUCTIONS,
    assignment,
    calls_in,
    default,
    enter,
    names_in,
    start_of,
)

if TYPE_CHECKING:
    import sympy as sp

    from symgd.language.formula import Formula

GIVEN = {
    "x": "the coordinate",
    "g": "the gradient's coordinate where the step began",
    "f": "the objective's value there",
    "t": "the number of the update, from 1",
}


USUAL = {"lr": "step_size", "learning_rate": "step_size", "stepsize": "step_size"}

SEARCHED = (
    "a rule that searches says so in its lines, with f(point), or hvp(g); "
    "gd has step_size='auto', and method='auto' searches along all its directions"
)

# Arguments of minimize and its relatives, and columns of every trace.
RESERVED = (
    *("objective", "x0", "method", "bounds", *MEANINGS, "rng", "trace", "progress"),
    *("callback", "callback_every", "checkpoint", "methods", "parameters", "workers"),
    *("fun", "grad_norm"),
)


class Rule:
    """A first-order method, written as the equations of one update.

    Parameters
    ----------
    name : str
        What the method is called.
    equations : str
        One assignment a line, for one coordinate; the lines run top to bottom. A name
        that is not yet assigned in this update has its value from the last one: it is
        *state*. The equations may read ``x``, ``g`` (the gradient where the update
        began, however often x is assigned), ``f`` (the value there), ``t`` (1 at the
        first update), the state and the hyperparameters; they must assign ``x``.
        ``dot(a, b)``, ``norm(a)`` and ``mean(a)`` reduce over all coordinates, and
        with ``array_`` before their names over the array which the coordinate is in;
        ``f(a)`` and ``g(a)`` are value and gradient at the point a, which counts as
        an evaluation, and ``hvp(a)`` the product of the Hessian, where g is, with the
        vector a. ``noise()`` is a standard normal number of the hyperparameter
        ``seed``, 0 by default; ``noise(1)``, ``noise(2)``, ... are further ones.
        ``#`` starts a comment; comments above the equations are the rule's reference.
    initial : mapping of str to number or formula, optional
        The state before the first update; 0 if not given. A formula may read the
        start ``x``, ``g`` and ``f``, and the hyperparameters; it may reduce, too.
    **hyperparameters : float or str
        The defaults of the rule's constants. Text is a schedule: a formula in ``t``.

    Attributes
    ----------
    name, equations, reference : str
    state : tuple of str
        What the rule remembers from one update to the next.
    scalars : frozenset of str
        Assigned names that have one value, the same for all coordinates.
    hyperparameters, initial : mapping, read only

    Raises
    ------
    FormulaError
        If a line isn't an assignment of a formula, or reads a name that it can't know.
    InputError
        If a hyperparameter or an initial value doesn't fit the equations.

    Examples
    --------
    Gradient descent whose step shrinks with the gradient's sign changes would be hard
    to find in a library; here it is three lines:

    >>> rule = Rule("sign_momentum", '''
    ...     m = beta*m + (1 - beta)*g
    ...     x = x - step_size*sign(m)
    ... ''', step_size=0.01, beta=0.9)
    >>> rule.state
    ('m',)

    With a reduction, the gradient can be clipped:

    >>> clipped = Rule("clipped", '''
    ...     x = x - step_size*g*Min(1, radius/norm(g))
    ... ''', step_size=0.1, radius=1.0)
    """

    def __init__(
        self,
        name: str,
        equations: str,
        *,
        initial: Mapping[str, Formula] | None = None,
        **hyperparameters: Formula,
    ) -> None:
        self._describe(name, equations, initial or {}, hyperparameters)
        assert self.updates  # read now, so that a mistake shows where it was made
        assert self.initial is not None
        for key, value in hyperparameters.items():
            self.schedule(key, value)

    @classmethod
    def known(
        cls,
        name: str,
        equations: str,
        initial: Mapping[str, Formula] | None = None,
        **hyperparameters: Formula,
    ) -> Rule:
        """Return a rule that is known to be right: nothing is read before its use."""
        rule = cls.__new__(cls)
        rule._describe(name, equations, initial or {}, hyperparameters)
        return rule

    def _describe(
        self,
        name: str,
        equations: str,
        initial: Mapping[str, Formula],
        hyperparameters: Mapping[str, Formula],
    ) -> None:
        self.name = str(name)
        lines = equations.strip("\n").splitlines() if isinstance(equations, str) else []
        self.reference = " ".join(
            line.strip().lstrip("#").strip()
            for line in lines
            if line.strip().startswith("#")
        )
        self.assignments = [
            assignment(line) for line in lines if line.split("#")[0].strip()
        ]
        self.equations = "\n".join(f"{n} = {f.strip()}" for n, f in self.assignments)
        self.hyperparameters = MappingProxyType(
            {
                unicodedata.normalize("NFKC", key): _builtin(value)
                for key, value in hyperparameters.items()
            }
        )
        if NOISE in self.equations and self.asks_for(NOISE):
            seed = self.hyperparameters.get("seed", 0)
            self.hyperparameters = MappingProxyType(
                {**self.hyperparameters, "seed": seed}
            )
        self._given_initial = dict(initial)
        self._check_names()
        self.state = self._remembered()
        self.scalars = self._same_everywhere()

    @classmethod
    def from_text(cls, text: str, name: str = "rule") -> Rule:
        """Return the rule of a text as ``repr`` prints it: a small file, say.

        Parameters
        ----------
        text : str
            The equations; then, if there are any, a line with the defaults of the
            hyperparameters and one with initial values. A first line may give the name.
        name : str
            The name otherwise.

        Raises
        ------
        FormulaError, InputError
            As the class does.

        Examples
        --------
        >>> Rule.from_text('''
        ...     Rule heavy
        ...     m = beta*m + g
        ...     x = x - step_size*m
        ...     with step_size=0.01, beta=0.9
        ...     where m starts at g
        ... ''')
        Rule heavy
            m = beta*m + g
            x = x - step_size*m
          with step_size=0.01, beta=0.9
          where m starts at g
        """
        equations: list[str] = []
        hyperparameters: dict[str, Any] = {}
        initial: dict[str, Any] = {}
        named = False
        for line in text.splitlines():
            words = line.split("#")[0].strip()
            if match := re.fullmatch(r"[Rr]ule\s+([^=]+)", words):
                if named or any(line.split("#")[0].strip() for line in equations):
                    raise FormulaError("one rule is expected: there is another", words)
                name, named = match[1], True
            elif match := re.fullmatch(r"with\s+(.+)", words):
                enter(hyperparameters, map(default, split(match[1])), words)
            elif match := re.fullmatch(r"where\s+(\w+\s+starts at\s.+)", words):
                enter(initial, map(start_of, split(match[1])), words)
            else:
                equations.append(line)
        for key in hyperparameters:
            if key in ("self", "cls", "name", "equations", "initial"):
                raise InputError(f"{key!r} can't be a hyperparameter; rename it")
        lines = "\n".join(equations)
        rule = cls.known(name, lines, initial, **hyperparameters)
        # What has been read once, here or in an earlier process, is right.
        if compiled.recalled(("rule", rule.text)) is None:
            rule = cls(name, lines, initial=initial, **hyperparameters)
            compiled.remember(("rule", rule.text), True)
        return rule

    def _check_names(self) -> None:
        assigned = [name for name, _ in self.assignments]
        for name in self.hyperparameters:
            if name in GIVEN:
                raise InputError(f"{name!r} can't be a hyperparameter: {GIVEN[name]}")
            if name in assigned:
                raise InputError(
                    f"rule {self.name!r}: {name!r} is a hyperparameter, so no equation "
                    "can assign it; a value that changes with t is a schedule"
                )
        for name in (*self.hyperparameters, *assigned):
            if name in RESERVED:
                problem = f"rule {self.name!r}: the name {name!r} has another meaning"
                raise InputError(f"{problem} in symgd; choose another")
        for name in ("g", "f", "t"):
            if name in assigned:
                raise InputError(
                    f"rule {self.name!r} assigns {name!r}, which is {GIVEN[name]}"
                )
        if "x" not in assigned:
            raise InputError(
                f"rule {self.name!r} has no line for x, such as x = x - step_size*g"
            )

    def _remembered(self) -> tuple[str, ...]:
        """Return the assigned names that are read before they are assigned."""
        assigned = {name for name, _ in self.assignments}
        early: set[str] = set()
        done: set[str] = set()
        for name, formula in self.assignments:
            early |= (names_in(formula) & assigned) - done
            done.add(name)
        names = dict.fromkeys(name for name, _ in self.assignments)
        return tuple(name for name in names if name != "x" and name in early)

    def _same_everywhere(self) -> frozenset[str]:
        """Return the assigned names that don't depend on the coordinate."""
        given = {n: str(f) for n, f in self._given_initial.items()}
        lines = [*self.assignments, *given.items()]
        varied, before = {"x", "g"}, 0
        while len(varied) > before:
            before = len(varied)
            varied |= {n for n, f in lines if names_in(f, reduced=False) & varied}
        return frozenset(name for name, _ in self.assignments) - varied

    @functools.cached_property
    def updates(self) -> dict[str, sp.Expr]:
        """The new x and state in terms of what is known when the step begins."""
        from symgd.language.formula import symbol

        assigned = {name for name, _ in self.assignments}
        known = {*GIVEN, *self.hyperparameters, *assigned}
        now = {symbol(name): symbol(name) for name in known}
        for name, formula in self.assignments:
            expression = self._read(f"{name} =", formula, known)
            now[symbol(name)] = expression.xreplace(now)
        return {name: now[symbol(name)] for name in ("x", *self.state)}

    def asks_for(self, *names: str) -> bool:
        """Return whether an equation calls one of ``f``, ``g``, ``hvp``, ``noise``."""
        calls = (call for _, formula in self.assignments for call in calls_in(formula))
        return any(call.func.id in names for call in calls)

    @functools.cached_property
    def evaluations(self) -> int:
        """How often an update evaluates value or gradient elsewhere than at x."""
        if not self.asks_for("f", "g"):
            return 0
        import sympy as sp

        from symgd.rules.staging import staged

        return staged(tuple(self.updates.values()), sp.Symbol("n")).evaluations

    @functools.cached_property
    def initial(self) -> Mapping[str, sp.Expr]:
        """The state before the first update, in terms of x, g, f and constants."""
        import sympy as sp

        known = {"x", "g", "f", *self.hyperparameters}
        for name, formula in self._given_initial.items():
            if name not in self.state:
                raise unknown_name(f"state of rule {self.name!r}", name, self.state)
            read_early = names_in(str(formula)) & {*self.state}
            asked = {call.func.id for call in calls_in(str(formula))}
            if asked & {*ELSEWHERE, NOISE}:
                problem = "a start reads f and g where it is, and no noise"
                line = f"{name} starts at {formula}"
                raise FormulaError(f"rule {self.name!r}: {problem}", line)
            if read_early:
                problem = f"{sorted(read_early)[0]!r} has no value before the first"
                line = f"{name} starts at {formula}"
                raise FormulaError(f"rule {self.name!r}: {problem} update", line)
        given = {
            name: self._read(f"{name} starts at ", formula, known)
            for name, formula in self._given_initial.items()
        }
        zero = sp.S.Zero
        return MappingProxyType({name: given.get(name, zero) for name in self.state})

    def _read(self, before: str, formula: Formula, known: set[str]) -> sp.Expr:
        """Read the formula of a line; what is wrong is shown in the line."""
        from symgd.language.formula import read, symbol
        from symgd.language.functions import FUNCTIONS
        from symgd.rules import evaluations, random_numbers, reductions

        functions = FUNCTIONS | reductions.TABLE | evaluations.TABLE
        functions |= random_numbers.TABLE
        names = {name: symbol(name) for name in known}
        try:
            if isinstance(formula, str):
                self._check_calls(formula)
            return read(formula, names, closed=True, functions=functions)
        except FormulaError as error:
            margin = len(before)
            start = None if error.start is None else error.start + margin
            end = None if error.end is None else error.end + margin
            problem, suggestion = (
                f"rule {self.name!r}: {error.problem}",
                error.suggestion,
            )
            if error.problem.startswith("unknown name") and suggestion is None:
                suggestion = "if it is a hyperparameter, give it a default: name=0.1"
            line = f"{before}{formula}"
            raise FormulaError(problem, line, start, end, suggestion) from None

    def _check_calls(self, formula: str) -> None:
        """Refuse reductions, and points, of what is the same for all coordinates."""
        varied = {"x", "g", *(name for name, _ in self.assignments)} - self.scalars
        for call in calls_in(formula):
            name, problem = call.func.id, ""
            if name == NOISE:
                problem = _problem_of_noise(call)
            elif name in (*REDUCTIONS, *OF_ARRAYS, *ELSEWHERE) and call.args:
                inside = [names_in(ast.unparse(a), reduced=False) for a in call.args]
                if not set().union(*inside) & varied:
                    problem = "nothing in it differs from coordinate to coordinate, so "
                    problem += f"there is {_lacks(name)}"
            if problem:
                start, end = _place_of(call, formula)
                problem = f"{formula[start:end]}: {problem}"
                raise FormulaError(problem, formula, start, end)

    @property
    def starts_at_zero(self) -> bool:
        """Whether all state is 0 before the first update."""
        return not self._given_initial

    # ------------------------------------------------------------------- use

    def schedule(
        self, name: str, value: Formula, clocks: tuple[str, ...] = ("t",)
    ) -> float | sp.Expr:
        """Return a hyperparameter's value: a float, or an expression in t.

        ``clocks`` are the names that may occur: with batches, ``epoch`` too.

        Raises
        ------
        InputError, FormulaError
            If the rule has no such hyperparameter, or the value is neither.
        """
        if name not in self.hyperparameters:
            none = f"rule {self.name!r} has none"
            what = f"hyperparameter of {self.name!r}"
            usual, own = USUAL.get(name, name), self.hyperparameters
            if not guess(usual, own) and (hint := guess(name, RESERVED)):
                raise InputError(f"unknown argument {name!r}{hint}")
            raise unknown_name(what, name, own, none, usual)
        number = plain_number(value)
        if number is not None:
            return number
        from symgd.language.formula import read, symbol

        try:
            names = {clock: symbol(clock) for clock in clocks}
            expression = read(value, names, closed=True)
        except FormulaError as error:
            problem = f"{name}: a number or a formula in t is expected; {error.problem}"
            how = SEARCHED if _is_search(value) else error.suggestion
            place = (error.formula, error.start, error.end, how)
            raise FormulaError(problem, *place) from None
        return expression if expression.free_symbols else float(expression)

    def text_of(
        self, name: str, value: Formula, clocks: tuple[str, ...] = ("t",)
    ) -> float | str:
        """Return a hyperparameter's value: a float, or a schedule as text.

        A text that has been read before is not read again.

        Raises
        ------
        InputError, FormulaError
            As :meth:`schedule` does.
        """
        if not isinstance(value, str) or name not in self.hyperparameters:
            plain = self.schedule(name, value, clocks)
            if isinstance(plain, float):
                return plain
            from symgd.language.formula import text_of

            return text_of(plain)
        parts = ("schedule", value, *clocks)
        if (facts := compiled.recalled(parts)) is None:
            plain = self.schedule(name, value, clocks)
            facts = {"value": plain if isinstance(plain, float) else None}
            compiled.remember(parts, facts)
        return value if facts["value"] is None else facts["value"]

    def with_defaults(
        self, given: Mapping[str, Formula], clocks: tuple[str, ...] = ("t",)
    ) -> dict[str, Formula]:
        """Return all hyperparameters, the given ones checked and the rest default."""
        for name, value in given.items():
            self.text_of(name, value, clocks)
        return {**self.hyperparameters, **given}

    def _identity(self) -> tuple[Any, ...]:
        hyper, initial = self.hyperparameters.items(), self._given_initial.items()
        return self.name, self.equations, tuple(hyper), tuple(initial)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rule):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> tuple[Any, ...]:
        equations = f"# {self.reference}\n{self.equations}"
        plain = self._given_initial, dict(self.hyperparameters)
        return _rule, (self.name, equations, *plain)

    @property
    def text(self) -> str:
        """The rule as :meth:`from_text` reads it."""
        return repr(self)

    def _repr_html_(self) -> str:
        return card("rule", self)

    def __repr__(self) -> str:
        constants = [f"{k}={v!r}" for k, v in self.hyperparameters.items()]
        initial = [f"{k} starts at {v}" for k, v in self._given_initial.items()]
        lines = [
            f"Rule {self.name}",
            *(f"    {e}" for e in self.equations.splitlines()),
        ]
        lines += [f"  with {', '.join(constants)}"] if constants else []
        lines += [f"  where {', '.join(initial)}"] if initial else []
        return "\n".join(lines)

    def read(self) -> list[tuple[str, Any]]:
        """Return pairs of a name and the SymPy expression that is assigned to it."""
        known = {*GIVEN, *self.hyperparameters, *(name for name, _ in self.assignments)}
        return [
            (name, self._read(f"{name} =", formula, known))
            for name, formula in self.assignments
        ]

    def _repr_latex_(self) -> str:
        import sympy as sp

        from symgd.language.formula import symbol

        rows = [
            rf"{sp.latex(symbol(name))} &\leftarrow {sp.latex(expression)}"
            for name, expression in self.read()
        ]
        return "$\\begin{aligned}" + r" \\ ".join(rows) + "\\end{aligned}$"


def _rule(
    name: str, equations: str, initial: dict[str, Any], hyperparameters: dict[str, Any]
) -> Rule:
    return Rule(name, equations, initial=initial, **hyperparameters)


def _is_search(value: Formula) -> bool:
    """Return whether a value is a word for a step that is searched for."""
    words = ("exact", "search", "armijo", "wolfe", "backtrack")
    return isinstance(value, str) and any(word in value.lower() for word in words)


def _lacks(name: str) -> str:
    """Say what a function needs that there isn't."""
    if name not in ELSEWHERE:
        return "nothing to reduce"
    return f"no {'vector' if name == 'hvp' else 'point'} to compute"


def _problem_of_noise(call: Any) -> str:
    """Say what is wrong with the argument of noise, if anything is."""
    from symgd.arithmetic.counter_based import STREAMS

    values = [getattr(each, "value", None) for each in call.args]
    if all(type(each) is int and each < STREAMS for each in values):
        return ""
    return f"which of the numbers it is, is a whole number from 0 to {STREAMS - 1}"


def _place_of(call: Any, formula: str) -> tuple[int, int]:
    """Return where a call stands in a formula."""
    margin = len(formula) - len(formula.lstrip())
    letters = formula.strip().encode()  # ast counts in bytes
    ends = call.col_offset, call.end_col_offset
    start, end = (margin + len(letters[:k].decode(errors="ignore")) for k in ends)
    return start, end


def _builtin(value: Any) -> Any:
    """Return a number of NumPy's as one of Python's, so that its text is a number."""
    plain = type(value) in (int, float, str) or not isinstance(value, numbers.Real)
    return value if plain else float(value)
