"""The steps of an epoch: which samples each update sees, and the compiled gradient over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from symgrad.backends.numpy import compile_descent, compile_graph
from symgrad.calculus.batch import Reduce, batch
from symgrad.core.derivation import Derivation
from symgrad.training.data import Samples

Row = tuple[Any, ...]
"""The arguments of one step after the parameters."""


@dataclass
class Batches:
    """The steps of every epoch.

    Args:
        gradient: from parameters and a row to the loss and its gradient.
        descend: the loop of plain gradient descent over many rows; None where a parameter is a tensor.
        samples: what the rows are taken from.
        size: samples a step.
        whole: whether a row holds slices with the sample axis, and not single samples.
        counted: whether a row ends in the number of its samples.
        seed: of the order in which the samples come; None for that of the data.
    """

    gradient: Callable[..., tuple[Any, ...]]
    descend: Callable[..., tuple[list[Any], Any, int]] | None
    samples: Samples
    size: int
    whole: bool
    counted: bool
    seed: int | None
    epoch: int = -1
    rows: Sequence[Row] = ()

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return -(-self.samples.count // self.size)

    def of(self, epoch: int) -> Sequence[Row]:
        """The rows of an epoch; the same again unless the samples are shuffled."""
        if self.epoch < 0 or (self.seed is not None and epoch != self.epoch):
            self.rows = self._rows(self.order(epoch))
        self.epoch = epoch
        return self.rows

    def order(self, epoch: int) -> numpy.ndarray:
        """The samples' positions in the order of an epoch, which does not depend on the epochs before it."""
        if self.seed is None:
            return numpy.arange(self.samples.count)
        return numpy.random.default_rng((self.seed, epoch)).permutation(self.samples.count)

    def positions(self, epoch: int, step: int) -> list[int]:
        """The positions of the samples that a step of an epoch sees."""
        return [int(i) for i in self.order(epoch)[step * self.size : (step + 1) * self.size]]

    def _rows(self, order: numpy.ndarray) -> list[Row]:
        fixed = tuple(self.samples.constants.values())
        columns = [column[order] if self.seed is not None else column for column in self.samples.columns.values()]
        if not columns:
            return [(*fixed, 1.0) if self.counted else fixed]
        if not self.whole:
            return [(*row, *fixed) for row in zip(*columns, strict=True)]
        slices = [[c[i : i + self.size] for c in columns] for i in range(0, self.samples.count, self.size)]
        return [(*arrays, *fixed, *((float(len(arrays[0])),) if self.counted else ())) for arrays in slices]


def batches_of(
    derivation: Derivation, samples: Samples, size: int, dtype: str, reduce: Reduce, seed: int | None
) -> Batches:
    """The compiled loss and gradient, parameters first, and its other arguments batch by batch.

    A model written for one sample gets a sample axis; a model written for a batch is fed slices.
    """
    graph, outputs = derivation.gradient, (derivation.output, *derivation.gradient.outputs)
    others = (*samples.columns, *samples.constants)
    counted = size > 1 and not samples.batched
    if counted:
        graph, count = batch(derivation, samples.columns, reduce)
        outputs, others = graph.outputs, (*others, count)
    leaves = (*derivation.wrt, *others)
    gradient = compile_graph(graph, outputs, leaves, dtype).function
    descend = None
    if not any(derivation.gradient[name].shape for name in derivation.wrt):
        descend = compile_descent(graph, outputs, derivation.wrt, others, dtype)
    return Batches(gradient, descend, samples, size, samples.batched or size > 1, counted, seed)
