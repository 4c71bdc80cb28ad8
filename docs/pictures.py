"""The pictures of README and pages: ``python docs/pictures.py`` makes them anew."""

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


def bends() -> Figure:
    """Draw what is convex below its chord and above its tangent, and what isn't."""
    figure = Figure(figsize=(9.2, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    x = np.linspace(-2, 2, 400)
    left.plot(x, x**2, color="C0")
    left.plot([-1.5, 1], [2.25, 1], "o-", color="C1", label="chord: above")
    left.plot(x, 1 + 2 * (x - 1), color="C2", ls="--", label="tangent: below")
    left.set(title="$x^2$: convex", ylim=(-1.2, 4))
    bent = symgd.analyze("x**4 - 2*x**2", [(-2, 2)])
    at, along = bent.witness.x["x"], bent.witness.curvature
    middle.plot(x, x**4 - 2 * x**2, color="C0")
    near = np.linspace(at - 0.6, at + 0.6, 50)
    height = at**4 - 2 * at**2
    slope = 4 * at**3 - 4 * at
    arc = height + slope * (near - at) + along / 2 * (near - at) ** 2
    middle.plot(near, arc, color="C3", lw=2.5, label=f"witness: curvature {along:.3g}")
    middle.set(title="$x^4 - 2x^2$: not convex", ylim=(-1.5, 1.6))
    right.plot(x, 0.5 * x**2, color="C4", ls="--", label="mu = 1")
    right.plot(x, x**2 + 0.5 * (np.cos(2 * x) - 1) / 2, color="C0", label="f")
    right.plot(x, 1.5 * x**2, color="C5", ls=":", label="L = 3")
    right.set(title="between two parabolas", ylim=(-0.3, 4))
    for ax in (left, middle, right):
        ax.legend(fontsize="small", loc="upper center")
        ax.set_xlabel("x")
    return figure


def rates() -> Figure:
    """Draw runs beside the rates that are proven, and AMSGrad, of which none is."""
    f = "x**2 + 10*y**2"
    proven = symgd.analyze(f)
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    ax = figure.subplots()
    for colour, (name, step) in enumerate(proven.steps.items()):
        more = {} if step.momentum is None else {"momentum": step.momentum}
        run = symgd.minimize(
            *(f, [1, 1]),
            method=step.method,
            step_size=step.step_size,
            maxiter=120,
            trace=True,
            **more,
        )
        t, x = run.trace.t, np.hypot(*run.trace.x.T)
        ax.semilogy(t, x, color=f"C{colour}", label=f"{name}: rate {step.rate:.3g}")
        if step.momentum is None:  # of every iteration, not of the end
            ax.semilogy(t, x[0] * step.rate**t, color=f"C{colour}", ls=":", lw=2)
    run = symgd.minimize(
        f, [1, 1], method="amsgrad", step_size=0.1, maxiter=120, trace=True
    )
    ax.semilogy(run.trace.t, np.hypot(*run.trace.x.T), color="0.4", label="amsgrad")
    ax.set(xlabel="iteration", ylabel="distance to the minimum", ylim=(1e-10, 3))
    ax.set_title(
        "$x^2 + 10y^2$; dotted: what is proven of every iteration", fontsize="medium"
    )
    ax.legend(fontsize="small")
    return figure


def main() -> None:
    """Draw them; at this size they are small files."""
    FOLDER.mkdir(exist_ok=True)
    drawn = {"path": paths(), "sweep": grid(), "bends": bends(), "rates": rates()}
    for name, figure in drawn.items():
        figure.savefig(FOLDER / f"{name}.png", dpi=100)


if __name__ == "__main__":
    main()
