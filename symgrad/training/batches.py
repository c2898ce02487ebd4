"""The steps of an epoch: which samples each update sees, and the compiled gradient over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy

from symgrad.backends.module import Compiled
from symgrad.backends.numpy import Descent, compile_descent, compile_graph
from symgrad.calculus.batch import Reduce, batch
from symgrad.core.derivation import Derivation
from symgrad.core.graph import Graph
from symgrad.training.data import Samples

Row = tuple[Any, ...]
"""The arguments of one step after the parameters."""


@dataclass
class Batches:
    """The steps of every epoch.

    Args:
        graph: computes the loss and its gradient.
        outputs: the loss, then its derivative by each parameter.
        parameters: names of the trained leaves.
        others: names of the other leaves, as a row holds them: columns, constants, number of samples.
        backend: compiles the gradient, once a step asks for it.
        dtype: `float32` or `float64`.
        samples: what the rows are taken from.
        size: samples a step.
        whole: whether a row holds slices with the sample axis, and not single samples.
        counted: whether a row ends in the number of its samples.
        seed: of the order in which the samples come; None for that of the data.
    """

    graph: Graph
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]
    others: tuple[str, ...]
    backend: str
    dtype: str
    samples: Samples
    size: int
    whole: bool
    counted: bool
    seed: int | None
    epoch: int = -1
    rows: Sequence[Row] = ()

    @cached_property
    def gradient(self) -> Callable[..., tuple[Any, ...]]:
        """From parameters and a row to the loss and its gradient."""
        compiler: Callable[..., Compiled] = compile_graph
        if self.backend == "jit":
            from symgrad.backends.jit import compile_graph as compiler  # loads llvmlite, only on request
        return compiler(self.graph, self.outputs, (*self.parameters, *self.others), self.dtype).function

    @cached_property
    def descend(self) -> Descent | None:
        """The loop of plain gradient descent over many rows in Python; None where a parameter is a tensor."""
        if self.backend == "jit" or any(self.graph[name].shape for name in self.parameters):
            return None
        return compile_descent(self.graph, self.outputs, self.parameters, self.others, self.dtype)

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
    derivation: Derivation, samples: Samples, size: int, dtype: str, reduce: Reduce, seed: int | None,
    backend: str = "numpy",
) -> Batches:  # fmt: skip
    """The loss and its gradient, parameters first, and its other arguments batch by batch.

    A model written for one sample gets a sample axis; a model written for a batch is fed slices.
    """
    graph = derivation.gradient
    outputs: tuple[str, ...] = (derivation.output, *graph.outputs)
    others = (*samples.columns, *samples.constants)
    counted = size > 1 and not samples.batched
    if counted:
        graph, count = batch(derivation, samples.columns, reduce)
        outputs, others = graph.outputs, (*others, count)
    whole = samples.batched or size > 1
    return Batches(graph, outputs, derivation.wrt, others, backend, dtype, samples, size, whole, counted, seed)
