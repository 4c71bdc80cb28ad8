"""An update rule as a run over arrays of any length."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symgd.descent.run import floats, not_finite
from symgd.descent.trajectory_run import UpdateRun
from symgd.errors import InputError
from symgd.kernels.shared import shared
from symgd.native import compiled, exchange
from symgd.native import records as layout
from symgd.native.machine import Kernel, address

if TYPE_CHECKING:
    from symgd.lowering.array_update import ArrayUpdate


class LargeRun(UpdateRun):
    """A run of an update rule on an objective with arrays."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.hyper.append(0.0)  # so that there is an address
        self.function = self._evaluation()
        self.facts = exchange.ArrayFacts()
        self._prepare()

    def _evaluation(self) -> Kernel:
        """Return what the loop evaluates."""
        return self.objective.kernel("evaluation")

    def _product(self) -> Kernel:
        """Return what multiplies the Hessian by a vector."""
        return self.objective.kernel("product")

    def _allocate(self, slots: int) -> None:
        self.rest = floats((slots - 1) * self.n + 1)  # of the slots
        self.room = floats(exchange.ROOM)
        self.ends, self.each = array("q", [0]), floats(1)  # where arrays are summed
        self._gradient, self._gradient_of = floats(0), -1

    def _sides(self) -> tuple[array[float], array[float]]:
        return super()._sides() if self.bounds.finite else (floats(1), floats(1))

    def _prepare(self) -> None:
        """Compile what the loop calls."""
        update = self._update(tuple(self.rule.updates.values()))
        parts = update.parts
        totals = len(parts.totals) + len(parts.values)
        constants = len(self.constants)
        if totals > exchange.MOST_TOTALS or constants > exchange.MOST_HYPERPARAMETERS:
            problem = f"rule {self.name!r} has {totals} reductions and {constants}"
            raise InputError(f"{problem} hyperparameters, too many with arrays")
        gathers = self._gathers(update)
        rows = len(self.state) + len(parts.derivatives) + (parts.probes != 0)
        self.rest = floats(rows * self.n + 1)
        self.iterates = floats((4 if gathers else 3) * self.n)
        self.kept = floats(len(self.rest) if gathers else 1)
        if not gathers:
            self._gradient = floats(self.n)
        step = self._gathered(update) if gathers else self._kernel("moved", update)
        self._used: list[Kernel] = []
        self._steepness = look_kernel(self.bounded)
        self.descend = shared("large")
        self._tell(self.facts, update, step)
        self.facts.function = self.function.address
        self.facts.look = self._steepness.address
        if parts.multiplies:
            self.product = self._product()
            self.facts.product = self.product.address
        self.gathers = self.facts.gathers = int(gathers)
        self.facts.online = self._iteration_place()

    def _tell(
        self, facts: exchange.ArrayFacts, update: ArrayUpdate, step: Kernel
    ) -> None:
        """Tell the loop what an update is like, which a kernel does."""
        parts = update.parts
        sums = self._kernel("summed_up", update) if parts.stages else step
        self._used += [step, sums]  # they live as long as the run
        facts.step, facts.sums, facts.stages = step.address, sums.address, parts.stages
        facts.totals, facts.of_arrays = len(parts.totals), parts.of_arrays
        facts.values, facts.places = len(parts.values), len(parts.places)
        facts.derivatives, facts.evaluates = len(parts.derivatives), parts.evaluates
        facts.multiplies, facts.probes = parts.multiplies, parts.probes
        facts.width, facts.steep = 1 + len(self.state), update.steep
        facts.constants = len(self.constants)
        if parts.of_arrays:
            space = self.objective.space
            self.ends = array("q", [*space.offsets[1:], space.size])
            facts.arrays = len(self.ends)
            self.each = floats(max(len(self.each), facts.arrays * facts.totals))

    def _iteration_place(self) -> int:
        name = self.objective.iteration
        names = list(self.objective.parameters)
        return -1 if name is None else names.index(name)

    def _update(self, expressions: Sequence[Any]) -> ArrayUpdate:
        from symgd.lowering.array_update import ArrayUpdate
        from symgd.lowering.watching import may_be_steep

        bounds = self.bounded, self.bounded and may_be_steep(self.objective.expression)
        return ArrayUpdate(self.rule, expressions, self.schedules, *bounds)

    def _gathers(self, update: ArrayUpdate) -> bool:
        """Return whether the update can be part of the pass that evaluates."""
        from symgd.lowering.array_update import fits

        arrays = self.objective.arrays
        if arrays is None or self.settings.every or arrays.partitions is not None:
            return False
        return fits(arrays.program(), update, arrays.layout.variables)

    def _gathered(self, update: ArrayUpdate) -> Kernel:
        from symgd.lowering import array_update as steps

        arrays = self.objective.arrays
        assert arrays is not None

        def build() -> str:
            return steps.gathered(update, arrays.program(), arrays.layout)

        parts = ("gathered", self._describing(update))
        return self.objective.written(parts, layout.LARGE_STEP, build)

    def _kernel(self, kind: str, update: ArrayUpdate) -> Kernel:
        def build() -> str:
            from symgd.lowering import array_update as steps

            return getattr(steps, kind)(update)

        parts = ("large", kind, self._describing(update))
        return compiled.written(parts, layout.LARGE_STEP, build)

    def _describing(self, update: ArrayUpdate) -> str:
        from symgd.language.formula import text_of

        rule, names = self.rule, list(self.rule.hyperparameters)
        texts = [text_of(expression) for expression in update.expressions]
        key = [texts, rule.state, names, self.schedules, update.bounded, update.steep]
        return json.dumps(key)

    # ------------------------------------------------------------- where it is

    @property
    def place(self) -> int:
        """The row of the iterate among those that take turns."""
        return int(self.record.place)

    @property
    def x(self) -> array[float]:
        """The iterate."""
        return self.iterates[self.place * self.n : (self.place + 1) * self.n]

    # What other runs have as it is, is put together here when it is asked for.

    @property
    def slots(self) -> array[float]:
        """The iterate and the state, one after the other."""
        return self.x + self.rest[: len(self.state) * self.n]

    @property
    def gradient(self) -> array[float]:
        """The gradient at the iterate, which may have to be computed."""
        if self._gradient_of != self.t and (self._is_computed or self.t < 0):
            if not self._gradient:
                self._gradient = floats(self.n)
            x = address(self.iterates) + 8 * self.n * self.place
            self.function(x, address(self.parameters), address(self._gradient))
            self._gradient_of = self.t
        return self._gradient

    @property
    def order(self) -> Any:
        """The order of the rows of data; nothing without batches."""
        return self.room

    @property
    def _is_computed(self) -> bool:
        return bool(self.facts.gathers or self.record.ahead)

    def evaluated(self, x: array[float], gradient: array[float]) -> float:
        """Return the value, and write the gradient, at a point."""
        return float(self.function(*map(address, (x, self.parameters, gradient))))

    # ---------------------------------------------------------- what it does

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start, and set the initial state, which may depend on it."""
        self.rest[:] = floats(len(self.rest))
        if not self.rule.starts_at_zero:
            self._set_initial_state(array("d", x))
        return super().begin(x)

    def _set_start(self, x: array[float]) -> None:
        self.iterates[: self.n] = x
        self._gradient_of = -1
        self.facts.gathers = self.gathers

    def _set_initial_state(self, x: array[float]) -> None:
        from symgd.language.formula import symbol

        update = self._update((symbol("x"), *self.rule.initial.values()))
        gradient, room = floats(self.n), floats(exchange.ROOM)
        head = exchange.Room.from_address(address(room))
        head.update, head.value = 1.0, self.evaluated(x, gradient)
        facts = exchange.ArrayFacts(begins=1, online=-1)
        self._tell(facts, update, self._kernel("moved", update))
        begun = layout.RunState(variables=self.n)
        self._looped(facts, begun, x + x, gradient, room)

    def _continue(self) -> int:
        self.facts.words = len(self.parameters)
        given = self.iterates, self._gradient, self.room
        status = self._looped(self.facts, self.record, *given)
        self._gradient_of = self.t if not self._is_computed else -1
        return status

    def _looped(
        self,
        facts: exchange.ArrayFacts,
        record: layout.RunState,
        iterates: array[float],
        gradient: array[float],
        room: array[float],
    ) -> int:
        """Call the loop."""
        arrays: list[Any] = [iterates, gradient, self.parameters, self.rest]
        arrays += [self.hyper, self.lower, self.upper, room, self.rows]
        arrays += [self.order, self.kept, self.ends, self.each]
        places = exchange.ArrayPlaces(*map(address, arrays))
        return self.descend(*map(address, (facts, record, places)))

    def _be_at(self, x: array[float], gradient: array[float]) -> None:
        self.record.place = 0
        self.iterates[: self.n], self._gradient = x, gradient
        self.facts.gathers = 0  # the gradient is there

    def norm_of(self, x: array[float], gradient: array[float]) -> float:
        """Return the largest component of the (projected) gradient at a point."""
        room, unused = floats(exchange.ROOM), floats(1)
        arrays = [x, unused, gradient, self.parameters, unused, unused]
        places = map(address, [*arrays, self.lower, self.upper, room])
        self._steepness(*places, self.n)
        return float(exchange.Room.from_address(address(room)).norm)

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        self._harvest()
        return {
            "counters": self.record.stored(),
            "iterates": self.iterates,
            "rest": self.rest,
            "kept": self.kept,
            "gradient": self.gradient,
            "room": self.room,
            "recorded": self.recorded,
            "origin": self.origin,
            "begun": array("d", bytes(self.at_start)),
        }

    def possible(self) -> dict[str, tuple[int, int]]:
        """Return between what each whole number of the record can be."""
        gathers = bool(self.facts.gathers)
        kept = self.t - self.t % exchange.KEEP if gathers and self.t >= 0 else 0
        pairs = {
            "place": (0, 1 if gathers else 2),
            "ahead": (-1, 0),
            "kept": (kept, kept),
        }
        return super().possible() | pairs

    def _finite(self) -> Sequence[array[float]]:
        return (self.x,)  # at the end, the state may be that of an update beyond

    @property
    def _following(self) -> array[float]:
        """The iterate that was not accepted; the start, if that is all there is."""
        count = 2 if self.facts.gathers else 3
        following = (self.place + 1) % count if self.t >= 0 else self.place
        return self.iterates[following * self.n : (following + 1) * self.n]

    @property
    def refused(self) -> tuple[float, Sequence[float]]:
        """The value that is minimised and its gradient, of which some is not finite."""
        gradient = floats(self.n)
        return self.evaluated(self._following, gradient), gradient

    def blame(self) -> str:
        """Say what was not finite."""
        sign, (value, gradient) = self.settings.sign, self.refused
        columns = (
            self.rest[j * self.n : (j + 1) * self.n] for j in range(len(self.state))
        )
        state = dict(zip(self.state, columns, strict=True))
        if self.facts.gathers:
            state = {}  # it may be that of an update later
        jac = (sign * each for each in gradient)
        numbers = {"x": self._following, **state}, sign * value, jac
        asks = self.rule.asks_for("g", "hvp")
        return not_finite(self.objective.space, *numbers, asks)


def look_kernel(bounded: bool) -> Kernel:
    """Return what looks at an iterate, one for all objectives and rules."""

    def build() -> str:
        from symgd.lowering import array_update as steps

        return steps.looked(bounded)

    return compiled.written(("large look", str(bounded)), layout.LARGE_STEP, build)
