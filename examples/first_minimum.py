"""
From a formula to its minimum
=============================

Rosenbrock's valley, which is easy to enter and slow to follow. A formula and a start
are all that is given: the gradient and the Hessian are derived, the method finds its
steps, and the result says how the run ended, and how one can tell.
"""

import matplotlib.pyplot as plt

import symgd

valley = "(1 - x)**2 + 100*(y - x**2)**2"
result = symgd.minimize(valley, [-1.2, 1], trace=True)
print(result)

result.plot()
plt.show()

# %%
# The same run as a surface; pictures are matplotlib's, to be changed at will.

symgd.plot(result, kind="surface")
plt.show()
