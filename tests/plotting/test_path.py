"""Pictures: what is drawn, read back from the artists."""

from __future__ import annotations

import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.image import imread

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import symgd
from symgd import InputError
from symgd.plotting import path as plotting
from symgd.plotting.door import save
from symgd.plotting.path import plot

ROSENBROCK = "(1 - x)**2 + 100*(y - x**2)**2"


def run(objective, x0, method="gd", **options):
    options = {"trace": True, "maxiter": 40, **options}
    return symgd.minimize(objective, x0, method=method, **options)


@pytest.fixture(autouse=True)
def never_shown(monkeypatch):
    plt.close("all")  # what other tests left open
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("show was called"))
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture
def ax3d():
    return Figure().add_subplot(projection="3d")


@pytest.fixture(scope="module")
def parabola():
    return run("x**2", 0.747, step_size=0.1, bounds=(-1, 1))


@pytest.fixture(scope="module")
def rosenbrock():
    return symgd.Objective(ROSENBROCK)


@pytest.fixture(scope="module")
def descent(rosenbrock):
    return run(rosenbrock, [-1.2, 1], step_size=1e-3)


@pytest.fixture(scope="module")
def heavy_ball(rosenbrock):
    return run(rosenbrock, [-1.2, 1], "momentum", step_size=5e-4, maxiter=300)


@pytest.fixture(scope="module")
def domain():
    """Return a run on a function that is not defined for x < 0."""
    return run("x*log(x) + y**2", [1.5, 1], step_size=0.1)


@pytest.fixture(scope="module")
def ascent():
    return symgd.maximize("4 - x**2 - y**2", [1, 0], method="gd", trace=True)


def contours(ax):
    return [c for c in ax.collections if isinstance(c, ContourSet)]


def paths(ax):
    """Return the path lines: not the markers of ends, nor a curve under them."""
    return vars(ax)["_symgd"].lines


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# ------------------------------------------------------------------------- curve


def test_curve_over_the_bounds_and_the_path_on_it(parabola, ax):
    assert parabola.plot(ax) is ax
    curve, path, start, end = ax.lines
    x, f = curve.get_data()
    assert (x[0], x[-1]) == ax.get_xlim() == (-1, 1)
    np.testing.assert_array_equal(f, x**2)
    np.testing.assert_array_equal(path.get_xdata(), parabola.trace.x[:, 0])
    np.testing.assert_array_equal(path.get_ydata(), parabola.trace.fun)
    assert (path.get_marker(), path.get_linestyle()) == ("o", "-")
    assert start.get_xdata().tolist() == [0.747]
    assert end.get_xdata().tolist() == parabola.x.tolist()
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == (
        "x",
        "f(x)",
        "$x^{2}$",
    )


def test_curve_without_bounds_surrounds_the_path(ax):
    run("x**2", 3.0, step_size=0.3).plot(ax)
    low, high = ax.get_xlim()
    assert -1.5 < low < -0.3
    assert 3.3 < high < 5


@pytest.mark.parametrize(("bounds", "expected"), [((0, None), 0), ((3, 3), None)])
def test_curve_stays_within_one_bound_and_opens_a_fixed_variable(ax, bounds, expected):
    run("x**2", 3.0, bounds=bounds, step_size=0.3).plot(ax)
    low, high = ax.get_xlim()
    assert low == (expected if expected is not None else pytest.approx(3 - 0.455))
    assert high > 3


def test_pole_does_not_flatten_the_curve(ax):
    run("1/x**2 + x", 3.0, bounds=(-4, 4)).plot(ax)
    assert ax.get_ylim()[1] < 200  # of 40000 where the grid comes closest to it


def test_curve_of_a_run_that_diverged_shows_its_beginning(ax):
    result = run("x**2", 1.0, step_size=1.1, maxiter=10_000)
    assert result.status.name == "DIVERGED"
    result.plot(ax)
    assert max(np.abs(ax.get_xlim())) < 50
    assert max(np.abs(ax.get_ylim())) < 2500


def test_of_almost_infinite_values_the_finite_ones_are_drawn(parabola, ax, tmp_path):
    window = (-1.3e154, 1.3e154)
    save(parabola, tmp_path / "picture.png", window=window)  # no warning is raised
    plot(parabola, ax=ax, window=window)
    curve, path = ax.lines[:2]
    x, f = np.ma.filled(curve.get_data(), np.nan)
    assert (x[0], x[-1]) == ax.get_xlim() == window
    shown = np.isfinite(f)
    np.testing.assert_array_equal(f[shown], x[shown] ** 2)
    assert np.isfinite(ax.get_ylim()).all()
    np.testing.assert_array_equal(path.get_ydata(), parabola.trace.fun)


# ----------------------------------------------------------------------- contour


def test_contour_with_path_start_and_end(descent, ax):
    plot(descent, ax=ax)
    path, start, end = ax.lines
    np.testing.assert_array_equal(np.transpose(path.get_data()), descent.trace.x)
    assert np.ravel(start.get_data()).tolist() == [-1.2, 1]
    assert np.ravel(end.get_data()).tolist() == descent.x.tolist()
    assert (start.get_marker(), end.get_marker()) == ("o", "*")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    assert legend(ax) == ["gd, step_size=0.001", "start", "end"]
    filled, lines = contours(ax)
    assert filled.filled
    assert not lines.filled
    assert path.get_zorder() > max(filled.get_zorder(), lines.get_zorder())


def test_levels_resolve_the_valley(descent, ax):
    plot(descent, ax=ax, window=[(-2, 2), (-1, 3)])
    levels = contours(ax)[0].levels
    assert levels[-1] > 2000
    assert np.sum(levels < 10) >= 4


def test_levels_of_a_round_bowl_are_evenly_spaced():
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, 301)])
    bowl = np.where(x**2 + y**2 <= 1, x**2 + y**2, np.nan)
    radii = np.sqrt(plotting._levels(bowl, maximized=False))
    np.testing.assert_allclose(np.diff(radii), radii[-1] / plotting.LEVELS, rtol=0.05)


@pytest.mark.parametrize(
    "values", [[np.nan, np.inf], [5.0, 5.0], [-1e299, np.nan, 1e299], [0.0] * 99 + [1]]
)
def test_levels_of_anything_increase(values):
    levels = plotting._levels(np.array(values), maximized=False)
    assert np.isfinite(levels).all()
    assert len(levels) >= 2
    assert (np.diff(levels) > 0).all()


def test_levels_and_colours_of_a_maximum_mirror_those_of_a_minimum():
    f = np.random.default_rng(0).normal(size=1000) ** 3
    low, high = plotting._levels(f, False), plotting._levels(-f, True)
    np.testing.assert_allclose(high, -low[::-1])
    np.testing.assert_allclose(
        plotting._colours(-f, high, True), plotting._colours(f, low, False), atol=0.01
    )
    darkest = plotting._colours(high[-1:], high, True)[0]
    assert tuple(darkest) == pytest.approx(to_rgba(plotting.DEPTHS[0]))


def test_where_the_objective_is_undefined_is_left_blank(domain, ax, tmp_path):
    plot(domain, ax=ax, window={"x": (-1, 2)})
    filled = contours(ax)[0]
    assert np.isfinite(filled.levels).all()
    drawn = np.concatenate([path.vertices for path in filled.get_paths()])
    assert -0.05 < drawn[:, 0].min() <= 0.05
    assert ax.get_xlim() == (-1, 2)
    assert ax.get_facecolor() == to_rgba(plotting.UNDEFINED)
    save(domain, tmp_path / "nothing.png", window=[(-2, -1), (0, 1)])


def test_window_that_is_empty(descent):
    with pytest.raises(InputError, match=r"window .* is empty"):
        plot(descent, ax=Figure().subplots(), window={"x": (1, 1)})


def test_path_along_an_axis_has_room_across(ascent, ax):
    ascent.plot(ax)
    assert np.ptp(ax.get_ylim()) >= np.ptp(ax.get_xlim()) / 2


def test_maximized_result(ascent, ax):
    ascent.plot(ax)
    first, last = contours(ax)[0].get_facecolor()[[0, -1]]
    assert last[0] < first[0]  # the top is darker
    assert len(ascent.trace) > plotting.MOST_DOTS
    assert paths(ax)[0].get_marker() in ("", "None")


# ---------------------------------------------------------------- several results


def test_results_of_one_objective_share_a_picture(descent, heavy_ball, ax):
    plot([descent, heavy_ball], ax=ax)
    first, second = paths(ax)
    np.testing.assert_array_equal(np.transpose(second.get_data()), heavy_ball.trace.x)
    assert first.get_color() != second.get_color()
    labels = ["gd, step_size=0.001", "momentum, step_size=0.0005", "start", "end"]
    assert legend(ax) == labels
    for result in (descent, heavy_ball):
        low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
        assert ((low < result.trace.x) & (result.trace.x < high)).all()


def test_later_result_joins_without_repainting(descent, ax):
    descent.plot(ax)
    background, limits = contours(ax), ax.get_xlim()
    again = run(ROSENBROCK, [0, 0], "momentum", momentum=0.5, step_size=1e-3)
    assert again.plot(ax=ax) is ax
    assert contours(ax) == background
    assert ax.get_xlim() == limits
    first, second = paths(ax)
    assert first.get_color() != second.get_color()
    assert legend(ax)[1] == "momentum, step_size=0.001, momentum=0.5"


def test_cleared_axes_are_painted_anew(descent, ax):
    descent.plot(ax)
    ax.clear()
    descent.plot(ax)
    assert (len(contours(ax)), len(paths(ax))) == (2, 1)
    assert legend(ax)[0] == "gd, step_size=0.001"


def test_different_objectives_are_refused(descent, domain, ax):
    with pytest.raises(InputError, match="different objectives"):
        plot([descent, domain], ax=ax)
    descent.plot(ax)
    with pytest.raises(InputError, match="different objectives"):
        domain.plot(ax)
    assert len(paths(ax)) == 1


@pytest.mark.parametrize(
    "options", [{"kind": "convergence"}, {"quantity": "gap"}, {"window": {"x": (0, 1)}}]
)
def test_joining_changes_nothing(descent, ax, options):
    descent.plot(ax)
    with pytest.raises(InputError, match="only join"):
        descent.plot(ax, **options)


@pytest.mark.parametrize("nothing", [[], [1.0], "x"])
def test_what_is_not_a_result(nothing, ax):
    with pytest.raises(InputError, match="is a Result"):
        plot(nothing, ax=ax)


# ----------------------------------------------------------------------- surface


def test_surface_with_the_path_on_it(descent, ax3d):
    descent.plot(ax3d)  # a 3-D Axes asks for it
    path = ax3d.lines[0]
    x, y, f = path.get_data_3d()
    np.testing.assert_array_equal(np.transpose([x, y]), descent.trace.x)
    np.testing.assert_array_equal(f, descent.trace.fun)
    assert (ax3d.get_xlabel(), ax3d.get_ylabel(), ax3d.get_zlabel()) == ("x", "y", "f")
    assert len(ax3d.collections) == 1
    assert path.get_zorder() > ax3d.collections[0].get_zorder()
    assert not ax3d.computed_zorder


def test_surface_makes_a_3d_axes(descent):
    ax = descent.plot(kind="surface")
    assert ax.name == "3d"
    assert plt.get_fignums() == [ax.figure.number]


def test_surface_hides_what_leaves_it(descent, ax3d):
    descent.plot(ax3d, window={"x": (-1.1, 1)})
    f = ax3d.lines[0].get_data_3d()[2]
    np.testing.assert_array_equal(np.isnan(f), descent.trace.x[:, 0] < -1.1)
    assert np.isnan(f).any()


def test_axes_of_the_wrong_dimension(descent, ax, ax3d):
    with pytest.raises(InputError, match=r"subplot_kw=\{'projection': '3d'\}"):
        descent.plot(ax, kind="surface")
    with pytest.raises(InputError, match=r"plt\.subplots\(\)"):
        descent.plot(ax3d, kind="contour")


# ------------------------------------------------------------------- convergence


def test_convergence_is_the_default_of_many_variables(ax):
    result = run("x**2 + y**2 + z**2", [1, 2, 3])
    result.plot(ax)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), result.trace.t)
    np.testing.assert_array_equal(line.get_ydata(), result.trace.grad_norm)
    assert (ax.get_yscale(), ax.get_xlabel()) == ("log", "iteration")
    assert legend(ax) == ["gd, step_size=0.01"]


def test_gap_is_from_the_best_value_in_the_picture(descent, heavy_ball, ax):
    descent.plot(ax, kind="convergence", quantity="gap")
    gap = ax.lines[0].get_ydata()
    np.testing.assert_array_equal(gap, descent.trace.fun - descent.trace.fun.min())
    heavy_ball.plot(ax)
    best = heavy_ball.trace.fun.min()
    assert best < descent.fun
    for line, result in zip(ax.lines, (descent, heavy_ball), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), result.trace.fun - best)
    assert ax.get_yscale() == "log"


def test_gap_of_a_maximum(ascent, ax):
    ascent.plot(ax, kind="convergence", quantity="gap")
    expected = ascent.trace.fun.max() - ascent.trace.fun
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), expected)


def test_values_have_a_linear_scale(descent, ax):
    descent.plot(ax, kind="convergence", quantity="fun")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), descent.trace.fun)
    assert ax.get_yscale() == "linear"


def test_convergence_that_is_zero_from_the_start(tmp_path):
    save(result := run("x**2", 0.0), tmp_path / "zero.png", kind="convergence")
    ax = result.plot(Figure().subplots(), kind="convergence")
    (line,) = ax.lines
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([0], [0.0])
    assert line.get_marker() != "None", "a line of one point alone would not be seen"
    assert ax.get_yscale() == "linear"
    low, high = ax.get_ylim()
    assert low < 0 < high


# ---------------------------------------------------------------- without a trace


def test_without_trace_start_and_end_are_drawn(rosenbrock, ax, ax3d):
    result = run(rosenbrock, [-1.2, 1], trace=False, step_size=1e-3)
    for axes in (ax, ax3d):
        result.plot(axes)
        path, start, end = axes.lines
        assert path.get_linestyle() == "None"
        assert start.get_xdata().tolist() == [-1.2]
        assert end.get_xdata().tolist() == [result.x[0]]
    with pytest.raises(InputError, match="trace=True"):
        result.plot(kind="convergence")
    assert plt.get_fignums() == []


def test_path_ends_at_the_result_also_if_not_every_iterate_is_kept(rosenbrock, ax):
    result = run(rosenbrock, [-1.2, 1], trace=7, step_size=1e-3)
    result.plot(ax)
    points = np.transpose(paths(ax)[0].get_data())
    np.testing.assert_array_equal(points[:-1], result.trace.x)
    np.testing.assert_array_equal(points[-1], result.x)


# ------------------------------------------------------------------ other arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "contuor"}, "did you mean 'contour'.*curve, contour, surface, conv"),
        ({"kind": "curve"}, "'curve' is for 1 variable.* has 2"),
        ({"quantity": "loss"}, "unknown quantity 'loss'; accepted: grad_norm, gap"),
    ],
)
def test_unknown_choices(descent, options, message):
    with pytest.raises(InputError, match=message):
        descent.plot(**options)
    assert plt.get_fignums() == []


def test_new_figure_is_pyplots_and_given_axes_need_none(descent, ax):
    descent.plot(ax)
    assert plt.get_fignums() == []
    assert len(ax.figure.axes) == 1  # no colour bar takes room from the user's Axes
    new = descent.plot()
    assert plt.gcf() is new.figure
    assert len(new.figure.axes) == 2


def test_labels_are_short(rosenbrock, ax):
    schedule = "+".join(["0.001/t"] * 20)
    run(rosenbrock, [-1, 1], step_size=schedule, maxiter=3).plot(ax)
    assert len(legend(ax)[0]) == 48
    assert legend(ax)[0].endswith("…")


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([0.0017043, 859.43, 2187.2], ["0.0017", "859", "2190"]),
        ([1e8, 1e8 + 0.5, 1e8 + 7], ["100000000", "100000000.5", "100000007"]),
    ],
)
def test_numbers_of_the_colour_bar(levels, expected):
    assert plotting._rounded(np.array(levels)) == expected


# -------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("suffix", "head"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("SVG", b"<?xml")]
)
def test_save_needs_no_pyplot(parabola, tmp_path, monkeypatch, suffix, head):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    file = tmp_path / f"picture.{suffix}"
    save(parabola, file)
    assert file.read_bytes().startswith(head)


@pytest.mark.parametrize("kind", plotting.KINDS)
def test_every_path_is_visible(parabola, rosenbrock, heavy_ball, tmp_path, kind):
    other = run(rosenbrock, [1.2, -0.5], step_size=1e-3)
    results = [parabola] if kind == "curve" else [heavy_ball, other]
    save(results, str(tmp_path / "picture.png"), kind)
    pixels = imread(tmp_path / "picture.png")
    for colour in plotting.PATHS[: len(results)]:
        near = np.abs(pixels - to_rgba(colour)).max(axis=-1) < 0.01
        assert near.sum() > 500


def test_save_to_what_cannot_be_written(parabola, tmp_path):
    for name in ("picture.gif", "picture"):
        with pytest.raises(InputError, match=r"accepted: \.png, \.pdf, \.svg"):
            save(parabola, tmp_path / name)
    with pytest.raises(InputError, match=r"missing.*No such file"):
        save(parabola, tmp_path / "missing" / "picture.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="folder"):
        save(parabola, tmp_path / "folder.png")
