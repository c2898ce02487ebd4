"""Hand-written gradients, right ones and wrong ones, each wrong one with the words its diagnosis must contain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

SEED = "y_pred = x*w; l = (y_pred - y)**2"
FORK = "h = tanh(w*x); fit = (h - y)**2; pen = c*h**2; l = fit + pen"
RIDGE = """
X: (n, d)
w: (d,)
y: (n,)
r = X @ w - y
L = sum(r**2)/n + lam*sum(w**2)
"""
MLP = """
x: (d,)
y: (k,)
W1: (h, d)
b1: (h,)
W2: (k, h)
b2: (k,)
z1 = W1 @ x + b1
a = tanh(z1)
z2 = W2 @ a + b2
L = sum((z2 - y)**2)
"""
RELU = """
x: (d,)
W: (h, d)
v: (h,)
z = W @ x
u = relu(z)
L = (dot(v, u) - y)**2
"""
RELU_ENTRIES = "x: (n,)\nw: (n,)\nu = relu(x)\nL = sum(w*u)"
QUADRATIC = "x: (n,)\nA: (n, n)\nL = dot(x, A @ x)"
NORM = """
x: (n, d)
T: (n, d)
mu = mean(x, axis=0)
c = x - mu
v = mean(c**2, axis=0)
xhat = c/sqrt(v + 1)
L = sum(xhat*T)
"""
CLASSES = """
X: (n, d)
t: (n,)
W: (d, k)
Z = X @ W
L = sum(logsumexp(Z) - select(Z, t))/n
"""


def softmax(z: Any) -> Any:
    """Along the last axis."""
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def seed_right(x, w, y):
    """2x(xw − y), with the value."""
    return (x * w - y) ** 2, {"w": 2 * x * (x * w - y)}


def fork_right(w, x, y, c):
    """Both paths."""
    h = np.tanh(w * x)
    return ((2 * (h - y) + 2 * c * h) * (1 - h * h) * x,)


def ridge_right(X, w, y, lam):
    """By w and lam."""
    r = X @ w - y
    return 2 * X.T @ r / len(y) + 2 * lam * w, (w * w).sum()


def mlp_right(x, y, W1, b1, W2, b2):
    """By hand, as in every textbook."""
    a = np.tanh(W1 @ x + b1)
    d2 = 2 * (W2 @ a + b2 - y)
    d1 = (W2.T @ d2) * (1 - a * a)
    return {"W1": np.outer(d1, x), "b1": d1, "W2": np.outer(d2, a), "b2": d2}


def classes_right(X, t, W):
    """Probabilities less the labels, over n."""
    p = softmax(X @ W)
    p[np.arange(len(t)), t] -= 1
    return (X.T @ p / len(t),)


def norm_right(x, T):
    """The closed form with its two means."""
    n = len(x)
    c = x - x.mean(0)
    s = np.sqrt((c**2).mean(0) + 1)
    xhat = c / s
    return {"x": (T - T.mean(0) - xhat * (T * xhat).sum(0) / n) / s}


class SquaredError(torch.autograd.Function):
    """(x·w − y)² with its backward."""

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, y: Any) -> Any:
        """The loss."""
        ctx.save_for_backward(x, w, y)
        return (x * w - y) ** 2

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        """2(xw − y) times w, x and −1."""
        x, w, y = ctx.saved_tensors
        e = 2 * upstream * (x * w - y)
        return e * w, e * x, -e


class ForgetsUpstream(SquaredError):
    """Right for an upstream gradient of 1 only."""

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        """Forgets to multiply one gradient by it."""
        x, w, y = ctx.saved_tensors
        e = 2 * (x * w - y)
        return upstream * e * w, e * x, -upstream * e


class Softmax(torch.autograd.Function):
    """A function whose value is a vector: its backward is judged as a Jacobian, in the style with setup_context."""

    @staticmethod
    def forward(x: Any) -> Any:
        """e^x over its sum."""
        return torch.softmax(x, -1)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep the output."""
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        """p(g − g·p)."""
        (p,) = ctx.saved_tensors
        return p * (upstream - (upstream * p).sum())


class WrongSoftmax(Softmax):
    """Forgets what the normaliser sends back."""

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        """The derivative of p by its own entry, as if it were a sigmoid."""
        (p,) = ctx.saved_tensors
        return p * (1 - p) * upstream


@dataclass(frozen=True)
class Wrong:
    """A wrong gradient.

    Args:
        name: of the test.
        source: the loss.
        function: computes the gradients.
        wrt: what by.
        blamed: the names whose gradients are wrong.
        words: what the diagnosis contains.
    """

    name: str
    source: str
    function: Callable[..., Any]
    wrt: tuple[str, ...]
    blamed: tuple[str, ...]
    words: str


def _changed(right: Callable[..., dict[str, Any]], name: str, change: Callable[..., Any]) -> Callable[..., Any]:
    """A right function with one gradient changed."""

    def wrong(x, y, W1, b1, W2, b2):
        found = right(x, y, W1, b1, W2, b2)
        return {**found, name: change(found[name])}

    return wrong


def _mlp(name: str, parameter: str, change: Callable[..., Any], words: str) -> Wrong:
    return Wrong(name, MLP, _changed(mlp_right, parameter, change), ("W1", "b1", "W2", "b2"), (parameter,), words)


def _mlp_without_slope(x, y, W1, b1, W2, b2):
    a = np.tanh(W1 @ x + b1)
    d2 = 2 * (W2 @ a + b2 - y)
    d1 = W2.T @ d2
    return np.outer(d1, x), d1


def _mlp_wrong_slope(x, y, W1, b1, W2, b2):
    a = np.tanh(W1 @ x + b1)
    d1 = (W2.T @ (2 * (W2 @ a + b2 - y))) * (1 - a) ** 2
    return {**mlp_right(x, y, W1, b1, W2, b2), "W1": np.outer(d1, x), "b1": d1}


def _mlp_float32_inside(x, y, W1, b1, W2, b2):
    a = np.tanh(W1 @ x + b1)
    d2 = (2 * (W2 @ a + b2 - y)).astype(np.float32)
    return np.outer(d2, a), d2.astype(float)


def _fork(change: Callable[..., Any]) -> Callable[..., Any]:
    def function(w, x, y, c):
        h = np.tanh(w * x)
        return (change(w, x, y, c, h),)

    return function


def _relu(inactive: Callable[[Any], Any]) -> Callable[..., Any]:
    def function(x, W, v, y):
        z = W @ x
        u = np.maximum(z, 0)
        slope = np.where(z > 0, 1.0, inactive(z))
        return {"W": np.outer(2 * (v @ u - y) * v * slope, x)}

    return function


def _classes(change: Callable[..., Any]) -> Callable[..., Any]:
    def function(X, t, W):
        p = softmax(X @ W)
        p[np.arange(len(t)), t] -= 1
        return (change(X, p),)

    return function


def _norm(mean: float, variance: float) -> Callable[..., Any]:
    def function(x, T):
        c = x - x.mean(0)
        s = np.sqrt((c**2).mean(0) + 1)
        xhat = c / s
        return ((T - mean * T.mean(0) - variance * xhat * (T * xhat).mean(0)) / s,)

    return function


WRONG = (
    Wrong("sign", SEED, lambda x, w, y: -2 * x * (x * w - y), ("w",), ("w",), "the sign is flipped"),
    Wrong("half", SEED, lambda x, w, y: x * (x * w - y), ("w",), ("w",), "a constant factor: 1/2 times"),
    Wrong("zero", SEED, lambda x, w, y: 0 * x, ("w",), ("w",), "it is 0"),
    Wrong("early", SEED, lambda x, w, y: 2 * (x * w - y), ("w",), ("w",), "equals dl/dy_pred: stopped early, still to"),
    Wrong("partial", SEED, lambda x, w, y: x, ("w",), ("w",), "it is the local partial of y_pred"),
    Wrong("value", SEED, lambda x, w, y: (x * w - y) ** 2, ("w",), ("w",), "the values of l itself"),
    Wrong("factor", SEED, lambda x, w, y: 2 * x * (x * w - y) * w, ("w",), ("w",), "a factor w too many"),
    Wrong("swapped", SEED, lambda x, w, y: (2 * w * (x * w - y),) * 2, ("w", "x"), ("w",), "gradient by 'x', another"),
    Wrong(
        "path",
        FORK,
        _fork(lambda w, x, y, c, h: 2 * (h - y) * (1 - h * h) * x),
        ("w",),
        ("w",),
        "a path is missing: the contribution of pen to h",
    ),
    Wrong(
        "inner_sign",
        FORK,
        _fork(lambda w, x, y, c, h: (2 * (h - y) - 2 * c * h) * (1 - h * h) * x),
        ("w",),
        ("w",),
        "the contribution of pen to h has its sign flipped",
    ),
    Wrong(
        "twice",
        FORK,
        _fork(lambda w, x, y, c, h: (2 * (h - y) + 4 * c * h) * (1 - h * h) * x),
        ("w",),
        ("w",),
        "the contribution of pen to h is counted twice",
    ),
    Wrong(
        "inner_factor",
        FORK,
        _fork(lambda w, x, y, c, h: (2 * (h - y) + c * h) * (1 - h * h) * x),
        ("w",),
        ("w",),
        "the contribution of pen to h is off by a constant factor: 1/2",
    ),
    Wrong(
        "slope",
        FORK,
        _fork(lambda w, x, y, c, h: (2 * (h - y) + 2 * c * h) * x),
        ("w",),
        ("w",),
        "a factor 1 - h**2 is missing, in the local partial of h by w",
    ),
    Wrong(
        "regulariser",
        RIDGE,
        lambda X, w, y, lam: 2 * X.T @ (X @ w - y) / len(y),
        ("w",),
        ("w",),
        "a path is missing: the contribution of sum(w[i]**2, i) to w",
    ),
    _mlp("transposed_shape", "W1", lambda g: g.T, "is due: it is transposed"),
    _mlp("wrong_shape", "b1", lambda g: g[:, None], "is due: the numbers are right, the shape is not"),
    _mlp("shifted", "W1", lambda g: np.roll(g, 1, axis=0), "shifted by one along axis 0"),
    _mlp("reversed", "b2", lambda g: g[::-1], "along axis 0"),
    _mlp("one_row", "W1", lambda g: np.vstack([g[:1] * 1.5, g[1:]]), "wrong only at position 0 of axis 0"),
    _mlp("nearly", "W1", lambda g: g * (1 + 1e-9), "the same factor everywhere: +1.0e-09"),
    Wrong(
        "no_slope",
        MLP,
        _mlp_without_slope,
        ("W1", "b1"),
        ("W1",),
        "a factor 1 - a[i]**2 is missing, in the local partial of a by z1",
    ),
    Wrong("no_slope_b", MLP, _mlp_without_slope, ("W1", "b1"), ("b1",), "it equals dL/da: stopped early"),
    Wrong(
        "wrong_slope",
        MLP,
        _mlp_wrong_slope,
        ("W1", "b1", "W2", "b2"),
        ("W1", "b1"),
        "must lie in what goes from z2 to a or from a to z1, since",
    ),
    Wrong("float32", MLP, _mlp_float32_inside, ("W2", "b2"), ("W2", "b2"), "computed in float32?"),
    Wrong("transposed", "A: (n, n)\nL = trace(A @ A)", lambda A: 2 * A, ("A",), ("A",), "it is transposed"),
    Wrong(
        "half_a_quadratic_form",
        QUADRATIC,
        lambda x, A: (2 * A @ x, np.outer(x, x)),
        ("x", "A"),
        ("x",),
        "must lie in what goes from ",
    ),
    Wrong("relu", RELU, _relu(lambda z: 1.0), ("W",), ("W",), "wrong only where relu is inactive"),
    Wrong(
        "relu_entries",
        RELU_ENTRIES,
        lambda x, w: (w * np.where(x > 0, 1.0, 0.3 * x),),
        ("x",),
        ("x",),
        "wrong only where relu in 'u' is inactive",
    ),
    Wrong("mean", CLASSES, _classes(lambda X, p: X.T @ p), ("W",), ("W",), "times too large: is a mean's 1/n missing"),
    Wrong(
        "means",
        CLASSES,
        _classes(lambda X, p: X.T @ p / len(X) ** 2),
        ("W",),
        ("W",),
        "times too small: is it averaged where the loss adds up",
    ),
    Wrong("mean_path", NORM, _norm(0, 1), ("x",), ("x",), "a path is missing: the contribution of mu to x"),
    Wrong("variance_path", NORM, _norm(1, 0), ("x",), ("x",), "a path is missing: the contribution of "),
    Wrong("not_summed", RIDGE, lambda X, w, y, lam: w * w, ("lam",), ("lam",), "the sum over axis 0 is missing"),
    Wrong("autograd", "x: (n,)\np = softmax(x)", WrongSoftmax, ("x",), ("x",), ""),
    Wrong("upstream", SEED, ForgetsUpstream, ("w",), ("w",), "right for an upstream gradient of 1, and not for -2"),
    Wrong(
        "detached",
        SEED,
        lambda x, w, y: (torch.as_tensor(x).detach() * w.detach() - y) ** 2,
        ("w",),
        ("w",),
        "no gradient reaches it",
    ),
)
