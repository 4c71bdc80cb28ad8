"""
A string over an obstacle
=========================

A string is pulled tight over two hills. It lies above the ground: a bound with a name,
whose multipliers are the force with which the ground holds it. Where it touches, and
where it is free, is not known before.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

POINTS = 81
t = np.linspace(0.0, 1.0, POINTS)
ground = 0.8 - 14.0 * (t - 0.3) ** 2
ground = np.maximum(ground, 0.55 - 12.0 * (t - 0.72) ** 2)
ground = np.maximum(ground, -0.2)

string = symgd.Objective(
    "(n - 1)/2*sum((u[i + 1] - u[i])**2 for i in range(n - 1))",
    data={"g": ground},
    subject_to={"ground": "u[i] >= g[i] for i in range(n)"},
)
held = {"u[0]": (0.0, 0.0), f"u[{POINTS - 1}]": (0.0, 0.0)}
result = symgd.minimize(string, np.maximum(ground, 0.0) + 0.1, bounds=held)
u, force = result.values["u"], result.multipliers["ground"]
touches = force > 1e-6 * force.max()
print(f"{result.status.name} in {result.nit} iterations, {POINTS} points")
print(
    f"it touches at {touches.sum()} points; u - g is at least {(u - ground).min():.1e}"
)

# What the ground pushes up is what the ends pull down.
ends = (POINTS - 1) * (u[1] - u[0] + u[-2] - u[-1])
print(f"the ground pushes with {force.sum():.5f}, the ends pull with {ends:.5f}")

figure, axes = plt.subplots(
    2, 1, figsize=(9, 6.2), sharex=True, layout="constrained", height_ratios=(2, 1)
)
axes[0].fill_between(t, ground, -0.25, color="#d9cfc3", label="ground")
axes[0].plot(t, u, color="#0072b2", linewidth=2, label="string")
axes[0].plot(t[touches], u[touches], ".", color="#d55e00", label="where it touches")
axes[0].set(ylabel="height", ylim=(-0.25, 1.0), title="as short as the ground allows")
axes[0].legend(loc="upper right")
axes[1].bar(t, force, width=0.8 / POINTS, color="#d55e00")
axes[1].set(xlabel="place", ylabel="force", title="multipliers: what the ground holds")
plt.show()
