"""
Where Adam fails and AMSGrad doesn't
====================================

Reddi, Kale and Kumar 2018, figure 1: an online problem on [-1, 1]: the slope is 1010 at
every 101st update and -10 at the others. On average it is positive, so -1 is best; but
Adam has forgotten the rare large gradient long before the next one, and goes to 1, the
worst of all points.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

online = symgd.Objective("1010*x if t % 101 == 1 else -10*x", iteration="t")
adam = symgd.Rule(
    "adam",
    """
    # Kingma and Ba 2015, without the bias correction, as Reddi et al. have it
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g**2
    x = x - step_size*m/(sqrt(v) + eps)
    """,
    step_size="0.5/sqrt(t)",
    beta1=0.9,
    beta2=0.99,
    eps=1e-8,
)
run = {"bounds": [(-1, 1)], "maxiter": 1_000_000, "trace": True}
runs = {
    method: symgd.minimize(online, 0, method=rule, **adam.hyperparameters, **run).trace
    for method, rule in (("adam", adam), ("amsgrad", "amsgrad"))
}

# Regret is what was lost to one who stays at the best point. In row k of a trace is
# f_(k+1), which update k + 1 goes by; the last row has made its update already.
best = symgd.minimize(online, -1, method="gd", step_size=0, **run).trace
updates = np.arange(1, len(best))
regret = {m: np.cumsum((r.fun - best.fun)[:-1]) / updates for m, r in runs.items()}

print("updates" + "".join(f"{method:>10}  regret" for method in runs))
for k in 10 ** np.arange(2, 7):
    columns = (f"{runs[m].x[k, 0]:10.4f}{regret[m][k - 1]:8.4f}" for m in runs)
    print(f"{k:7}" + "".join(columns))

shown = np.unique(np.geomspace(1, 1_000_000, 600).astype(int))
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for method, trace in runs.items():
    left.semilogx(shown, trace.x[shown, 0], label=method)
    right.loglog(shown, np.maximum(regret[method][shown - 1], 1e-3), label=method)
left.set(xlabel="updates", ylabel="x", title="the best point is -1")
right.set(xlabel="updates", ylabel="mean regret", title="what was lost so far, a step")
right.legend()
plt.show()
