"""`symgrad train --plot`: what a run writes down for its plot, and the plot's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symgrad.core.derivation import Derivation
    from symgrad.core.results import Run, StepRecord

    Log = Callable[[StepRecord | tuple[int, float]], None]


@dataclass
class Plotter:
    """Keeps the steps of a run, and draws it.

    Args:
        path: where the plot goes.

    Raises:
        RenderError: if the file's suffix names no format, said before the run.
        BackendError: if matplotlib is missing.
    """

    path: Path
    steps: list[StepRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        from symgrad import plot

        plot.check_suffix(self.path)

    def watching(self, log: Log | None) -> Log:
        """A log that keeps of each step what is drawn, and hands everything on."""

        def keep(record: StepRecord | tuple[int, float]) -> None:
            if not isinstance(record, tuple):
                self.steps.append(replace(record, inputs={}, gradient={}))
            if log is not None:
                log(record)

        return keep

    def draw(self, run: Run, derivation: Derivation, data: Mapping[str, Any], reduce: str) -> None:
        """Write the plot, of a run that stopped early as far as it went; without a step there is none.

        Raises:
            DataError: if there is nothing to draw, or the file cannot be written.
        """
        from symgrad import plot

        kept = replace(run, steps=tuple(self.steps))
        figure = plot.new_figure(layout="constrained")
        plot.save(plot.training(kept, derivation, data, figure, reduce=reduce), self.path)  # type: ignore[arg-type]  # Click has checked the choice
