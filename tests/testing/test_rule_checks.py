"""Checks of rules: what is right passes, and each wrong rule is caught and told."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import symgd
from symgd import InputError, Rule, minimize_many
from symgd.descent.checkpoints import Checkpoint
from symgd.rules.family import BUILT_IN
from symgd.testing import (
    ConvexQuadratic,
    check_descent,
    check_equivalent,
    check_monotone,
    check_rate,
    check_rule,
    rule_checks,
    rules,
    schedules,
    smooth_objectives,
    stable_step_sizes,
)

# How the path scales with the units of f and of x.
PLAIN = {"f": {"step_size": -1}, "x": {"step_size": 2}}
ADAPTIVE = {"f": {"eps": 1}, "x": {"step_size": 1, "eps": -1}}
DECAYED = {"f": {"eps": 1}, "x": {"step_size": 1, "eps": -1, "weight_decay": -1}}
SCALES = dict.fromkeys(("gd", "momentum", "nesterov", "bb"), PLAIN)
SCALES |= dict.fromkeys(("adagrad", "rmsprop", "adam", "amsgrad"), ADAPTIVE)
SCALES |= dict.fromkeys(("amsgrad_torch", "adamax", "nadam"), ADAPTIVE)
SCALES |= {
    "adamw": DECAYED,
    "lion": {"f": {}, "x": {"step_size": 1, "weight_decay": -1}},
}
SCALES |= {"adadelta": {}}  # eps is added to squares of steps and of slopes

FALSE_AMSGRAD = Rule.from_text("""
    Rule false_amsgrad
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g**2
    vhat = v
    x = x - step_size*m/(sqrt(vhat) + eps)
    with step_size=0.002, beta1=0.9, beta2=0.999, eps=1e-8
""")


def told(check, *arguments, **named):
    """Return the message of a check that fails."""
    with pytest.raises(AssertionError) as caught:
        check(*arguments, **named)
    return str(caught.value)


def pasted(message, name="result"):
    """Run what a message says, as a user would; return what the last line is."""
    lines = message.partition(":\n")[2]
    *before, last = re.split(r"^(?=symgd\.minimize)", lines, flags=re.MULTILINE)
    known = {"symgd": symgd}
    exec("".join(before), known)
    return eval(last, known)


@pytest.mark.parametrize("rule", [*BUILT_IN, "false_amsgrad"])
def test_every_built_in_rule_keeps_all_promises(rule):
    wrong = rule == "false_amsgrad"  # it is none of AMSGrad, but it is a rule
    scales = ADAPTIVE if wrong else SCALES[rule]
    check_rule(FALSE_AMSGRAD if wrong else rule, scales=scales, examples=5)


@given(rules())
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
def test_drawn_rules_keep_all_promises(rule):
    check_rule(rule, examples=3)


def test_a_rule_with_several_reductions_a_start_and_a_schedule():
    rule = Rule(
        "odd",
        """
        d = g/(1 + norm(g))
        m = beta*m + d - mean(d) + dot(d, x)*d
        x = x - step_size*m/(1 + f) + last*0
        last = x
        """,
        initial={"last": "x + g", "m": "step_size*g"},
        step_size="0.01/sqrt(t)",
        beta=0.5,
    )
    check_rule(rule, examples=10)
    check_rule(rule, step_size="0.02/t", examples=5)


def test_a_rule_that_chooses_and_counts():
    rule = Rule(
        "clipped",
        """
        m = decay*m + g*t/(t + 1)
        x = x - step_size*(m if abs(m) < 1 else sign(m))  # a soft limit
        s = Max(s, abs(m))
        x = x + 1e-3*s*sin(t)
        """,
        step_size=0.01,
        decay=0.5,
    )
    check_rule(rule, examples=10)
    check_monotone(rule, "s", examples=20)


def test_what_is_stated_wrongly_of_scales_is_told():
    message = told(check_rule, "momentum", scales={"f": {}})
    assert message.startswith("momentum has another path when f is ")
    assert pasted(message).success is not None
    with pytest.raises(InputError, match="unknown unit of scales 'y'"):
        check_rule("gd", scales={"y": {}})
    with pytest.raises(InputError, match="did you mean 'step_size'"):
        check_rule("gd", scales={"f": {"stepsize": 1}})


@pytest.mark.parametrize(
    ("equations", "problem"),
    [
        ("x = x + 9*g/step_size", "is not finite"),
        ("x = x - g/(t - 3)", "is not finite"),
    ],
)
def test_what_leaves_float64_is_told(equations, problem):
    rule = Rule("wild", equations, step_size=0.1)
    message = told(check_rule, rule)
    assert message.startswith(f"wild {problem}")
    assert pasted(message).status.name == "DIVERGED"


def test_a_loop_that_computes_something_else_is_told(monkeypatch):
    from symgd.testing import interpreter

    read = Rule.read

    def misread(rule):
        return [(n, e * 2 if n == "change" else e) for n, e in read(rule)]

    monkeypatch.setattr(interpreter.Rule, "read", misread)
    message = told(check_rule, "momentum")
    assert re.match(r"x of momentum is .* after update 1, and .* by its", message)


# ---------------------------------------------------------------------- monotone


def test_vhat_of_amsgrad_never_decreases():
    unit = st.floats(0, 1, exclude_max=True)
    check_monotone("amsgrad", "vhat", beta2=unit, eps=st.floats(0, 1))
    check_monotone("amsgrad", "vhat", step_size=schedules(), examples=20)
    check_monotone("adagrad", "v")


def test_amsgrad_without_its_maximum_is_caught():
    message = told(check_monotone, FALSE_AMSGRAD, "vhat")
    column = pasted(message)
    assert (np.diff(column, axis=0) < 0).any()
    assert message.startswith("vhat of false_amsgrad decreases: from ")
    assert 'symgd.minimize("x**2 + y**2", [0.0, 1.0], method=rule' in message


def test_what_is_state_is_pasted_as_the_rule_itself():
    message = told(check_monotone, "adam", "v")
    assert 'method="adam"' in message
    assert (np.diff(pasted(message), axis=0) < 0).any()


def test_a_state_of_one_number_and_one_that_falls():
    rule = Rule("r", "s = 0.5*s + norm(g)\nx = x - step_size*g/(1 + s)", step_size=0.1)
    assert told(check_monotone, rule, "s").startswith("s of r decreases")
    shrinking = Rule("r", "c = c/2\nx = x - c*g", initial={"c": 1})
    check_monotone(shrinking, "c", decreasing=True)
    assert "c of r decreases" in told(check_monotone, shrinking, "c")


def test_a_name_that_no_equation_assigns_is_refused():
    with pytest.raises(InputError, match="did you mean 'vhat'"):
        check_monotone("amsgrad", "vhatt")
    with pytest.raises(InputError, match="unknown hyperparameter"):
        check_monotone("amsgrad", "vhat", beta=0.5)


# ---------------------------------------------------------- descent, rate, another


def test_gradient_descent_descends_and_the_heavy_ball_does_not():
    check_descent("gd")
    message = told(check_descent, "momentum")
    f = pasted(f"{message[:-1]}, trace=True)").trace.fun
    assert f[-1] > f[-2]


def test_a_step_beyond_two_over_l_is_caught():
    def too_large(quadratic):
        return 2.001 / quadratic.largest

    assert told(check_descent, "gd", step_size=too_large).startswith("gd goes up")


def test_other_objectives_can_be_drawn_from():
    small = st.floats(1e-9, 1e-6)
    check_descent("gd", on=smooth_objectives(), step_size=small, maxiter=5)


def test_momentum_without_momentum_is_gradient_descent():
    check_equivalent("momentum", "gd", momentum=0.0, rtol=0)
    message = told(check_equivalent, "momentum", "gd", momentum=1e-3)
    assert message.startswith("momentum and gd differ: x is ")
    assert message.count("symgd.minimize(") == 2


def test_rules_that_share_no_step_size_keep_their_own():
    slow = Rule("slow", "x = x - rate*g", rate=1e-4)
    check_equivalent(slow, "gd", step_size=1e-4)
    assert "differ" in told(check_equivalent, slow, "gd", step_size=2e-4)
    with pytest.raises(InputError, match="unknown hyperparameter"):
        check_equivalent(slow, "gd", momentum=0.5)


def test_a_rate_that_is_proved_holds_and_a_better_one_does_not():
    def best_step(quadratic):
        return 2 / (quadratic.largest + quadratic.smallest)

    def contraction(k, mu, L, R):
        return ((L - mu) / (L + mu)) ** k * R

    check_rate("gd", contraction, of="distance", step_size=best_step)

    def better(*numbers):
        return contraction(*numbers) * 0.999 ** numbers[0]

    message = told(check_rate, "gd", better, of="distance", step_size=best_step)
    assert message.startswith("gd is too slow: its distance after update ")
    with pytest.raises(InputError, match='"value" or "distance"'):
        check_rate("gd", contraction, of="slope")
    with pytest.raises(InputError, match="convex_quadratics"):
        check_rate("gd", contraction, on=smooth_objectives())


def test_the_same_runs_are_drawn_each_time():
    seen = []

    def steps(quadratic):
        seen.append(quadratic.matrix.tobytes())
        return stable_step_sizes(quadratic)

    check_descent("gd", step_size=steps, examples=10)
    first = list(seen)
    check_descent("gd", step_size=steps, examples=10)
    assert seen == first * 2
    assert len({*first}) > 5


def otherwise_permuted(quadratic, order):
    return quadratic.scaled(f=1 + 1e-12)


def otherwise_renamed(quadratic, *names):
    return quadratic.scaled(f=1 + 1e-12)


def otherwise_resumed(self, run):
    found = RESUME(self, run)
    if found is not None:
        run.slots[0] += 1e-9
    return found


def otherwise_in_lanes(objective, starts, **options):
    return minimize_many(objective, starts + 1e-9, **options)


RESUME = Checkpoint.resume
BROKEN = {
    "in another order of coordinates": (
        ConvexQuadratic,
        "permuted",
        otherwise_permuted,
    ),
    "when variables are called": (ConvexQuadratic, "renamed", otherwise_renamed),
    "goes on otherwise from a checkpoint": (Checkpoint, "resume", otherwise_resumed),
    "among many than alone": (rule_checks, "minimize_many", otherwise_in_lanes),
}


@pytest.mark.parametrize("problem", BROKEN)
def test_each_promise_that_is_broken_is_told(problem, monkeypatch):
    monkeypatch.setattr(*BROKEN[problem])
    message = told(check_rule, "momentum", examples=4)
    assert problem in message
    assert "symgd.minimize(" in message
