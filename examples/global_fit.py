"""
Three data sets, one rate
=========================

Three runs of one decay: each began with another amount and has another background, but
the rate is the same. ``a[set]`` is one parameter for each run, ``b`` one for all; what
each run tells of the rate is put together, and the short run borrows from the others.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

rng = np.random.default_rng(2)
RATE, NOISE = 0.4, 0.12
runs = {}
for name, amount, background, end in (
    ("cold", 3.0, 0.5, 8.0),
    ("warm", 5.0, 1.5, 8.0),
    ("short", 4.0, 0.2, 2.0),
):
    t = np.linspace(0, end, 25)
    y = amount * np.exp(-RATE * t) + background + NOISE * rng.standard_normal(25)
    runs[name] = {"t": t, "y": y}

fit = symgd.fit("a[set]*exp(-b*t) + c[set]", runs, "y")
print(fit)

print(f"\nthe rate, of which {RATE} is true")
print(f"together: {fit.parameters['b']:.3f} ± {fit.standard_errors['b']:.3f}")
for name, table in runs.items():
    alone = symgd.fit("a*exp(-b*t) + c", table, "y")
    value, error = alone.parameters["b"], alone.standard_errors["b"]
    print(f"{name} alone: {value:.3f} ± {error:.3f}")
print(f"warm by cold: {fit.derive('a[warm]/a[cold]')}")

one_background = symgd.fit("a[set]*exp(-b*t) + c", runs, "y")
print(f"one background for all: p = {fit.f_test(one_background).p:.2g}")

fit.plot()
plt.show()
