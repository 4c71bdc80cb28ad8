"""Quotients that are 0/0 at a point and analytic there: sin(x)/x, (exp(x) - 1)/x.

Near the point such a function of one expression is computed by its Taylor series, which
is found numerically and checked: what is no limit, or not accurate, stays as it is.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import mpmath
import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from symgd.language.as_written import made, raised
from symgd.language.digits import digits
from symgd.language.nodes import kept
from symgd.language.signs import is_positive

T = sp.Symbol("[t]", real=True)  # what a function is a function of
_ANALYTIC = (
    *(sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.sinh, sp.cosh, sp.tanh),
    *(sp.asin, sp.atan, sp.asinh, sp.atanh, sp.erf, sp.besselj, expm1, log1p),
)
_CIRCLES = (
    4.0,
    2.0,
    1.4,
    1.0,
    0.7,
    0.5,
    0.25,
)  # radii on which a function is looked at
_POINTS = 128  # on a circle
MOST_TERMS = 48
MOST_PARTS = 12  # terms or factors of what is looked at, so that cost stays linear
MOST_CANDIDATES = 24
_DIGITS = 60


class removable(sp.Function):
    """A function of one expression, without its removable singularity at 0.

    Each function and each of its derivatives is a class, made by ``kind_of``.
    """

    is_extended_real = True
    template: sp.Expr
    order: int

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return kind_of(self.template, self.order + 1)(self.args[0])

    def near(self) -> tuple[sp.Expr, float]:
        """Return the Taylor polynomial, and up to where it is as good as exact."""
        found = series(self.template)
        assert found is not None
        coefficients, radius = found
        for _ in range(self.order):
            coefficients = [k * c for k, c in enumerate(coefficients)][1:]
        sizes = [abs(c) * radius**k for k, c in enumerate(coefficients)]
        least = max(sizes) * 2.0**-60
        last = max((k for k, size in enumerate(sizes) if size > least), default=0)
        return _polynomial(coefficients[: last + 1], self.args[0]), radius

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.formula._eval_evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        return f"({printer._print(self.formula)})"

    @property
    def formula(self) -> sp.Expr:
        """The function as it was written, or the derivative of that."""
        return sp.diff(self.template, T, self.order).xreplace({T: self.args[0]})


@functools.lru_cache(maxsize=256)
def kind_of(template: sp.Expr, order: int = 0) -> type[removable]:
    """Return the function that a template is in T, or a derivative of it."""
    digest = hashlib.sha256(f"{order} {sp.srepr(template)}".encode()).hexdigest()
    members = {"template": template, "order": order}
    return type(f"removable_{digest[:16]}", (removable,), members)


def _polynomial(coefficients: Sequence[Any], x: sp.Expr) -> sp.Expr:
    """Return a polynomial, of the square where it is even."""
    if not any(coefficients[1::2]) and len(coefficients) > 2:
        return _polynomial(coefficients[::2], kept(x**2))
    result: sp.Expr = sp.Float(float(coefficients[-1]))
    for c in reversed(coefficients[:-1]):
        result = kept(sp.Add(sp.Float(float(c)) if c else 0, x * result))
    return result


@functools.lru_cache(maxsize=256)
def series(template: sp.Expr) -> tuple[list[Any], float] | None:
    """Return a function's Taylor coefficients at 0, and a radius to use them in.

    None if it isn't analytic there, or there is no need, as it isn't 0/0.

    >>> [round(float(c), 6) for c in series(sp.sin(T) / T)[0][:3]]
    [1.0, 0.0, -0.166667]
    >>> series(sp.cos(T) / T)
    """
    with digits(_DIGITS):
        function = sp.lambdify(T, template, "mpmath")
        for radius in _CIRCLES:
            try:
                found = _on_circle(function, radius)
            except (ArithmeticError, ValueError, TypeError, AttributeError):
                continue
            if found is not None:
                return found, radius / 4
    return None


def _on_circle(function: Any, radius: float) -> list[Any] | None:
    turn = [mpmath.expjpi(mpmath.mpf(2 * k) / _POINTS) for k in range(_POINTS)]
    values = [mpmath.mpmathify(function(radius * w)) for w in turn]
    largest = max(map(abs, values))
    if not all(map(mpmath.isfinite, values)) or largest == 0:
        return None

    def coefficient(k: int) -> Any:
        return sum(v * turn[-k * j % _POINTS] for j, v in enumerate(values)) / _POINTS

    small = largest * mpmath.mpf(10) ** -25
    if any(abs(coefficient(-k)) > small for k in range(1, 9)):
        return None
    scaled = [coefficient(k) for k in range(MOST_TERMS)]
    if any(abs(c.imag) > small for c in map(mpmath.mpc, scaled)):
        return None
    reals = [mpmath.mpc(c).real for c in scaled]
    unit = mpmath.mpf(radius)
    found = [0 if abs(c) < small else c / unit**k for k, c in enumerate(reals)]
    for point in (unit / 4, -unit / 4, mpmath.mpc(0, unit / 4), unit / 7):
        there = mpmath.polyval(found[::-1], point)
        if abs(there - function(point)) > largest * mpmath.mpf(10) ** -20:
            return None
    return found


# ------------------------------------------------------------------------ recognised


def without_singularity(node: sp.Expr) -> tuple[sp.Expr, sp.Expr, sp.Expr] | None:
    """Return a function of T, what T stands for, and the factor or term beside it.

    None where there is no removable singularity.

    >>> x, k = sp.symbols("x k", real=True)
    >>> without_singularity((1 - sp.exp(-k * x)) / k)
    ((1 - exp([t]))/[t], -k*x, -x)
    """
    parts = node.args
    if len(parts) > MOST_PARTS or not any(map(_may_vanish, _divisors(node))):
        return None
    for argument in dict.fromkeys(itertools.islice(_candidates(node), MOST_CANDIDATES)):
        template, rest = _split(node.func, parts, argument)
        if _is_undefined(template) and series(template) is not None:
            return template, argument, rest
    return None


def _divisors(node: sp.Expr) -> list[sp.Expr]:
    """Return what a product divides by, or several terms of a sum do."""
    if isinstance(node, sp.Mul):
        powers = [factor.as_base_exp() for factor in node.args]
        return [b for b, e in powers if e.is_number and e.is_negative]
    found = [_divisors(t) for t in map(_as_product, node.args)]
    return [b for each in found for b in each] if sum(map(bool, found)) > 1 else []


def _as_product(term: sp.Expr) -> sp.Expr:
    return term if isinstance(term, sp.Mul) else sp.Mul(2, term, evaluate=False)


def _may_vanish(divisor: sp.Expr) -> bool:
    return not divisor.is_number and not is_positive(divisor)


def _candidates(node: sp.Expr) -> Iterator[sp.Expr]:
    for divisor in _divisors(node):
        if divisor.is_Symbol or isinstance(divisor, (sp.Add, sp.Mul, sp.Indexed)):
            yield divisor
    for inner in sorted(node.atoms(*_ANALYTIC), key=sp.default_sort_key):
        argument = inner.args[-1]
        if not argument.is_number:
            yield argument - 1 if isinstance(inner, sp.log) else argument
    for power in sorted(node.atoms(sp.Pow), key=sp.default_sort_key):
        if not (power.exp.is_number or power.base.is_number):
            yield power.exp * sp.log(power.base)
        elif power.base.is_Add and power.exp.is_Rational and power.exp.q > 1:
            yield power.base.as_coeff_Add()[1]


def _split(kind: Any, parts: Sequence[sp.Expr], u: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Return factors or terms as functions of an expression, and the others."""
    inside, rest = [], []
    powers = u.as_powers_dict() if isinstance(u, sp.Mul) else {}
    times = 0  # what power of the expression its factors divide by
    for part in parts:
        if (known := _in_terms_of(part, u)) is not None:
            inside.append(known)
            continue
        base, exponent = part.as_base_exp()
        times_by = -exponent / powers[base] if base in powers else sp.S.Zero
        if kind is sp.Mul and times_by.is_Integer:
            times = max(times, int(times_by))
        rest.append(part)
    if times:
        inside.append(T**-times)
        rest.append(u**times)
    return kind(*inside), kind(*rest)


def _in_terms_of(node: sp.Expr, u: sp.Expr) -> sp.Expr | None:
    """Return a node as a function of an expression; None where it isn't one."""
    if node.is_number:
        return node
    if (linear := _linear(node, u)) is not None:
        return linear
    if (power := _power(node, u)) is not None:
        return power
    if isinstance(node, sp.Pow):
        base, exponent = node.args
        if isinstance(u, sp.Mul) and exponent * sp.log(base) == u:
            return sp.exp(T)
        if not (exponent.is_number or base.is_number):
            both = [_in_terms_of(base, u), _in_terms_of(exponent, u)]
            return None if None in both else raised(*both)
        inner = exponent if base.is_number else base
        if base.is_number and not (exponent.is_number or base.is_positive):
            return None
        known = _in_terms_of(inner, u)
        return None if known is None else node.xreplace({inner: known})
    if isinstance(node, (sp.Add, sp.Mul, *_ANALYTIC)):
        found = {part: _in_terms_of(part, u) for part in node.args}
        parts = [part for part in found.values() if part is not None]
        if left := [part for part, known in found.items() if known is None]:
            # As of u = k*x in k*x*cos(k*x).
            power = _power(sp.Mul(*left), u) if node.is_Mul else None
            if power is None:
                return None
            parts.append(power)
        if isinstance(node, expm1):
            return sp.exp(parts[0]) - 1
        if isinstance(node, log1p):
            return sp.log(1 + parts[0])
        return made(node.func, parts)
    return None


def _linear(node: sp.Expr, u: sp.Expr) -> sp.Expr | None:
    """Return a*T + b where a node is a*u + b."""
    mine, other = node.as_coefficients_dict(), u.as_coefficients_dict()
    names = [name for name in other if name != 1]
    if set(mine) - {sp.S.One} != set(names) or not names:
        return None
    slope = mine[names[0]] / other[names[0]]
    if any(mine[name] != slope * other[name] for name in names):
        return None
    return slope * T + mine.get(sp.S.One, 0) - slope * other.get(sp.S.One, 0)


def _power(node: sp.Expr, u: sp.Expr) -> sp.Expr | None:
    """Return a*T**p where a node is a*u**p, and u a product."""
    if not (isinstance(u, sp.Mul) and isinstance(node, (sp.Mul, sp.Pow))):
        return None
    (a, mine), (b, other) = node.as_coeff_Mul(), u.as_coeff_Mul()
    powers, units = mine.as_powers_dict(), other.as_powers_dict()
    if set(powers) != set(units):
        return None
    exponents = {powers[base] / units[base] for base in units}
    exponent = exponents.pop()
    if exponents or not exponent.is_Integer:
        return None
    return a / b**exponent * T**exponent


def _is_undefined(template: sp.Expr) -> bool:
    """Return whether a function is 0/0 at 0, or infinite minus infinite."""
    if isinstance(template, sp.Add):
        return sum(map(_is_infinite, template.args)) > 1
    above = [f for f in sp.Mul.make_args(template) if not _is_infinite(f)]
    if len(above) == len(sp.Mul.make_args(template)):
        return False
    there = sp.Mul(*above).xreplace({T: sp.S.Zero})
    return _is_nothing(there)


def _is_infinite(part: sp.Expr) -> bool:
    for factor in sp.Mul.make_args(part):
        base, exponent = factor.as_base_exp()
        divides = exponent.is_number and exponent.is_negative and not base.is_number
        if divides and _is_nothing(base.xreplace({T: sp.S.Zero})):
            return True
    return False


def _is_nothing(there: sp.Expr) -> bool:
    """Return whether a value is 0; what is no number isn't."""
    if there.is_zero or not there.is_number:
        return bool(there.is_zero)
    with digits():
        size = abs(there.evalf(30))
    return bool(size.is_Float and size < 1e-25)
