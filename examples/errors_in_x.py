"""
A line through points that are uncertain both ways
==================================================

Pearson's ten points of 1901 with York's weights of 1966, the test that fits with errors
in x are measured by: x is sure to the left, y to the right. Least squares in y believe
the last points and their x; orthogonal distance regression moves each point to where it
costs least, across and along. The same from a shell, for a column ``sx``::

    symgd fit "a + b*x" --data points.csv --target y --sigma sy --sigma-x sx
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

data = {
    "x": np.array([0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4]),
    "y": np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5]),
    "sx": np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1]) ** -0.5,
    "sy": np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500]) ** -0.5,
}
both = symgd.fit("a + b*x", data, "y", sigma="sy", sigma_x="sx", absolute_sigma=True)
print(both)
print(f"\nYork has 5.4799102 and -0.4805334, and 11.8663532; here {2 * both.fun:.7f}")
only_y = symgd.fit("a + b*x", data, "y", sigma="sy", absolute_sigma=True)
for name, fit in (("errors in x and y", both), ("errors in y", only_y)):
    print(f"{name}: b = {fit.parameters['b']:.4f} ± {fit.standard_errors['b']:.4f}")

figure, ax = plt.subplots(layout="constrained")
ax.errorbar(data["x"], data["y"], data["sy"], data["sx"], ".", color="0.5")
moved = data["x"] + both.shifts["x"]
ax.plot(moved, both.predict({"x": moved}), "o", ms=4, color="C0", label="moved to")
x = np.linspace(-1, 9, 200)
for name, fit in (("errors in x and y", both), ("errors in y", only_y)):
    band = fit.predict({"x": x}, level=0.95)
    (line,) = ax.plot(x, band.value, label=name)
    ax.fill_between(x, band.lower, band.upper, color=line.get_color(), alpha=0.2)
ax.set(xlabel="x", ylabel="y", xlim=(-0.5, 8.6), ylim=(0, 7.2))
ax.legend()
plt.show()
