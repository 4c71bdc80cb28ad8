"""Eigenvalues of symmetric interval matrices, on the safe side.

Approximations come from LAPACK, and are believed only as far as a Cholesky
factorisation proves them: that it runs to its end shows that no eigenvalue is below
-(n + 1)u/(1 - 2(n + 1)u) times the trace, in whatever order its sums are formed.

Source: Rump 2006, "Verification of positive definiteness", theorem 2.3; Hertz 1992,
"The extreme eigenvalues and stability of real symmetric interval matrices".
"""

from __future__ import annotations

import itertools

import numpy as np

EPS = 2.0**-52
VERTICES = 5  # variables, up to which all extreme matrices are looked at
TINY = 1e-290


def centred(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle of interval matrices, and radii that are large enough."""
    middle = 0.5 * low + 0.5 * high
    radius = np.maximum(high - middle, middle - low) * (1 + 4 * EPS)
    return middle, radius + TINY * (radius > 0)


def is_definite(matrices: np.ndarray) -> np.ndarray:
    """Return which of (boxes, n, n) matrices are proven to be positive definite."""
    n = matrices.shape[1]
    diagonal = np.einsum("bii->bi", matrices)
    with np.errstate(all="ignore"):
        size = np.abs(diagonal).sum(1)
        shift = 4 * (n + 2) * EPS * size + TINY
        a = matrices - shift[:, None, None] * np.eye(n)
        good = np.isfinite(matrices).all((1, 2))
        rows = np.zeros_like(a)
        for k in range(n):
            for i in range(k + 1):
                rest = a[:, k, i] - (rows[:, k, :i] * rows[:, i, :i]).sum(1)
                if i < k:
                    rows[:, k, i] = rest / rows[:, i, i]
                else:
                    good &= rest > TINY
                    rows[:, k, k] = np.sqrt(np.where(rest > 0, rest, np.nan))
        return good & np.isfinite(rows).all((1, 2))


def least_eigenvalue(matrices: np.ndarray) -> np.ndarray:
    """Return a lower bound of the eigenvalues of each of (boxes, n, n) matrices."""
    n = matrices.shape[1]
    if n == 1:
        return matrices[:, 0, 0].copy()
    with np.errstate(all="ignore"):
        size = np.abs(matrices).sum(2).max(1) * (1 + 2 * n * EPS)
        bound = -size
        near = np.linalg.eigvalsh(matrices)[:, 0]
        open_ = np.ones(len(matrices), bool)
        for digits in (20.0, 1e3, 1e6):
            guess = near - digits * n * EPS * size - TINY
            moved = matrices - guess[:, None, None] * np.eye(n)
            fine = open_ & is_definite(moved)
            # The difference itself was rounded, once in each row.
            lower = guess - 4 * EPS * (np.abs(guess) + size) - TINY
            bound[fine] = np.maximum(bound[fine], lower[fine])
            open_ &= ~fine
            if not open_.any():
                break
    return bound


def radius_of(radii: np.ndarray) -> np.ndarray:
    """Return an upper bound of the largest eigenvalue of each of these matrices.

    Of matrices without a negative entry: Collatz' quotients of any positive vector.
    """
    n = radii.shape[1]
    with np.errstate(all="ignore"):
        w = np.ones((len(radii), n))
        bound = radii.sum(2).max(1)
        for _ in range(3):
            image = (radii @ w[:, :, None])[:, :, 0]
            w = image + 1e-3 * image.max(1, keepdims=True) + TINY
            w /= w.max(1, keepdims=True)
            quotients = (radii @ w[:, :, None])[:, :, 0] / w
            bound = np.fmin(bound, quotients.max(1))
    return bound * (1 + 8 * (n + 2) * EPS) + TINY


def hull(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Enclose all eigenvalues of symmetric interval matrices (boxes, n, n)."""
    n = low.shape[1]
    least, most = np.full(len(low), -np.inf), np.full(len(low), np.inf)
    fine = np.isfinite(low).all((1, 2)) & np.isfinite(high).all((1, 2))
    fine &= (np.maximum(np.abs(low), np.abs(high)) < 1e150).all((1, 2))
    if n == 1:
        return low[:, 0, 0].copy(), high[:, 0, 0].copy()
    if not fine.any():
        return least, most
    middle, radius = centred(low[fine], high[fine])
    if n <= VERTICES:
        first = np.full(len(middle), np.inf)
        last = np.full(len(middle), -np.inf)
        for signs in itertools.product((1.0, -1.0), repeat=n - 1):
            z = np.array((1.0, *signs))
            turned = radius * np.outer(z, z)
            # Rounding of the difference, in each entry.
            slack = 2 * n * EPS * (np.abs(middle) + radius).max((1, 2)) + TINY
            first = np.minimum(first, least_eigenvalue(middle - turned) - slack)
            last = np.maximum(last, slack - least_eigenvalue(-(middle + turned)))
    else:
        around = radius_of(radius)
        first = least_eigenvalue(middle) - around
        last = around - least_eigenvalue(-middle)
        size = np.maximum(np.abs(first), np.abs(last)) + around
        first, last = first - 2 * EPS * size, last + 2 * EPS * size
    least[fine], most[fine] = first, last
    return least, most


def semidefinite(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return which interval matrices are proven to be positive semidefinite.

    By dominant diagonals, exact in what is 0; else definite by all that the middle is,
    less the radius, in units in which diagonals are about 1.
    """
    n = low.shape[1]
    with np.errstate(all="ignore"):
        diagonal = np.einsum("bii->bi", low)
        sign = (diagonal >= 0).all(1)
        size = np.maximum(np.abs(low), np.abs(high))
        others = (size * (1.0 - np.eye(n))).sum(2)  # no error where all are 0
        others[np.isnan(others)] = np.inf
        proven = sign & (diagonal >= others * (1 + 4 * (n + 2) * EPS)).all(1)
        finite = np.isfinite(low).all((1, 2)) & np.isfinite(high).all((1, 2))
        left = sign & ~proven & finite & (size < 1e150).all((1, 2))
        if n > 1 and left.any():
            middle, radius = centred(low[left], high[left])
            units = np.sqrt(np.maximum(np.einsum("bii->bi", middle), 1e-250))
            units = 2.0 ** np.round(np.log2(units))
            scale = units[:, :, None] * units[:, None, :]
            around = radius_of(radius / scale)
            moved = middle / scale - around[:, None, None] * np.eye(n)
            slack = 4 * EPS * (np.abs(middle / scale).max((1, 2)) + around) + TINY
            proven[left] = is_definite(moved - slack[:, None, None] * np.eye(n))
    return proven


def form(low: np.ndarray, high: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """Enclose v'Hv of an interval matrix (n, n); v has few digits: 20 bits."""
    n = len(v)
    weights = np.outer(v, v)  # exact
    least = np.where(weights > 0, low, high) * weights
    most = np.where(weights > 0, high, low) * weights
    least, most = np.where(weights == 0, 0.0, least), np.where(weights == 0, 0.0, most)
    slack = 4 * (n * n + 2) * EPS * np.maximum(np.abs(least), np.abs(most)).sum() + TINY
    return float(least.sum() - slack), float(most.sum() + slack)
