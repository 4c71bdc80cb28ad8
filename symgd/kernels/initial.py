"""The state of many descents before their first update, where it isn't 0."""

from __future__ import annotations

from typing import Any

from symgd.lowering.intrinsics import call_at, floats, integers, local
from symgd.native.records import TRAJECTORY_FORM


def entry(
    descents: int, varied: int, slots: Any, fg: Any, hyperparameters: Any, form: Any
) -> int:
    """Set the slots of each descent from its start.

    Parameters
    ----------
    descents : int
    varied : int
        Whether hyperparameters have a column for each descent.
    slots : address
        The starts are in rows 0, width, ...; a column for each descent.
    fg : address
        Value and gradient, likewise.
    hyperparameters : address
    form : address
        Of integers, see ``TrajectoryForm``; its rule is of initial states.
    """
    form = integers(form, (TRAJECTORY_FORM,))
    n, width, n_h, totals, stages = form[0], form[1], form[2], form[4], form[5]
    schedule_at, summands_at, update_at = form[18], form[19], form[20]
    h, hyper = local(1, n_h)[0], local(1, n_h)[0]
    s, stepped = local(width, n), local(1, width)[0]
    sums, r, parts = local(1, totals)[0], local(1, totals)[0], local(1, totals)[0]
    slots = floats(slots, (n * width, descents))
    fg = floats(fg, (n + 1, descents))
    given = floats(hyperparameters, (n_h, descents if varied else 1))
    for j in range(totals):
        r[j] = 0.0
    for i in range(descents):
        for j in range(n_h):
            h[j] = given[j, varied * i]
        call_at(schedule_at, (1.0, h, hyper))
        for k in range(n):
            s[0, k] = slots[k * width, i]
        for _ in range(stages):
            for j in range(totals):
                sums[j] = 0.0
            for k in range(n):
                g, f = fg[k + 1, i], fg[0, i]
                call_at(summands_at, (1.0, g, f, s, k, hyper, r, parts))
                for j in range(totals):
                    sums[j] += parts[j]
            for j in range(totals):
                r[j] = sums[j]
        for k in range(n):
            g, f = fg[k + 1, i], fg[0, i]
            call_at(update_at, (1.0, g, f, s, k, hyper, r, stepped))
            for j in range(width):
                slots[k * width + j, i] = stepped[j]
    return 0
