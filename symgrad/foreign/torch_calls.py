"""Somebody else's function called with tensors; its gradients are what torch autograd makes of it.

The upstream gradient is 1, and then −2: a backward that forgets the gradient that arrives from above is right for the
first and wrong for the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy
import torch

from symgrad.checks.entrywise import shape_of, sizes_of
from symgrad.core.results import Value
from symgrad.errors import DataError
from symgrad.foreign.calls import Arguments, Foreign, Point, Returned, arguments_of, read_result, told

_DTYPES = {"float32": torch.float32, "float64": torch.float64}

UPSTREAM = -2.0
"""A power of two, so that a gradient times it is exact."""


def call_with_tensors(foreign: Foreign, point: Point) -> Returned:
    """What a function gives when it is called with tensors.

    Args:
        foreign: the function. Of a `torch.autograd.Function` its `apply`; anything that returns a tensor with the
            output's shape is differentiated by autograd, anything else must return gradients.
        point: a value for every leaf.

    Raises:
        DataError: if the function or its backward raises, or it returns what is no gradient.
    """
    function, arguments = _callable(foreign)
    derivation = foreign.derivation
    tensors = {name: _tensor(foreign, name, point[name]) for name in arguments.leaves}
    try:
        result = arguments.call(function, tensors)
    except Exception as error:
        raise DataError(f"{foreign.name} raised {told(error)}") from error
    if not isinstance(result, torch.Tensor):
        return read_result(result, derivation, foreign.name)
    due = shape_of(derivation.primal[derivation.output].shape, sizes_of(derivation.primal, point))
    wrt = derivation.wrt
    if len(wrt) == 1 and result.shape != due and wrt[0] in tensors and result.shape == tensors[wrt[0]].shape:
        return Returned({wrt[0]: result})
    if result.numel() != numpy.prod(due, dtype=int):
        raise DataError(
            f"{foreign.name} returned a tensor of shape {tuple(result.shape)}, where {derivation.output} has {due}."
        )
    return _differentiated(foreign, result, tensors, due)


def _callable(foreign: Foreign) -> tuple[Any, Arguments]:
    """What to call, and with which leaves."""
    function, leaves = foreign.function, foreign.derivation.gradient.leaves
    owner = getattr(function, "__self__", function)
    if isinstance(owner, type) and issubclass(owner, torch.autograd.Function):
        has_context = owner.setup_context is torch.autograd.Function.setup_context
        return owner.apply, Arguments(arguments_of(owner.forward, leaves, skip=int(has_context)).leaves)
    if isinstance(function, torch.nn.Module):
        return function, arguments_of(function.forward, leaves)
    return function, arguments_of(function, leaves)


def _tensor(foreign: Foreign, name: str, value: Value) -> torch.Tensor:
    if name in foreign.derivation.primal.selectors:
        return torch.tensor(numpy.asarray(value), dtype=torch.int64)
    return torch.tensor(value, dtype=_DTYPES[foreign.dtype], requires_grad=name in foreign.derivation.wrt)


def _differentiated(
    foreign: Foreign, result: torch.Tensor, tensors: Mapping[str, torch.Tensor], due: tuple[int, ...]
) -> Returned:
    """The value and the gradients by autograd, the output's axes first."""
    names = foreign.derivation.wrt
    missing = [name for name in names if name not in tensors]
    if missing:
        raise DataError(
            f"{foreign.name} does not take {missing[0]!r}, so it has no gradient for it; give wrt= the names it takes: "
            f"{', '.join(n for n in tensors if n not in foreign.derivation.primal.selectors)}."
        )
    value = result.detach().clone()
    if not result.requires_grad:
        return Returned(dict.fromkeys(names), value)
    inputs = [tensors[name] for name in names]
    rows = [_gradients(foreign, result, inputs, seed) for seed in _seeds(result, due)]
    if not due:
        doubled = _gradients(foreign, result, inputs, UPSTREAM * torch.ones_like(result))
        scaled = {n: None if g is None else g / UPSTREAM for n, g in zip(names, doubled, strict=True)}
        return Returned(dict(zip(names, rows[0], strict=True)), value, scaled)
    gradients = {}
    for position, name in enumerate(names):
        column = [row[position] for row in rows]
        whole = [torch.zeros_like(tensors[name]) if g is None else g for g in column]
        unconnected = all(g is None for g in column)
        gradients[name] = None if unconnected else torch.stack(whole).reshape(*due, *whole[0].shape)
    return Returned(gradients, value)


def _seeds(result: torch.Tensor, due: tuple[int, ...]) -> list[torch.Tensor]:
    """An upstream gradient for each entry of the output."""
    if not due:
        return [torch.ones_like(result)]
    seeds = []
    for entry in product(*map(range, result.shape)):
        seed = torch.zeros_like(result)
        seed[entry] = 1.0
        seeds.append(seed)
    return seeds


def _gradients(
    foreign: Foreign, result: torch.Tensor, inputs: Sequence[torch.Tensor], seed: torch.Tensor
) -> tuple[torch.Tensor | None, ...]:
    try:
        found = torch.autograd.grad(result, inputs, seed, retain_graph=True, allow_unused=True)
    except Exception as error:
        raise DataError(f"the backward of {foreign.name} raised {told(error)}") from error
    return tuple(None if g is None else g.detach().clone() for g in found)
