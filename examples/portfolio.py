"""
A portfolio on a budget
=======================

Shares of the money in five funds, none below 0, that sum to 1 and promise a gain: which
have the least variance? The multiplier of the gain is what the last percent costs.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

rng = np.random.default_rng(4)
gains = np.array([0.02, 0.04, 0.07, 0.09, 0.12])
factors = rng.normal(size=(5, 3)) * gains[:, None]
covariance = factors @ factors.T + np.diag((0.8 * gains) ** 2)

variance = symgd.Objective(
    "sum(sum(S[i, j]*w[i]*w[j] for j in range(n)) for i in range(n))",
    data={"S": covariance, "m": gains},
    parameters={"wanted": 0.07},
    subject_to={
        "budget": "sum(w[i] for i in range(n)) == 1",
        "gain": "sum(m[i]*w[i] for i in range(n)) >= wanted",
        "no debts": "w[i] >= 0 for i in range(n)",
    },
)
result = symgd.minimize(variance)
print(result)

wanted = np.linspace(0.04, 0.115, 40)
frontier = [symgd.minimize(variance.with_parameters(wanted=w)) for w in wanted]
deviation = np.sqrt([each.fun for each in frontier])
price = np.array([each.multipliers["gain"] for each in frontier])
slope = np.gradient(deviation**2, wanted)
print(f"the last percent at 0.09 costs {np.interp(0.09, wanted, price) / 100:.5f}")

figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
axes[0].plot(deviation, wanted, linewidth=2)
axes[0].scatter(np.sqrt(np.diag(covariance)), gains, color="#d55e00", zorder=3)
axes[0].set(xlabel="standard deviation", ylabel="gain", title="frontier, and the funds")
shares = np.array([each.x for each in frontier]).T
axes[1].stackplot(wanted, shares, labels=[f"{gain:.0%}" for gain in gains])
axes[1].set(xlabel="gain wanted", ylabel="share", title="what it is made of")
axes[1].legend(title="gain of a fund", fontsize="small", loc="lower left")
axes[2].plot(wanted, price, linewidth=2, label="multiplier of the gain")
axes[2].plot(wanted, slope, "--", color="#d55e00", label="slope of the least variance")
axes[2].set(xlabel="gain wanted", title="what a little more gain costs")
axes[2].legend(fontsize="small")
plt.show()
