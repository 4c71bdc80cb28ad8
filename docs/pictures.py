"""The two pictures of the README: ``python docs/pictures.py`` makes them anew."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import symgd

FOLDER = Path(__file__).parent / "pictures"
VALLEY = "(1 - x)**2 + 100*(y - x**2)**2"


def paths() -> Figure:
    """Draw three methods from one start."""
    run = {"maxiter": 3000, "trace": True}
    valley = symgd.Objective(VALLEY)
    results = [
        symgd.minimize(valley, [-1.2, 1], **run),
        symgd.minimize(valley, [-1.2, 1], method="momentum", step_size=5e-4, **run),
        symgd.minimize(valley, [-1.2, 1], method="amsgrad", step_size=0.1, **run),
    ]
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    symgd.plot(results, ax=figure.subplots(), window=[(-1.7, 1.7), (-0.6, 2.9)])
    return figure


def grid() -> Figure:
    """Draw every step size with every momentum."""
    swept = symgd.sweep(
        VALLEY,
        [-1.2, 1],
        method="momentum",
        step_size=np.geomspace(1e-4, 1e-2, 50),
        momentum=np.linspace(0, 0.98, 40),
        maxiter=1000,
    )
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    swept.plot(ax=figure.subplots())
    return figure


def main() -> None:
    """Draw them; at this size they are small files."""
    FOLDER.mkdir(exist_ok=True)
    for name, figure in {"path": paths(), "sweep": grid()}.items():
        figure.savefig(FOLDER / f"{name}.png", dpi=100)


if __name__ == "__main__":
    main()
