"""Pictures of sweeps: what is drawn, read back from the artists."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from symgd import InputError, Objective, Status, analyze, sweep
from symgd.plotting.door import save
from symgd.plotting.sweep_map import Side, plot
from tests.problems import ROSENBROCK

STEPS, MOMENTA = np.geomspace(1e-4, 1e-1, 7), np.linspace(0, 0.9, 4)


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def grid():
    return sweep(
        ROSENBROCK,
        [-1.2, 1],
        method="momentum",
        step_size=STEPS,
        momentum=MOMENTA,
        maxiter=2000,
    )


@pytest.fixture(scope="module")
def row():
    options = {"method": "momentum", "maxiter": 2000}
    return sweep(ROSENBROCK, [-1.2, 1], step_size=STEPS, **options)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def named(ax, label):
    (line,) = (line for line in ax.lines if str(line.get_label()).startswith(label))
    return line


def test_two_axes_are_a_map(grid, ax):
    assert grid.plot(ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step_size", "momentum")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert ax.get_title().startswith(r"momentum on $\left(1 - x\right)^{2}")
    (mesh,) = ax.collections
    gap = grid.fun - grid.best.fun
    diverged = grid.status == Status.DIVERGED
    assert diverged.any()
    np.testing.assert_array_equal(np.ma.getmaskarray(mesh.get_array()), diverged.T)
    np.testing.assert_array_equal(mesh.get_array().compressed(), gap.T[~diverged.T])
    assert isinstance(mesh.norm, SymLogNorm)
    assert legend(ax) == ["diverged", f"lowest f = {grid.best.fun:.4g}"]
    assert ax.patch.get_hatch()
    star = named(ax, "lowest")
    place = [star.get_xdata()[0], star.get_ydata()[0]]
    np.testing.assert_allclose(place, list(grid.best_at.values()))
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "final f above the lowest"
    low, high = ax.get_xlim()
    assert low < STEPS[0] < STEPS[-1] < high


@pytest.mark.parametrize(
    ("value", "norm"), [("nit", Normalize), ("grad_norm", LogNorm)]
)
def test_other_values_have_a_scale_that_fits(grid, ax, value, norm):
    grid.plot(ax, value)
    (mesh,) = ax.collections
    kept = (grid.status != Status.DIVERGED).T
    assert type(mesh.norm) is norm
    expected = getattr(grid, value).T[kept]
    np.testing.assert_array_equal(mesh.get_array().compressed(), expected)


def test_statuses_are_named(grid, row, ax):
    grid.plot(ax, "status")
    assert legend(ax)[:3] == ["CONVERGED", "MAXITER", "diverged"]
    assert len(ax.figure.axes) == 1
    flat = row.plot(Figure().subplots(), value="status")
    labels = [label.get_text() for label in flat.get_yticklabels()]
    assert labels == [s.name for s in Status if (row.status == s).any()]


def test_one_axis_is_a_curve(row, ax):
    row.plot(ax)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "symlog")
    diverged = row.status == Status.DIVERGED
    curve = ax.lines[0].get_ydata()
    np.testing.assert_array_equal(curve[~diverged], (row.fun - row.best.fun)[~diverged])
    assert np.isnan(curve[diverged]).all()
    np.testing.assert_array_equal(named(ax, "diverged").get_xdata(), STEPS[diverged])
    assert named(ax, "lowest").get_ydata() == [0]
    assert ax.get_ylim()[0] < 0 < np.nanmax(curve) < ax.get_ylim()[1]


def test_close_values_keep_a_plain_scale(ax):
    grid = sweep("x**2 - 5", 1.0, method="gd", step_size=[0.1, 0.11, 0.12], maxiter=3)
    grid.plot(ax)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    assert ax.get_ylabel() == "final f"
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), grid.fun)


def test_all_may_have_diverged(tmp_path):
    options = {"method": "momentum", "step_size": [5, 6], "maxiter": 100}
    for extra in ({}, {"momentum": [0.1, 0.2]}):
        grid = sweep("x**4", 3.0, **extra, **options)
        for value in ("fun", "nit", "status"):
            save(grid, tmp_path / "grid.png", value=value)
        ax = grid.plot(Figure().subplots())
        assert legend(ax) == ["diverged"]


def test_all_may_be_the_same(tmp_path):
    options = {"method": "momentum", "step_size": [0.1, 0.2], "maxiter": 0}
    for extra in ({}, {"momentum": [0.1, 0.2]}):
        grid = sweep("x**2", 3.0, **extra, **options)
        for value, same in (("fun", 9.0), ("nit", 0), ("grad_norm", 6.0)):
            save(grid, tmp_path / "grid.svg", value=value)  # no warning is raised
            ax = grid.plot(ax=Figure().subplots(), value=value)
            drawn = ax.collections[0].get_array() if extra else ax.lines[0].get_ydata()
            assert drawn.ravel().tolist() == [same] * grid.fun.size
            assert legend(ax) == ["lowest f = 9"]
            low, high = ax.get_ylim()
            assert low < (0.1 if extra else same) < high


def test_each_parameter_has_its_own_lowest_value(ax):
    objective = Objective("a*(x - 1)**2 + a", parameters={"a": 1})
    steps, a = [0.001, 0.01, 0.1], [1, 2, 3]
    options = {"method": "gd", "step_size": steps, "maxiter": 50}
    grid = sweep(objective, 2.0, parameters={"a": a}, **options)
    grid.plot(ax)
    (mesh,) = ax.collections
    expected = grid.fun - grid.fun.min(axis=0)
    np.testing.assert_array_equal(mesh.get_array(), expected.T)
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "final f above the lowest for each a"


def test_more_axes_are_sliced(ax):
    names = {"step_size": [0.1, 0.2], "beta1": [0.5, 0.9], "beta2": [0.9, 0.99, 0.999]}
    grid = sweep("x**2", 3.0, method="amsgrad", maxiter=3, **names)
    with pytest.raises(InputError, match=r"has 3: step_size, beta1, beta2; fix .*at="):
        grid.plot(ax)
    grid.plot(ax, at={"beta2": 0.99})
    (mesh,) = ax.collections
    kept = grid.fun[:, :, 1].T
    np.testing.assert_array_equal(mesh.get_array(), kept)
    flat = grid.plot(Figure().subplots(), at={"beta2": 0.9, "step_size": 0.2})
    assert flat.get_xlabel() == "beta1"
    np.testing.assert_array_equal(flat.lines[0].get_ydata(), grid.fun[1, :, 0])
    point = grid.plot(
        Figure().subplots(), at={"beta2": 0.9, "step_size": 0.2, "beta1": 0.5}
    )
    assert point.lines[0].get_ydata() == [grid.fun[1, 0, 0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"value": "speed"}, "unknown value to draw 'speed'"),
        ({"at": {"momentum": 0.4}}, "momentum has no value 0.4; accepted: 0, 0.3"),
        ({"at": {"mass": 0.4}}, "unknown axis 'mass'"),
    ],
)
def test_bad_pictures(grid, ax, options, message):
    with pytest.raises(InputError, match=message):
        grid.plot(ax, **options)


def test_bad_files(grid, tmp_path):
    with pytest.raises(InputError, match="no known format"):
        save(grid, "picture.xyz")
    with pytest.raises(InputError, match="can't write"):
        save(grid, tmp_path / "no" / "picture.png")


def test_values_in_any_order_and_twice(ax):
    options = {"method": "gd", "maxiter": 5}
    grid = sweep("x**2", 1.0, step_size=[0.2, 0.1, 0.2, 0.3], **options)
    grid.plot(ax)
    assert ax.lines[0].get_xdata().tolist() == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("values", "spacing"),
    [
        ([1e-4, 1e-3, 1e-2], "log"),
        ([0.001, 0.003, 0.01, 0.03], "log"),
        ([0, 0.1, 0.2], "linear"),
        ([0.1, 1], "log"),
        ([0.1, 0.2], "linear"),
        ([0, 0.5, 0.9, 0.99], ""),
    ],
)
def test_spacing(values, spacing):
    side = Side("name", np.array(values))
    assert side.spacing == spacing
    middles, edges = side.edges()
    assert (edges[:-1] < middles).all()
    assert (middles < edges[1:]).all()


def test_uneven_values_have_cells_of_one_size(ax):
    options = {"method": "momentum", "maxiter": 5, "step_size": [0.1, 0.2]}
    grid = sweep("x**2", 1.0, momentum=[0, 0.5, 0.9, 0.99], **options)
    grid.plot(ax)
    assert ax.get_xticks().tolist() == [0, 1, 2, 3]
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["0", "0.5", "0.9", "0.99"]


def test_a_figure_of_its_own_is_not_shown(row, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("show was called"))
    assert plot(row).figure in map(plt.figure, plt.get_fignums())
    plt.close("all")


@pytest.mark.parametrize("more", [{}, {"momentum": [0, 0.3, 0.6]}])
def test_proven_steps_are_marked_on_their_axis(ax, more):
    f = "x**2 + 10*y**2"
    method = "momentum" if more else "gd"
    steps = np.geomspace(1e-3, 0.3, 9)
    done = sweep(f, [1, 1], method=method, step_size=steps, maxiter=50, **more)
    plot(done, ax=ax, proven=analyze(f))
    lines = {line.get_label(): line.get_xdata()[0] for line in ax.lines}
    assert lines["1/L, safe"] == pytest.approx(1 / 20)
    assert lines["2/L"] == pytest.approx(2 / 20)
    other = Figure().subplots()
    short = sweep(f, [1, 1], method="gd", step_size=[0.01, 0.02])
    plot(short, ax=other, proven=analyze(f))
    assert not {line.get_label() for line in other.lines} & {"1/L, safe", "2/L"}
