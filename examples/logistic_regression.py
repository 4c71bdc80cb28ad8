"""
Logistic regression on mini-batches
===================================

AMSGrad on batches, against the exact minimum. Each update sees a few rows of the data.
Small batches get further in the first epoch, which is more updates to them; large ones
in the end: their gradients are less noisy.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

ROWS, FEATURES, EPOCHS = 20_000, 10, 30

rng = np.random.default_rng(0)
true = rng.normal(size=FEATURES)
features = rng.normal(size=(ROWS, FEATURES))
chance = 1 / (1 + np.exp(-features @ true))
labels = np.where(rng.uniform(size=ROWS) < chance, 1, -1)

loss = symgd.Objective(
    "sum(softplus(-y[i]*sum(w[j]*X[i, j] for j in range(d))) for i in range(n))/n"
    " + ridge*sum(w[j]**2 for j in range(d))",
    data={"X": features, "y": labels},
    parameters={"ridge": 1e-4},
)
start = {"w": np.zeros(FEATURES)}
exact = symgd.minimize(loss, start)
print(f"exact minimum: {exact.status.name} at loss = {exact.fun:.8f}")
print(f"its weights are up to {np.abs(exact.x - true).max():.3f} from the true ones")

excess = {}
for size in (16, 128, 1024):
    batches = -(-ROWS // size)
    result = symgd.minimize(
        loss,
        start,
        method="amsgrad",
        batch_size=size,
        step_size="0.01/sqrt(epoch)",
        maxiter=EPOCHS * batches,
        rng=0,
        trace=batches,  # an iterate for each epoch
    )
    excess[size] = np.array([loss.value(w) for w in result.trace.x]) - exact.fun
    print(
        f"batches of {size}: {excess[size][1]:.1e} above it after one epoch, "
        f"{excess[size][-1]:.1e} after {EPOCHS}"
    )

figure, axes = plt.subplots(layout="constrained")
for size, each in excess.items():
    axes.semilogy(each, label=f"batches of {size}")
axes.set(xlabel="epoch", ylabel="loss above the minimum")
axes.set_title("AMSGrad, step size 0.01/sqrt(epoch)")
axes.legend()
plt.show()
