"""The file of a page: one, small, and nothing else's code runs in it."""

import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser

import pytest
import sympy as sp

import symgd
from symgd.errors import FormulaError, InputError
from symgd.pages.document import asset, page
from symgd.pages.programs import Scheduled, program

ROSENBROCK = "(1 - x)**2 + 100*(y - x**2)**2"
D3 = "716f2de6fe1db84b0df248baddf2ba4bb31e703fec2a035a73c66d96e6c45bc7"
MOST = 150_000  # bytes


@pytest.fixture(scope="module")
def html():
    return page(ROSENBROCK, [-1.2, 1.0]).html


def elements(html):
    """Return the tags of a document, with the names of their attributes."""
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, given: found.append((tag, [*dict(given)]))
    parser.feed(html)
    return found


def data_of(html):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html)
    return json.loads(found[1])


def test_a_page_is_one_small_file(html):
    assert len(html.encode()) < MOST
    terms = (f"(1 - x{k})**2 + 100*(x{k + 1} - x{k}**2)**2" for k in range(9))
    assert len(page(" + ".join(terms)).html.encode()) < MOST
    without_names = re.sub(
        r'xmlns="[^"]*"|"http://www.w3.org/[^"]*"|https://d3js.org', "", html
    )
    assert not re.findall(r"https?://|(?:src|href)=[\"']", without_names)


def test_d3_is_the_one_that_was_built_and_its_licence_is_in_the_page(html):
    """After .ci/d3/build with other versions, its hash is another one."""
    assert hashlib.sha256(asset("d3.js").encode()).hexdigest() == D3
    assert "Mike Bostock" in html
    assert "Permission to use, copy, modify" in html


def test_the_policy_lets_in_nothing_but_the_page_itself(html):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    scripts = re.findall(r"<script(?: id=\"\w+\")?>(.*?)</script>", html, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", html.split("<body>")[0], re.S)
    for text in (*scripts, style):
        digest = hashlib.sha256(text.encode()).digest()
        assert base64.b64encode(digest).decode() in policy
    names = {name for _, attributes in elements(html) for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}


def test_what_a_page_says_of_the_formula_is_true(html):
    data = data_of(html)
    assert data["variables"] == ["x", "y"]
    assert data["minima"][0]["x"] == pytest.approx([1.0, 1.0])
    assert data["auto"]["status"] == "CONVERGED"
    native = symgd.minimize(
        ROSENBROCK,
        [-1.2, 1.0],
        method="gd",
        step_size=data["methods"][0]["hyper"][0]["value"],
        maxiter=24,
        trace=True,
    )
    assert data["methods"][0]["native"] == native.trace.x.tolist()


EVIL = ["</script>", "<img src=x onerror=alert(1)>", '"><b', "\u2028"]


@pytest.mark.parametrize("name", EVIL)
def test_a_name_that_is_html_stays_a_name(name):
    s, y = sp.Symbol(name, real=True), sp.Symbol("y", real=True)
    html = page(s**2 + y**2, {name: 1.0, "y": 1.0}, methods=["gd"]).html
    assert data_of(html)["variables"].count(name) == 1
    assert html.count("</script>") == 6
    assert not {tag for tag, _ in elements(html)} & {"img", "b"}


def test_no_name_of_a_user_is_in_the_code():
    names = ["alert", "constructor", "</script>", "exfiltrate"]
    f = symgd.Objective(sum(sp.Symbol(name, real=True) ** 2 for name in names))
    own = symgd.Rule(
        *("evil", "stolen = mine*stolen + g\nx = x - loot*stolen"), loot=1, mine=0.5
    )
    text = program(f, [Scheduled(own, (None, "exp(-t)"))])
    for name in (*names, "stolen", "loot", "mine", "evil"):
        assert name not in text


def test_a_run_is_saved_as_what_the_suffix_says(tmp_path):
    result = symgd.minimize(
        ROSENBROCK, [-1.2, 1.0], method="adam", step_size=0.05, maxiter=50, trace=True
    )
    result.save(tmp_path / "run.html")
    result.save(tmp_path / "run.svg")
    symgd.save(result, tmp_path / "again.HTML")
    saved = (tmp_path / "run.html").read_text("utf-8")
    assert data_of(saved)["start"] == [-1.2, 1.0]
    first = data_of(saved)["methods"][0]
    assert (first["name"], first["hyper"][0]["value"]) == ("adam", 0.05)
    assert (tmp_path / "again.HTML").read_text("utf-8") == saved
    assert "<svg" in (tmp_path / "run.svg").read_text("utf-8")


def test_a_notebook_shows_a_page_in_a_frame_that_reaches_nothing():
    shown = page("x**2", [1.0], methods=["gd"])
    frame = shown._repr_html_()
    assert frame.startswith("<iframe srcdoc=")
    assert 'sandbox="allow-scripts allow-downloads"' in frame
    assert "allow-same-origin" not in frame
    assert repr(shown).startswith("<Page of ")


def test_bounds_and_rules_of_ones_own_are_in_the_page():
    own = symgd.Rule("mine", "x = x - step_size*g/(1 + t)", step_size=0.5)
    html = page("(x - 2)**2", [0.5], methods=[own, ("gd", {"step_size": "0.1/t"})],
                bounds={"x": (0, 1)}).html  # fmt: skip
    data = data_of(html)
    assert data["bounds"] == [[0.0, 1.0]]
    assert data["minima"][0]["x"] == [1.0]
    assert [m["builtIn"] for m in data["methods"]] == [None, "gd"]
    assert data["methods"][1]["hyper"][0]["text"] == "0.1/t"


@pytest.mark.parametrize(
    ("objective", "problem"),
    [
        (lambda: symgd.Objective("sum(x[i]**2 for i in range(3))"), "arrays"),
        (lambda: "+".join(f"x{k}**2" for k in range(40)), "at most 10 variables"),
        (lambda: symgd.Objective("(x - 1/t)**2", iteration="t"), "changes from update"),
    ],
)
def test_what_no_page_can_show_is_refused(objective, problem):
    with pytest.raises(InputError, match=problem):
        page(objective())


def test_mistakes_are_told_as_everywhere(tmp_path):
    with pytest.raises(FormulaError):
        page("x^2")
    with pytest.raises(InputError, match="unknown method"):
        page("x**2", methods=["adma"])
    with pytest.raises(InputError, match="at least one method"):
        page("x**2", methods=[])
    highest = symgd.maximize("-(x**2)")
    with pytest.raises(InputError, match="minimise -f"):
        highest.save(tmp_path / "page.html")
    with pytest.raises(InputError, match="can't write"):
        page("x**2", methods=["gd"]).save(tmp_path / "missing" / "page.html")


def test_a_widget_has_the_page_and_a_state():
    missing = 'anywidget is missing: pip install ".[widget]"'
    pytest.importorskip("anywidget", reason=missing)
    shown = page("x**2", [1.0], methods=["gd"])
    widget = shown.widget()
    assert widget.html == shown.html
    assert widget.state == {}


def test_a_widget_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(InputError, match=r"symgd\[widget\]"):
        page("x**2", [1.0], methods=["gd"]).widget()
