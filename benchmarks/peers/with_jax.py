"""JAX: its own gradient, ``fori_loop``, ``jit`` and, for batches, ``vmap``."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks import codegen
from benchmarks.formulas import Task

LIBRARY = "jax"
SPACE = {"sqrt": jnp.sqrt, "exp": jnp.exp, "cos": jnp.cos, "max": jnp.maximum}
jax.config.update("jax_enable_x64", True)
# The client's threads are made for the cores that are allowed when it is first used:
# here, before anything is confined to one.
jax.devices()


def _loop(task: Task) -> Callable[..., tuple[jax.Array, ...]]:
    """Return the descent of one start, coordinates as scalars, its fastest form."""
    problem, rule, steps = task.problem, task.rule, task.steps
    value = codegen.value_function(problem, SPACE)
    gradient = jax.grad(value, argnums=tuple(range(problem.size)))
    step = codegen.scalar_step(problem, rule, SPACE | {"gradient": gradient})
    slots = problem.size * len(rule.state)

    def loop(*arguments: jax.Array) -> tuple[jax.Array, ...]:
        x, hyper = arguments[: problem.size], arguments[problem.size :]
        state = (*x, *(jnp.zeros(()) for _ in range(slots)))
        ends = lax.fori_loop(0, steps, lambda _, s: step(*s, *hyper), state)
        return ends[: problem.size]

    return loop


def trajectory(task: Task) -> Callable[[], np.ndarray]:
    """Return the jitted loop of one trajectory."""
    loop = jax.jit(_loop(task))
    arguments = [jnp.float64(number) for number in (*task.starts, *task.numbers)]
    return lambda: np.array(jax.block_until_ready(loop(*arguments)))


def batch(task: Task) -> Callable[[], np.ndarray]:
    """Return the jitted vmap of the loop."""
    size, hyper = task.problem.size, len(task.numbers)
    loop = jax.jit(jax.vmap(_loop(task), in_axes=(0,) * size + (None,) * hyper))
    columns = [jnp.asarray(column) for column in task.starts.T]
    arguments = [*columns, *(jnp.float64(number) for number in task.numbers)]
    return lambda: np.array(jax.block_until_ready(loop(*arguments))).T


TRAJECTORY = {"JAX": trajectory}
BATCH = {"JAX vmap": batch}
