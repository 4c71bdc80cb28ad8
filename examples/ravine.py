"""
Momentum across a ravine
========================

A function that is 25 times as steep in one direction as in the other. Gradient descent
must take steps that are small enough for the steep one, and creeps along the other; a
little larger, and it bounces from wall to wall. Momentum adds up what successive steps
agree on, and cancels the rest.
"""

import matplotlib.pyplot as plt

import symgd

ravine = symgd.Objective("(x**2 + 25*y**2)/2")
run = {"maxiter": 60, "trace": True}
careful = symgd.minimize(ravine, [-8, 2], method="gd", step_size=0.02, **run)
bouncing = symgd.minimize(ravine, [-8, 2], method="gd", step_size=0.077, **run)
heavy = symgd.minimize(
    ravine, [-8, 2], method="momentum", step_size=0.04, momentum=0.6, **run
)
for result in (careful, bouncing, heavy):
    print(f"{result.method}: f = {result.fun:.2e} after {result.nit} steps")

figure, axes = plt.subplots(3, figsize=(8, 9), layout="constrained")
for result, ax in zip((careful, bouncing, heavy), axes, strict=True):
    result.plot(ax=ax, window=[(-9, 2), (-2.5, 2.5)])
plt.show()

# %%
# How steep it still is, step by step:

symgd.plot([careful, bouncing, heavy], kind="convergence")
plt.show()
