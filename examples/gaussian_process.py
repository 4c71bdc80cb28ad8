"""
How smooth a curve is, by the likelihood of a Gaussian process
==============================================================

A curve through noisy points, and its three scales: how high it swings, over which
length, and how large the noise is. They are those that make the points most likely,
with ``log det K`` and ``solve(K, y)`` of the covariances K (Rasmussen and Williams
2006, equation 5.8). For each length NumPy factors the part of K that is constant, once:
by its eigenvalues, determinant and solution are sums over the points, formulas of
height and noise.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

rng = np.random.default_rng(2)
t = np.sort(rng.uniform(0, 10, 60))
y = np.sin(1.3 * t) + 0.5 * np.cos(0.4 * t) + 0.2 * rng.normal(size=60)


def covariance(one, other, length):
    return np.exp(-(((one[:, None] - other) / length) ** 2) / 2)


# K is height**2*C + noise**2, and C has these eigenvalues: of y, u is what lies along.
SURPRISE = "sum(log(2*pi*K) + u**2/K)/2".replace("K", "(height**2*value + noise**2)")
lengths = np.geomspace(0.2, 5, 40)
bounds = {"height": (0.01, 10), "noise": (0.01, 10)}
ends = []
for length in lengths:
    values, vectors = np.linalg.eigh(covariance(t, t, length))
    data = {"value": np.maximum(values, 0), "u": vectors.T @ y}
    surprise = symgd.Objective(SURPRISE, data=data)
    ends.append(symgd.minimize(surprise, {"height": 1, "noise": 0.3}, bounds=bounds))
assert all(end.success for end in ends)
best = min(range(40), key=lambda k: ends[k].fun)
length, scales = lengths[best], ends[best].values
height, noise = scales["height"], scales["noise"]
print(f"length {length:.2f}, height {height:.2f}")
print(f"noise {noise:.2f}, of which 0.20 is true")

K = height**2 * covariance(t, t, length) + noise**2 * np.eye(60)
likelihood = (np.linalg.slogdet(2 * np.pi * K)[1] + y @ np.linalg.solve(K, y)) / 2
print(f"log det and solve by NumPy: {abs(likelihood / ends[best].fun - 1):.0e} away")

at = np.linspace(0, 10, 300)
across = height**2 * covariance(at, t, length)
middle = across @ np.linalg.solve(K, y)
spread = height**2 - np.sum(across * np.linalg.solve(K, across.T).T, axis=1)
band = 2 * np.sqrt(np.maximum(spread, 0))
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.semilogx(lengths, [-end.fun for end in ends])
left.axvline(length, color="0.7")
left.set(xlabel="length", ylabel="log of the likelihood")
right.plot(t, y, ".", color="0.5")
right.plot(at, middle)
right.fill_between(at, middle - band, middle + band, alpha=0.2)
right.set(xlabel="t", ylabel="y")
plt.show()
