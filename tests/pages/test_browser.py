"""The page in a real browser: dragged, typed at, and compared with native runs.

It needs Debian's ``chromium`` and playwright (``pip install ".[browser]"``).
"""

import shutil
import threading

import numpy as np
import pytest
import sympy as sp

import symgd
from symgd.pages.document import as_data, asset, page
from symgd.pages.serving import Play
from symgd.rules.family import BUILT_IN
from tests.exporting.table import OWN

pytest.importorskip(
    "playwright", reason='playwright is missing: pip install ".[browser]"'
)
from playwright.sync_api import expect, sync_playwright

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here: apt-get install chromium"
)

ROSENBROCK = "(1 - x)**2 + 100*(y - x**2)**2"


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def opened(chromium, files):
    """Open pages offline; none may ask for anything, or complain."""
    troubles, contexts = [], []

    def opens(shown, name="page", fragment="", **options):
        file = files / f"{name}.html"
        shown.save(file)
        context = chromium.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "offline": True, **options}
        )
        contexts.append(context)
        context.set_default_timeout(5000)
        tab = context.new_page()
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("console", lambda said: troubles.append(said.text))
        tab.on("request", lambda request: troubles.append(request.url)
               if not request.url.startswith(("file:", "blob:")) else None)  # fmt: skip
        tab.goto(f"{file.as_uri()}{fragment}")
        return tab

    yield opens
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture(scope="module")
def valley():
    return page(ROSENBROCK, [-1.2, 1.0])


def start_of(tab):
    return tab.evaluate("symgd.state.start")


def middle(box):
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_start_is_dragged(opened, valley):
    tab = opened(valley)
    grip = tab.locator(".start .grip").bounding_box()
    assert min(grip["width"], grip["height"]) >= 44
    x, y = middle(grip)
    before = tab.locator("path.path").first.get_attribute("d")
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 120, y + 60, steps=4)
    tab.mouse.up()
    start = start_of(tab)
    assert start[0] > -1.2
    assert start[1] < 1.0
    new_x, new_y = middle(tab.locator(".start .grip").bounding_box())
    assert (new_x, new_y) == pytest.approx((x + 120, y + 60), abs=1.5)
    assert tab.locator("path.path").first.get_attribute("d") != before
    assert tab.evaluate("[...symgd.results[0].xs.slice(0, 2)]") == start


def test_arrow_keys_move_the_start(opened, valley):
    tab = opened(valley)
    tab.locator(".start").focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Shift+ArrowDown")
    wide, tall = np.ptp(tab.evaluate("symgd.state.window"), axis=1)
    assert start_of(tab) == pytest.approx([-1.2 + 0.01 * wide, 1.0 - 0.1 * tall])
    assert "x = " in tab.locator(".start").get_attribute("aria-valuetext")


def test_a_slider_and_its_number_agree_and_divergence_is_told(opened, valley):
    tab = opened(valley)
    slider, number = tab.locator("#h-0-0"), tab.get_by_label("step_size of gd")
    slider.focus()
    tab.keyboard.press("End")
    value = tab.evaluate("symgd.state.values[0][0]")
    assert float(number.input_value()) == pytest.approx(value)
    assert value == pytest.approx(10 ** float(slider.input_value()), rel=1e-2)
    tab.get_by_text("diverges at step").first.wait_for()
    number.fill("0.0005")
    assert float(slider.input_value()) == pytest.approx(np.log10(0.0005))
    assert not tab.locator(".method").first.get_by_text("diverges").count()


def test_the_best_step_size_is_clicked(opened):
    tab = opened(page("x**2 + 5*y**2", [1.0, 1.0], methods=["gd"]))
    assert "2/L = 0.2 " in tab.locator(".hyper").inner_text()
    tab.locator("[data-best=gd]").click()
    assert tab.evaluate("symgd.state.values[0][0]") == pytest.approx(
        2 / (10 + 2), rel=1e-5
    )
    tab.get_by_text("arrives after").first.wait_for()
    assert tab.locator(".mark").count() == 1


def test_steps_forward_and_back_and_play(opened, valley):
    tab = opened(valley)
    tab.locator("#shown-number").fill("10")
    tab.locator("#forward").click()
    assert tab.evaluate("symgd.state.shown") == 11
    tab.locator("#back").click()
    tab.locator("#back").click()
    assert tab.evaluate("symgd.state.shown") == 9
    tab.locator("#play").click()
    expect(tab.locator("#shown-number")).not_to_have_value("9")
    tab.locator("#play").click()
    assert tab.locator("#play").inner_text() == "play"


def test_the_address_remembers_what_was_done(opened, valley):
    tab = opened(valley)
    tab.get_by_label("start, x").fill("0.5")
    fragment = tab.evaluate("location.hash")
    assert fragment.startswith("#%7B")
    assert start_of(opened(valley, fragment=fragment)) == [0.5, 1.0]
    wrong = opened(valley, fragment='#{"start":["a",null],"steps":1e300,"axes":[9,-4]}')
    assert start_of(wrong) == [-1.2, 1.0]


def test_every_rule_walks_as_it_does_natively(opened):
    formula = "(x - 1)**2 + 3*(y + 2)**2 + sin(x*y)/4 + 1/(1 + x**2)"
    start, steps = [2.0, 0.5], 200
    methods = [(name, {"step_size": 0.002}) for name in BUILT_IN]
    methods += [(rule, dict(rule.hyperparameters)) for rule in OWN.values()]
    tab = opened(page(formula, start, methods=methods))
    tab.locator("#steps").fill(str(steps))
    for k, (name, given) in enumerate(methods):
        native = symgd.minimize(
            formula, start, method=name, maxiter=steps, gtol=1e-8, trace=True, **given
        )
        count = tab.evaluate(f"symgd.results[{k}].count")
        path = tab.evaluate(f"[...symgd.results[{k}].xs]")
        path = np.reshape(path, (-1, 2))[:count]
        assert len(path) == len(native.trace), name
        np.testing.assert_allclose(
            path, native.trace.x, rtol=1e-12, atol=1e-12, err_msg=name
        )
    assert tab.evaluate("symgd.worst") < 1e-12
    assert "agree with native runs" in tab.locator("#compared").inner_text()


def test_bounds_hold_and_are_drawn(opened):
    tab = opened(page("(x - 2)**2 + (y - 3)**2", [0.5, 0.5], bounds={"x": (0, 1)}))
    assert tab.locator(".limits line").count() == 2
    assert tab.evaluate(
        "symgd.results.every(r => r.xs.every((v, i) => i % 2 || v <= 1))"
    )
    tab.get_by_label("start, x").fill("7")
    assert start_of(tab)[0] == 1.0


def test_one_variable_is_a_curve_and_four_are_slices(opened):
    tab = opened(page("cos(3*x) + x**2/5", [0.3]))
    assert tab.locator(".ground path").count() == 1
    tab.locator(".start").focus()
    tab.keyboard.press("ArrowLeft")
    assert start_of(tab)[0] < 0.3
    tab = opened(page("a**2 + 2*b**2 + 3*c**2 + (d - 1)**2", [1, 1, 1, 1]), "four")
    tab.get_by_label("variable across").select_option(label="c")
    assert tab.evaluate("symgd.state.axes") == [2, 1]
    assert tab.locator(".frame").get_by_text("c", exact=True).count() == 1
    assert tab.locator("#start-fields input").count() == 4


def test_where_each_start_ends_is_computed_beside_the_page(opened):
    tab = opened(page("(x**2 - 1)**2 + y**2", methods=["gd"]))
    tab.get_by_label("where each start ends").check()
    expect(tab.locator("#basins-told")).to_contain_text("minimum 1: ")
    ends = tab.evaluate("symgd.ends")
    assert {0, 1} <= {*ends}


def test_what_is_copied_can_be_run(opened, valley):
    tab = opened(valley)
    space = {}
    text = tab.evaluate("symgd.python()")
    exec(text.replace("print(", "done = ("), space)
    assert [*space["done"]] == ["gd", "momentum", "amsgrad"]
    command = tab.evaluate("symgd.command()")
    assert command.startswith(f"symgd race '{ROSENBROCK}' --start 'x=-1.2,y=1'")
    picture = tab.evaluate("symgd.picture()")
    assert picture.startswith("<svg")
    assert "--m0:#" in picture


def test_names_that_are_html_do_no_harm(opened):
    name = "</script><img src=x onerror=document.title='harm'>"
    s, y = sp.Symbol(name, real=True), sp.Symbol("y", real=True)
    tab = opened(page(s**2 + y**2, {name: 1.0, "y": 1.0}, methods=["gd"]))
    assert name in tab.locator("#start-fields").inner_text()
    assert tab.title() != "harm"
    assert tab.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_what_is_seen_is_not_blank_and_fits(opened, valley, scheme, width):
    size = {"width": width, "height": 900}
    tab = opened(valley, viewport=size, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    picture = tab.locator("#map").screenshot()
    assert len(picture) > 10_000  # a blank one is some hundred bytes
    grip = tab.locator(".start .grip").bounding_box()
    assert min(grip["width"], grip["height"]) >= 43.9


def test_in_a_frame_of_a_notebook_all_of_it_works(opened, files):
    class Notebook:
        def save(self, file):
            shown = page("(x**2 - 1)**2 + y**2", [0.5, 0.4], methods=["gd"])
            file.write_text(
                f"<!doctype html><body>{shown._repr_html_()}</body>", "utf-8"
            )

    tab = opened(Notebook(), "notebook")
    frame = tab.frame_locator("iframe")
    frame.get_by_text("arrives after").wait_for()
    frame.locator(".start").press("ArrowRight")
    frame.get_by_label("where each start ends").check()
    expect(frame.locator("#basins-told")).to_contain_text("minimum 1: ")
    frame.locator("#copy-python").click()
    expect(frame.locator("#done")).to_have_text("Python copied")


def test_a_widget_hears_what_is_dragged(opened, files):
    class Notebook:
        def save(self, file):
            shown = page("x**2 + y**2", [0.5, 0.4], methods=["gd"])
            script = asset("widget.js").replace("export default", "window.widget =")
            file.write_text(
                "<!doctype html><div></div><script>"
                f"window.html = {as_data(shown.html)}; window.told = [];{script}"
                "const get = name => name === 'html' ? html : 900;"
                "const model = {get, set: (k, v) => told.push(v), save_changes() {}};"
                "widget.render({model, el: document.querySelector('div')})</script>",
                "utf-8",
            )

    tab = opened(Notebook(), "widget")
    tab.frame_locator("iframe").get_by_label("start, x").fill("0.25")
    tab.frame_locator("iframe").get_by_text("arrives").wait_for()
    assert tab.evaluate("told.at(-1).start") == {"x": 0.25, "y": 0.4}
    assert "step_size" in tab.evaluate("told.at(-1).methods.gd")


def test_play_takes_a_formula_and_shows_mistakes(chromium):
    server = Play("x**2 + y**2")
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        tab = chromium.new_page()
        tab.set_default_timeout(20_000)
        tab.goto(server.address)
        tab.get_by_label("formula").fill("(x - 3)**2 + 2^y")
        tab.get_by_role("button", name="show", exact=True).click()
        expect(tab.get_by_role("alert")).to_contain_text("+ 2**y")
        tab.get_by_label("formula").fill("(x - 3)**2")
        tab.get_by_text("a rule of your own").click()
        tab.get_by_label("rule", exact=True).fill("x = x - h*g\nwith h=0.5")
        tab.get_by_role("button", name="show", exact=True).click()
        expect(tab.locator(".method").first).to_contain_text("yours")
        expect(tab.locator(".method .told").first).to_contain_text(
            "arrives after 1 step:"
        )
        tab.context.close()
    finally:
        server.close()
        thread.join()
