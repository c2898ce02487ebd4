"""Optimizers: plain gradient descent here, every other one from torch by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from symgrad.backends.numpy import scalar_type


class Stateful(Protocol):
    """What a checkpoint of an optimizer holds."""

    def state(self) -> dict[str, Any]:
        """What the next step depends on besides the parameters, as JSON can hold it."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""


class Optimizer(Stateful, Protocol):
    """Turns gradients into new parameters."""

    def update(self, parameters: list[Any], gradient: Sequence[Any]) -> list[Any]:
        """The parameters after one step."""


class GradientDescent:
    """`p - lr*dL/dp`, rounded as `p.data - lr*p.grad.data` is in torch.

    Args:
        lr: the learning rate, positive.
        dtype: the precision of the parameters, which the rate takes.
    """

    def __init__(self, lr: float, dtype: str = "float64") -> None:
        self.lr = scalar_type(dtype)(lr)

    def update(self, parameters: list[Any], gradient: Sequence[Any]) -> list[Any]:
        lr = self.lr
        return [p - lr * g for p, g in zip(parameters, gradient, strict=True)]

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        del state


def optimizer_named(
    name: str, parameters: Sequence[Any], lr: float, options: Mapping[str, Any], dtype: str
) -> Optimizer:
    """The optimizer of that name.

    Args:
        name: `sgd`, or the name of a class in `torch.optim`, in any case.
        parameters: their values at the start.
        lr: the learning rate.
        options: keyword arguments of the torch class; with any, `sgd` is torch's too.
        dtype: the precision of the parameters.

    Raises:
        DataError: if torch has no such optimizer, or it cannot take the options.
    """
    if name.lower() == "sgd" and not options:
        return GradientDescent(lr, dtype)
    from symgrad.training.torch_optim import TorchOptimizer  # torch is loaded on request

    return TorchOptimizer(name, parameters, lr, options, dtype)
