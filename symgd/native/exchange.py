"""What the loop over arrays exchanges with what it calls, and where that stands.

Offsets into a struct, elsewhere.
"""

from __future__ import annotations

# What a loop over large arrays knows of its objective and its rule: addresses of the
# evaluation, of an update, of totals, of a look at an iterate; then numbers.
FACTS = 14
FUNCTION, STEP, SUMS, LOOK, STAGES, GATHERS, WIDTH, CONSTANTS, ONLINE = range(9)
WORDS = 9  # how many constants the objective has
BATCH, DATA_ROWS, FIRST, SCALE = range(10, FACTS)  # of mini-batches; BATCH 0: none

# What these kernels share with the loop: the value, the number of the update, the
# epoch, the gradient's norm; what isn't 0 if the iterate, or the next, isn't finite.
ROOM_VALUE, ROOM_UPDATE, ROOM_EPOCH, ROOM_NORM, ROOM_BAD, ROOM_NEXT = range(6)
ROOM_TOTALS = 8  # over coordinates
ROOM_HYPERPARAMETERS = 40  # as the last update used them
ROOM = 128
MOST_TOTALS = ROOM_HYPERPARAMETERS - ROOM_TOTALS
MOST_HYPERPARAMETERS = ROOM - ROOM_HYPERPARAMETERS

KEEP = 64  # passes from one iterate that is kept to the next
