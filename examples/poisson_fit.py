"""
A peak of counts, by its likelihood
===================================

A spectrum of few counts: most channels have none, one or two. Least squares need a
sigma for each channel. The root of its own count, as is often taken (and 1 for none),
makes channels with few counts by chance the surest ones: the background is too low. The
likelihood of counts is Poisson's; its errors are those of Fisher's information.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

rng = np.random.default_rng(3)
channel = np.arange(120.0)
true = {"area": 90.0, "background": 1.2, "place": 63.0, "width": 4.0}
peak = "area*exp(-((channel - place)/width)**2/2)/(width*sqrt(2*pi)) + background"
shape = np.exp(-(((channel - true["place"]) / true["width"]) ** 2) / 2)
rate = true["area"] * shape / (true["width"] * np.sqrt(2 * np.pi)) + true["background"]
data = {"channel": channel, "counts": rng.poisson(rate)}

bounds = {"width": (0.5, 30)}
fit = symgd.fit(peak, data, "counts", bounds=bounds, loss="poisson")
print(fit)

sigma = np.sqrt(np.maximum(data["counts"], 1))
least = symgd.fit(peak, data, "counts", bounds=bounds, sigma=sigma)
fits = {"likelihood": fit, "squares by sqrt(counts)": least}
print("\nbackground, of which 1.2 is true")
for name, each in fits.items():
    value, error = each.parameters["background"], each.standard_errors["background"]
    print(f"{name}: {value:.3f} ± {error:.3f}")
print(fit.profile("area"))

figure, ax = plt.subplots(layout="constrained")
ax.step(channel, data["counts"], where="mid", color="0.6", label="counts")
ax.plot(channel, rate, ":", color="black", label="true")
for name, each in fits.items():
    band = each.predict({"channel": channel}, level=0.95)
    (line,) = ax.plot(channel, band.value, label=name)
    ax.fill_between(channel, band.lower, band.upper, color=line.get_color(), alpha=0.2)
ax.set(xlabel="channel", ylabel="counts")
ax.legend()
plt.show()
