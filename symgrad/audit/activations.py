"""Rows of the activation functions.

Closed forms are those of torch's documentation of `torch.nn.functional`. Kinks follow its note "Gradients for
non-differentiable functions".
"""

from __future__ import annotations

from symgrad.audit.rows import REAL, Kink, Op, kink, unary

_F = "nn.functional."
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def _softplus(beta: int = 1, threshold: int = 20) -> Op:
    """The identity above the threshold, as documented: the function jumps there."""
    at = threshold / beta
    options = {"beta": beta} if beta != 1 else {"threshold": threshold} if threshold != 20 else {}
    return unary(
        _F + "softplus",
        f"where({beta}*x > {threshold}, x, softplus({beta}*x)/{beta})",
        options=options,
        kinks=kink(at, jump=True),
        near=(-89.0, -710.0),
        note=f"documented: the identity above {at:g}",
    )


ROWS = (
    unary(_F + "relu", "relu(x)", kinks=kink(0.0), aliases=("torch.relu",)),
    unary(_F + "relu6", "min(relu(x), 6)", kinks=kink(0.0, 6.0)),
    unary(_F + "hardtanh", "min(max(x, -1), 1)", kinks=kink(-1.0, 1.0)),
    unary(_F + "hardsigmoid", "min(relu(x + 3), 6)/6", kinks=kink(-3.0, 3.0)),
    unary(_F + "hardswish", "x*min(relu(x + 3), 6)/6", kinks=kink(-3.0, 3.0)),
    unary(_F + "hardshrink", "where(abs(x) > 0.5, x, 0*x)", kinks=kink(-0.5, 0.5, jump=True)),
    unary(_F + "softshrink", "where(x > 0.5, x - 0.5, where(x < -0.5, x + 0.5, 0*x))", kinks=kink(-0.5, 0.5)),
    unary(_F + "tanhshrink", "x - tanh(x)", near=(0.0, 9.0, 18.0)),
    unary(_F + "softsign", "x/(1 + abs(x))"),
    unary(
        _F + "threshold",
        "where(x > 0.5, x, 0.25 + 0*x)",
        options={"threshold": 0.5, "value": 0.25},
        kinks=kink(0.5, jump=True),
    ),
    unary(
        _F + "threshold",
        "where(x > 0.5, x, 0.5 + 0*x)",
        options={"threshold": 0.5, "value": 0.5},
        kinks=kink(0.5),
    ),
    unary(_F + "leaky_relu", "where(x > 0, x, 0.01*x)", kinks=kink(0.0)),
    unary(_F + "leaky_relu", "where(x > 0, x, 0.25*x)", options={"negative_slope": 0.25}, kinks=kink(0.0)),
    unary(
        _F + "rrelu",
        "where(x > 0, x, 11*x/48)",
        kinks=kink(0.0),
        note="in evaluation: the slope is the middle of 1/8 and 1/3",
    ),
    unary(_F + "elu", "where(x > 0, x, expm1(x))", kinks=kink(0.0), near=(-17.0, -37.0)),
    unary(_F + "elu", "where(x > 0, x, 2*expm1(x))", options={"alpha": 2.0}, kinks=kink(0.0)),
    unary(_F + "celu", "where(x > 0, x, expm1(x))", kinks=kink(0.0)),
    unary(_F + "celu", "where(x > 0, x, 2*expm1(x/2))", options={"alpha": 2.0}, kinks=kink(0.0)),
    unary(
        _F + "selu",
        f"where(x > 0, {_SELU_SCALE!r}*x, {_SELU_SCALE!r}*{_SELU_ALPHA!r}*expm1(x))",
        kinks=kink(0.0),
    ),
    unary(_F + "gelu", "gelu(x)", near=(-0.7517915, -5.0, -14.0, -37.0)),
    unary(
        _F + "gelu",
        "x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))/2",
        options={"approximate": "tanh"},
        near=(-0.752461, -5.0, -10.0),
    ),
    unary(_F + "silu", "silu(x)", near=(-1.278465, -89.0, -710.0)),
    unary(_F + "mish", "mish(x)", near=(-1.192429, -89.0, 20.0)),
    _softplus(),
    _softplus(beta=2),
    _softplus(threshold=3),
    unary(_F + "logsigmoid", "-softplus(-x)", near=(89.0, 710.0, -17.0, -37.0)),
    Op(
        _F + "prelu",
        "where(input > 0, input, weight*input)",
        {"input": REAL, "weight": REAL},
        kinks=(Kink(((0.0, 0.25), (0.0, 2.0), (0.0, -0.5)), zero="input"),),
        form="channel",
    ),
    Op(_F + "glu", "a*sigmoid(b)", {"a": REAL, "b": REAL}, form="pair"),
)
