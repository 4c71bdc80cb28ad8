"""JAX: its own gradient, ``fori_loop``, ``jit`` and, for batches, ``vmap``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks import codegen
from benchmarks.formulas import Task
from benchmarks.sums import CHAIN, ENERGY, Answer, Rows, Slope, Steps

LIBRARY = "jax"
SUM_WORK = 100_000_000
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


# --------------------------------------------------------------------------- sums


def chain(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return value and gradient by hand, the gradient gathered: the fastest form."""
    u, v = x[1:] - x[:-1] ** 2, 1.0 - x[:-1]
    low, middle, high = x[:-2], x[1:-1], x[2:]
    first = -400.0 * x[:1] * (x[1:2] - x[:1] ** 2) - 2.0 * (1.0 - x[:1])
    inner = 200.0 * (middle - low**2) - 400.0 * middle * (high - middle**2)
    inner -= 2.0 * (1.0 - middle)
    last = 200.0 * (x[-1:] - x[-2:-1] ** 2)
    value = jnp.sum(100.0 * u * u + v * v)
    return value, jnp.concatenate([first, inner, last])


@jax.value_and_grad
def energy(u: jax.Array) -> jax.Array:
    """Return the sum of squared differences; its own gradient is the fastest form."""
    return jnp.sum((u[1:] - u[:-1]) ** 2) + jnp.sum((u[:, 1:] - u[:, :-1]) ** 2)


SLOPES = {CHAIN: chain, ENERGY: energy}


def as_numpy(pair: Any) -> Answer:
    """Return what was computed, once it is there."""
    value, array = jax.block_until_ready(pair)
    return float(value), np.asarray(array)


def slope(task: Slope) -> Callable[[], Answer]:
    """Return the jitted value and gradient at a point."""
    function, point = jax.jit(SLOPES[task.formula]), jnp.asarray(task.point)
    return lambda: as_numpy(function(point))


def steps(task: Steps) -> Callable[[], Answer]:
    """Return the jitted loop over steps.

    The values are added up and taken out: XLA leaves out what isn't used.
    """
    function = SLOPES[task.formula]

    def step(_: int, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        x, values = state
        value, g = function(x)
        return x - task.step_size * g, values + value

    @jax.jit
    def loop(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        x, values = lax.fori_loop(0, task.steps, step, (x, 0.0))
        return function(x)[0], x, values

    start = jnp.asarray(task.start)
    return lambda: as_numpy(loop(start)[:2])


def rows(
    task: Rows, loss: Callable[[jax.Array], jax.Array], columns: bool = False
) -> Callable[[], Answer]:
    """Return the jitted logistic regression; the loss is that of a margin.

    Parameters
    ----------
    columns : bool
        Whether the data is transposed beforehand, which is not counted.
    """

    def value(w: jax.Array, data: jax.Array, labels: jax.Array) -> jax.Array:
        return jnp.sum(loss(labels * (w @ data if columns else data @ w)))

    function = jax.jit(jax.value_and_grad(value))
    data = jnp.asarray(np.ascontiguousarray(task.data.T) if columns else task.data)
    labels, point = jnp.asarray(task.labels), jnp.asarray(task.point)
    return lambda: as_numpy(function(point, data, labels))


def written(margin: jax.Array) -> jax.Array:
    """Return the loss as the formula has it."""
    return jnp.log(1.0 + jnp.exp(-margin))


def special(margin: jax.Array) -> jax.Array:
    """Return the loss with log1p, the fastest form of those tried."""
    return jnp.log1p(jnp.exp(-margin))


STEPS = {"JAX": steps}
SLOPE = {"JAX": slope}
ROWS = {
    "JAX": functools.partial(rows, loss=written),
    "JAX log1p": functools.partial(rows, loss=special),
    "JAX, columns": functools.partial(rows, loss=written, columns=True),
}
