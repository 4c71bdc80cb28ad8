"""Momentum on the same parabola: the same start, far closer after 30 steps.

Run: python examples/momentum.py [picture.png]
"""

import sys

import numpy as np

import symgd

start = -1 + 2 * np.random.RandomState(4).rand()
run = {"bounds": (-1, 1), "step_size": 0.1, "maxiter": 30, "trace": True}

plain = symgd.minimize("x**2", start, method="gd", **run)
momentum = symgd.minimize("x**2", start, method="momentum", momentum=0.3, **run)
for t, x, fun in zip(*(momentum.trace[c] for c in ("t", "x", "fun")), strict=True):
    print(f">{t} f({x}) = {fun:.5f}")
print(f"gradient descent ends at {plain.x[0]:.3g}, momentum at {momentum.x[0]:.3g}")

if len(sys.argv) > 1:
    symgd.save([plain, momentum], sys.argv[1], kind="convergence")
