"""
Clipped, normalised, and Polyak's step
======================================

Methods that look at the whole gradient: ``dot`` and ``norm`` reduce over coordinates.
On a steep wall the gradient says little about how far to go, and gradient descent is
lost at its first step. Its relatives trust the direction only.
"""

import matplotlib.pyplot as plt

import symgd

clipped = symgd.Rule(
    "clipped",
    """
    # Pascanu, Mikolov and Bengio 2013, algorithm 1
    x = x - step_size*g*Min(1, radius/norm(g))
    """,
    step_size=0.2,
    radius=5.0,
)
normalised = symgd.Rule(
    "normalised",
    """
    # Nesterov 1984: each step is as long as step_size says
    x = x - step_size*g/norm(g)
    """,
    step_size="0.95**t",
)
polyak = symgd.Rule(
    "polyak",
    """
    # Polyak 1969: how far to go follows from f, where its least value is known
    x = x - (f - least)/dot(g, g)*g
    """,
    least=1.0,
)

valley = symgd.Objective("cosh(x) + (y - x)**2")
run = {"maxiter": 1000, "target": 1 + 1e-12, "trace": True}
lost = symgd.minimize(valley, [6, -2], method="gd", step_size=0.2, **run)
found = [
    symgd.minimize(valley, [6, -2], method=method, **run)
    for method in (clipped, normalised, polyak, "bb")
]
for result in (lost, *found):
    end = f"{result.status.name}, {result.nit} updates, f - 1 = {result.fun - 1:.2g}"
    print(f"{result.method}: {end}")

symgd.plot(found)
plt.show()
