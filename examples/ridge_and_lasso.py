"""
Ridge and lasso, each in one line
=================================

Least squares with a price on the weights, as the books print it (Hoerl and Kennard
1970; Tibshirani 1996). The squares shrink all weights and make none of them 0; the
absolute values put those that don't matter at 0 exactly.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

rng = np.random.default_rng(5)
A = rng.normal(size=(80, 10))
b = A[:, :3] @ [4.0, -2.0, 1.0] + rng.normal(size=80)
data = {"A": A, "b": b}

ridge = symgd.minimize(symgd.Objective("norm(A @ x - b)**2 + 60*norm(x)**2", data=data))
lasso = symgd.minimize(symgd.Objective("norm(A @ x - b)**2 + 60*norm(x, 1)", data=data))

exact = np.linalg.solve(A.T @ A + 60 * np.eye(10), A.T @ b)
print(f"ridge: {np.abs(ridge.x - exact).max():.1e} from the solution by linear algebra")
print(f"ridge: {np.count_nonzero(ridge.x)} of 10 weights are not 0")
print(f"lasso: {np.count_nonzero(lasso.x)} of 10 weights are not 0")

figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
places = np.arange(10)
ax.bar(places - 0.2, ridge.x, 0.4, label="ridge")
ax.bar(places + 0.2, lasso.x, 0.4, label="lasso")
ax.plot(places[:3], [4, -2, 1], "_", color="black", markersize=20, label="true")
ax.set(xlabel="column", ylabel="weight", xticks=places)
ax.legend()
plt.show()
