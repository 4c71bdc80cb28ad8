"""N: fits of a curve to points, against ``scipy.optimize.curve_fit``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np

import symgd
from benchmarks.measure import Case, Contender, Requirement, ratio

CURVE = "a*exp(-b*t) + c"
TRUTH, START = (2.5, 1.3, 0.5), (1.0, 1.0, 1.0)
Points = tuple[np.ndarray, np.ndarray]


def curve(t: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    """Return the curve."""
    return a * np.exp(-b * t) + c


def slopes(t: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    """Return its derivatives with respect to a, b and c, in columns."""
    e = np.exp(-b * t)
    return np.stack([e, -a * t * e, np.ones_like(t)], axis=1)


def points(count: int) -> Points:
    """Return noisy points of the curve."""
    t = np.linspace(0.0, 4.0, count)
    noise = np.random.default_rng(20).normal(scale=0.1, size=count)
    return t, curve(t, *TRUTH) + noise


def ours(given: Points) -> Callable[[], np.ndarray]:
    """Return one call of ``symgd.fit``."""
    t, y = given
    data = {"t": t, "y": y}
    return lambda: symgd.fit(CURVE, data=data, target="y", x0=list(START)).x


def scipys(given: Points, jac: Any = None) -> Callable[[], np.ndarray]:
    """Return one call of SciPy's."""
    from scipy.optimize import curve_fit

    return lambda: curve_fit(curve, *given, p0=START, jac=jac)[0]


def cases(counts: tuple[int, ...], peers: Mapping[str, ModuleType]) -> Iterator[Case]:
    """Yield the fits: everyone on one core, and as a user has them."""
    for count in counts:
        given = points(count)
        makers = {"symgd": ours}
        if "scipy" in peers:
            makers["SciPy curve_fit"] = scipys
            makers["SciPy curve_fit, Jacobian"] = functools.partial(scipys, jac=slopes)
        check = functools.partial(near_least_squares, count)
        racing = [
            Contender(name, functools.partial(make, given), check, cores=cores)
            for cores in (1, 2)
            for name, make in makers.items()
        ]
        yield Case("N", f"{count} points", racing, required(count), "fit")


def required(count: int) -> list[Requirement]:
    """Return what is required: ten times SciPy's speed, for many points."""
    result = []
    for cores in (1, 2):
        on = f"on {cores} core{'s' * (cores > 1)}"
        for name in ("SciPy curve_fit", "SciPy curve_fit, Jacobian"):
            faster = ratio((name, cores), ("symgd", cores))
            bounds = (10.0, None) if count >= 100_000 else (None, 10.0)
            result.append(Requirement(f"{name} / symgd, {on}", faster, *bounds, True))
    return result


def near_least_squares(count: int, found: Any) -> None:
    """Check that the parameters are the best."""
    np.testing.assert_allclose(found, least_squares(count), rtol=1e-5)


@functools.cache
def least_squares(count: int) -> np.ndarray:
    """Return the best parameters, by Gauss-Newton steps from the true ones."""
    t, y = points(count)
    x = np.array(TRUTH)
    for _ in range(50):
        jacobian = slopes(t, *x)
        x = x + np.linalg.lstsq(jacobian, y - curve(t, *x), rcond=None)[0]
    return x
