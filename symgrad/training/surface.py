"""The loss over all samples as a function of one or two trained numbers, and the way a run took across it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy

from symgrad.calculus.batch import Reduce
from symgrad.core.derivation import Derivation
from symgrad.core.results import Run
from symgrad.errors import BackendError, DataError
from symgrad.training.batches import Batches, batches_of
from symgrad.training.data import prepare

Array = numpy.ndarray[Any, Any]

POINTS = {1: 201, 2: 61}
"""So many values along each axis, by the number of axes."""

MARGIN = 0.25
"""Beyond the run's own range, in units of it."""


MOST_HEIGHTS = 1000
"""A longer run of one number is told by so many of its steps, since each costs a look at all samples."""


@dataclass(frozen=True)
class Surface:
    """The loss where a run went, and around it.

    Args:
        names: what is trained, entry by entry: one name or two.
        axes: the values along each, ascending.
        losses: the loss at every combination, of shape `(len(axes[0]),)` or `(len(axes[1]), len(axes[0]))`; NaN where
            it has no finite value.
        path: where the run stood before each step and after the last, of shape `(steps + 1, len(names))`; of a long run
            of one number at some of its steps, its start and its end among them.
        heights: the loss there, of shape `(len(path),)`; over two numbers nobody sees it, and there is none.
    """

    names: tuple[str, ...]
    axes: tuple[Array, ...]
    losses: Array
    path: Array
    heights: Array


def entries_of(run: Run) -> tuple[str, ...]:
    """The trained numbers, entry by entry: `w`, or `w[0]` and `w[1]`."""
    found: list[str] = []
    for name, value in run.parameters.items():
        places = itertools.product(*map(range, numpy.shape(value)))
        found += [f"{name}[{','.join(map(str, place))}]" if place else name for place in places]
    return tuple(found)


def loss_surface(run: Run, derivation: Derivation, data: Mapping[str, Any], reduce: Reduce = "mean") -> Surface:
    """The loss over all samples, in float64, around the way that a run took.

    Args:
        run: with its steps logged.
        derivation: what was trained.
        data: the samples, as for `train`, and the constants, as single values.
        reduce: `mean` or `sum` over the samples.

    Raises:
        DataError: if the run has no steps or trains more than two numbers, or the data are not those of the derivation.
    """
    names = entries_of(run)
    if len(names) not in POINTS:
        raise DataError(f"a loss surface needs one or two trained numbers, and this run has {len(names)}.")
    if not run.steps:
        raise DataError('this run kept no steps; train it with log="steps".')
    if tuple(run.parameters) != derivation.wrt:
        raise DataError(f"this run trained {', '.join(run.parameters)}, not {', '.join(derivation.wrt)}.")
    path = numpy.array([numpy.concatenate([numpy.ravel(v) for v in at.values()]) for at in run.trajectory], float)
    loss = _loss(run, derivation, data, reduce)
    if len(names) == 1:
        path = path[numpy.unique(numpy.linspace(0, len(path) - 1, MOST_HEIGHTS).round().astype(int))]
    axes = tuple(_around(path[:, i], POINTS[len(names)]) for i in range(len(names)))
    grid = numpy.stack([axis.ravel() for axis in numpy.meshgrid(*axes)], axis=1)
    losses = numpy.array([loss(point) for point in grid]).reshape([POINTS[len(names)]] * len(names))
    heights = numpy.array([loss(point) for point in path] if len(names) == 1 else [])
    return Surface(names, axes, losses, path, heights)


def _around(values: Array, count: int) -> Array:
    """Values along an axis that holds the given ones."""
    low, high = float(values.min()), float(values.max())
    room = MARGIN * (high - low) or 0.5 * max(abs(high), 1.0)
    return numpy.linspace(low - room, high + room, count)


def _loss(run: Run, derivation: Derivation, data: Mapping[str, Any], reduce: Reduce) -> Callable[[Array], float]:
    """From the trained numbers to the loss over all samples; NaN where it is not finite."""
    samples = prepare(derivation, data, run.parameters, "float64")
    try:
        batches = batches_of(derivation, samples, samples.count, "float64", reduce, None)
    except BackendError:  # what has no batched form is evaluated sample by sample
        batches = batches_of(derivation, samples, 1, "float64", reduce, None)
    shapes = [numpy.shape(value) for value in run.parameters.values()]

    def loss(point: Array) -> float:
        try:
            value = _over(batches, _split(point, shapes), reduce)
        except numpy.linalg.LinAlgError:
            return numpy.nan
        return value if numpy.isfinite(value) else numpy.nan

    return loss


def _over(batches: Batches, parameters: list[Any], reduce: Reduce) -> float:
    rows = batches.of(0)
    with numpy.errstate(all="ignore"):
        total = sum(float(batches.gradient(*parameters, *row)[0]) for row in rows)
    return total / len(rows) if reduce == "mean" else total


def _split(point: Array, shapes: list[tuple[int, ...]]) -> list[Any]:
    """The trained leaves of a point: NumPy's numbers, and arrays."""
    sizes = [int(numpy.prod(shape)) for shape in shapes]
    parts = numpy.split(point, numpy.cumsum(sizes)[:-1])
    return [part.reshape(shape) if shape else part[0] for part, shape in zip(parts, shapes, strict=True)]
