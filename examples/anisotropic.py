"""Why gradients are derived: a tutorial prints the gradient (4x, 2y) for this function.

f(x, y) = (4x² + y²)/2 has the gradient (4x, y). A derivative written by hand can be
wrong and the descent still looks plausible; here it comes from the formula.

Run: python examples/anisotropic.py [picture.png]
"""

import sys

import symgd

objective = symgd.Objective("(4*x**2 + y**2)/2")
print("the gradient is", tuple(objective.gradient))

run = {"method": "momentum", "step_size": 0.1, "maxiter": 30, "trace": True}
paths = [symgd.minimize(objective, [2, 2], momentum=m, **run) for m in (0.0, 0.9)]
for momentum, result in zip((0.0, 0.9), paths, strict=True):
    print(f"momentum {momentum}: f = {result.fun:.3g} at {result.x} after 30 steps")

if len(sys.argv) > 1:
    symgd.save(paths, sys.argv[1])
