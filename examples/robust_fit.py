"""
A line that outliers don't bend
===============================

Six of sixty measurements went wrong. Least squares has to please them too; Huber's loss
counts a large residual by its size and not by its square, and finds the line of the
others.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

rng = np.random.default_rng(1)
x = np.linspace(0, 10, 60)
y = 1 + 0.5 * x + rng.normal(scale=0.3, size=60)
y[50:56] -= 8
data = {"x": x, "y": y}

fits = {
    loss: symgd.fit("a + b*x", data=data, target="y", loss=loss)
    for loss in ("squared", "huber")
}
for loss, fit in fits.items():
    told = (
        f"{n} = {v:.3f} ± {fit.standard_errors[n]:.3f}"
        for n, v in fit.parameters.items()
    )
    print(f"{loss}: {', '.join(told)}")

figure, ax = plt.subplots(layout="constrained")
ax.plot(x, y, ".", color="0.4", label="measured")
ax.plot(x, 1 + 0.5 * x, ":", color="black", label="true")
for loss, fit in fits.items():
    band = fit.predict({"x": x}, level=0.95)
    (line,) = ax.plot(x, band.value, label=loss)
    ax.fill_between(x, band.lower, band.upper, color=line.get_color(), alpha=0.2)
ax.set(xlabel="x", ylabel="y")
ax.legend()
plt.show()
