"""The objectives and their gradients in torch, as one writes them there; also what the C is checked against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Tensors = Mapping[str, Tensor]


def logistic_regression(at: Tensors) -> Tensor:
    """The mean cross-entropy."""
    return functional.binary_cross_entropy_with_logits(at["X"] @ at["w"] + at["b"], at["y"])


def perceptron(at: Tensors) -> Tensor:
    """The cross-entropy of a network with one hidden layer."""
    hidden = torch.tanh(at["X"] @ at["W1"] + at["b1"])
    return functional.cross_entropy(hidden @ at["W2"] + at["b2"], at["t"])


def gaussian_mixture(at: Tensors) -> Tensor:
    """ADBench's objective, with the two loops over rows and components as axes."""
    n, d = at["X"].shape
    diagonal = torch.exp(at["Q"])
    below = torch.tril(at["T"], -1)
    logs = at["Q"].sum(1)
    centred = at["X"][:, None, :] - at["M"]
    turned = diagonal * centred + torch.einsum("jab,ijb->ija", below, centred)
    exponents = at["alpha"] + logs - 0.5 * (turned**2).sum(2)
    fit = (
        torch.logsumexp(exponents, 1).sum() - n * torch.logsumexp(at["alpha"], 0) - 0.5 * n * d * math.log(2 * math.pi)
    )
    squares = (diagonal**2).sum() + (below**2).sum()
    return fit + 0.5 * at["gamma"] ** 2 * squares - at["m"] * logs.sum() - len(at["alpha"]) * at["constant"]


def reprojection(at: Tensors) -> Tensor:
    """The weighted residuals of every observation, an axis of two last."""
    camera, moved = at["camera"], at["point"] - at["camera"][:, 3:6]
    rotation, (focal, k1, k2) = camera[:, :3], camera[:, [6, 9, 10]].T
    square = (rotation**2).sum(1, keepdim=True)
    angle = torch.sqrt(square)
    dot = (rotation * moved).sum(1, keepdim=True)
    turned = torch.cos(angle) * moved + torch.sin(angle) / angle * torch.linalg.cross(rotation, moved)
    turned = turned + (1 - torch.cos(angle)) / square * dot * rotation
    flat = turned[:, :2] / turned[:, 2:]
    radius = (flat**2).sum(1)
    scale = focal * (1 + k1 * radius + k2 * radius**2)
    return at["weight"][:, None] * (scale[:, None] * flat + camera[:, 7:9] - at["measured"])


def gradient(function: Callable[[Tensors], Tensor], at: Tensors, wrt: Sequence[str]) -> Callable[[], tuple[Any, ...]]:
    """Forward and backward: the value and the gradients, ready to run."""
    leaves = {name: at[name].clone().requires_grad_() for name in wrt}
    point = {**at, **leaves}

    def run() -> tuple[Any, ...]:
        value = function(point)
        return (value.detach(), *torch.autograd.grad(value, list(leaves.values())))

    return run


def objective(function: Callable[[Tensors], Tensor], at: Tensors) -> Callable[[], Tensor]:
    """Forward alone, with autograd off."""

    def run() -> Tensor:
        with torch.no_grad():
            return function(at)

    return run


def jacobian(at: Tensors) -> Callable[[], tuple[Any, ...]]:
    """The residuals and their Jacobians, two backward passes over all observations."""
    leaves = [at[name].clone().requires_grad_() for name in ("camera", "point", "weight")]
    point = {**at, **dict(zip(("camera", "point", "weight"), leaves, strict=True))}

    def run() -> tuple[Any, ...]:
        errors = reprojection(point)
        first = torch.autograd.grad(errors[:, 0].sum(), leaves, retain_graph=True)
        return (errors.detach(), first, torch.autograd.grad(errors[:, 1].sum(), leaves))

    return run
