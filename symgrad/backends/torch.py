"""The torch backend: the same program on tensors, on whatever device they live, with autograd off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch

from symgrad.backends.lower import lower
from symgrad.backends.module import Compiled, Lines
from symgrad.backends.squares import contracted
from symgrad.backends.torch_code import TorchPrinter
from symgrad.core.graph import Graph
from symgrad.core.memory import uncollected
from symgrad.functions import Row


@uncollected
def compile_graph(graph: Graph, outputs: Sequence[str], leaves: Sequence[str], dtype: str) -> Compiled:
    """Compile part of a graph for torch; arguments as for the numpy backend, inputs and outputs are tensors."""
    program = contracted(lower(graph, outputs, leaves, _is_native, fused=True), graph, some_axes=False)
    return Lines(program, dtype, TorchPrinter(arrays=True)).compiled()


def quietly(function: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """The function with autograd off."""
    return torch.no_grad()(function)


def on_arrays(function: Callable[..., tuple[Any, ...]], values: Sequence[Any]) -> tuple[Any, ...]:
    """The function of NumPy values; its tensors come back as arrays.

    Raises:
        LinAlgError: NumPy's, as the numpy backend does, where a matrix is singular.
    """
    try:
        results = quietly(function)(*(torch.as_tensor(value) for value in values))
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # documented all the same
        raise numpy.linalg.LinAlgError(str(error)) from None
    return tuple(r.cpu().numpy() if isinstance(r, torch.Tensor) else r for r in results)


def _is_native(row: Row) -> bool:
    return bool(row.torch)
