"""
The heavy ball may run in circles
=================================

Lessard, Recht and Packard 2016: the function is strongly convex, its curvature between
1 and 25. The step and momentum that are best for all quadratics of such curvature lead
the heavy ball into a cycle of three points, for ever. Gradient descent and Nesterov's
method find the minimum, 0.
"""

from fractions import Fraction

import matplotlib.pyplot as plt

import symgd

bent = symgd.Objective(
    "25*x**2/2 if x < 1 else (x**2/2 + 24*x - 12 if x < 2 else 25*x**2/2 - 24*x + 36)"
)
results = [
    symgd.minimize(bent, 3.3, method=method, maxiter=300, trace=True, **hyperparameters)
    for method, hyperparameters in (
        ("gd", {"step_size": 2 / 26}),
        ("nesterov", {"step_size": 1 / 25, "momentum": 2 / 3}),
        ("momentum", {"step_size": 1 / 9, "momentum": 4 / 9}),
    )
]
for result in results:
    last = result.trace.x[-3:, 0]
    print(
        f"{result.method}: {result.status.name}, after {result.nit} updates at {last}"
    )

print("\nThe last iterates of momentum, and the cycle in exact arithmetic:")
cycle = [Fraction(numerator, 1225) for numerator in (-2208, 2592, 792)]
for x, exact in zip(last, cycle, strict=True):
    print(f"{x:17.14f}  {exact} = {float(exact):.14f}")

results[-1].plot()
plt.show()

# %%
# The gradient along the three runs: the heavy ball's never gets smaller.

symgd.plot(results, kind="convergence")
plt.show()
