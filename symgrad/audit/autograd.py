"""torch's own derivatives of a row, for a whole array of points in one call; the one module here that imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy
import torch
from numpy.typing import NDArray

from symgrad.audit.rows import Op

VERSION = f"torch {torch.__version__.partition('+')[0]}"

Columns = Mapping[tuple[str, ...], NDArray[numpy.float64]]
"""For each entry, the derivative at each point."""


class AbsentError(Exception):
    """torch has no derivative of that order here; the message is torch's reason."""


def derivatives(op: Op, points: NDArray[numpy.float64], dtype: str, order: int = 1) -> Columns:
    """The derivatives torch gives of an operation at many points: the gradient of the sum of its values.

    Args:
        op: the row.
        points: a row an argument, a column a point; exactly representable in `dtype`.
        dtype: `float32` or `float64`.
        order: 1 or 2.

    Raises:
        AbsentError: if torch cannot differentiate so often.
    """
    kind = getattr(torch, dtype)
    columns = dict(zip(op.arguments, points, strict=True))
    tensors = {name: torch.tensor(column, dtype=kind) for name, column in columns.items()}
    for name in op.active:
        tensors[name].requires_grad_()
    active = [tensors[name] for name in op.active]
    try:
        first = _gradient(called(op, list(tensors.values())), active, create_graph=order == 2)
        if order == 1:
            return {(name,): _numbers(slope) for name, slope in zip(op.active, first, strict=True)}
        return _second(op, first, active)
    except (RuntimeError, NotImplementedError) as error:
        raise AbsentError(str(error).partition("\n")[0]) from None


def _second(op: Op, first: list[torch.Tensor], active: list[torch.Tensor]) -> Columns:
    found: dict[tuple[str, ...], NDArray[numpy.float64]] = {}
    for position, name in enumerate(op.active):
        rows = _gradient(first[position], active, create_graph=False)
        for other, slope in list(zip(op.active, rows, strict=True))[position:]:
            found[name, other] = _numbers(slope)
    return found


def _gradient(values: torch.Tensor, active: list[torch.Tensor], *, create_graph: bool) -> list[torch.Tensor]:
    if not values.requires_grad:  # constant: torch keeps no graph, and the derivative is 0
        return [torch.zeros_like(tensor) for tensor in active]
    found = torch.autograd.grad(values.sum(), active, create_graph=create_graph, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(t) if slope is None else slope for slope, t in zip(found, active, strict=True)]


def _numbers(slope: torch.Tensor) -> NDArray[numpy.float64]:
    # torch's zero tensors have no memory that NumPy could read; a sum has
    whole = torch.zeros(slope.shape, dtype=torch.float64) + slope.detach()
    numbers: NDArray[numpy.float64] = whole.numpy()
    return numbers


def called(op: Op, tensors: list[torch.Tensor]) -> torch.Tensor:
    """The operation's values at tensors of its arguments."""
    function: Any = reduce(getattr, op.call.split("."), torch)
    match op.form:
        case "plain":
            result = function(*op.leading, *tensors, **op.options)
        case "pair":
            result = function(torch.stack(tensors, -1), *op.leading, dim=-1, **op.options)
        case "condition":
            result = function(tensors[0] > 0, *tensors[1:], **op.options)
        case "channel":
            result = function(tensors[0].unsqueeze(0), *tensors[1:], **op.options)
    values: torch.Tensor = result if isinstance(result, torch.Tensor) else result[0]  # some give indices too
    return values if op.component is None else values[..., op.component]
