"""
A trajectory within rate limits
===============================

A lift is to follow its orders, which jump. Its speed is limited, and so is by how much
its speed changes: two families of constraints that refer to neighbours. Multipliers say
which limit it is that costs.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

STEPS = 60
time = np.arange(STEPS)
orders = np.select([time < 8, time < 32, time < 44], [0.0, 6.0, 5.0], 1.0)

lift = symgd.Objective(
    "sum((x[i] - y[i])**2 for i in range(n))",
    data={"y": orders},
    parameters={"speed": 0.5, "change": 0.08},
    subject_to={
        "start": "x[0] == 0",
        "speed": "-speed <= x[i + 1] - x[i] <= speed for i in range(n - 1)",
        "change": "-change <= x[i + 2] - 2*x[i + 1] + x[i] <= change"
        " for i in range(n - 2)",
    },
)
result = symgd.minimize(lift, orders)
x = result.x
print(f"{result.status.name} in {result.nit} iterations")
print(f"fastest: {np.abs(np.diff(x)).max():.4f}, of 0.5")
print(f"most acceleration: {np.abs(np.diff(x, 2)).max():.4f}, of 0.08")

# What a little more of a limit is worth: multipliers, and the same by trying.
for name in ("speed", "change"):
    value = np.abs(result.multipliers[name]).sum()
    more = {name: lift.parameters[name] + 1e-4}
    tried = (result.fun - symgd.minimize(lift.with_parameters(**more), x).fun) / 1e-4
    print(f"one unit more of {name} lowers f by {value:.2f}; tried: {tried:.2f}")

figure, axes = plt.subplots(
    2, 1, figsize=(9, 6.2), sharex=True, layout="constrained", height_ratios=(2, 1)
)
axes[0].step(time, orders, where="mid", color="#8a8178", label="orders")
axes[0].plot(time, x, color="#0072b2", linewidth=2, label="lift")
axes[0].set(ylabel="floor", title="as near to its orders as its limits allow")
axes[0].legend()
for name, colour in (("speed", "#d55e00"), ("change", "#009e73")):
    price = result.multipliers[name]
    axes[1].plot(time[: len(price)], price, color=colour, label=name)
axes[1].axhline(0.0, color="#8a8178", linewidth=0.8)
axes[1].set(xlabel="time", ylabel="multiplier", title="which limit it is that costs")
axes[1].legend()
plt.show()
