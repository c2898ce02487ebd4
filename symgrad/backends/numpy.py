"""The numpy backend: a lowered program as Python on NumPy and SciPy, compiled.

Names in the code that is executed are generated. The source that is shown has the user's names where they are safe in
code, else in comments; it is never executed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy

from symgrad.backends.lower import lower
from symgrad.backends.module import Compiled, Lines
from symgrad.backends.numpy_code import NumpyPrinter
from symgrad.backends.passes import hoisted
from symgrad.backends.squares import contracted
from symgrad.core.graph import Graph
from symgrad.core.memory import uncollected
from symgrad.functions import Row

Descent: TypeAlias = Callable[[list[Any], Sequence[tuple[Any, ...]], float, int], tuple[list[Any], Any, int, list[Any]]]
"""From the parameters' values, the rows, the learning rate and how often to go through the rows, to the parameters'
values, the last loss, how many rows were used, and the loss at the end of each epoch. It stops before the first row
whose loss or whose new parameters are not finite."""


@uncollected
def compile_graph(graph: Graph, outputs: Sequence[str], leaves: Sequence[str], dtype: str) -> Compiled:
    """Compile part of a graph.

    Args:
        graph: what to compute.
        outputs: names of the nodes to return.
        leaves: names of the inputs, in order; scalars or arrays of `dtype`.
        dtype: `float32` or `float64`.

    Returns:
        The function and its source.
    """
    program = contracted(lower(graph, outputs, leaves, is_native, blocks=True), graph, some_axes=True)
    return Lines(program, dtype, NumpyPrinter(program.has_arrays)).compiled()


def compile_descent(
    graph: Graph, outputs: Sequence[str], parameters: Sequence[str], others: Sequence[str], dtype: str
) -> Descent:
    """Compile the loop of plain gradient descent over rows of data, for scalar parameters.

    Args:
        graph: as for `compile_graph`.
        outputs: the loss, and then its derivative by each parameter.
        parameters: names of the leaves that are updated.
        others: names of the other leaves, in the order in which a row holds them.
        dtype: `float32` or `float64`.

    Returns:
        The loop.
    """
    lowered = lower(graph, outputs, (*parameters, *others), is_native, blocks=True)
    program = contracted(lowered, graph, some_axes=True)
    lines = Lines(hoisted(program), dtype, NumpyPrinter(program.has_arrays))
    return _stepwise(lines.compiled().function) if program.has_arrays else lines.loop(len(parameters))


def _stepwise(gradient: Callable[..., tuple[Any, ...]]) -> Descent:
    """The loop with a call a step, where a step has samples enough to be worth one."""

    def descend(
        parameters: list[Any], rows: Sequence[tuple[Any, ...]], lr: float, epochs: int
    ) -> tuple[list[Any], Any, int, list[Any]]:
        loss, done = None, 0
        ends: list[Any] = []
        for _ in range(epochs):
            for row in rows:
                told, *slopes = gradient(*parameters, *row)
                new = [p - lr * slope for p, slope in zip(parameters, slopes, strict=True)]
                if not math.isfinite(sum(new, told)):
                    return parameters, loss, done, ends
                parameters, loss, done = new, told, done + 1
            ends.append(loss)
        return parameters, loss, done, ends

    return descend


def is_native(row: Row) -> bool:
    """Whether a function is called by itself, and not written by its definition."""
    return bool(row.numpy)


def scalar_type(dtype: str) -> Callable[[float], Any]:
    """The NumPy scalar type of a dtype's name."""
    return {"float32": numpy.float32, "float64": numpy.float64}[dtype]
