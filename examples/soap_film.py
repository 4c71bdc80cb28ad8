"""
A soap film on a bent wire
==========================

A film takes the shape of least area. Its height at each point of a grid is a variable;
on the rim the wire holds it, which bounds say: there the lower is the upper one.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

SIDE = 41
row, column = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
wire = 0.5 * np.cos(2 * np.pi * row) * np.sign(column - 0.5) + 0.3 * np.sin(
    np.pi * column
)
rim = (row == 0) | (row == 1) | (column == 0) | (column == 1)
low, high = np.where(rim, wire, -5.0), np.where(rim, wire, 5.0)

area = symgd.Objective(
    "sum(sqrt(1 + (n - 1)**2*((u[i + 1, j] - u[i, j])**2 + (u[i, j + 1] - u[i, j])**2))"
    " for i in range(n - 1) for j in range(n - 1))/(n - 1)**2",
    sizes={"n": SIDE},
)
flat = np.where(rim, wire, 0.0)
result = symgd.minimize(area, {"u": flat}, bounds=(low.ravel(), high.ravel()))
film = result.values["u"]
print(f"{result.status.name} in {result.nit} iterations, {film.size} variables")
print(
    f"area: {area.value(flat):.4f} as it was laid, {result.fun:.4f} as the film has it"
)

figure, axes = plt.subplots(
    1, 2, figsize=(10, 4.6), layout="constrained", subplot_kw={"projection": "3d"}
)
for ax, shape, title in zip(axes, (flat, film), ("start", "film"), strict=True):
    ax.plot_surface(row, column, shape, cmap="viridis", rcount=SIDE, ccount=SIDE)
    ax.set_title(title)
    ax.view_init(elev=35, azim=-50)
plt.show()
