"""The built-in rules, each as its equations. Adding one is adding it here.

The comment above the equations says where they are from and, where others of the same
name differ, which variant this is. ``g`` is the gradient where the update began.
"""

from __future__ import annotations

from symgd.errors import InputError, guess
from symgd.rules.rule import Rule

BUILT_IN = {
    rule.name: rule
    for rule in (
        Rule.known(
            "gd",
            """
            # Cauchy 1847, "Méthode générale pour la résolution des systèmes
            # d'équations simultanées": steepest descent with a fixed step. With
            # step_size="auto" it finds its steps on the way: kernels/spectral.py.
            x = x - step_size*g
            """,
            step_size=0.01,
        ),
        Rule.known(
            "momentum",
            """
            # Polyak 1964, "Some methods of speeding up the convergence of iteration
            # methods", section 2: the heavy ball.
            change = step_size*g + momentum*change
            x = x - change
            """,
            step_size=0.01,
            momentum=0.9,
        ),
        Rule.known(
            "nesterov",
            """
            # Nesterov 1983, "A method of solving a convex programming problem with
            # convergence rate O(1/k^2)", with constant momentum as in Nesterov 2004,
            # "Introductory lectures on convex optimization", section 2.2.1, in the form
            # of Sutskever, Martens, Dahl and Hinton 2013, section 2: x is the point
            # where the gradient is taken (PyTorch's SGD with nesterov=True). With a
            # schedule, both lines have the momentum of this update.
            change = step_size*g + momentum*change
            x = x - (step_size*g + momentum*change)
            """,
            step_size=0.01,
            momentum=0.9,
        ),
        Rule.known(
            "adagrad",
            """
            # Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online
            # learning and stochastic optimization", figure 1, diagonal matrices; eps is
            # added to the root (as in PyTorch; Optax adds it to the sum).
            v = v + g**2
            x = x - step_size*g/(sqrt(v) + eps)
            """,
            step_size=0.1,
            eps=1e-10,
        ),
        Rule.known(
            "rmsprop",
            """
            # Tieleman and Hinton 2012, "Neural networks for machine learning", lecture
            # 6.5; eps is added to the root (as in PyTorch), no momentum, not centred.
            v = decay*v + (1 - decay)*g**2
            x = x - step_size*g/(sqrt(v) + eps)
            """,
            step_size=0.01,
            decay=0.9,
            eps=1e-8,
        ),
        Rule.known(
            "adadelta",
            """
            # Zeiler 2012, "ADADELTA: an adaptive learning rate method", algorithm 1;
            # eps is added under the roots, step_size 1 is the paper's.
            v = decay*v + (1 - decay)*g**2
            change = sqrt(u + eps)/sqrt(v + eps)*g
            u = decay*u + (1 - decay)*change**2
            x = x - step_size*change
            """,
            step_size=1.0,
            decay=0.95,
            eps=1e-6,
        ),
        Rule.known(
            "adam",
            """
            # Kingma and Ba 2015, "Adam: a method for stochastic optimization",
            # algorithm 1: with bias correction, eps added to the corrected root.
            m = beta1*m + (1 - beta1)*g
            v = beta2*v + (1 - beta2)*g**2
            x = x - step_size*(m/(1 - beta1**t))/(sqrt(v/(1 - beta2**t)) + eps)
            """,
            step_size=0.001,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
        ),
        Rule.known(
            "amsgrad",
            """
            # Reddi, Kale and Kumar 2018, "On the convergence of Adam and beyond",
            # algorithm 2: no bias correction; eps as in Adam.
            m = beta1*m + (1 - beta1)*g
            v = beta2*v + (1 - beta2)*g**2
            vhat = Max(vhat, v)
            x = x - step_size*m/(sqrt(vhat) + eps)
            """,
            step_size=0.002,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
        ),
        Rule.known(
            "amsgrad_torch",
            """
            # PyTorch's Adam with amsgrad=True (torch/optim/adam.py): Reddi, Kale and
            # Kumar 2018, algorithm 2, with Adam's bias correction; vhat is the largest
            # v before the correction (Optax takes the largest after it).
            m = beta1*m + (1 - beta1)*g
            v = beta2*v + (1 - beta2)*g**2
            vhat = Max(vhat, v)
            x = x - step_size*(m/(1 - beta1**t))/(sqrt(vhat/(1 - beta2**t)) + eps)
            """,
            step_size=0.001,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
        ),
        Rule.known(
            "adamax",
            """
            # Kingma and Ba 2015, "Adam: a method for stochastic optimization",
            # algorithm 2; eps, absent there, keeps u from 0 (as in PyTorch).
            m = beta1*m + (1 - beta1)*g
            u = Max(beta2*u, Abs(g) + eps)
            x = x - step_size*(m/(1 - beta1**t))/u
            """,
            step_size=0.002,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
        ),
        Rule.known(
            "nadam",
            """
            # Dozat 2016, "Incorporating Nesterov momentum into Adam", algorithm 2 with
            # a constant beta1, and v corrected as in Adam (both as in Optax; PyTorch
            # lets beta1 grow with t).
            m = beta1*m + (1 - beta1)*g
            v = beta2*v + (1 - beta2)*g**2
            ahead = beta1*m/(1 - beta1**(t + 1)) + (1 - beta1)*g/(1 - beta1**t)
            x = x - step_size*ahead/(sqrt(v/(1 - beta2**t)) + eps)
            """,
            step_size=0.002,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
        ),
        Rule.known(
            "adamw",
            """
            # Loshchilov and Hutter 2019, "Decoupled weight decay regularization",
            # algorithm 2: Adam, and x shrinks by step_size*weight_decay (the decay is
            # scaled by the step, as in PyTorch and Optax).
            m = beta1*m + (1 - beta1)*g
            v = beta2*v + (1 - beta2)*g**2
            ahead = (m/(1 - beta1**t))/(sqrt(v/(1 - beta2**t)) + eps)
            x = x - step_size*(ahead + weight_decay*x)
            """,
            step_size=0.001,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            weight_decay=0.01,
        ),
        Rule.known(
            "lion",
            """
            # Chen et al. 2023, "Symbolic discovery of optimization algorithms",
            # algorithm 2: only the sign of the momentum counts.
            change = sign(beta1*m + (1 - beta1)*g) + weight_decay*x
            m = beta2*m + (1 - beta2)*g
            x = x - step_size*change
            """,
            step_size=0.0001,
            beta1=0.9,
            beta2=0.99,
            weight_decay=0.0,
        ),
        Rule.known(
            "bb",
            """
            # Barzilai and Borwein 1988, "Two-point step size gradient methods", section
            # 2, the short step, its absolute value where the curvature is negative. No
            # line search: gd with step_size="auto" has one.
            s = x - x_last
            y = g - g_last
            step = Abs(dot(s, y))/dot(y, y) if dot(s, y) != 0 else step
            x_last = x
            g_last = g
            x = x - step*g
            """,
            initial={"x_last": "x", "g_last": "g", "step": "step_size"},
            step_size=0.001,
        ),
    )
}


# SciPy's methods, and others' names for them.
ELSEWHERE = {
    *("bfgs", "l-bfgs-b", "l-bfgs", "lbfgs", "cg", "tnc", "newton", "newton-cg"),
    *("lm", "leastsq", "trf", "dogbox", "least_squares", "lbfgsb"),
    *("nelder-mead", "powell", "dogleg", "trust-ncg", "trust-exact", "trust-krylov"),
    *("slsqp", "cobyla", "cobyqa", "trust-constr", "brent", "bounded", "golden"),
    *("interior-point", "ipopt", "sqp", "simplex"),
}


_KEEPS = "which keeps to bounds= and subject_to="


def find(method: str | Rule) -> Rule:
    """Return a rule by its name, or the rule itself.

    Raises
    ------
    InputError
        If there is no such rule, with the names that there are.
    """
    if isinstance(method, Rule):
        return method
    if isinstance(method, str) and method in BUILT_IN:
        return BUILT_IN[method]
    known = ["auto", *BUILT_IN]
    if isinstance(method, str) and method.lower() in ELSEWHERE:
        instead = "leave method out for the default: L-BFGS and Newton steps by exact"
        raise InputError(f"unknown method {method!r}: {instead} derivatives, {_KEEPS}")
    hint = guess(method, known) if isinstance(method, str) else ""
    accepted = f"accepted: {', '.join(known)}, or a symgd.Rule"
    raise InputError(f"unknown method {method!r}{hint}; {accepted}")
