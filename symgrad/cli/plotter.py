"""`symgrad train --plot`: what a run writes down for its plot, and the plot's file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symgrad.cli.problem import Problem
    from symgrad.core.results import Run, StepRecord

    Log = Callable[[StepRecord | tuple[int, float]], None]


@dataclass
class Plotter:
    """Keeps the steps of a run, and draws it.

    Args:
        path: where the plot goes.
        problem: what is trained.
        reduce: `mean` or `sum` over a batch.

    Raises:
        RenderError: if the file's suffix names no format, said before the run.
        BackendError: if matplotlib is missing.
    """

    path: Path
    problem: Problem
    reduce: str
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

    def draw(self, run: Run) -> None:
        """Write the plot, of a run that stopped early as far as it went; without a step there is none.

        Raises:
            DataError: if there is nothing to draw, or the file cannot be written.
        """
        from symgrad import plot

        kept, known = replace(run, steps=tuple(self.steps)), {**self.problem.data, **self.problem.constants}
        figure = plot.new_figure(layout="constrained")
        drawn = plot.training(kept, self.problem.derivation, known, figure, reduce=self.reduce)  # type: ignore[arg-type]  # Click has checked the choice
        plot.save(drawn, self.path)
