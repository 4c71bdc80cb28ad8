"""Elementary functions without branches, for one number or a pack of them.

Every function is straight-line code over ``primitives``: SIMD computes it in all lanes
at once, and each lane has the bits that one number alone would have. Errors are below
2.5 ulp over all doubles (``tests/arithmetic/test_elementary.py`` has each bound),
special values are NumPy's.

Methods: Cody & Waite's argument reduction (Software Manual for the Elementary
Functions, 1980, chapters 6 to 8), with fused multiplications so that the parts of a
constant can be full numbers; logarithms by the series of atanh as in fdlibm (Sun, 1993,
``e_log.c``); erfc as Shepherd & Laframboise (Math. Comp. 36, 1981): exp(-x**2) times a
polynomial in (x - 4)/(x + 4). The polynomials of log, sine and cosine are fdlibm's
(``e_log.c``, ``k_sin.c``, ``k_cos.c``); the others interpolate in the Chebyshev nodes
of their interval, computed with mpmath to 400 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from math import inf, nan

from symgd.arithmetic.primitives import (
    bits,
    choose,
    fma,
    from_bits,
    library,
    repaired,
    square_root,
    whole_below,
    with_sign,
)

SHIFT = 1.5 * 2.0**52  # x + SHIFT has the whole number nearest to x in its low bits
SHIFT_WORD = bits(SHIFT)
SQRT_HALF_WORD = bits(math.sqrt(0.5))
TINY_WORD = bits(2.0**-1022)

# A constant and what it lacks, to two or three times the precision.
LN2, LN2_REST = 0.6931471805599453, 2.3190468138462996e-17
HALF_PI, HALF_PI_REST = 1.5707963267948966, 6.123233995736766e-17
HALF_PI_SECOND, HALF_PI_THIRD = float.fromhex("0x1.1a62633p-54"), 1.6446256936324258e-26
THIRD, THIRD_REST = 1 / 3, 1.850371707708594e-17
LOG2_E = 1 / LN2
TWO_BY_PI = 2 / math.pi

FAR = 3e6  # up to here x/(pi/2) has 21 bits, and its product with HALF_PI_SECOND 53
_far_sin, _far_cos, _far_tan = library("sin"), library("cos"), library("tan")


def _polynomial(*coefficients: float) -> Callable[[float], float]:
    """Return the function c0 + c1*x + c2*x**2 + ..., in Estrin's order."""

    def polynomial(x: float) -> float:
        terms, power = coefficients, x
        while len(terms) > 1:
            sums = []
            for low, high in zip(terms[::2], terms[1::2], strict=False):
                sums.append(fma(power, high, low))
            terms = (*sums, *terms[len(sums) * 2 :])
            power = power * power
        return terms[0]

    return polynomial


# ------------------------------------------------------- exponentials and logarithms

# (exp(x) - 1 - x)/x**2 up to log(2)/2
exp_tail = _polynomial(
    0.5,
    0.16666666666666669,
    0.041666666666666664,
    0.008333333333330062,
    0.0013888888888886552,
    0.00019841269863053618,
    2.4801587317144498e-05,
    2.7557268459997064e-06,
    2.755728296954995e-07,
    2.510038549551032e-08,
    2.0911236630261545e-09,
)
# log((1 + s)/(1 - s))/s - 2 = z*log_tail(z), z = s**2, (1 + s)/(1 - s) up to sqrt(2)
log_tail = _polynomial(
    0.6666666666666735130,
    0.3999999999940941908,
    0.2857142874366239149,
    0.2222219843214978396,
    0.1818357216161805012,
    0.1531383769920937332,
    0.1479819860511658591,
)
# atanh(s)/s = 1 + z/3 + z**2*atanh_tail(z)
atanh_tail = _polynomial(
    0.2,
    0.14285714285714682,
    0.11111111110827943,
    0.09090909167696404,
    0.07692297481258982,
    0.06667402346934068,
    0.05853118169509684,
    0.058615893140761655,
)


def _reduced(x: float) -> tuple[float, float]:
    """Return n, in the low bits of a number, and r with x = n*log(2) + r."""
    shifted = fma(x, LOG2_E, SHIFT)
    n = shifted - SHIFT
    return shifted, fma(n, -LN2_REST, fma(n, -LN2, x))


def _powers(shifted: float) -> tuple[float, float]:
    """Return two powers of 2 whose product is 2**n: it alone might over- or underflow.

    Where 2**n is no normal number, the second product rounds as it should.
    """
    n = bits(shifted)
    half = n >> 1
    return from_bits((half + 1023) << 52), from_bits((n - half + 1023) << 52)


def _clamped(x: float, low: float, high: float) -> float:
    x = choose(x < low, low, x)
    return choose(x > high, high, x)


def _exp_of(shifted: float, r: float) -> float:
    """Return exp(n*log(2) + r)."""
    a, b = _powers(shifted)
    return fma(fma(r * r, exp_tail(r), r), a, a) * b


def exp(x: float) -> float:
    """Return e to the power x."""
    shifted, r = _reduced(_clamped(x, -1000.0, 1000.0))
    return _exp_of(shifted, r)


def _quarter_expm1(x: float) -> float:
    """Return (exp(x) - 1)/4, for x between -50 and 710.6."""
    shifted, r = _reduced(x)
    quarter = from_bits((bits(shifted) + 1021) << 52)
    return fma(quarter * (r * r), exp_tail(r), fma(quarter, r, quarter - 0.25))


def expm1(x: float) -> float:
    """Return exp(x) - 1, also where exp(x) is nearly 1."""
    y = 4.0 * _quarter_expm1(_clamped(x, -50.0, 710.0))
    return choose(abs(x) < 2.0**-54, x, y)


def sinh(x: float) -> float:
    """Return the hyperbolic sine."""
    q = _quarter_expm1(_clamped(abs(x), 0.0, 710.6))
    y = 2.0 * q + q / (2.0 * q + 0.5)
    return choose(abs(x) < 2.0**-28, x, with_sign(y, x))


def cosh(x: float) -> float:
    """Return the hyperbolic cosine."""
    q = _quarter_expm1(_clamped(abs(x), 0.0, 710.6))
    return (2.0 * q + 0.5) + 0.5 / (4.0 * q + 1.0)


def tanh(x: float) -> float:
    """Return the hyperbolic tangent."""
    q = _quarter_expm1(2.0 * _clamped(abs(x), 0.0, 30.0))
    return choose(abs(x) < 2.0**-28, x, with_sign(q / (q + 0.5), x))


def sigmoid(x: float) -> float:
    """Return 1/(1 + exp(-x)) without overflow on either side."""
    small = exp(-abs(x))
    return choose(x < 0.0, small, 1.0) / (1.0 + small)


def softplus(x: float) -> float:
    """Return log(1 + exp(x)) without overflow."""
    return choose(x < 0.0, 0.0, x) + log1p(exp(-abs(x)))


def exp_less(x: float, y: float) -> float:
    """Return exp(x - y)."""
    return exp(x - y)


def log_cosh(x: float) -> float:
    """Return log(cosh(x)) without overflow, also where cosh(x) is nearly 1."""
    size = abs(x)
    near = sinh(choose(size < 1.0, size, 1.0))
    far = size + (log1p(exp(-2.0 * size)) - LN2)
    return choose(size < 1.0, 0.5 * log1p(near * near), far)


def _split(x: float) -> tuple[float, float]:
    """Return e and m with x = 2**e*m and m between sqrt(1/2) and sqrt(2).

    Where x has no finite logarithm, e is the logarithm.
    """
    word = bits(x)
    tiny = word < TINY_WORD
    word = choose(tiny, bits(x * 2.0**54), word)
    exponent = (word - SQRT_HALF_WORD) >> 52
    m = from_bits(word - (exponent << 52))
    e = from_bits(exponent + choose(tiny, SHIFT_WORD - 54, SHIFT_WORD)) - SHIFT
    below = choose(x == 0.0, -inf, nan)
    return choose(x > 0.0, choose(x < inf, e, x), below), m


def _log_of(e: float, f: float, d: float) -> float:
    """Return log(2**e*(1 + f)); d is f + 2."""
    s = f / d
    z = s * s
    half = 0.5 * f * f
    small = fma(s, fma(z, log_tail(z), half), fma(e, LN2_REST, -half))
    return fma(e, LN2, f + small)


def log(x: float) -> float:
    """Return the natural logarithm."""
    e, m = _split(x)
    return _log_of(e, m - 1.0, m + 1.0)


def log1p(x: float) -> float:
    """Return log(1 + x), also where 1 + x is nearly 1."""
    u = 1.0 + x
    near = u - 1.0
    lost = (x - near) + (1.0 - (u - near))
    e, m = _split(u)
    lost = lost * from_bits((bits(SHIFT - e) + 1023) << 52)
    f = (m - 1.0) + choose(x < 2.0**60, lost, 0.0)
    return choose(abs(x) < 2.0**-54, x, _log_of(e, f, m + 1.0))


def _fine_log(x: float) -> tuple[float, float]:
    """Return the logarithm as a sum of two numbers, to about 2**-65 of it."""
    e, m = _split(x)
    f = m - 1.0
    d = m + 1.0
    inverse = 1.0 / d
    s = f * inverse
    s_rest = (fma(-s, d, f) - s * (m - (d - 1.0))) * inverse
    z = s * s
    z_rest = fma(s, s, -z) + 2.0 * s * s_rest
    tail = z * atanh_tail(z)
    t = THIRD + tail
    t_rest = tail - (t - THIRD) + THIRD_REST
    u = z * t
    u_rest = fma(z, t, -u) + fma(z, t_rest, z_rest * t)
    v = s * u
    v_rest = fma(s, u, -v) + fma(s, u_rest, fma(s_rest, u, s_rest))
    w = s + v
    w_rest = v - (w - s) + v_rest
    total = fma(e, LN2, 2.0 * w)
    lost = 2.0 * w + fma(e, LN2, -total)
    return total, fma(e, LN2_REST, lost + 2.0 * w_rest)


def power(x: float, y: float) -> float:
    """Return x to the power y, as C99 and IEEE 754 have it."""
    size = abs(x)
    logarithm, rest = _fine_log(size)
    product = y * logarithm
    rest = fma(y, rest, fma(y, logarithm, -product))
    shifted, r = _reduced(_clamped(product, -1000.0, 1000.0))
    result = _exp_of(shifted, r + choose(abs(product) < 1000.0, rest, 0.0))
    result = choose((y == 0.0) | (size == 1.0), 1.0, result)
    half = 0.5 * y
    is_whole = whole_below(y) == y
    odd = is_whole & (whole_below(half) != half)
    real = is_whole | (x >= 0.0) | (x == -inf) | (x != x)
    return choose(real, with_sign(result, choose(odd, x, 1.0)), nan)


def cbrt(x: float) -> float:
    """Return the real cube root: by exp and log, then one Newton step."""
    size = abs(x)
    small = size < 2.0**-900
    size = choose(small, size * 2.0**300, size)
    root = exp(log(size) * THIRD)
    square = root * root
    excess = fma(-square, root, size) - fma(root, root, -square) * root
    root = root + excess / (3.0 * choose(root > 0.0, square, 1.0))
    root = with_sign(choose(small, root * 2.0**-100, root), x)
    return choose((x == 0.0) | (x - x != 0.0), x, root)


# ----------------------------------------------------------------------- trigonometry

# sin(x)/x = 1 + z*sine_tail(z), z = x**2, up to pi/4
sine_tail = _polynomial(
    -1.66666666666666324348e-01,
    8.33333333332248946124e-03,
    -1.98412698298579493134e-04,
    2.75573137070700676789e-06,
    -2.50507602534068634195e-08,
    1.58969099521155010221e-10,
)
# cos(x) = 1 - z/2 + z**2*cosine_tail(z)
cosine_tail = _polynomial(
    4.16666666666666019037e-02,
    -1.38888888888741095749e-03,
    2.48015872894767294178e-05,
    -2.75573143513906633035e-07,
    2.08757232129817482790e-09,
    -1.13596475577881948265e-11,
)


def _circle(x: float) -> tuple[int, float, float]:
    """Return the quadrant, and sine and cosine of the angle within it.

    The angle is the sum of two numbers: alone, its rounding would cost half an ulp.
    """
    x = choose(abs(x) > FAR, 0.0, x)
    shifted = fma(x, TWO_BY_PI, SHIFT)
    n = shifted - SHIFT
    first = fma(n, -HALF_PI, x)
    r = fma(n, -HALF_PI_SECOND, first)
    rest = fma(n, -HALF_PI_THIRD, fma(n, -HALF_PI_SECOND, first - r))
    z = r * r
    w = fma(-0.5, z, 1.0)
    sine = with_sign(r + fma(z * r, sine_tail(z), rest * w), r)
    lost = fma(-r, rest, fma(-0.5, z, 1.0 - w))
    return bits(shifted), sine, w + fma(z * z, cosine_tail(z), lost)


def sin(x: float) -> float:
    """Return the sine."""
    quadrant, sine, cosine = _circle(x)
    y = choose((quadrant & 1) == 0, sine, cosine)
    y = from_bits(bits(y) ^ ((quadrant & 2) << 62))
    return repaired(abs(x) > FAR, _far_sin, y, x)


def cos(x: float) -> float:
    """Return the cosine."""
    quadrant, sine, cosine = _circle(x)
    y = choose((quadrant & 1) == 0, cosine, sine)
    y = from_bits(bits(y) ^ (((quadrant + 1) & 2) << 62))
    return repaired(abs(x) > FAR, _far_cos, y, x)


def tan(x: float) -> float:
    """Return the tangent."""
    quadrant, sine, cosine = _circle(x)
    even = (quadrant & 1) == 0
    y = choose(even, sine, cosine) / choose(even, cosine, -sine)
    return repaired(abs(x) > FAR, _far_tan, y, x)


# ---------------------------------------------------------- inverses of trigonometry

# atan(x)/x = 1 + z*atan_tail(z), z = x**2, up to 1
atan_tail = _polynomial(
    -0.3333333333333333,
    0.19999999999999554,
    -0.14285714285648404,
    0.11111111107234799,
    -0.09090908969557403,
    0.07692305354678655,
    -0.06666636435777691,
    0.05882074956371286,
    -0.052612657357094084,
    0.047520867735764714,
    -0.04308119655329895,
    0.03872640214041231,
    -0.033750132001593,
    0.027567942297304703,
    -0.02023870698634692,
    0.012756172907652435,
    -0.006575683344123301,
    0.0026229778918920284,
    -0.0007518472526925902,
    0.00013687248531380763,
    -1.1832505417458077e-05,
)
# asin(x)/x = 1 + z*asin_tail(z), up to 1/2
asin_tail = _polynomial(
    0.16666666666666669,
    0.07499999999998433,
    0.04464285714635543,
    0.030381944138531247,
    0.02237217294214989,
    0.017352392720869945,
    0.013971212973553311,
    0.011479177415181617,
    0.0103228143502052,
    0.005457506718563782,
    0.01740087944288715,
    -0.014851887071528912,
    0.028757851367602328,
)


def atan(x: float) -> float:
    """Return the inverse tangent."""
    size = abs(x)
    steep = size > 1.0
    t = choose(steep, 1.0, size) / choose(steep, size, 1.0)
    return with_sign(_atan_of(t, steep), x)


def _atan_of(t: float, steep: bool) -> float:
    """Return atan(t) for t from 0 to 1; where ``steep``, atan(1/t)."""
    z = t * t
    curve = t * z * atan_tail(z)
    return choose(steep, HALF_PI - (t + (curve - HALF_PI_REST)), t + curve)


def atan2(y: float, x: float) -> float:
    """Return the angle of the point (x, y)."""
    height, width = abs(y), abs(x)
    steep = height > width
    small = choose(steep, width, height)
    large = choose(steep, height, width)
    t = small / choose(large == 0.0, 1.0, large)
    t = choose((height == inf) & (width == inf), 1.0, t)
    angle = _atan_of(t, steep)
    turned = 2.0 * HALF_PI - (angle - 2.0 * HALF_PI_REST)
    return with_sign(choose(bits(x) < 0, turned, angle), y)


def _arc(x: float) -> tuple[float, float]:
    """Return s, and asin(s) - s: s is the size of x, beyond 1/2 of the half angle."""
    size = abs(x)
    steep = size > 0.5
    z = choose(steep, 0.5 - 0.5 * size, x * x)
    s = choose(steep, square_root(z), size)
    return s, s * z * asin_tail(z)


def asin(x: float) -> float:
    """Return the inverse sine."""
    s, curve = _arc(x)
    steep = HALF_PI - (2.0 * s + (2.0 * curve - HALF_PI_REST))
    return with_sign(choose(abs(x) > 0.5, steep, s + curve), x)


def acos(x: float) -> float:
    """Return the inverse cosine."""
    s, curve = _arc(x)
    near = 2.0 * s + 2.0 * curve
    opposite = 2.0 * HALF_PI - (near - 2.0 * HALF_PI_REST)
    level = HALF_PI - (with_sign(s, x) + (with_sign(curve, x) - HALF_PI_REST))
    return choose(abs(x) > 0.5, choose(x < 0.0, opposite, near), level)


def asinh(x: float) -> float:
    """Return the inverse hyperbolic sine."""
    size = abs(x)
    large = size > 2.0**60
    square = choose(large, 0.0, size * size)
    y = log1p(size + square / (1.0 + square_root(1.0 + square)))
    return with_sign(y + choose(large, LN2, 0.0), x)


def acosh(x: float) -> float:
    """Return the inverse hyperbolic cosine."""
    large = x > 2.0**60
    above = x - 1.0
    root = square_root(choose(large, 0.0, above * (above + 2.0)))
    y = log1p(above + root) + choose(large, LN2, 0.0)
    return choose(x < 1.0, nan, y)


def atanh(x: float) -> float:
    """Return the inverse hyperbolic tangent."""
    size = abs(x)
    edge = size == 1.0
    y = 0.5 * log1p(2.0 * size / choose(edge, 1.0, 1.0 - size))
    y = choose(size < 2.0**-28, size, y)
    return with_sign(choose(edge, inf, y), x)


# -------------------------------------------------------------------- error functions

# erf(x)/x - 1 as a function of x**2, up to 0.65
erf_series = _polynomial(
    0.12837916709551259,
    -0.37612638903183515,
    0.11283791670936862,
    -0.026866170639685116,
    0.005223977542891002,
    -0.000854831982656492,
    0.0001205495021547181,
    -1.4913005785828703e-05,
    1.62079042814234e-06,
    -1.3486814074474527e-07,
)
# (1 + 2*x)*exp(x**2)*erfc(x) = ERFC_MIDDLE + q*erfc_tail(q), q = (x - 4)/(x + 4),
# for x from 0 to 28; the middle is kept out for the sake of the last bit
ERFC_MIDDLE = 1.2329951186255526
# x*exp(x**2)*erfc(x) as a function of 1/x**2, for x beyond 28
erfcx_tail = _polynomial(
    0.5641895835477563,
    -0.28209479177387814,
    0.42314218766081724,
    -1.057855469152043,
    3.7024941420321507,
    -16.661223639144676,
    91.63673001529573,
)
erfc_tail = _polynomial(
    -0.13962111684056253,
    0.015379652102619558,
    0.06809705425469323,
    -0.10103906603629456,
    0.09373283499833045,
    -0.06633036581240999,
    0.03716751553776638,
    -0.016197734055990023,
    0.005031969975789994,
    -0.0007577732973856758,
    -0.00019925668453478598,
    0.00015062169705693106,
    -2.4399243528343275e-05,
    -1.1222046084463567e-05,
    5.709783080461524e-06,
    2.937775287242119e-07,
    -8.254677740504898e-07,
    7.472152835393034e-08,
    1.1005855681849746e-07,
    -1.8001428438516118e-08,
    -1.4091896015578335e-08,
    1.8692577609191227e-09,
    1.2640290679222276e-09,
)


def _erfc_series(x: float) -> float:
    """Return (1 + 2*x)*exp(x**2)*erfc(x) for x from 0 to 28."""
    q = fma(2.0, x / (x + 4.0), -1.0)
    return fma(q, erfc_tail(q), ERFC_MIDDLE)


def _erfc_of(x: float) -> float:
    """Return erfc(x) for x >= 0."""
    x = choose(x > 28.0, 28.0, x)
    series = _erfc_series(x)
    d = fma(2.0, x, 1.0)
    inverse = 1.0 / d
    scaled = series * inverse
    lost = fma(-scaled, d, series) - scaled * (fma(2.0, x, 1.0 - d))
    square = x * x
    shifted, r = _reduced(-square)
    r = r - fma(x, x, -square)
    a, b = _powers(shifted)
    change = fma(r * r, exp_tail(r), r)
    return (scaled + fma(change, scaled, inverse * lost)) * a * b


def _erf_of(x: float) -> float:
    """Return erf(x) for x between -0.65 and 0.65."""
    return fma(x, erf_series(x * x), x)


def erf(x: float) -> float:
    """Return the error function."""
    size = abs(x)
    far = with_sign(1.0 - _erfc_of(size), x)
    return choose(size < 0.65, _erf_of(x), far)


def erfc(x: float) -> float:
    """Return 1 - erf(x), also where erf(x) is nearly 1."""
    size = abs(x)
    y = _erfc_of(size)
    return choose(size < 0.65, 1.0 - _erf_of(x), choose(x < 0.0, 2.0 - y, y))


def _erfcx_of(x: float) -> float:
    """Return exp(x**2)*erfc(x) for x >= 0."""
    inside = choose(x > 28.0, 28.0, x)
    inverse = 1.0 / x
    far = inverse * erfcx_tail(inverse * inverse)
    return choose(x > 28.0, far, _erfc_series(inside) / fma(2.0, inside, 1.0))


def erfcx(x: float) -> float:
    """Return exp(x**2)*erfc(x), also where the one overflows and the other vanishes."""
    y, square = _erfcx_of(abs(x)), x * x
    lost = fma(x, x, -square)
    large = 2.0 * exp(square)
    return choose(x < 0.0, large - y + choose(large < inf, large * lost, 0.0), y)


def log_erfc(x: float) -> float:
    """Return log(erfc(x)), also where erfc(x) vanishes."""
    far = x > 1.0
    large = choose(far, x, 1.0)
    y = log(choose(far, _erfcx_of(large), erfc(choose(far, 1.0, x))))
    return choose(far, fma(-large, large, y), y)
