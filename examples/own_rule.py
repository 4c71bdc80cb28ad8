"""
A method of one's own
=====================

Type its equations, and it runs at native speed. The rule below is made up for this
example: Adam's direction, halved in coordinates where it disagrees with the gradient.
"""

import matplotlib.pyplot as plt

import symgd

cautious = symgd.Rule(
    "cautious",
    """
    # Made up here, after Kingma and Ba 2015 (Adam)
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g**2
    d = m/(1 - beta1**t)/(sqrt(v/(1 - beta2**t)) + eps)
    x = x - step_size*(d if d*g > 0 else d/2)
    """,
    step_size="0.05/sqrt(1 + t/1000)",
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
)
print(cautious)

rosenbrock = "(1 - x)**2 + 100*(y - x**2)**2"
results = []
for method in (cautious, "amsgrad"):
    result = symgd.minimize(
        rosenbrock, [-1.2, 1], method=method, maxiter=50_000, trace=True
    )
    print(f"{result.method}: f = {result.fun:.3g}, {result.status.name}, {result.nit}")
    results.append(result)

symgd.plot(results)
plt.show()
