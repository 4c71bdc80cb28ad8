"""What all pictures share: colours, marks, and the files that they are written to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from symgd.errors import InputError

QUANTITIES = {
    "grad_norm": "largest component of the gradient",
    "gap": "distance of f from the best value seen",
    "fun": "f",
}
FORMATS = (".png", ".pdf", ".svg")

PATHS = ("#d55e00", "#000000", "#b3128a", "#00805f", "#8a5a00", "#6a3d9a")
INK = "#44546a"
UNDEFINED = "#d9d9d9"
CASING = [Stroke(linewidth=3.5, foreground="white"), Normal()]
DOTS: dict[str, Any] = {"marker": "o", "markersize": 3.5}
START: dict[str, Any] = {"marker": "o", "ms": 8, "mew": 2, "mfc": "white"}
END: dict[str, Any] = {"marker": "*", "ms": 16, "mec": "white"}


def checked(file: str | Path) -> Path:
    """Return the path of a picture, or refuse its format."""
    path = Path(file)
    if path.suffix.lower() not in FORMATS:
        accepted = ", ".join(FORMATS)
        raise InputError(f"{str(file)!r} has no known format; accepted: {accepted}")
    return path


def write(figure: Figure, path: Path) -> None:
    """Write a figure, or say why not."""
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise InputError(f"can't write {str(path)!r}: {error.strerror}") from None
