"""Rules: what their equations may say, and what is said when they may not."""

import pickle
import re

import numpy as np
import pytest

from symgd import FormulaError, InputError, Rule, minimize
from symgd.language.formula import symbol
from symgd.rules.family import BUILT_IN, find

x, g = symbol("x"), symbol("g")


def test_the_family():
    assert BUILT_IN["gd"].state == ()
    assert BUILT_IN["momentum"].state == ("change",)
    assert BUILT_IN["amsgrad"].state == ("m", "v", "vhat")
    for rule in BUILT_IN.values():
        assert re.search(r"(18|19|20)\d\d", rule.reference)
        assert Rule.from_text(f"# {rule.reference}\n{rule!r}") == rule
        assert "leftarrow" in rule._repr_latex_()
        assert find(rule) is rule
        assert find(rule.name) is rule


@pytest.mark.parametrize("name", ["heavy", "heavy-ball 2.1", "Bälle", "rule"])
def test_a_rule_is_read_from_its_text(name):
    rule = Rule(
        name,
        "# Me 2026\nm = beta*m + max(g, -g)\nx = x - rate*m",
        rate="0.1/max(t, 2)",
        beta=0.9,
        initial={"m": "max(g, x)"},
    )
    assert Rule.from_text(rule.text, "another name") == rule
    lines = rule.text.splitlines()[1:]
    assert Rule.from_text("\n".join(lines), name) == rule
    again = Rule.from_text(f"# Me 2026\n{rule.text}")  # known by now
    assert (again.reference, again.updates) == (rule.reference, rule.updates)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = x - rate*g", "unknown name 'rate'"),
        ("Rule a b\nm = g", "rule 'a b' has no line for x"),
        ("rule = 3\nx = x - rule*g\nwith", "an equation is expected"),
        ("x = x - s*g\nwith s", "defaults are expected"),
        ("x = x - s*g\nwith s=1, t=2", "'t' can't be a hyperparameter"),
        ("x = x - name*g\nwith name=1", "'name' can't be a hyperparameter"),
        ("x = x - initial*g\nwith initial=1", "'initial' can't be a hyperparameter"),
        ("m = m + g\nx = x - m\nwhere m starts at q", "unknown name 'q'"),
    ],
)
def test_texts_that_are_no_rules(text, message):
    for _ in range(2):  # nothing is remembered of them
        with pytest.raises(ValueError, match=message):
            Rule.from_text(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Rule a\nx = x - g\nRule b\nx = x - g", "there is another"),
        ("x = x - g\nRule b", "there is another"),
        ("x = x - s*g\nwith s=1, s=2", "'s' is given twice"),
        ("x = x - s*g\nwith s=1\nwith s=2", "'s' is given twice"),
        ("m = g; x = x - m", "one equation a line"),
    ],
)
def test_what_is_no_text_of_a_rule(text, message):
    with pytest.raises(FormulaError, match=message):
        Rule.from_text(text)


def test_letters_that_are_not_ascii():
    with pytest.raises(FormulaError) as caught:
        Rule("a", "x = x - β*γ*mean(β*β)", β=1, γ=2)
    shown = str(caught.value).splitlines()
    assert shown[1].index("mean") == shown[2].index("^")
    assert Rule("a", "ϵ = 0.9*ϵ + g\nx = x - ϵ").state == ("ε",)
    plain = Rule("a", "x = x - s*g", s=np.float64(0.1))
    assert Rule.from_text(plain.text) == plain


def test_lines_run_top_to_bottom():
    rule = Rule("r", "a = 2*b\nb = a + g\nx = x - b", b_unused=1.0)
    b = symbol("b")
    assert rule.state == ("b",)  # a is assigned before it is read
    assert rule.updates == {"x": x - 2 * b - g, "b": 2 * b + g}


def test_x_may_be_assigned_more_than_once():
    rule = Rule("r", "x = x - s*g\nx = x/2", s=0.1)
    result = minimize("x**2", 1.0, method=rule, maxiter=1)
    assert result.x[0] == pytest.approx((1 - 0.2) / 2)


def test_comments_are_the_reference():
    rule = Rule("r", "# Me 2026,\n# section 1\nx = x - s*g  # the step", s=1.0)
    assert rule.reference == "Me 2026, section 1"
    assert rule.equations == "x = x - s*g"


@pytest.mark.parametrize(
    ("equations", "hyper", "message"),
    [
        ("m = b*m + g\nx = x - m", {}, r"rule 'r': unknown name 'b'"),
        ("x = x - stepsize*g", {"step_size": 1}, "did you mean 'step_size'"),
        ("y = 3*g", {}, "has no line for x"),
        ("", {}, "has no line for x"),
        ("x - 3", {}, "an equation is expected"),
        ("x =", {}, "an equation is expected"),
        ("x == 3", {}, "an equation is expected"),
        ("x += 3", {}, "an equation is expected"),
        ("x[0] = 3", {}, "an equation is expected"),
        ("g = 3\nx = x - g", {}, "assigns 'g'"),
        ("t = 3\nx = x - g", {}, "assigns 't'"),
        ("b = b*2\nx = x - b*g", {"b": 1}, "'b' is a hyperparameter"),
        ("x = x - g", {"t": 1}, "'t' can't be a hyperparameter"),
        ("x = x - fun*g", {"fun": 1}, "'fun' has another meaning"),
        ("target = g\nx = x - target", {}, "'target' has another meaning"),
        ("x = x - s*g^2", {"s": 1}, r"not a power here[\s\S]*x - s\*g\*\*2"),
        ("x = x - foo(g)", {}, "unknown function 'foo'"),
        ("x = x - s*g", {"s": "0.1/q"}, "unknown name 'q'; known: t"),
        ("x = x - s*g", {"s": float("inf")}, "not a finite real"),
        ("x = x - s*g", {"s": [1, 2]}, "a number or a formula in t is expected"),
    ],
)
def test_bad_rules_have_clear_errors(equations, hyper, message):
    with pytest.raises(ValueError, match=message):
        Rule("r", equations, **hyper)


def test_the_line_of_an_error_is_shown():
    with pytest.raises(FormulaError) as caught:
        Rule("r", "m = g\nx = x - rate*m", step=1.0)
    assert "x = x - rate*m\n            ^^^^" in str(caught.value)


def test_initial_values_are_checked():
    Rule("r", "y = y - g\nx = y", initial={"y": "x"})
    with pytest.raises(InputError, match="unknown state of rule 'r' 'z'"):
        Rule("r", "y = y - g\nx = y", initial={"z": 1})
    with pytest.raises(FormulaError, match="unknown name 'q'"):
        Rule("r", "y = y - g\nx = y", initial={"y": "q"})


def test_a_rule_may_read_value_and_time():
    rule = Rule("r", "x = x - g*f/t")
    path = minimize("x**2/2 + 1", 1.0, method=rule, maxiter=2, trace=True).trace.x
    first = 1 - 1 * 1.5 / 1
    second = first - first * (first**2 / 2 + 1) / 2
    assert path[:, 0].tolist() == pytest.approx([1.0, first, second])


def test_users_variables_cannot_clash_with_the_letters_of_a_rule():
    formula = "(m - 1)**2 + (g + 2)**2 + t**2 + beta1**2 + vhat**2 + (f - 3)**2"
    result = minimize(formula, method="amsgrad", step_size=0.1, maxiter=5000)
    assert result.success
    expected = {"m": 1, "g": -2, "t": 0, "beta1": 0, "vhat": 0, "f": 3}
    for name, value in expected.items():
        assert result.values[name] == pytest.approx(value, abs=1e-6)


def test_a_schedule_may_branch_and_is_in_the_trace():
    schedule = "0.1 if t < 3 else 0.01*sqrt(t)"
    run = {"step_size": schedule, "maxiter": 4, "trace": True}
    trace = minimize("x**2", 1.0, method="gd", **run).trace
    expected = [0.1, 0.1, 0.01 * np.sqrt(3), 0.02]
    np.testing.assert_allclose(trace["step_size"][1:], expected)
    x1 = 1 - 2 * np.array(expected)
    np.testing.assert_allclose(trace.x[1:, 0], np.cumprod(x1))
    result = minimize("x**2", 1.0, method="gd", **run)
    assert result.hyperparameters == {"step_size": schedule}


def test_a_schedule_that_is_undefined_is_no_success():
    result = minimize("x**2", 1.0, method="gd", step_size="log(3 - t)", trace=True)
    assert result.status.name == "DIVERGED"
    assert not result.success


def test_rules_are_values_and_can_be_sent_elsewhere():
    for rule in (*BUILT_IN.values(), Rule("r", "y = y - g\nx = y", initial={"y": "x"})):
        again = pickle.loads(pickle.dumps(rule))
        assert again == rule
        assert hash(again) == hash(rule)
        assert (again.reference, again.updates) == (rule.reference, rule.updates)
    assert BUILT_IN["gd"] != BUILT_IN["momentum"]


def test_display():
    text = repr(BUILT_IN["momentum"])
    assert "change = step_size*g + momentum*change" in text
    assert "step_size=0.01, momentum=0.9" in text
    assert r"\leftarrow" in BUILT_IN["amsgrad"]._repr_latex_()
    rule = Rule("r", "y = y - g\nx = y", initial={"y": "x"})
    assert "y starts at x" in repr(rule)


def test_two_names_are_two_rules():
    with pytest.raises(FormulaError, match="one rule is expected: there is another"):
        Rule.from_text("Rule a\nRule b\nx = x - 0.1*g")


@pytest.mark.parametrize(("initial", "at_zero"), [({}, True), ({"m": "g"}, False)])
def test_a_rule_knows_whether_its_state_starts_at_zero(initial, at_zero):
    rule = Rule("r", "m = m/2 + g\nx = x - 0.1*m", initial=initial)
    assert rule.starts_at_zero is at_zero


def test_a_notebook_shows_the_equations():
    rule = Rule("mine", "x = x - eta*g", eta=0.25)
    shown = rule._repr_html_()
    assert "mine" in shown
    assert "0.25" in shown


def test_a_word_that_is_no_search_has_no_hint_of_searches():
    with pytest.raises(FormulaError) as error:
        Rule("r", "x = x - eta*g", eta="a lot")
    assert "searches" not in str(error.value)
