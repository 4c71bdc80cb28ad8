"""
A rule, and its tests
=====================

A method of one's own, and one that is typed wrongly: AMSGrad without its maximum. It
descends all the same, so that looking at it doesn't tell. The kit does, and says how to
see it. Run the file with ``python -m pytest``, or by itself.
"""

import matplotlib.pyplot as plt

import symgd
from symgd.testing import check_monotone, check_rule

patient = symgd.Rule(
    "patient",
    """
    # Made up here: AMSGrad whose first moment is a mean of all gradients so far
    m = m + (g - m)/t
    v = beta2*v + (1 - beta2)*g**2
    vhat = Max(vhat, v)
    x = x - step_size*m/(sqrt(vhat) + eps)
    """,
    step_size=0.05,
    beta2=0.99,
    eps=1e-8,
)
hasty = symgd.Rule.from_text(
    patient.text.replace("Max(vhat, v)", "v").replace("patient", "hasty")
)


def test_patient_keeps_what_every_rule_keeps():
    scales = {"f": {"eps": 1}, "x": {"step_size": 1, "eps": -1}}
    check_rule(patient, scales=scales)


def test_its_vhat_never_decreases():
    check_monotone(patient, "vhat")


def test_the_mistake_is_caught():
    try:
        check_monotone(hasty, "vhat")
    except AssertionError as error:
        print(error)
    else:
        raise AssertionError("hasty has passed")


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"passed: {name}")
    fig, ax = plt.subplots()
    for rule, column in ((patient, "vhat"), (hasty, "v")):
        run = {"method": rule, "maxiter": 200, "trace": True}
        trace = symgd.minimize("x**4 + 3*x**2", 2.0, **run).trace
        ax.plot(trace[column][:, 0], label=f"what {rule.name} divides by, squared")
    ax.set(xlabel="updates")
    ax.legend()
    plt.show()
