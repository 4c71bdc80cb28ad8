"""On which scales parameters act: where parts of a formula are of size 1, or meet.

A parameter in an argument of exp, a power or a sine acts where that argument changes by
about 1 over the rows; one that is added to something acts where the two are of one
size, as a centre among the rows does. Constants of the formula (Boltzmann's, say) and
the columns together give those scales.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgd.fitting.rows import Rows
from symgd.language.functions import real_abs, real_sign

WAVES = (sp.sin, sp.cos)
CHOICES = (sp.Abs, real_abs, sp.sign, real_sign, sp.Heaviside)
SUMS = "meet", "choice", "pole", "alike"
MOST = 60  # parts looked at


@dataclass(frozen=True)
class Part:
    """A part of a formula in which a parameter p is alone: factor*p**power + rest.

    Attributes
    ----------
    kind : str
        "vary", an argument that should change by about 1 over the rows, or be 1 in
        one; "exponent", a logarithm that should change so, whatever its level, as that
        is another unit of what the power multiplies; "wave", the same of a sine;
        "meet", what has a scale where it is 0; "choice", the same, where a choice
        depends on it; "pole", what should be 0 beyond the rows; "alike", the same,
        whose terms have one sign, and in some row one size.
    place : int
        The parameter's.
    factor, power, rest : SymPy expression
    """

    kind: str
    place: int
    factor: sp.Expr
    power: sp.Expr
    rest: sp.Expr

    @property
    def symbols(self) -> set[sp.Basic]:
        """What its factor, power and rest depend on."""
        each = (self.factor, self.power, self.rest)
        return set[sp.Basic]().union(*(e.free_symbols for e in each))


def parts(
    model: sp.Expr, parameters: Sequence[sp.Symbol], target: Any = None
) -> list[Part]:
    """Return where a model tells the scales of parameters.

    A term of the model itself is to be as large as the target: c*t/m tells that of m.

    >>> from symgd.language.formula import read
    >>> m, h = sp.symbols("m h", real=True)
    >>> for part in parts(read("exp(-m*h/4)"), [m]):
    ...     print(part.kind, part.factor, part.power)
    vary -h/4 1
    """
    found: dict[Part, None] = {}
    for kind, expression in _places(model):
        for place, name in enumerate(parameters):
            terms = _terms(kind, expression, name)
            own = [term for term in terms if name in term.free_symbols]
            rest = sp.Add(*(term for term in terms if name not in term.free_symbols))
            if kind in SUMS and rest == 0:
                continue
            for term in own if len(own) <= 2 else ():
                if power := monomial(term, name):
                    found[Part(kind, place, *power, rest)] = None
    for term in sp.Add.make_args(model) if target is not None else ():
        for place, name in enumerate(parameters):
            known = monomial(term, name) if name in term.free_symbols else None
            if known and known[1].is_number and known[1] != 1:
                found[Part("meet", place, *known, -target)] = None
    return list(found)[:MOST]


def _terms(kind: str, expression: sp.Expr, name: sp.Symbol) -> Sequence[sp.Expr]:
    """Return a sum's terms, multiplied out where a sine has a parameter deep in it."""
    terms = sp.Add.make_args(expression)
    deep = (term for term in terms if name in term.free_symbols)
    if kind == "wave" and not all(monomial(term, name) for term in deep):
        return sp.Add.make_args(sp.expand_mul(expression))
    return terms


def _places(model: sp.Expr) -> Iterator[tuple[str, sp.Expr]]:
    """Yield what should be of the size of 1, and sums whose terms should be alike."""
    seen: set[sp.Basic] = set()
    for node in sp.preorder_traversal(model):
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, sp.core.relational.Relational):
            yield "choice", node.lhs - node.rhs
        elif isinstance(node, (sp.Max, sp.Min)):
            first, *others = node.args
            yield from (("choice", first - other) for other in others)
        elif isinstance(node, CHOICES):
            yield "choice", node.args[0]
        elif isinstance(node, sp.Add) and node is not model:
            yield "meet", node
        elif isinstance(node, sp.Pow) and isinstance(node.base, WAVES):
            # sin(u)**2 is (1 - cos(2*u))/2: twice as quick as what is in it.
            yield from (("wave", 2 * u) for u in node.base.args if node.exp.is_even)
        elif isinstance(node, sp.Pow) and node.exp.is_negative:
            yield "pole", node.base
            yield "alike", node.base
        elif isinstance(node, sp.Pow) and node.exp.free_symbols:
            yield "exponent", node.exp * sp.log(sp.Abs(node.base))
            yield "meet", node.base - 1
        elif isinstance(node, sp.Function) and not isinstance(node, sp.Piecewise):
            kind = "wave" if isinstance(node, WAVES) else "vary"
            yield from ((kind, argument) for argument in node.args)


def chirps(
    found: Sequence[Part], parameters: Sequence[sp.Symbol]
) -> list[tuple[int, int]]:
    """Return pairs of parts that are one argument of a sine, linear in both.

    >>> from symgd.language.formula import read
    >>> both = sp.symbols("w k", real=True)
    >>> chirps(parts(read("sin(w*t + k*t**2)"), both), both)
    [(0, 1)]
    """
    waves = [(n, p) for n, p in enumerate(found) if p.kind == "wave" and p.power == 1]
    names = {n: parameters[p.place] for n, p in waves}
    whole = {n: sp.expand_mul(p.factor * names[n] + p.rest) for n, p in waves}
    return [
        (m, n)
        for (m, one), (n, other) in itertools.combinations(waves, 2)
        if whole[m] == whole[n]
        and not {names[m], names[n]}
        & (one.factor.free_symbols | other.factor.free_symbols)
        and (one.factor / other.factor).free_symbols
    ]


def monomial(term: sp.Expr, name: sp.Symbol) -> tuple[sp.Expr, sp.Expr] | None:
    """Return factor and power where a term is factor*name**power.

    >>> x, s = sp.symbols("x s", real=True)
    >>> monomial(-3 * x / s**2, s)
    (-3*x, -2)
    """
    factor, rest = term.as_independent(name, as_Add=False)
    base, power = rest.as_base_exp()
    if name in power.free_symbols or base == rest != name:
        return None
    if base == name:
        return factor, power
    inner = monomial(base, name)
    return inner and (factor * inner[0] ** power, inner[1] * power)


def mixes_waves(model: sp.Expr) -> bool:
    """Return whether sines are multiplied, which gives sums of their frequencies.

    >>> from symgd.language.formula import read
    >>> [mixes_waves(read(f)) for f in ("a*sin(w*x)", "sin(w*x)**2", "sin(x)*cos(y)")]
    [False, True, True]
    """
    for node in sp.preorder_traversal(model):
        inner = sum(each.has(*WAVES) for each in node.args)
        bends = node.is_Pow or (node.is_Function and not node.is_Piecewise)
        if inner > node.is_Mul and (bends or node.is_Mul):
            return True
    return False


def periods(model: sp.Expr, parameters: Sequence[sp.Symbol]) -> dict[int, float]:
    """Return the periods of parameters that are in sines only, as a phase is.

    >>> from symgd.language.formula import read
    >>> p, w = sp.symbols("p w", real=True)
    >>> periods(read("p0 + sin(w*t + 2*p)"), (p, w))
    {0: 3.141592653589793}
    """
    found = {}
    for place, name in enumerate(parameters):
        waves = [node for node in model.atoms(*WAVES) if name in node.free_symbols]
        rest = model.xreplace({node: sp.Dummy() for node in waves})
        factors = {abs(sp.diff(node.args[0], name)) for node in waves}
        if len(factors) == 1 and name not in rest.free_symbols:
            (factor,) = factors
            if factor.is_number and factor != 0:
                found[place] = float(2 * sp.pi / factor)
    return found


class Scales:
    """Draws values of parameters on the scales of a formula's parts.

    Parameters
    ----------
    found : list of Part
    parameters : sequence of symbols
    columns : mapping of symbol to ndarray
    rng : numpy.random.Generator
    """

    def __init__(
        self,
        found: Sequence[Part],
        parameters: Sequence[sp.Symbol],
        columns: Mapping[sp.Symbol, np.ndarray],
        rng: Any,
    ) -> None:
        self.parts, self.rng = list(found), rng
        values = [v for p in found for v in (p.factor, p.power, p.rest)]
        self._rows = Rows(values, parameters, columns) if values else None
        varying = set(parameters)
        self._fixed: dict[int, Any] = {
            k: None for k, p in enumerate(found) if not p.symbols & varying
        }

    def of(self, place: int, *kinds: str) -> list[int]:
        """Return which parts are a parameter's, of some kinds or of any."""
        each = enumerate(self.parts)
        return [
            k for k, p in each if p.place == place and (p.kind in kinds or not kinds)
        ]

    def at(self, part: int, x: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """Return factor, power and rest of a part at x, row by row."""
        values = self._fixed.get(part)
        if values is None:
            assert self._rows is not None
            each = self._rows.each(x.tolist()).T.reshape(len(self.parts), 3, -1)
            values = each[part]
            if part in self._fixed:
                self._fixed[part] = values
        factor, powers, rest = values
        return factor, float(powers[0]), rest

    @np.errstate(all="ignore")
    def drawn(self, place: int, x: np.ndarray) -> float | None:
        """Return a value of a parameter on a scale of one of its parts, or None."""
        mine = self.of(place)
        if not mine:
            return None
        part = mine[int(self.rng.integers(len(mine)))]
        factor, power, rest = self.at(part, x)
        if self.parts[part].kind in ("meet", "choice"):
            return self._solved(self._among(-rest / factor, False), power)
        if self.parts[part].kind == "alike":
            return self._solved(self._among(rest / factor, False), power)
        if self.parts[part].kind == "pole":
            return self._solved(self._beyond(-rest / factor), power)
        size = 10.0 ** self.rng.uniform(-0.3, 0.3) / self._among(factor, True)
        if self.parts[part].kind == "exponent" or self.rng.uniform() < 0.5:
            varied = _range(factor)
            size = 10.0 ** self.rng.uniform(-0.5, 1.2) / varied if varied else size
        sign = 1.0 if self.rng.uniform() < 0.8 else -1.0
        return self._solved(sign * abs(size), power)

    def _beyond(self, values: np.ndarray) -> float:
        """Return what is less than all values, or more, by more or less their range."""
        known, wide = values[np.isfinite(values)], _range(values)
        if not wide > 0.0:
            return math.nan
        away = wide * 10.0 ** self.rng.uniform(-2.0, 0.5)
        low = self.rng.uniform() < 0.5
        return float(known.min() - away if low else known.max() + away)

    def _among(self, values: np.ndarray, by_size: bool) -> float:
        """Return one of some values: any, or one whose rank is low as often as high."""
        known = values[np.isfinite(values) & (values != 0.0)]
        if not len(known):
            return math.nan
        if not by_size and self.rng.uniform() < 0.5:
            return float(self.rng.choice(known))
        known = known[np.argsort(abs(known), kind="stable")]
        rank = len(known) ** self.rng.uniform() - 1.0
        return float(known[min(int(rank), len(known) - 1)])

    def _solved(self, value: float, power: float) -> float | None:
        """Return a parameter that, to a power, has a value, or that value's size."""
        if not (math.isfinite(value) and power):
            return None
        try:
            found = abs(value) ** (1.0 / power)
        except ArithmeticError:  # it leaves float64
            return None
        negative = value < 0.0 and (power % 2.0 == 1.0 or power % 1.0 != 0.0)
        if not math.isfinite(found):
            return None
        return -found if negative else found


def _range(values: np.ndarray) -> float:
    """Return the range of what is finite: log(x) isn't where x is 0."""
    known = values[np.isfinite(values)]
    return float(np.ptp(known)) if len(known) else 0.0
