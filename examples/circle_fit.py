"""
A circle through points
=======================

The distance of points to a circle, squared and added: its centre and radius are the
variables. The start is the algebraic circle of Kåsa 1976, which is the solution of
linear equations; of points on an arc its radius is too small.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

rng = np.random.default_rng(3)
angle = rng.uniform(-0.4, 1.2, size=60)  # an arc, of the circle around (1, 2)
points = {
    "x": 1 + 3 * np.cos(angle) + rng.normal(scale=0.1, size=60),
    "y": 2 + 3 * np.sin(angle) + rng.normal(scale=0.1, size=60),
}

# Kåsa: x**2 + y**2 = 2*a*x + 2*b*y + (r**2 - a**2 - b**2) by linear least squares
columns = np.stack([2 * points["x"], 2 * points["y"], np.ones(60)], axis=1)
squares = points["x"] ** 2 + points["y"] ** 2
a, b, rest = np.linalg.lstsq(columns, squares)[0].tolist()
algebraic = {"a": a, "b": b, "r": np.sqrt(rest + a**2 + b**2)}

distance = symgd.Objective(
    "sum((sqrt((x[i] - a)**2 + (y[i] - b)**2) - r)**2 for i in range(n))", data=points
)
result = symgd.minimize(distance, algebraic)
circles = {"algebraic": algebraic, "by distance": result.values}
for name, circle in circles.items():
    a, b, r = (circle[each] for each in ("a", "b", "r"))
    left = distance.value([a, b, r])
    print(f"{name}: centre ({a:.3f}, {b:.3f}), radius {r:.3f}, f = {left:.5f}")
print(f"{result.status.name} in {result.nit} iterations; true: centre (1, 2), radius 3")

figure, axes = plt.subplots(layout="constrained")
axes.plot(points["x"], points["y"], ".", color="0.4", label="points")
turn = np.linspace(0, 2 * np.pi, 400)
shown = {**circles, "true": {"a": 1, "b": 2, "r": 3}}
for (name, circle), line in zip(shown.items(), ("--", "-", ":"), strict=True):
    x = circle["a"] + circle["r"] * np.cos(turn)
    y = circle["b"] + circle["r"] * np.sin(turn)
    axes.plot(x, y, line, label=name)
axes.set(xlabel="x", ylabel="y", aspect="equal")
axes.legend()
plt.show()
