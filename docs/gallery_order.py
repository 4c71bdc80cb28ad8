"""The order of the gallery, in which one example prepares the next."""

import os
from pathlib import Path

ORDER = (
    "first_minimum",
    "gradient_descent",
    "momentum",
    "ravine",
    "anisotropic",
    "step_and_momentum",
    "schedules",
    "amsgrad",
    "amsgrad_beats_adam",
    "heavy_ball_cycle",
    "own_rule",
    "test_your_rule",
    "clipped_and_normalised",
    "basins",
    "certificate",
    "decay_fit",
    "robust_fit",
    "poisson_fit",
    "global_fit",
    "errors_in_x",
    "gaussian_process",
    "circle_fit",
    "minimax_fit",
    "ridge_and_lasso",
    "lasso_path",
    "enclosing_circle",
    "portfolio",
    "hanging_chain",
    "obstacle",
    "rate_limits",
    "logistic_regression",
    "chained_rosenbrock",
    "soap_film",
    "total_variation",
)


class TeachingOrder:
    """What the gallery is sorted by."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = folder

    def __call__(self, file: str | os.PathLike[str]) -> int:
        """Return the place of an example."""
        return ORDER.index(Path(file).stem)

    def __repr__(self) -> str:
        return "TeachingOrder"  # which Sphinx compares with the last build's
