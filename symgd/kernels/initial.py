"""The state of many descents before their first update, where it isn't 0."""

from __future__ import annotations

from typing import Any

from symgd.kernels.trajectory import Sizes
from symgd.lowering.intrinsics import floats, local
from symgd.lowering.scalar_update import ScalarUpdate


def entry(schedule: Any, initial: ScalarUpdate, sizes: Sizes) -> Any:
    """Return the loop over descents as a function of addresses.

    Parameters
    ----------
    schedule : (t, h) -> tuple
        The hyperparameters of update t.
    initial : ScalarUpdate
        Gives the slots of each coordinate of a start.
    sizes : Sizes

    Returns
    -------
    function
        ``set_state(descents, varied, slots, fg, h)``: the starts are in rows 0, width,
        ... of ``slots``, a column for each descent, value and gradient in ``fg``; ``h``
        has a column for each descent too, if ``varied`` is 1.
    """
    n, width, n_h = sizes.variables, sizes.width, sizes.hyperparameters
    summands, begun, totals = initial.summands, initial.slots, initial.totals
    stages, some = initial.stages, max(1, n_h)

    def set_state(descents: int, varied: int, slots: Any, fg: Any, h: Any) -> int:
        slots = floats(slots, (n * width, descents))
        fg = floats(fg, (n + 1, descents))
        hyper = floats(h, (n_h, descents if varied else 1))
        s, sums, r = local(width, n), local(1, totals)[0], local(1, totals)[0]
        constants = local(1, some)[0]
        for j in range(totals):
            r[j] = 0.0
        for i in range(descents):
            for j in range(n_h):
                constants[j] = hyper[j, varied * i]
            scheduled = schedule(1.0, constants)
            for k in range(n):
                s[0, k] = slots[k * width, i]
            for _ in range(stages):
                for j in range(totals):
                    sums[j] = 0.0
                for k in range(n):
                    parts = summands(1.0, fg[k + 1, i], fg[0, i], s, k, scheduled, r)
                    for j in range(totals):
                        sums[j] += parts[j]
                for j in range(totals):
                    r[j] = sums[j]
            for k in range(n):
                new = begun(1.0, fg[k + 1, i], fg[0, i], s, k, scheduled, r)
                for j in range(width):
                    slots[k * width + j, i] = new[j]
        return 0

    return set_state
