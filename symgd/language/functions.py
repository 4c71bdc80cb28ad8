"""The table of functions: name in formulas, SymPy's function, implementation.

Adding a function to the language is adding a row: the parser, the code generator, the
error messages and the documentation all read this table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from symgd.arithmetic import counter_based
from symgd.arithmetic import elementary as vectormath
from symgd.arithmetic import special as numeric
from symgd.language import as_written
from symgd.language.quick import applied, direction, magnitude, power
from symgd.language.special_nodes import lambertw, logit, over, xlogy
from symgd.language.text import CONSTANT_NAMES


class sigmoid(sp.Function):
    """The logistic function 1/(1 + exp(-x)), kept whole so that it can't overflow."""

    is_extended_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        (x,) = self.args
        return sigmoid(x) * sigmoid(-x)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return (1 / (1 + sp.exp(-self.args[0])))._eval_evalf(prec)


class softplus(sp.Function):
    """The softplus log(1 + exp(x)), kept whole so that it can't overflow."""

    is_extended_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return sigmoid(self.args[0])

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return sp.log(1 + sp.exp(self.args[0]))._eval_evalf(prec)


class held(sp.Function):
    """A number that the whole doesn't depend on: its derivative is 0."""

    is_extended_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return sp.S.Zero

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.args[0]._eval_evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        return f"({printer._print(self.args[0])})"


class standard_normal(sp.Function):
    """A random number: of a seed, an update, a coordinate, and a number of its own."""

    is_extended_real = True


class exp_less(sp.Function):
    """exp(x - y), of numbers that are rounded first: exactly 1 where they are equal."""

    is_extended_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return self if argindex == 1 else -self

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return sp.exp(self.args[0] - self.args[1])._eval_evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        return f"exp({printer._print(self.args[0])} - ({printer._print(self.args[1])}))"


class log_cosh(sp.Function):
    """log(cosh(x)), kept whole so that it neither overflows nor cancels."""

    is_extended_real = True
    is_nonnegative = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return sp.tanh(self.args[0])

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return sp.log(sp.cosh(self.args[0]))._eval_evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        return f"log(cosh({printer._print(self.args[0])}))"


class hypot(sp.Function):
    """hypot(x, y), kept whole: the square of a number in it may be beyond float64."""

    is_extended_real = True
    is_nonnegative = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return over(self.args[argindex - 1], self)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        x, y = (argument.evalf(prec) for argument in self.args)
        return sp.sqrt(x**2 + y**2)._eval_evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        x, y = map(printer._print, self.args)
        return f"hypot({x}, {y})"


class log_erfc(sp.Function):
    """log(erfc(x)), kept whole: far out erfc(x) vanishes, and its logarithm doesn't."""

    is_extended_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return -2 / (sp.sqrt(sp.pi) * erfcx(self.args[0]))

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return sp.log(sp.erfc(self.args[0]))._eval_evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        return f"log(erfc({printer._print(self.args[0])}))"


class erfcx(sp.Function):
    """exp(x**2)*erfc(x), kept whole: the one overflows where the other vanishes."""

    is_extended_real = True
    is_positive = True
    far = 30  # where the derivative as it comes has lost a few digits

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative; far out it is an asymptotic series."""
        (x,) = self.args
        near = 2 * x * self - 2 / sp.sqrt(sp.pi)
        w, series = x**-2, sp.S.One
        for odd in (13, 11, 9, 7, 5, 3):
            series = 1 - sp.Rational(odd, 2) * w * series
        beyond = sp.Gt(x, self.far, evaluate=False)
        return as_written.choice(
            (-w * series / sp.sqrt(sp.pi), beyond), (near, sp.true)
        )

    def _eval_evalf(self, prec: int) -> sp.Expr:
        (x,) = self.args
        return (sp.exp(x**2) * sp.erfc(x))._eval_evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        x = printer._print(self.args[0])
        return f"exp(({x})**2)*erfc({x})"


class cbrt(sp.Function):
    """The real cube root, odd, unlike SymPy's principal root of a negative number."""

    is_extended_real = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        """Return the value where it is known at once."""
        return x if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return 1 / (3 * cbrt(self.args[0]) ** 2)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        x = self.args[0]
        return (sp.sign(x) * sp.Abs(x) ** sp.Rational(1, 3))._eval_evalf(prec)


class real_sign(sp.Function):
    """The sign of what is real by the rules of the language: its derivative is 0."""

    is_extended_real = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        """Return SymPy's sign where that is real beyond doubt."""
        return direction(x)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return sp.S.Zero

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return sp.sign(self.args[0].evalf(prec))

    def _sympystr(self, printer: Any) -> str:
        return f"sign({printer._print(self.args[0])})"


class real_abs(sp.Function):
    """The absolute value of what is real by the rules of the language.

    SymPy's own takes log(x) for a complex number where x may be negative, and has a
    derivative to match; here a value is real or it is NaN.
    """

    is_extended_real = True
    is_nonnegative = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        """Return SymPy's Abs where that is real beyond doubt."""
        return magnitude(x)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return real_sign(self.args[0])

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return sp.Abs(self.args[0].evalf(prec))

    def _sympystr(self, printer: Any) -> str:
        return f"Abs({printer._print(self.args[0])})"


@dataclass(frozen=True)
class Function:
    """One row: a function of the language.

    ``node`` is the kind of SymPy node that it becomes, or None where ``build`` writes
    it with other functions (``sqrt`` is a power). ``numeric`` computes one float, for
    constants in formulas; generated code calls the function of this name in
    ``elementary`` if there is one, else ``numeric`` as well. For a function of any
    number of arguments it takes two, and is applied repeatedly.
    """

    name: str
    build: Callable[..., Any]
    numeric: Callable[..., float]
    arity: tuple[int, int | None] = (1, 1)
    aliases: tuple[str, ...] = ()
    node: type | None = None


def _row(
    name: str,
    node: Any,
    numeric: Callable[..., float],
    *aliases: str,
    arity: tuple[int, int | None] = (1, 1),
) -> Function:
    return Function(name, node, numeric, arity, aliases, node)


def _rewritten(
    name: str,
    build: Callable[..., Any],
    numeric: Callable[..., float],
    *aliases: str,
    arity: tuple[int, int | None] = (1, 1),
) -> Function:
    return Function(name, build, numeric, arity, aliases, None)


def _clip(x: sp.Expr, low: sp.Expr, high: sp.Expr) -> sp.Expr:
    return as_written.smallest(as_written.largest(x, low), high)


def _gamma(x: sp.Expr) -> sp.Expr:
    """Return gamma(x); not of numbers of which SymPy would write out all digits.

    Raises
    ------
    OverflowError
        If it is a number that is too large for float64.
    """
    if x.is_Rational and abs(x) > WRITTEN_OUT and not (x.is_Integer and x < 0):
        return sp.Float(math.gamma(float(x)))
    return applied(sp.gamma, x)


def _binomial(n: sp.Expr, k: sp.Expr) -> sp.Expr:
    return _gamma(n + 1) / (_gamma(k + 1) * _gamma(n - k + 1))


def _ways(n: float, k: float) -> float:
    return math.gamma(k + 1) * math.gamma(n - k + 1)


def _hypot(x: sp.Expr, y: sp.Expr) -> sp.Expr:
    """Return sqrt(x**2 + y**2), or where numbers in it are far from 1, that whole."""
    terms = (*sp.Add.make_args(x), *sp.Add.make_args(y))
    sizes = [abs(size) for size, _ in (t.as_coeff_Mul() for t in terms) if size]
    largest, least = max(sizes, default=1), min(sizes, default=1)
    if least >= 1 / SQUARED and largest <= SQUARED:
        return power(x**2 + y**2, sp.S.Half)
    if not 1 / SQUARED <= largest <= SQUARED:
        return largest * _hypot(x / largest, y / largest)
    return applied(hypot, x, y)


def _sinc(x: sp.Expr) -> sp.Expr:
    return sp.S.One if x.is_zero else sp.sin(sp.pi * x) / (sp.pi * x)


def _standard(x: Any, mean: Any = sp.S.Zero, deviation: Any = sp.S.One) -> Any:
    return (x - mean) / deviation


def _normal_pdf(x: Any, mean: Any = sp.S.Zero, deviation: Any = sp.S.One) -> Any:
    whole = sp.exp(-(power(_standard(x, mean, deviation), sp.Integer(2))) / 2)
    return whole / (deviation * sp.sqrt(2 * sp.pi))


def _normal_cdf(x: Any, mean: Any = sp.S.Zero, deviation: Any = sp.S.One) -> Any:
    return applied(sp.erfc, -_standard(x, mean, deviation) / sp.sqrt(2)) / 2


def _density(x: float, mean: float = 0.0, deviation: float = 1.0) -> float:
    z = (x - mean) / deviation
    return math.exp(-z * z / 2) / (deviation * math.sqrt(2 * math.pi))


def _below(x: float, mean: float = 0.0, deviation: float = 1.0) -> float:
    return math.erfc((mean - x) / (deviation * math.sqrt(2))) / 2


def _reciprocals(name: str, other: str) -> tuple[Function, Function]:
    """Return the function 1/other(x), and its inverse, which is that of 1/x."""
    node, inverse = getattr(sp, other), getattr(sp, f"a{other}")
    of_float, back = getattr(math, other), getattr(math, f"a{other}")
    return (
        _rewritten(name, lambda x: 1 / applied(node, x), lambda x: 1 / of_float(x)),
        _rewritten(
            *(f"a{name}", lambda x: applied(inverse, 1 / x)),
            *(lambda x: back(1 / x), f"arc{name}"),
        ),
    )


_RECIPROCAL = {
    "sec": "cos",
    "csc": "sin",
    "cot": "tan",
    "sech": "cosh",
    "csch": "sinh",
    "coth": "tanh",
}
SQUARED = sp.Float(1e150)  # up to which numbers are squared as they are
WRITTEN_OUT = 171  # up to which numbers, and down to, gamma has digits in float64
TABLE = (
    _row("exp", sp.exp, math.exp),
    _row("log", sp.log, math.log, "ln", arity=(1, 2)),
    _rewritten("log2", lambda x: sp.log(x) / sp.log(2), math.log2),
    _rewritten("log10", lambda x: sp.log(x) / sp.log(10), math.log10),
    _row("log1p", log1p, math.log1p),
    Function("expm1", as_written.exponential_less_1, math.expm1, node=expm1),
    _rewritten("sqrt", lambda x: power(x, sp.S.Half), math.sqrt),
    _row("cbrt", cbrt, math.cbrt),
    _rewritten("pow", lambda x, y: x**y, math.pow, arity=(2, 2)),
    _row("sin", sp.sin, math.sin),
    _row("cos", sp.cos, math.cos),
    _row("tan", sp.tan, math.tan),
    _row("asin", sp.asin, math.asin, "arcsin"),
    _row("acos", sp.acos, math.acos, "arccos"),
    _row("atan", sp.atan, math.atan, "arctan"),
    _row("atan2", sp.atan2, math.atan2, "arctan2", arity=(2, 2)),
    _row("sinh", sp.sinh, math.sinh),
    _row("cosh", sp.cosh, math.cosh),
    _row("tanh", sp.tanh, math.tanh),
    _row("asinh", sp.asinh, math.asinh, "arcsinh"),
    _row("acosh", sp.acosh, math.acosh, "arccosh"),
    _row("atanh", sp.atanh, math.atanh, "arctanh"),
    _rewritten("hypot", _hypot, math.hypot, arity=(2, 2)),
    Function("Abs", real_abs, abs, aliases=("abs",), node=sp.Abs),
    Function("sign", real_sign, numeric.sign, node=sp.sign),
    Function(
        *("Max", as_written.largest, numeric.maximum, (2, None)),
        *(("max", "maximum"), sp.Max),
    ),
    Function(
        *("Min", as_written.smallest, numeric.minimum, (2, None)),
        *(("min", "minimum"), sp.Min),
    ),
    _row("Heaviside", sp.Heaviside, numeric.heaviside, arity=(1, 2)),
    _row("floor", sp.floor, numeric.floor),
    _row("ceiling", sp.ceiling, numeric.ceiling, "ceil"),
    Function("Mod", as_written.remainder, numeric.mod, (2, 2), ("mod",), sp.Mod),
    _row("erf", sp.erf, math.erf),
    _row("erfc", sp.erfc, math.erfc),
    Function("gamma", _gamma, math.gamma, node=sp.gamma),
    _row("loggamma", sp.loggamma, numeric.loggamma, "lgamma", "gammaln"),
    _row("polygamma", sp.polygamma, numeric.polygamma, arity=(2, 2)),
    _rewritten(
        "digamma",
        lambda x: sp.polygamma(0, x),
        lambda x: numeric.polygamma(0.0, x),
    ),
    _rewritten("factorial", lambda x: _gamma(x + 1), lambda x: math.gamma(x + 1.0)),
    _row("besselj", sp.besselj, numeric.besselj, "jn", "jv", arity=(2, 2)),
    _rewritten("j0", lambda x: sp.besselj(0, x), lambda x: numeric.besselj(0.0, x)),
    _rewritten("j1", lambda x: sp.besselj(1, x), lambda x: numeric.besselj(1.0, x)),
    _row("lambertw", lambertw, numeric.lambertw, "LambertW"),
    _row("xlogy", xlogy, numeric.xlogy, arity=(2, 2)),
    _row("logit", logit, numeric.logit),
    _row("sigmoid", sigmoid, vectormath.sigmoid, "expit"),
    _row("softplus", softplus, vectormath.softplus),
)

# Short for formulas of those above: as accurate as these are.
SHORT = (
    *(row for pair in _RECIPROCAL.items() for row in _reciprocals(*pair)),
    _rewritten(
        *("binomial", _binomial, lambda n, k: math.gamma(n + 1) / _ways(n, k)),
        arity=(2, 2),
    ),
    _rewritten("clip", _clip, lambda x, a, b: min(max(x, a), b), arity=(3, 3)),
    _rewritten(
        *("soft_threshold", lambda x, t: x - _clip(x, -t, t)),
        lambda x, t: x - min(max(x, -t), t),
        arity=(2, 2),
    ),
    _rewritten("relu", lambda x: as_written.largest(x, 0), lambda x: max(x, 0.0)),
    _rewritten("square", lambda x: power(x, sp.Integer(2)), lambda x: x * x),
    _rewritten("sinc", _sinc, lambda x: math.sin(math.pi * x) / (math.pi * x)),
    _rewritten("normal_pdf", _normal_pdf, _density, arity=(1, 3)),
    _rewritten("normal_cdf", _normal_cdf, _below, arity=(1, 3)),
)

FUNCTIONS = {name: row for row in (*TABLE, *SHORT) for name in (row.name, *row.aliases)}
NODES = {row.node: row for row in TABLE if row.node is not None}
NODES |= {real_abs: FUNCTIONS["Abs"], real_sign: FUNCTIONS["sign"]}
NODES |= {sp.LambertW: FUNCTIONS["lambertw"]}
# What formulas are rewritten to; text has no name for them.
NODES |= {
    over: _row("over", over, numeric.over, arity=(2, 2)),
    held: _row("held", held, numeric.held),
    exp_less: _row("exp_less", exp_less, vectormath.exp_less, arity=(2, 2)),
    log_cosh: _row("log_cosh", log_cosh, vectormath.log_cosh),
    hypot: _row("far_hypot", hypot, numeric.far_hypot, arity=(2, 2)),
    log_erfc: _row("log_erfc", log_erfc, vectormath.log_erfc),
    erfcx: _row("erfcx", erfcx, vectormath.erfcx),
    standard_normal: _row(
        *("standard_normal", standard_normal, counter_based.standard_normal),
        arity=(4, 4),
    ),
}
ORDERS = {  # that functions have whose first argument is one
    sp.polygamma: range(21),
    sp.besselj: range(-20, 21),
}
# What SymPy has a node for, and formulas write with others.
REWRITTEN = {
    getattr(sp, name): FUNCTIONS[name].build
    for name in (*_RECIPROCAL, *(f"a{name}" for name in _RECIPROCAL))
}
REAL = {sp.Abs: real_abs, sp.sign: real_sign, sp.LambertW: lambertw}
CONSTANTS = {name: sp.E if name == "E" else sp.pi for name in CONSTANT_NAMES}
# Of whole arrays; what they mean there, ``notation`` knows.
REDUCING = frozenset(
    {
        *("sum", "prod", "mean", "max", "min", "norm", "logsumexp", "len", "any"),
        *("all", "average", "var", "std", "trace", "dot", "matmul", "inner"),
        *("det", "logdet", "logabsdet", "solve"),
    }
)
# Of other libraries, and what formulas call them.
RENAMED = {
    "amax": "max",
    "amin": "min",
    "fmax": "max",
    "fmin": "min",
    "fsum": "sum",
    "fabs": "abs",
    "absolute": "abs",
    "clamp": "clip",
    "power": "pow",
    "float_power": "pow",
    "mm": "matmul",
    "mv": "matmul",
    "vdot": "dot",
    "ndtr": "normal_cdf",
    "norm_2": "norm",
    "inverse": "inv",
}
