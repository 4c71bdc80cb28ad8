"""
Why gradients are derived
=========================

A tutorial prints the gradient (4x, 2y) for f(x, y) = (4x² + y²)/2, but it is (4x, y). A
derivative written by hand can be wrong and the descent still looks plausible; here it
comes from the formula.
"""

import matplotlib.pyplot as plt

import symgd

objective = symgd.Objective("(4*x**2 + y**2)/2")
print("the gradient is", tuple(objective.gradient))

run = {"method": "momentum", "step_size": 0.1, "maxiter": 30, "trace": True}
paths = [symgd.minimize(objective, [2, 2], momentum=m, **run) for m in (0.0, 0.9)]
for momentum, result in zip((0.0, 0.9), paths, strict=True):
    print(f"momentum {momentum}: f = {result.fun:.3g} at {result.x} after 30 steps")

symgd.plot(paths)
plt.show()
