"""
The smallest circle around points
=================================

Sylvester 1857: where to stand so that the farthest point is as near as can be, a
``max`` of distances. Two or three points hold the circle. Where the sum of distances
is least is elsewhere: Weber's problem, whose kinks are the points themselves.
"""

import matplotlib.pyplot as plt
import numpy as np

import symgd

rng = np.random.default_rng(5)
points = rng.normal(size=(25, 2)) * [2.0, 1.0]
distances = [f"sqrt((x - ({a!r}))**2 + (y - ({b!r}))**2)" for a, b in points.tolist()]

circle = symgd.minimize(f"max({', '.join(distances)})")
centre, radius = circle.x, circle.fun
far = np.linalg.norm(points - centre, axis=1)
holding = points[far > radius - 1e-9]
print(f"{circle.status.name}: radius {radius:.6f}, held by {len(holding)} points")

median = symgd.minimize(" + ".join(distances))
print(f"the sum of distances is least, {median.fun:.4f}, elsewhere:", median.x.round(3))

figure, axes = plt.subplots(figsize=(6, 4.6), layout="constrained")
axes.add_patch(plt.Circle(centre, radius, fill=False, color="C0"))
axes.plot(*points.T, "o", color="0.6", label="points")
axes.plot(*holding.T, "o", color="C0", label="that hold the circle")
axes.plot(*centre, "+", color="C0", markersize=12, label="its centre")
axes.plot(*median.x, "x", color="C1", markersize=9, label="nearest to all together")
axes.set_aspect("equal")
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()
