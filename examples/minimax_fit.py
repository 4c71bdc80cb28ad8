"""
The polynomial that errs least at worst
=======================================

The largest error of a polynomial that stands for ``exp(x)``, as small as it can be:
a norm that is the largest of many ``abs``. Chebyshev 1854: at the best one of degree 4
the error has its largest size six times, with signs that alternate. Least squares err
twice as much, at the ends.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

DEGREE = 4
x = np.linspace(-1, 1, 81)
data = {"powers": np.vander(x, DEGREE + 1, increasing=True), "y": np.exp(x)}
result = symgd.minimize(symgd.Objective("norm(y - powers @ a, inf)", data=data))

best = np.polynomial.Polynomial(result.x)
squares = np.polynomial.Polynomial.fit(x, np.exp(x), DEGREE).convert()
print(f"{result.status.name}: the largest error is {result.fun:.6f}")
print(f"least squares: {np.abs(squares(x) - np.exp(x)).max():.6f}")
error = best(x) - np.exp(x)
extreme = np.abs(np.abs(error) - result.fun) < 1e-9 * result.fun
print(f"it is reached {extreme.sum()} times:", *np.sign(error[extreme]).astype(int))

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
axes.axhspan(-result.fun, result.fun, color="0.92")
axes.plot(x, squares(x) - np.exp(x), color="C1", label="least squares")
axes.plot(x, error, color="C0", label="least at worst")
axes.plot(x[extreme], error[extreme], "o", color="C0")
axes.set(xlabel="x", ylabel="error of the polynomial", xlim=(-1.03, 1.03))
axes.legend()
plt.show()
