"""
Where each start leads
======================

Himmelblau's function has four minima. Forty thousand descents, one from each pixel, run
at once; the colour says which minimum is found. Gradient descent goes to the one
downhill. Momentum overshoots, and from far away lands anywhere; the default method,
with steps that may be long, differs from plain descent near the borders only.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

SIDE = 200
himmelblau = symgd.Objective("(x**2 + y - 11)**2 + (x + y**2 - 7)**2")
side = np.linspace(-6, 6, SIDE)
starts = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
methods = {"gd": {"step_size": 0.005}, "momentum": {"step_size": 0.003}, "auto": {}}

figure, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
for (method, given), ax in zip(methods.items(), axes, strict=True):
    results = symgd.minimize_many(himmelblau, starts, method=method, **given)
    minima = sorted(results.minima(), key=lambda minimum: tuple(minimum.x.round(3)))
    found = np.full(len(starts), np.nan)
    for number, minimum in enumerate(minima):
        found[minimum.descents] = number
    ax.imshow(
        found.reshape(SIDE, SIDE), extent=(-6, 6, -6, 6), origin="lower", cmap="cividis"
    )
    ax.plot(*np.transpose([minimum.x for minimum in minima]), "w*", ms=12, mec="black")
    ax.set(title=method, xlabel="x", ylabel="y")
    print(f"{method}: {len(minima)} minima, {np.mean(results.success):.1%} arrive")
plt.show()
