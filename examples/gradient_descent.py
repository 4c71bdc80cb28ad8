"""Gradient descent on a parabola, and what its step size decides.

Run: python examples/gradient_descent.py [picture.png]
"""

import sys

import numpy as np

import symgd

start = -1 + 2 * np.random.RandomState(4).rand()
run = {"method": "gd", "bounds": (-1, 1), "maxiter": 30, "trace": True}

result = symgd.minimize("x**2", start, step_size=0.1, **run)
for t, x, fun in zip(result.trace.t, result.trace.x, result.trace.fun, strict=True):
    print(f">{t} f({x}) = {fun:.5f}")

for step_size in (1.0, 1e-5):
    other = symgd.minimize("x**2", start, step_size=step_size, **run)
    print(f"step size {step_size}: after {other.nit} steps at x = {other.x[0]:.4f}")

# Without bounds a step that is too large leaves for infinity, and symgd says so.
lost = symgd.minimize("x**2", start, method="gd", step_size=1.1)
print(f"step size 1.1: {lost.message}")

if len(sys.argv) > 1:
    symgd.save(result, sys.argv[1])
