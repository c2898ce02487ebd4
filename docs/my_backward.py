"""Hand-written gradients of `y_pred = x*w; l = (y_pred - y)**2`, for docs/custom_backward.md."""

from __future__ import annotations

import torch


def backward(x, w, y):
    """The loss and its gradient by w."""
    error = x * w - y
    return error**2, {"w": 2 * error * x}


def hasty_backward(x, w, y):
    """As above, written in a hurry."""
    error = x * w - y
    return error**2, {"w": 2 * error}


class SquaredError(torch.autograd.Function):
    """The same loss as a custom function of torch's, with a slip that no scalar loss would show."""

    @staticmethod
    def forward(ctx, x, w, y):
        """(x·w − y)²."""
        ctx.save_for_backward(x, w, y)
        return (x * w - y) ** 2

    @staticmethod
    def backward(ctx, upstream):
        """Gradients by x, w and y."""
        x, w, y = ctx.saved_tensors
        error = 2 * (x * w - y)
        return upstream * error * w, error * x, -upstream * error
