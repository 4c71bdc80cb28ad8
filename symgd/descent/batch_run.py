"""An update rule as a run on mini-batches."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from symgd.descent.large_run import LargeRun
from symgd.descent.run import FARTHEST
from symgd.descent.settings import Seed, generator
from symgd.errors import InputError
from symgd.native import records as layout
from symgd.native.machine import Kernel, address
from symgd.native.status import Status
from symgd.objectives.batches import FIRST, SCALE, Batched
from symgd.objectives.objective import Objective

if TYPE_CHECKING:
    from symgd.lowering.array_update import ArrayUpdate
    from symgd.objectives.arrays import Arrays
    from symgd.objectives.scattered.far_batches import ScatteredBatches

LARGEST_SEED = 2_147_483_398


class BatchRun(LargeRun):
    """A run whose updates each see some rows of the data.

    Parameters
    ----------
    batch_size : int
        Rows of a batch; the last one of an epoch may have fewer.
    rng : int, Generator or RandomState
        Where the order of the rows comes from.
    """

    clocks = ("t", "epoch")

    def __init__(
        self, objective: Objective, *given: Any, batch_size: int, rng: Seed
    ) -> None:
        if objective.arrays is None:
            raise InputError("batch_size needs an objective with a sum over data")
        self.batched = self._batched(objective.arrays, batch_size)
        self.batch_size = min(batch_size, self.batched.rows)
        draw = getattr(source := generator(rng), "integers", None) or source.randint
        self.seeds = [int(draw(1, LARGEST_SEED)) for _ in range(2)]
        super().__init__(objective, *given)
        names = {**objective.parameters, SCALE: 1.0}
        self.parameters = self.batched.arrays.words(names)
        self.whole = objective.kernel("evaluation")
        self.remembers = False  # f is of a batch

    def _batched(self, arrays: Arrays, batch_size: int) -> Batched | ScatteredBatches:
        return Batched(arrays)

    def _prepare(self) -> None:
        super()._prepare()
        arrays = self.batched.arrays
        words = arrays.layout.words
        self.facts.batch, self.facts.data_rows = (
            *(self.batch_size, self.batched.rows),
        )
        self.facts.first = words["size", FIRST]
        self.facts.scale = words["parameter", SCALE]

    def _evaluation(self) -> Kernel:
        arrays = self.batched.arrays

        def build() -> str:
            from symgd.lowering import array_objective as programs

            return programs.evaluation(arrays.program(), arrays.layout)

        return self.objective.written(("batch", arrays.key), layout.EVALUATION, build)

    def _product(self) -> Kernel:
        arrays = self.batched.arrays

        def build() -> str:
            from symgd.lowering import array_objective as programs

            return programs.product(arrays.product_program(), arrays.layout)

        return self.objective.written(
            ("batch product", arrays.key), layout.PRODUCT, build
        )

    def _gathers(self, update: ArrayUpdate) -> bool:
        return False

    @property
    def order(self) -> Any:
        """The order of the rows."""
        return self.batched.order

    def _reset(self) -> None:
        super()._reset()
        self.order[:] = range(len(self.order))
        self.record.cursor = self.batched.rows  # so that rows are shuffled
        self.record.first_random, self.record.second_random = self.seeds

    def conclude(self, status: Status) -> None:
        """Evaluate the whole objective where the run is."""
        if self.t < 0:
            return
        x, p = self.x, self.objective.parameter_values()
        self._gradient_of = self.t
        value = self.whole(*map(address, (x, p, self._gradient)))
        self.record.value = value
        self.record.norm = self.norm_of(x, self._gradient)

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        rows = array("q")
        rows.frombytes(self.order.tobytes())
        return super().arrays() | {"order": rows}

    def possible(self) -> dict[str, tuple[int, int]]:
        """Return between what each whole number of the record can be."""
        pairs = {
            "cursor": (0, self.batched.rows),
            "epoch": (0, FARTHEST),
            "first_random": (1, 2_147_483_562),
            "second_random": (1, LARGEST_SEED),
        }
        return super().possible() | pairs

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored; raises likewise."""
        super().restore(stored, plan)
        rows = stored["order"]
        if sorted(rows.tolist()) != list(range(self.batched.rows)):
            raise ValueError("that is no order of the rows")
        self.order[:] = rows


class FarBatchRun(BatchRun):
    """A run on mini-batches of rows that are in partitions.

    The loop counts batches; which rows they have is known where those are.
    """

    def __init__(
        self, objective: Objective, *given: Any, batch_size: int, rng: Seed
    ) -> None:
        self.rows_of_batch = batch_size
        super().__init__(objective, *given, batch_size=1, rng=rng)

    def _batched(self, arrays: Arrays, batch_size: int) -> ScatteredBatches:
        from symgd.objectives.scattered.far_batches import ScatteredBatches

        self.far = ScatteredBatches(arrays, self.rows_of_batch)
        self.far.seeds = self._seeds
        return self.far

    def _seeds(self) -> tuple[int, ...]:
        """Return where the shuffling is, which goes on with each epoch."""
        return self.record.first_random, self.record.second_random

    def _evaluation(self) -> Kernel:
        return self.far.kernel("evaluation")

    def _product(self) -> Kernel:
        return self.far.kernel("product")
