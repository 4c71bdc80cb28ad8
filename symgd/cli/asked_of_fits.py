"""What ``symgd fit`` is asked beside the fit: profiles, derived quantities, samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from symgd.fitting.bootstraps import Bootstrap
    from symgd.fitting.derived import Derived
    from symgd.fitting.fit_result import Fit
    from symgd.fitting.profiles import Profile

Profiles = Annotated[
    list[str] | None,
    typer.Option("--profile", help="A parameter, for its interval. Repeatable."),
]
Quantities = Annotated[
    list[str] | None,
    typer.Option("--derive", help="A quantity that follows: log(2)/b. Repeatable."),
]
Samples = Annotated[
    int | None,
    typer.Option("--bootstrap", min=2, help="Fit so many samples of the rows."),
]


class Answers:
    """What a fit says of parameters and quantities, to be printed.

    Parameters
    ----------
    fit : Fit
    profiles : iterable of str
        Parameters.
    quantities : iterable of str
        Formulas in parameters.
    samples : int, optional
        Of a bootstrap.
    seed : int, optional
        Of that.
    """

    def __init__(
        self,
        fit: Fit,
        profiles: Iterable[str],
        quantities: Iterable[str],
        samples: int | None,
        seed: int | None,
    ) -> None:
        self.profiles: dict[str, Profile] = {n: fit.profile(n) for n in profiles}
        self.derived: dict[str, Derived] = {q: fit.derive(q) for q in quantities}
        self.drawn: Bootstrap | None = None
        if samples is not None:
            self.drawn = fit.bootstrap(samples, rng=seed)

    def __str__(self) -> str:
        lines = [str(profile) for profile in self.profiles.values()]
        lines += [f"{name} = {each}" for name, each in self.derived.items()]
        return "\n".join([*lines, *([] if self.drawn is None else [str(self.drawn)])])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, under the names of the options."""
        found: dict[str, Any] = {}
        if self.profiles:
            intervals = {n: list(p.interval) for n, p in self.profiles.items()}
            found["profile"] = intervals
        if self.derived:
            found["derive"] = {
                name: {**each._asdict(), "interval": list(each.interval)}
                for name, each in self.derived.items()
            }
        if self.drawn is not None:
            ends = self.drawn.confidence_intervals()
            found["bootstrap"] = {
                "samples": len(self.drawn.samples),
                "failed": self.drawn.failed,
                "standard_errors": self.drawn.standard_errors,
                "confidence_intervals": {n: list(i) for n, i in ends.items()},
            }
        return found
