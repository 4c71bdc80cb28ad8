"""JAX with Optax's rules; its AMSGrad corrects bias."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from benchmarks import codegen
from benchmarks.formulas import Task
from benchmarks.peers.with_jax import SPACE

LIBRARY = "optax"
RULES = ("gd", "momentum", "amsgrad with bias correction")


def trajectory(task: Task) -> Callable[[], np.ndarray]:
    """Return the jitted loop around Optax's update."""
    h = task.hyper
    if task.rule.name == "gd":
        rule = optax.sgd(h["step_size"])
    elif task.rule.name == "momentum":
        rule = optax.sgd(h["step_size"], momentum=h["momentum"])
    else:
        rule = optax.amsgrad(h["step_size"], b1=h["beta1"], b2=h["beta2"], eps=h["eps"])
    value = codegen.value_function(task.problem, SPACE)
    gradient = jax.grad(lambda x: value(*x))

    def step(_: int, carried: tuple) -> tuple:
        x, state = carried
        updates, state = rule.update(gradient(x), state, x)
        return optax.apply_updates(x, updates), state

    @jax.jit
    def loop(x: jax.Array) -> jax.Array:
        return lax.fori_loop(0, task.steps, step, (x, rule.init(x)))[0]

    start = jnp.asarray(task.starts)
    return lambda: np.asarray(loop(start))


TRAJECTORY = {"JAX + Optax": trajectory}
BATCH: dict[str, Callable] = {}
