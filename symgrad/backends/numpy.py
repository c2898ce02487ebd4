"""The numpy backend: a lowered program as Python on NumPy and SciPy, compiled.

Names in the code are generated; a user's name stands only in comments of the source that is shown, never in the code
that is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from symgrad.backends.lower import lower
from symgrad.backends.module import Compiled, Lines
from symgrad.backends.numpy_code import NumpyPrinter
from symgrad.core.graph import Graph
from symgrad.core.memory import uncollected
from symgrad.functions import Row


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
    return _lines(graph, outputs, leaves, dtype).compiled()


def compile_descent(
    graph: Graph, outputs: Sequence[str], parameters: Sequence[str], others: Sequence[str], dtype: str
) -> Callable[[list[Any], Sequence[tuple[Any, ...]], float], tuple[list[Any], Any, int]]:
    """Compile the loop of plain gradient descent over rows of data, for scalar parameters.

    Args:
        graph: as for `compile_graph`.
        outputs: the loss, and then its derivative by each parameter.
        parameters: names of the leaves that are updated.
        others: names of the other leaves, in the order in which a row holds them.
        dtype: `float32` or `float64`.

    Returns:
        A function of the parameters' values, the rows and the learning rate. It updates the parameters row by row
        until a number is not finite, and returns their values, the last loss and how many rows it used.
    """
    return _lines(graph, outputs, (*parameters, *others), dtype).loop(len(parameters))


def _lines(graph: Graph, outputs: Sequence[str], leaves: Sequence[str], dtype: str) -> Lines:
    program = lower(graph, outputs, leaves, _is_native)
    return Lines(program, dtype, NumpyPrinter(program.has_arrays))


def _is_native(row: Row) -> bool:
    return bool(row.numpy)


def scalar_type(dtype: str) -> Callable[[float], Any]:
    """The NumPy scalar type of a dtype's name."""
    return {"float32": numpy.float32, "float64": numpy.float64}[dtype]
