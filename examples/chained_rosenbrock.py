"""
A million variables
===================

One formula, compiled once for all lengths. The sum stays a sum: its gradient is derived
by one element, and what is compiled is a loop. So ten variables and a million need the
same code, and the same time to compile.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import symgd

CHAIN = "sum(100*(x[i + 1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))"
print(symgd.Objective(CHAIN).source)

rng = np.random.default_rng(0)
results = {}
for n in (10, 1000, 1_000_000):
    begun = time.perf_counter()
    chain = symgd.Objective(CHAIN, sizes={"n": n})
    start = rng.uniform(0.5, 1.5, n)
    value, gradient = chain.value_and_grad(start)  # the first one has it compiled
    seconds = time.perf_counter() - begun
    print(f"n = {n}: f = {value:.6g}, |gradient| = {np.linalg.norm(gradient):.6g}")

    result = results[n] = symgd.minimize(chain, start, trace=n < 10**6)
    off = np.abs(result.values["x"] - 1).max()
    print(f"  {result.status.name} at f = {result.fun:.0e}, {off:.0e} from the minimum")
    print(f"  seconds: {seconds:.2g} to compile and evaluate, {result.seconds:.2g} for")
    print(f"  {result.nit} iterations of the default method")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for n, result in results.items():
    if result.trace is not None:
        left.semilogy(result.trace.t, result.trace.grad_norm, label=f"n = {n}")
left.set(xlabel="iteration", ylabel="largest component of the gradient")
left.legend()
ends = np.abs(results[1_000_000].values["x"] - 1)
right.hist(np.log10(np.maximum(ends, 1e-17)), bins=60, color="#44546a")
right.set(xlabel="log10 of the distance from 1", ylabel="of a million variables")
plt.show()
