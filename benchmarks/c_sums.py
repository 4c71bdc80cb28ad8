"""Sums in C as a good C programmer would write them.

Steps of gradient descent are fused: a loop gathers the gradient of an element from its
neighbours, adds to the value and makes the step, from one buffer into another. Rows are
done in tiles, so that the exponential and the logarithm are vector calls.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks import c_code
from benchmarks.sums import CHAIN, ENERGY, FEATURES, Answer, Rows, Slope, Steps

WIDE = "-mprefer-vector-width=512"
STRICT = (WIDE,)
SIMD = (WIDE, "-fopenmp-simd")  # which may reorder the value's sum, nothing else
FAST = (*c_code.FAST, WIDE)

CHAIN_PASS = """
static double pass(const double *restrict x, double *restrict new, const long *shape,
                   double step) {
  long n = shape[0];
  double u = x[1] - x[0]*x[0], v = 1.0 - x[0], f = 100.0*u*u + v*v;
  new[0] = x[0] + step*(400.0*x[0]*u + 2.0*v);
#pragma omp simd reduction(+:f)
  for (long i = 1; i < n - 1; i++) {
    double u = x[i+1] - x[i]*x[i], before = x[i] - x[i-1]*x[i-1], v = 1.0 - x[i];
    f += 100.0*u*u + v*v;
    new[i] = x[i] - step*(200.0*before - 400.0*x[i]*u - 2.0*v);
  }
  new[n-1] = x[n-1] - step*200.0*(x[n-1] - x[n-2]*x[n-2]);
  return f;
}
"""
# Above the first row and below the last stands the row itself: differences of 0.
ENERGY_PASS = """
#define INLINE static inline __attribute__((always_inline))
#define OUT(u, g) (gradient ? (g) : (u) - step*(g))
INLINE double row(const double *restrict up, const double *restrict u,
                  const double *restrict down, double *restrict out, long m,
                  double step, int gradient) {
  double right = u[1] - u[0], below = down[0] - u[0];
  double f = right*right + below*below;
  out[0] = OUT(u[0], 2.0*((u[0] - up[0]) - below - right));
#pragma omp simd reduction(+:f)
  for (long j = 1; j < m - 1; j++) {
    double right = u[j+1] - u[j], below = down[j] - u[j];
    f += right*right + below*below;
    out[j] = OUT(u[j], 2.0*((u[j] - up[j]) + (u[j] - u[j-1]) - below - right));
  }
  below = down[m-1] - u[m-1];
  f += below*below;
  out[m-1] = OUT(u[m-1], 2.0*((u[m-1] - up[m-1]) + (u[m-1] - u[m-2]) - below));
  return f;
}
INLINE double rows(const double *u, double *out, const long *shape, double step,
                   int gradient) {
  long n = shape[0], m = shape[1];
  double f = 0.0;
  for (long i = 0; i < n; i++) {
    const double *here = u + i*m;
    const double *up = i > 0 ? here - m : here, *down = i < n - 1 ? here + m : here;
    f += row(up, here, down, out + i*m, m, step, gradient);
  }
  return f;
}
static double pass(const double *u, double *new, const long *shape, double step) {
  return rows(u, new, shape, step, 0);
}
double slope(const double *u, double *g, const long *shape) {
  return rows(u, g, shape, 0.0, 1);
}
"""
DESCEND = """
double descend(double *x, double *other, const long *shape, long steps, double step) {
  double *now = x, *new = other;
  for (long t = 0; t < steps; t++) {
    pass(now, new, shape, step);
    double *old = now; now = new; new = old;
  }
  double f = pass(now, new, shape, step);
  if (now != x)
    for (long i = 0; i < SIZE; i++) x[i] = now[i];
  return f;
}
"""
SOURCES = {
    CHAIN: CHAIN_PASS + DESCEND.replace("SIZE", "shape[0]"),
    ENERGY: ENERGY_PASS + DESCEND.replace("SIZE", "shape[0]*shape[1]"),
}

TILED = """
#include <math.h>
#define T 1024
#define D {features}
{head}
static inline double product(const double *row, const double *w) {{
  double t = 0.0;
  for (long j = 0; j < D; j++) t += row[j]*w[j];
  return t;
}}
void slope(const double *restrict A, const double *restrict y, const double *restrict w,
           long low, long high, double *restrict out) {{
  double f = 0.0, z[T] __attribute__((aligned(64)));
{begin}
  for (; low < high; low += T) {{
    const double *restrict a = A + low*D, *restrict b = y + low;
    long width = high - low < T ? high - low : T;
{dot}
    for (long r = 0; r < width; r++) {{
      double e = exp(z[r]);
      f += log(1.0 + e);
      z[r] = -b[r]*(e/(1.0 + e));
    }}
{add}
  }}
  out[0] = f;
{end}
}}
"""
PLAIN = TILED.format(
    features=FEATURES,
    head="",
    begin="double g[D] = {0};",
    dot="for (long r = 0; r < width; r++) z[r] = -b[r]*product(a + r*D, w);",
    add="""
    for (long r = 0; r < width; r++)
      for (long j = 0; j < D; j++) g[j] += z[r]*a[r*D + j];
    """,
    end="for (long j = 0; j < D; j++) out[1 + j] = g[j];",
)
# A row is a register and two numbers; eight rows' products are added in a tree.
AVX512 = TILED.format(
    features=FEATURES,
    head="""
#include <immintrin.h>
typedef __m512d real;
#define LOAD _mm512_loadu_pd
#define REST(row) _mm512_maskz_loadu_pd((1 << (D - 8)) - 1, (row) + 8)
#define PICK(a, which, b) _mm512_permutex2var_pd(a, which, b)
static inline real pairs(real a, real b) {
  return _mm512_unpacklo_pd(a, b) + _mm512_unpackhi_pd(a, b);
}
static inline real fours(real a, real b) {
  const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
  const __m512i high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  return PICK(a, low, b) + PICK(a, high, b);
}
static inline real eights(const real p[8]) {
  real a = fours(pairs(p[0], p[1]), pairs(p[2], p[3]));
  real b = fours(pairs(p[4], p[5]), pairs(p[6], p[7]));
  return _mm512_shuffle_f64x2(a, b, 0x44) + _mm512_shuffle_f64x2(a, b, 0xee);
}
    """,
    begin="""
  real w0 = LOAD(w), w1 = REST(w), g0[4], g1[4];
  for (int k = 0; k < 4; k++) g0[k] = g1[k] = _mm512_setzero_pd();
    """,
    dot="""
    long whole = width & ~7;
    for (long r = 0; r < whole; r += 8) {
      real p[8];
      for (int k = 0; k < 8; k++)
        p[k] = LOAD(a + (r + k)*D)*w0 + REST(a + (r + k)*D)*w1;
      _mm512_store_pd(z + r, -LOAD(b + r)*eights(p));
    }
    for (long r = whole; r < width; r++) z[r] = -b[r]*product(a + r*D, w);
    """,
    add="""
    for (long r = 0; r < whole; r += 4)
      for (int k = 0; k < 4; k++) {
        g0[k] += z[r + k]*LOAD(a + (r + k)*D);
        g1[k] += z[r + k]*REST(a + (r + k)*D);
      }
    for (long r = whole; r < width; r++) {
      g0[0] += z[r]*LOAD(a + r*D);
      g1[0] += z[r]*REST(a + r*D);
    }
    """,
    end="""
  double g[16];
  _mm512_storeu_pd(g, g0[0] + g0[1] + g0[2] + g0[3]);
  _mm512_storeu_pd(g + 8, g1[0] + g1[1] + g1[2] + g1[3]);
  for (long j = 0; j < D; j++) out[1 + j] = g[j];
    """,
)


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Return the address of the first number."""
    return ctypes.c_void_p(array.ctypes.data)


def steps(task: Steps, flags: tuple[str, ...]) -> Callable[[], Answer]:
    """Return the descent; its buffers are its own, as with everyone."""
    descend = c_code.compiled(SOURCES[task.formula], flags).descend
    descend.restype = ctypes.c_double
    shape = np.array(task.start.shape)
    count, step = ctypes.c_long(task.steps), ctypes.c_double(task.step_size)

    def run() -> Answer:
        x, other = task.start.copy(), np.empty_like(task.start)
        value = descend(pointer(x), pointer(other), pointer(shape), count, step)
        return value, x

    return run


def slope(task: Slope, flags: tuple[str, ...]) -> Callable[[], Answer]:
    """Return the fused value and gradient, into an array that is made once."""
    function = c_code.compiled(SOURCES[task.formula], flags).slope
    function.restype = ctypes.c_double
    shape, gradient = np.array(task.point.shape), np.empty_like(task.point)

    def run() -> Answer:
        value = function(pointer(task.point), pointer(gradient), pointer(shape))
        return value, gradient

    return run


def rows(task: Rows, source: str) -> Callable[[], Answer]:
    """Return value and gradient over rows, in as many threads as cores."""
    function = c_code.compiled(source, FAST).slope
    size = -(-len(task.data) // task.cores)
    lows = range(0, len(task.data), size)
    given = [pointer(array) for array in (task.data, task.labels, task.point)]
    long = ctypes.c_long

    def part(low: int) -> np.ndarray:
        out = np.empty(1 + FEATURES)
        high = min(low + size, len(task.data))
        function(*given, long(low), long(high), pointer(out))
        return out

    pool = ThreadPoolExecutor(task.cores) if len(lows) > 1 else None

    def run() -> Answer:
        value, *gradient = sum((pool.map if pool else map)(part, lows))
        return value, np.array(gradient)

    return run
