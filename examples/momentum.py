"""
Momentum on the same parabola
=============================

The same start and the same step size: a step remembers a share of the one before, and
after thirty of them is four orders of magnitude nearer.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

start = -1 + 2 * np.random.RandomState(4).rand()
run = {"bounds": (-1, 1), "step_size": 0.1, "maxiter": 30, "trace": True}

plain = symgd.minimize("x**2", start, method="gd", **run)
momentum = symgd.minimize("x**2", start, method="momentum", momentum=0.3, **run)
for t, x, fun in zip(*(momentum.trace[c] for c in ("t", "x", "fun")), strict=True):
    print(f">{t} f({x}) = {fun:.5f}")
print(f"gradient descent ends at {plain.x[0]:.3g}, momentum at {momentum.x[0]:.3g}")

symgd.plot([plain, momentum], kind="convergence")
plt.show()
