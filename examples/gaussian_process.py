"""
How smooth a curve is, by the likelihood of a Gaussian process
==============================================================

A curve through noisy points, and its three scales: how high it swings, over which
length, and how large the noise is. They are those that make the points most likely
(Rasmussen and Williams 2006, equation 5.8), as it is written there: with the
determinant of the covariances K, and the solution of a linear system. K is factored
anew at each step, natively; the gradient is exact, by a rule for the whole matrix.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

rng = np.random.default_rng(2)
t = np.sort(rng.uniform(0, 10, 60))
y = np.sin(1.3 * t) + 0.5 * np.cos(0.4 * t) + 0.2 * rng.normal(size=60)


@symgd.objective
def surprise(height, length, noise):
    distances = t[:, None] - t
    K = height**2 * np.exp(-((distances / length) ** 2) / 2)
    K = K + noise**2 * np.eye(len(t))
    return (np.linalg.slogdet(2 * np.pi * K)[1] + y @ np.linalg.solve(K, y)) / 2


bounds = {"height": (0.01, 10), "length": (0.1, 10), "noise": (0.01, 10)}
found = symgd.minimize(surprise, {"height": 1, "length": 1, "noise": 1}, bounds=bounds)
assert found.success
height, length, noise = found.x
print(f"length {length:.2f}, height {height:.2f}")
print(f"noise {noise:.2f}, of which 0.20 is true")


def covariance(one, other):
    return height**2 * np.exp(-(((one[:, None] - other) / length) ** 2) / 2)


K = covariance(t, t) + noise**2 * np.eye(60)
likelihood = (np.linalg.slogdet(2 * np.pi * K)[1] + y @ np.linalg.solve(K, y)) / 2
print("as by NumPy:", np.isclose(likelihood, found.fun, rtol=1e-10, atol=0))

at = np.linspace(0, 10, 300)
across = covariance(at, t)
middle = across @ np.linalg.solve(K, y)
spread = height**2 - np.sum(across * np.linalg.solve(K, across.T).T, axis=1)
band = 2 * np.sqrt(np.maximum(spread, 0))
lengths = np.geomspace(0.3, 5, 60)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.semilogx(lengths, [-surprise.value([height, each, noise]) for each in lengths])
left.axvline(length, color="0.7")
left.set(xlabel="length", ylabel="log of the likelihood")
right.plot(t, y, ".", color="0.5")
right.plot(at, middle)
right.fill_between(at, middle - band, middle + band, alpha=0.2)
right.set(xlabel="t", ylabel="y")
plt.show()
