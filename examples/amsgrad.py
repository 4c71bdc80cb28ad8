"""AMSGrad with a first moment that fades: a hyperparameter may be a formula in t.

Run: python examples/amsgrad.py [picture.png]
"""

import sys

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

if len(sys.argv) > 1:
    symgd.save(result, sys.argv[1])
