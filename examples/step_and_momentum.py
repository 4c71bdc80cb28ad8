"""
Every step size with every momentum
===================================

Two thousand runs of the heavy ball in one call, on all cores. Where the picture is
hatched the run diverged: beyond that edge is nothing, and close to it are the fastest
runs. More momentum moves the edge out.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

grid = symgd.sweep(
    "(1 - x)**2 + 100*(y - x**2)**2",
    [-1.2, 1],
    method="momentum",
    step_size=np.geomspace(1e-4, 1e-2, 50),
    momentum=np.linspace(0, 0.98, 40),
    maxiter=1000,
)
print(grid)
print(f"best: f = {grid.best.fun:.2g} at {grid.best_at}")

grid.plot()
plt.show()
