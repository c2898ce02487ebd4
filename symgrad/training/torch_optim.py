"""`torch.optim` driven by symgrad's gradients; torch computes no derivative here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from symgrad.backends.numpy import scalar_type
from symgrad.core.names import suggestion
from symgrad.errors import DataError

_UNSUITABLE = frozenset({"Optimizer", "LBFGS", "SparseAdam", "Muon"})
"""Those that evaluate the loss themselves, or are not for every shape."""

_REFUSALS = (TypeError, ValueError, LookupError, OverflowError, RuntimeError, AssertionError)
"""What torch raises where it cannot take an option, when it gets it or at its first step."""


def _refusal(name: str, error: Exception) -> DataError:
    return DataError(f"the optimizer {name!r} refuses its options: {str(error).rstrip('.')}.")


def _classes() -> dict[str, type[torch.optim.Optimizer]]:
    found = {}
    for name, value in vars(torch.optim).items():
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and name not in _UNSUITABLE:
            found[name.lower()] = value
    return found


class TorchOptimizer:
    """One of torch's optimizers.

    Args:
        name: its class name, in any case.
        parameters: values at the start.
        lr: the learning rate.
        options: its other keyword arguments.
        dtype: `float32` or `float64`.

    Raises:
        DataError: if there is no such optimizer, or it refuses an option.
    """

    def __init__(self, name: str, parameters: Sequence[Any], lr: float, options: Mapping[str, Any], dtype: str) -> None:
        classes = _classes()
        if name.lower() not in classes:
            hint = suggestion(name.lower(), classes) or f" There are {', '.join(sorted(classes))}."
            raise DataError(f"there is no optimizer {name!r}.{hint}")
        self.name, self.real = name, scalar_type(dtype)
        self.tensors = [torch.tensor(p, dtype=getattr(torch, dtype), requires_grad=True) for p in parameters]
        try:
            self.optimizer = classes[name.lower()](self.tensors, lr=lr, **options)  # type: ignore[call-arg]
        except _REFUSALS as error:
            raise _refusal(name, error) from None

    def update(self, parameters: list[Any], gradient: Sequence[Any]) -> list[Any]:
        """One step of the torch optimizer from these parameters.

        Raises:
            DataError: if it refuses an option only now.
        """
        with torch.no_grad():
            for tensor, value, derivative in zip(self.tensors, parameters, gradient, strict=True):
                tensor.copy_(torch.as_tensor(value))
                tensor.grad = torch.tensor(derivative, dtype=tensor.dtype)
        try:
            self.optimizer.step()
        except _REFUSALS as error:
            raise _refusal(self.name, error) from None
        return [tensor.detach().numpy().copy() if tensor.ndim else self.real(tensor.item()) for tensor in self.tensors]

    def state(self) -> dict[str, Any]:
        """The state dict, its tensors as numbers."""
        held = self.optimizer.state_dict()["state"]
        return {str(index): {key: _plain(value) for key, value in entries.items()} for index, entries in held.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state dict."""
        whole = self.optimizer.state_dict()
        whole["state"] = {
            int(index): {key: _restored(value) for key, value in entries.items()} for index, entries in state.items()
        }
        self.optimizer.load_state_dict(whole)


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return {"tensor": value.tolist(), "dtype": str(value.dtype).removeprefix("torch.")}
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        return torch.tensor(value["tensor"], dtype=getattr(torch, value["dtype"]))
    return value
