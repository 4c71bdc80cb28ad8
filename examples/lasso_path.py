"""
Which columns matter
====================

The lasso (Tibshirani 1996): least squares with a price on ``abs`` of each weight. The
higher the price, the more weights are 0, and not nearly: they are put on their kinks
exactly. The price is a parameter, so that nothing is compiled again.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

rng = np.random.default_rng(3)
A = rng.normal(size=(200, 12))
y = A[:, :4] @ [3.0, -2.0, 1.0, 0.5] + rng.normal(size=200)

lasso = symgd.Objective(
    "sum((y[i] - sum(A[i, j]*w[j] for j in range(m)))**2 for i in range(n))"
    " + price*sum(abs(w[j]) for j in range(m))",
    data={"A": A, "y": y},
    parameters={"price": 1.0},
)
prices = np.geomspace(1, 2000, 40)
start, path = np.zeros(12), []
for price in prices[::-1]:
    result = symgd.minimize(lasso.with_parameters(price=price), start)
    assert result.success
    start = result.x
    path.insert(0, start)
weights = np.array(path)
for price, row in zip(prices[::13], weights[::13], strict=True):
    print(f"price {price:6.1f}: {np.count_nonzero(row)} of 12 weights are not 0")

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
axes.semilogx(prices, weights[:, 4:], color="0.75")
for j, true in enumerate([3.0, -2.0, 1.0, 0.5]):
    axes.semilogx(prices, weights[:, j], label=f"truly {true:g}")
axes.set(xlabel="price of a weight", ylabel="weights", xlim=(prices[0], prices[-1]))
axes.legend(title="others in grey", loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()
