"""
All hills, valleys and passes, with a proof
===========================================

The six-hump camel has six minima, two maxima and seven saddle points. Each is found in
a box of its own in which there is exactly one, and outside of these boxes there is
none: that is proven, by computing with boxes that are rounded outwards. Two of the
minima are the lowest. Below, what is proven of steps on a ravine: up to 2/L gradient
descent converges, from there on it doesn't.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

CAMEL = "(4 - 2.1*x**2 + x**4/3)*x**2 + x*y + (-4 + 4*y**2)*y**2"
BOX = {"x": (-2, 2), "y": (-1.25, 1.25)}

points = symgd.stationary(CAMEL, BOX)
lowest = symgd.minimize_global(CAMEL, BOX)
print(points)
print(lowest)
print(symgd.analyze(CAMEL, BOX))

ravine = symgd.analyze("x**2 + 10*y**2")
runs = {}
for step in (0.05, 0.09, 0.101):
    runs[step] = symgd.minimize(
        *("x**2 + 10*y**2", [1, 1]),
        method="gd",
        step_size=step,
        maxiter=250,
        trace=True,
    )
    verdict, reason = ravine.judge(step)
    print(f"step {step}: {verdict}, {reason}; {runs[step].status.name}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
x, y = np.linspace(*BOX["x"], 300), np.linspace(*BOX["y"], 200)
objective = symgd.Objective(CAMEL)
heights = np.array([[objective.value([a, b]) for a in x] for b in y])
levels = np.geomspace(0.02, heights.max() - heights.min(), 18) + heights.min()
left.contour(x, y, heights, levels=levels, colors="0.8", linestyles="solid")
looks = [
    ("minimum", "minima", "v", "C0"),
    ("maximum", "maxima", "^", "C3"),
    ("saddle", "saddles", "x", "0.3"),
]
for kind, kinds, marker, colour in looks:
    mine = [point.values for point in points if point.kind == kind]
    places = [[values[name] for values in mine] for name in "xy"]
    left.scatter(
        *places, marker=marker, color=colour, label=f"{len(mine)} {kinds}", zorder=3
    )
best = [minimiser.middle for minimiser in lowest.minimisers]
left.scatter(
    *([values[name] for values in best] for name in "xy"),
    s=160,
    facecolors="none",
    edgecolors="C0",
    label=f"lowest, {lowest.fun:.4f}",
)
left.set(xlabel="x", ylabel="y", title="no other point has slope 0")
left.legend(loc="upper center", ncols=4, fontsize="x-small")
for step, run in runs.items():
    label = f"step {step}: {ravine.judge(step)[0]}"
    right.semilogy(run.trace.t, run.trace.grad_norm, label=label)
right.set(xlabel="iteration", title=f"2/L = {2 / ravine.lipschitz.upper:g}")
right.set_ylabel("largest component of the gradient")
right.legend()
plt.show()
