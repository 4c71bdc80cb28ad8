"""
An image without its noise
==========================

Total-variation denoising, where each pixel is a variable. Rudin, Osher and Fatemi 1992:
near to the noisy image, but with small differences between neighbours. Their absolute
values, not their squares, so that edges stay.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

SIDE = 64
row, column = np.mgrid[:SIDE, :SIDE] / SIDE
true = np.zeros((SIDE, SIDE))
true[np.hypot(row - 0.5, column - 0.5) < 0.4] = 0.5
true[np.hypot(row - 0.4, column - 0.4) < 0.15] = 1.0
true[(np.abs(row - 0.65) < 0.1) & (np.abs(column - 0.6) < 0.15)] = 0.0
noisy = true + np.random.default_rng(0).normal(scale=0.2, size=true.shape)

energy = symgd.Objective(
    "sum((u[i, j] - b[i, j])**2 for i in range(n) for j in range(m))"
    " + weight*sum(sqrt((u[i + 1, j] - u[i, j])**2 + (u[i, j + 1] - u[i, j])**2 + eps)"
    " for i in range(n - 1) for j in range(m - 1))",
    data={"b": noisy},
    parameters={"weight": 0.4, "eps": 1e-4},
)
result = symgd.minimize(energy, {"u": noisy}, gtol=1e-5)
denoised = result.values["u"]


def noise(image):
    return np.sqrt(np.mean((image - true) ** 2))


print(f"{denoised.size} variables: {result.status.name}, {result.nit} iterations")
print(f"energy: {energy.value(noisy):.3f} before, {result.fun:.3f} after")
print(f"noise (rms): {noise(noisy):.4f} before, {noise(denoised):.4f} after")

figure = plt.figure(figsize=(9, 3.35), layout="constrained")
images = {
    f"noisy: rms {noise(noisy):.3f}": noisy,
    f"denoised: rms {noise(denoised):.3f}": denoised,
    "true": true,
}
for axes, (title, image) in zip(figure.subplots(1, 3), images.items(), strict=True):
    axes.imshow(image, cmap="gray", vmin=-0.2, vmax=1.2)
    axes.set_title(title)
    axes.set_axis_off()
plt.show()
