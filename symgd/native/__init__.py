"""Machine code, and the memory it works on: linked, stored, described.

What a run's numbers mean is here as well, since kernels and drivers share it: where
they stand in memory, and the statuses that say why it ended.
"""
