"""Descents of which the way of a fit consists."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from symgd.fitting.levenberg_marquardt import (
    ROUGHLY,
    Ended,
    Limits,
    Path,
    Point,
    Stage,
)
from symgd.fitting.losses import read

DETOUR = 20  # iterations


class BoundedSum(NamedTuple):
    """A sum over rows, and the bounds of its parameters.

    Attributes
    ----------
    regression : Regression
    lower, upper : ndarray
    """

    regression: Any  # it stands above
    lower: np.ndarray
    upper: np.ndarray


def by_products(bounded: BoundedSum, x: np.ndarray, limits: Limits) -> Path:
    """Descend from x, by reweighted least squares."""
    regression, lower, upper = bounded
    native = None if regression.has_many else regression.native("gauss_newton", x)
    at, squares = (x, lower, upper, limits), regression.loss.squares
    ended = yield Stage(regression.gauss_newton, *at, native, regression, squares)
    regression.last = regression.at(ended.point.x), ended.point
    return ended


def by_hessians(
    bounded: BoundedSum, x: np.ndarray, limits: Limits, floor: float = -math.inf
) -> Stage:
    """Return a descent from x with the exact Hessian."""
    regression, lower, upper = bounded
    native = regression.native("newton", x)
    evaluate = functools.partial(regression.newton, floor=floor)
    at = (x, lower, upper, limits)
    return Stage(evaluate, *at, native, regression, floor=floor)


def roughly(
    bounded: BoundedSum, x: np.ndarray, limits: Limits
) -> Generator[Stage, Ended, Point]:
    """Come near a minimum from x, or by way of least squares: what is lower."""
    regression = bounded.regression
    squares = regression.with_loss(read("squared", {}), regression.scale)
    rough = dataclasses.replace(limits, gtol=max(ROUGHLY, limits.gtol))
    # Outliers may lead squares ever farther away, on all the iterations that there are.
    rough.maxiter = min(limits.maxiter, rough.nit + DETOUR)
    detour, _, _ = yield from by_products(
        bounded._replace(regression=squares), x, rough
    )
    ends = []
    for start in (x, detour.x):
        if not regression.gauss_newton(start).finite:  # a likelihood ends somewhere
            continue
        rough.maxiter = min(limits.maxiter, rough.nit + DETOUR)
        ended = yield from by_products(bounded, start, rough)
        ends.append(ended.point)
    limits.nit, limits.nfev = rough.nit, rough.nfev
    return min(ends, key=lambda point: point.fun)
