"""
A hanging chain, and the pull in its links
==========================================

A chain hangs as low as its links allow: a family of constraints, their lengths. Their
multipliers are the pull in each link, which is least where the chain is level.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq

import symgd

LINKS, WIDTH, LENGTH = 24, 1.0, 1.6
length = LENGTH / LINKS
chain = symgd.Objective(
    "sum((y[i] + y[i + 1])/2 for i in range(n))",
    sizes={"n": LINKS},
    parameters={"l": length},
    subject_to={
        "link": "(x[i + 1] - x[i])**2 + (y[i + 1] - y[i])**2 == l**2 for i in range(n)",
    },
)
ends = {"x[0]": (0, 0), "y[0]": (0, 0), f"x[{LINKS}]": (WIDTH, WIDTH)}
ends[f"y[{LINKS}]"] = (0.2, 0.2)
straight = np.linspace(0.0, 1.0, LINKS + 1)
start = {"x": WIDTH * straight, "y": 0.2 * straight - 0.5 * np.sin(np.pi * straight)}
result = symgd.minimize(chain, start, bounds=ends)
x, y = result.values["x"], result.values["y"]
print(f"{result.status.name} in {result.nit} iterations, {LINKS} links")

# A multiplier is what the height changes by with the square of a length; the pull, with
# the length itself.
pull = np.abs(result.multipliers["link"]) * 2.0 * length
across = pull * np.diff(x) / length
print(f"the pull is {pull.min():.2f} to {pull.max():.2f} links; {across.min():.3f} to")
print(f"{across.max():.3f} of it is horizontal: the same in all links")

# A chain without end of links is a catenary, y = a*cosh((x - m)/a) + c.
drop = np.sqrt(LENGTH**2 - 0.2**2)
a = brentq(lambda a: 2.0 * a * np.sinh(WIDTH / (2.0 * a)) - drop, 0.05, 10.0)
middle = WIDTH / 2.0 - a * np.arctanh(0.2 / LENGTH)
curve = a * (np.cosh((x - middle) / a) - np.cosh(middle / a))
print(f"largest distance from the catenary: {np.abs(curve - y).max():.4f}")

figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
axes[0].plot(start["x"], start["y"], ":", color="#8a8178", label="start")
axes[0].plot(x, curve, color="#56b4e9", linewidth=6, alpha=0.5, label="catenary")
axes[0].plot(x, y, "o-", color="#1b1b1b", markersize=4, label="chain")
axes[0].set(xlabel="x", ylabel="y", aspect="equal", title="as low as its links allow")
axes[0].legend(loc="lower right")
middles = (x[1:] + x[:-1]) / 2
axes[1].plot(middles, pull, "o-", color="#d55e00", markersize=4, label="pull")
axes[1].plot(middles, across, "--", color="#0072b2", label="its horizontal part")
axes[1].set(xlabel="x", ylabel="weights of a link", ylim=0, title="multipliers")
axes[1].legend()
plt.show()
