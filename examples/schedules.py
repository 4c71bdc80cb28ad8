"""
Step sizes that change
======================

A function with kinks has no step size that suits for ever: a constant one bounces
around the minimum, as far away as it is long. A schedule is a formula in t.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

kinked = symgd.Objective("abs(x - 1) + 3*abs(y + 0.3*x)")
schedules = {
    "constant": 0.05,
    "1/sqrt(t)": "0.5/sqrt(t)",
    "1/t": "2/t",
    "warm-up, then cosine": "0.01*t if t < 10 else 0.05*(1 + cos(pi*(t - 10)/990))",
}
results = {}
for name, step_size in schedules.items():
    results[name] = symgd.minimize(
        kinked, [-2, 2], method="gd", step_size=step_size, maxiter=1000, trace=True
    )
    print(f"{name}: f = {results[name].fun:.1e} after {results[name].nit} steps")

figure, (above, below) = plt.subplots(
    2, sharex=True, figsize=(7, 7), layout="constrained"
)
for name, result in results.items():
    trace = result.trace
    scheduled = "step_size" in trace.names
    sizes = trace["step_size"] if scheduled else [schedules[name]] * len(trace)
    above.semilogy(trace.t, sizes)
    worst = np.lib.stride_tricks.sliding_window_view(trace.fun, 20).max(axis=1)
    below.semilogy(trace.t[19:], worst, label=name)
above.set(ylabel="step size")
below.set(xlabel="iteration", ylabel="the largest f of 20 iterations")
below.legend()
plt.show()
