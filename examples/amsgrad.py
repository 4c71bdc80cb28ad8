"""
AMSGrad, and a hyperparameter that fades
========================================

Any hyperparameter may be a formula in t, the number of the update: here the first
moment is forgotten more and more. The largest second moment so far, ``vhat``, never
decreases; the trace has it row by row.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

result = symgd.minimize(
    "x**2 + y**2",
    method="amsgrad",
    bounds={"x": (-1, 1), "y": (-1, 1)},
    rng=np.random.RandomState(1),
    step_size=0.007,
    beta1="0.9**t",
    beta2=0.99,
    eps=1e-8,
    maxiter=100,
    trace=True,
)
for t, x, fun in zip(*(result.trace[c] for c in ("t", "x", "fun")), strict=True):
    print(f">{t} f({x}) = {fun:.5f}")
print(result)
assert (np.diff(result.trace["vhat"], axis=0) >= 0).all()

symgd.plot(result)
plt.show()
