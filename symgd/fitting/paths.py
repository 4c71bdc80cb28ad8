"""The way of a fit: the descents that suit its loss, one after the other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator

import numpy as np

from symgd.fitting.kinks import past_kinks
from symgd.fitting.levenberg_marquardt import (
    ENDED,
    Ended,
    Limits,
    Path,
    Stage,
    is_ill_conditioned,
)
from symgd.fitting.stages import BoundedSum, by_hessians, by_products, roughly
from symgd.native.status import Status

MORE = 200  # iterations
NEAR = 1e-3  # an offset that is small for a sample
SOON, SLOW = 10, 500  # iterations


def path(bounded: BoundedSum, x: np.ndarray, limits: Limits) -> Path:
    """Minimise from x, by the descents that suit the loss."""
    loss = bounded.regression.loss
    if loss.squares:
        return (yield from _least_squares(bounded, x, limits))
    if loss.smoothed:
        return (yield from past_kinks(bounded, x, limits))
    point = yield from roughly(bounded, x, limits)
    ended = yield by_hessians(bounded, point.x, limits, point.floor)
    if ended.status == Status.ABNORMAL:
        # Where a loss is straight it has no curvature, but rows have weights.
        some = dataclasses.replace(limits, maxiter=limits.nit + MORE)
        other = yield from by_products(bounded, ended.point.x, some)
        limits.nit, limits.nfev = some.nit, some.nfev
        if ended.offset == math.inf:  # as of x**1.2 in a row where x is 0
            return other
        ended = yield by_hessians(bounded, other.point.x, limits, point.floor)
    return ended


def _least_squares(bounded: BoundedSum, x: np.ndarray, limits: Limits) -> Path:
    ended, (regression, lower, upper) = None, bounded
    if regression.samples(limits.maxiter):
        ended = yield from _from_a_sample(bounded, x, limits)
    ended = ended or (yield from _by_either(bounded, x, limits))
    point, _, status = ended
    if status in ENDED and is_ill_conditioned(point):
        at = (point.x, lower, upper, limits)
        return (yield Stage(regression.orthogonal, *at, of=regression))
    return ended


def _by_either(bounded: BoundedSum, x: np.ndarray, limits: Limits) -> Path:
    """Minimise by products; by Hessians where those are slow, or lead nowhere.

    Products are no curvature where residuals are large beside how the model bends; and
    where a column vanishes in the minimum, as at a vertex, its cosine tells nothing.
    """
    soon = limits.ahead(SLOW)
    ended = yield from by_products(bounded, x, soon)
    limits.nit, limits.nfev = soon.nit, soon.nfev
    slow = ended.status == Status.MAXITER and limits.nit < limits.maxiter
    possible = limits.thorough and not bounded.regression.has_many
    if possible and (slow or ended.status == Status.ABNORMAL):
        soon, point = limits.ahead(SLOW), ended.point
        other = yield by_hessians(bounded, point.x, soon, point.floor)
        limits.nit, limits.nfev = soon.nit, soon.nfev
        ended = other if slow or other.status in ENDED else ended
        slow = slow and other.status not in ENDED
    return (yield from by_products(bounded, ended.point.x, limits)) if slow else ended


def _from_a_sample(
    bounded: BoundedSum, x: np.ndarray, limits: Limits
) -> Generator[Stage, Ended, Ended | None]:
    """Minimise from where a sample of the rows has its minimum.

    None if that is no better than x, or is not soon followed by one of all rows.
    """
    regression = bounded.regression
    some = regression.sampled()
    share = round(regression.count / some.count)
    rough = dataclasses.replace(limits, gtol=NEAR)
    near, _, status = yield from by_products(
        bounded._replace(regression=some), x, rough
    )
    # As many evaluations of all rows as were done, x among them.
    limits.nfev += 1 + math.ceil((rough.nfev - limits.nfev) / share)
    if status not in ENDED or is_ill_conditioned(near):
        return None
    if not regression.gauss_newton(x).fun > regression.gauss_newton(near.x).fun:
        return None
    soon = dataclasses.replace(limits, maxiter=limits.nit + SOON)
    ended = yield from by_products(bounded, near.x, soon)
    limits.nfev = soon.nfev
    if ended.status in (Status.MAXITER, Status.ABNORMAL):
        return None
    limits.nit = soon.nit
    return ended
