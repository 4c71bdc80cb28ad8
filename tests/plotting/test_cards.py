"""What notebooks show: HTML that is well formed, says what repr says, runs nothing."""

from html.parser import HTMLParser

import numpy as np
import pytest
import sympy as sp

import symgd
from symgd.plotting import sparks
from symgd.plotting.mathml import mathml_of

VOID = {"br", "rect", "circle", "polyline"}


class Page(HTMLParser):
    """Check that all tags close, and gather the text and what is not wanted."""

    def __init__(self, html):
        super().__init__()
        self.open, self.text, self.tags = [], "", set()
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


T = np.linspace(0.0, 4.0, 20)
F = symgd.Objective("(1 - x)**2 + 100*(y - x**2)**2")
DATA = {"y": np.ones(4), "w": np.ones(4)}
THINGS = {
    "formula": (lambda: F, ["f", "gradient"]),
    "with constants": (lambda: symgd.Objective("a*x**2", parameters={"a": 2}), "a = 2"),
    "with data": (
        lambda: symgd.Objective("sum(w[i]*(m-y[i])**2 for i in range(n))", data=DATA),
        "n = 4",
    ),
    "rule": (
        lambda: symgd.Rule("mine", "m = b*m + g\nx = x - s*m", b=0.9, s=0.01),
        ["mine", "b = 0.9"],
    ),
    "result": (
        lambda: symgd.minimize(
            F, [-1.2, 1], method="momentum", step_size=1e-3, trace=True, maxiter=50
        ),
        ["last point", "MAXITER: maxiter = 50", "the way in x and y"],
    ),
    "many variables": (
        lambda: symgd.minimize("sum((x[i]-i)**2 for i in range(n))", np.zeros(30)),
        ["... 20 more", "minimum"],
    ),
    "trace": (
        lambda: (
            symgd.minimize(
                F, [-1.2, 1], method="gd", step_size=1e-3, trace=True, maxiter=50
            ).trace
        ),
        ["51 rows", "grad_norm"],
    ),
    "diverged": (
        lambda: symgd.minimize("x**4", 5.0, method="gd", step_size=1, trace=True),
        "DIVERGED",
    ),
    "many": (
        lambda: symgd.minimize_many("(x**2-1)**2", np.linspace(-2, 2, 9)[:, None]),
        ["9 descents", "CONVERGED"],
    ),
    "sweep": (
        lambda: symgd.sweep("x**2", x0=1.0, method="gd", step_size=[0.1, 0.2, 3.0]),
        ["step_size", "lowest f"],
    ),
    "two axes": (
        lambda: symgd.sweep(
            *("x**2", 1.0), method="momentum", step_size=[0.1, 0.2], momentum=[0, 0.5]
        ),
        ["momentum", "lowest f"],
    ),
    "race": (
        lambda: symgd.race("x**2 + y**2", [1, 1], ["gd", "adam"], maxiter=20),
        ["none has arrived", "adam"],
    ),
    "fit": (
        lambda: symgd.fit("a*exp(-b*t)", {"t": T, "y": 2 * np.exp(-T)}, "y"),
        ["fit of y", "standard error"],
    ),
}


@pytest.mark.parametrize("name", THINGS)
def test_a_card_is_a_part_of_a_page(name):
    make, expected = THINGS[name]
    html = make()._repr_html_()
    page = Page(html)
    assert "script" not in page.tags
    assert "http" not in html.replace("http://www.w3.org/", "")
    for text in [expected] if isinstance(expected, str) else expected:
        assert text in page.text


def test_names_are_text_and_no_tags():
    x = sp.Symbol("<script>alert(1)</script>")
    assert "<script" not in mathml_of(x**2)
    assert "<script" not in sparks.lines([("<script>", T)] * 2, False, "<script>")


def test_a_long_formula_is_text():
    x = sp.Symbol("x")
    long = sp.Add(*(sp.sin(k * x) for k in range(1, 90)))
    assert mathml_of(long).startswith("<code>sin(x) + ")


def test_a_line_has_few_points_and_leaves_out_what_is_not_finite():
    values = np.geomspace(1.0, 1e-9, 100_000)
    values[5000] = np.nan
    drawn = sparks.lines([("", values)], True, "f")
    assert len(drawn) < 6000
    assert "nan" not in drawn
    assert sparks.lines([("", np.array([np.nan]))], False, "f") == ""


def test_a_trace_is_a_mapping_of_columns():
    trace = symgd.minimize("x**2", 1.0, method="gd", maxiter=3, trace=True).trace
    assert "fun" in trace
    assert "q" not in trace
    assert list(trace) == list(trace.keys()) == ["t", "x", "fun", "grad_norm"]
    assert dict(trace)["fun"].tolist() == trace.fun.tolist()
    assert [name for name, _ in trace.items()] == list(trace)
    assert trace.get("q", 1) == 1
    assert len(trace) == 4


@pytest.mark.parametrize("name", ["run.gif", "run.webp"])
def test_a_run_moves(tmp_path, name):
    from PIL import Image

    run = symgd.minimize(F, [-1.2, 1], method="gd", trace=True, maxiter=200)
    run.animate(tmp_path / name, frames=6)
    with Image.open(tmp_path / name) as moving:
        assert moving.n_frames >= 3
        moving.seek(0)
        first = np.asarray(moving.convert("RGB")).astype(int)
        moving.seek(moving.n_frames - 1)
        assert np.abs(np.asarray(moving.convert("RGB")).astype(int) - first).max() > 50


def test_a_race_moves(tmp_path):
    race = symgd.race("x**2 + 3*y**2", [1, 1], ["gd", "momentum"], maxiter=50)
    race.animate(tmp_path / "race.gif", frames=4)
    assert (tmp_path / "race.gif").stat().st_size > 5000


@pytest.mark.parametrize(
    ("file", "options", "problem"),
    [
        ("run.mp4", {}, "no known format; accepted: .gif, .apng, .webp"),
        ("no/run.gif", {}, "can't write"),
        ("run.gif", {"frames": 1}, "frames must be"),
        ("run.gif", {"fps": 0}, "fps must be"),
    ],
)
def test_what_can_not_be_written_is_refused(tmp_path, file, options, problem):
    run = symgd.minimize(F, [-1.2, 1], method="gd", trace=True, maxiter=20)
    with pytest.raises(symgd.InputError, match=problem):
        run.animate(tmp_path / file, **options)
    without = symgd.minimize(F, [-1.2, 1])
    with pytest.raises(symgd.InputError, match="trace=True"):
        without.animate(tmp_path / "run.gif")
