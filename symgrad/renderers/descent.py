"""A training run within a report: how it was made, what it found, its first and last steps, its curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from symgrad.core.derivation import Derivation
from symgrad.core.results import Run, StepRecord, Value
from symgrad.renderers.chart import MOST_SERIES, Chart, Series
from symgrad.renderers.document import Document, Quantity, Remark, Table
from symgrad.renderers.quantities import Quantities
from symgrad.renderers.runs import narrate_run
from symgrad.renderers.values import short

FEW = 6
"""Of a longer log so many steps are shown at its beginning and at its end."""

ENTRIES = 6
"""A larger tensor has its norm in the chart, not its entries."""


@dataclass(frozen=True)
class Training:
    """A training run and where it came from.

    Args:
        run: with its steps logged.
        lr: the learning rate.
        batch: samples an update, in words.
    """

    run: Run
    lr: float
    batch: str


def told_training(training: Training) -> Document:
    """How the run was made, and what it found."""
    epochs = len(training.run.epochs)
    how = f"Gradient descent at learning rate {training.lr:g}, {training.batch} an update, {epochs} epochs."
    return (Remark((how,)), *narrate_run(training.run))


# the log


def step_table(derivation: Derivation, steps: Sequence[StepRecord]) -> Table:
    """The first and the last steps of a run."""
    scalar = not derivation.primal.has_tensors
    inputs = [name for name, value in steps[0].inputs.items() if isinstance(value, float)] if scalar else []
    gradients = [Quantities(derivation).adjoint(name) for name in derivation.wrt] if scalar else []
    slopes: tuple[Quantity | str, ...] = tuple(gradients) or ("largest slope",)
    header: tuple[Quantity | str, ...] = ("step", "epoch", *inputs, "loss", *slopes, "")
    places: list[int | None] = list(range(len(steps)))
    if len(places) > 2 * FEW + 1:
        places = [*places[:FEW], None, *places[-FEW:]]
    gap = ("…", *[""] * (len(header) - 1))
    return Table(header, tuple(gap if i is None else _step(i + 1, steps[i], inputs, scalar) for i in places))


def _step(number: int, record: StepRecord, inputs: Sequence[str], scalar: bool) -> tuple[str, ...]:
    slopes: list[Any] = list(record.gradient.values())
    if not scalar:
        slopes = [max(float(abs(value).max()) if hasattr(value, "max") else abs(value) for value in slopes)]
    cells = [float(record.inputs[name]) for name in inputs]
    return (str(number), str(record.epoch), *(short(value) for value in (*cells, record.loss, *slopes)), "")


# the curves


def charts(derivation: Derivation, training: Training) -> list[Chart]:
    """The loss by step, and the way of the parameters."""
    run = training.run
    if not run.steps:
        return []
    losses = [step.loss for step in run.steps]
    lines = [Series("each step", tuple((float(i), loss) for i, loss in enumerate(losses, 1)))]
    count = len(losses) // max(len(run.epochs), 1)
    if count > 1:
        ends = [count * k for k in range(1, len(run.epochs) + 1)]
        lines = [replace(lines[0], background=True)]
        means = (sum(losses[end - count : end]) / count for end in ends)
        lines.append(Series("mean of each epoch", tuple(zip(map(float, ends), means, strict=True))))
        lines.append(Series("last of each epoch", tuple(zip(map(float, ends), run.epochs, strict=True))))
    loss = Chart(f"Training curve: {derivation.output} by step", "step", "loss", lines, may_be_logarithmic=True)
    found = parameter_series(training.run.trajectory)
    if not found:
        return [loss]
    label = found[0].name if len(found) == 1 else "value"
    return [loss, Chart("The way of what is trained", "step", label, found)]


def parameter_series(trajectory: Sequence[Mapping[str, Value]]) -> list[Series]:
    """A line a scalar, one an entry of a small tensor, and the norm of a larger one."""
    found: list[Series] = []
    for name, start in (trajectory[0] if trajectory else {}).items():
        for label, pick in _picks(name, start, MOST_SERIES - len(found)):
            points = tuple((float(i), float(pick(state[name]))) for i, state in enumerate(trajectory))
            found.append(Series(label, points))
    return found[:MOST_SERIES]


def _picks(name: str, start: Any, room: int) -> list[tuple[str, Callable[[Any], Any]]]:
    """What is drawn of a parameter, by its label."""
    if not getattr(start, "shape", ()):
        return [(name, float)]
    if start.ndim == 1 and start.size <= min(ENTRIES, room):
        return [(f"{name}[{i}]", itemgetter(i)) for i in range(start.size)]
    return [(f"norm of {name}", lambda value: float((value * value).sum()) ** 0.5)]
