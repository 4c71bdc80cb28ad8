"""
Gradient descent on a parabola
==============================

All that one chooses is the step size. Too small, and thirty steps lead nowhere; too
large, and each step overshoots; beyond 1 (for this parabola) each is further out than
the last.
"""

import matplotlib.pyplot as plt
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

figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for step_size, ax in zip((0.005, 0.1, 0.97), axes, strict=True):
    shown = symgd.minimize("x**2", start, step_size=step_size, **run)
    shown.plot(ax=ax, window=[(-1.1, 1.1)])
plt.show()
