"""Whatever was computed as a picture: the one way to the modules that draw."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from symgd.descent.result import Result
from symgd.errors import InputError
from symgd.plotting.figures import checked, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN_BY = {  # by the name of the class, so that others aren't loaded
    "Result": "path",
    "Race": "race_curves",
    "Sweep": "sweep_map",
    "Fit": "fitted_curve",
}


def plot(thing: Any, *, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw a run or several, a race, a sweep, or a fit.

    Parameters
    ----------
    thing : Result, sequence of Result, Race, Sweep or Fit
        Runs are drawn as paths or as they converge, races as they converge, sweeps as
        curves or maps, fits as curves through the data.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure of pyplot, which is not shown.
    **options
        Those of the thing's own ``plot``: ``kind``, ``quantity`` and ``window`` of
        runs, ``quantity`` of a race, ``value`` and ``at`` of a sweep, ``level`` of a
        fit; with a ``kind``, the descent of a fit is drawn.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If there is no picture of such a thing, or not with these options.

    Examples
    --------
    >>> import symgd
    >>> fit = symgd.fit("a + b*t", {"t": [0.0, 1, 2], "y": [1.0, 3.1, 4.9]}, "y")
    >>> plot(fit, ax=Figure().subplots()).get_xlabel()
    't'
    """
    thing = _shown(thing, options)
    return _module_of(thing).plot(thing, ax=ax, **options)


def save(thing: Any, file: str | Path, kind: str | None = None, **options: Any) -> None:
    """Write what :func:`plot` draws to a .png, .pdf or .svg file.

    No display is needed. A run is written as a page to a .html file.

    Parameters
    ----------
    thing, **options
        As for :func:`plot`.
    file : str or Path
        Its suffix is the format.
    kind : str, optional
        Of the picture of runs.

    Raises
    ------
    InputError
        If the file can't be written, or :func:`plot` can't draw this.
    """
    if kind is not None:
        options["kind"] = kind
    paged = str(file).lower().endswith((".html", ".htm"))
    if paged and isinstance(thing, Result):
        return thing.save(file, **options)
    thing = _shown(thing, options)
    module, path = _module_of(thing), checked(file)
    figure = Figure(layout="constrained")
    if hasattr(module, "fill"):
        module.fill(figure, thing, **options)
    else:
        module.plot(thing, ax=figure.add_subplot(), **options)
    write(figure, path)


def _shown(thing: Any, options: Mapping[str, Any]) -> Any:
    """Return the descent of a fit where a kind of a run's picture is asked for."""
    descent = getattr(thing, "result", None)
    return descent if "kind" in options and isinstance(descent, Result) else thing


def _module_of(thing: Any) -> Any:
    """Return the module that draws a thing; runs may be several."""
    several = isinstance(thing, Sequence) and not isinstance(thing, str)
    one = thing[0] if several and thing else thing
    for kind in type(one).__mro__:
        if kind.__module__.startswith("symgd.") and kind.__name__ in DRAWN_BY:
            return importlib.import_module(f"symgd.plotting.{DRAWN_BY[kind.__name__]}")
    problem = f"there is no picture of a {type(one).__name__}"
    raise InputError(f"{problem}: of a Result or several, a Race, a Sweep or a Fit")
