"""Rules, and schedules of their hyperparameters."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from symgd.rules.family import BUILT_IN
from symgd.rules.rule import Rule

_SCHEDULES = (
    "{}/sqrt(t)",
    "{}/t",
    "{}*0.9**t",
    "{}/(1 + t/50)",
    "{}*min(t/10, 1)",
    "{}*(1 + cos(t/30))/2",
    "{0} if t < 10 else {0}/10",
)


def schedules(largest: float = 0.1) -> st.SearchStrategy[str]:
    """Draw schedules: formulas in ``t`` between 0 and a number.

    Each is compiled with the rule that it is given to. They decay, warm up, go down
    and up, or fall at once.

    Parameters
    ----------
    largest : float
        What none of their values is above, t being 1 or more.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(schedules(), lambda schedule: True)
    '0.1/sqrt(t)'
    """
    return st.sampled_from(_SCHEDULES).map(lambda text: text.format(repr(largest)))


# Equations of a state, and what it makes of the gradient. All of it is bounded by the
# gradients so far, so that small steps are stable.
_STATES = {
    "": "g",
    "m = beta*m + g": "m",
    "m = beta*m + (1 - beta)*g": "(m + g)/2",
    "m = m + (g - m)/t": "m",
    "m = beta*m + (1 - beta)*(g if g*m >= 0 else g/2)": "m",
}
_SIZES = {
    "": "{}",
    "v = beta*v + (1 - beta)*g**2": "({})/(sqrt(v) + 0.1)",
    "v = Max(v, g**2)": "({})/(sqrt(v) + 0.1)",
    "v = v + g**2": "({})/(sqrt(v) + 0.1)",
    "s = norm(g)": "({})/(1 + s)",
    "s = Abs(mean(g))": "({})/(1 + s)",
}


@st.composite
def _composed(draw: Callable) -> Rule:
    """Draw a rule that nobody has named."""
    memory = draw(st.sampled_from(list(_STATES)))
    size = draw(st.sampled_from(list(_SIZES)))
    direction = _SIZES[size].format(_STATES[memory])
    lines = [*filter(None, [memory, size]), f"x = x - step_size*{direction}"]
    beta = {"beta": draw(st.sampled_from([0.5, 0.9]))}
    used = beta if "beta" in memory + size else {}
    return Rule("drawn", "\n".join(lines), step_size=0.01, **used)


def rules() -> st.SearchStrategy[Rule]:
    """Draw rules: the built-in ones, and combinations that have no name.

    Each is compiled for an objective when it is used: draw few.

    Returns
    -------
    strategy of Rule
        It shrinks to gradient descent.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(rules(), lambda rule: "v" in rule.state)
    Rule adagrad
        v = v + g**2
        x = x - step_size*g/(sqrt(v) + eps)
      with step_size=0.1, eps=1e-10
    """
    return st.one_of(st.sampled_from(list(BUILT_IN.values())), _composed())
