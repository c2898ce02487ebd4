"""Rows of one argument: powers, exponentials, circular and hyperbolic functions, and rounding.

Closed forms are those of torch's documentation; for the functions themselves see the NIST Digital Library of
Mathematical Functions, chapter 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from flint import arb

from symgrad.audit.rows import POSITIVE, UNIT, Given, Op, Span, kink, unary

_HALF_PI = math.pi / 2
_ANGLES = (_HALF_PI, -_HALF_PI, math.pi, 3 * _HALF_PI, 1e4 * math.pi)
_STEPS = (1.0, -1.0, 2.0, 0.5, -0.5)
_INSIDE = Span(-1.0, 1.0)


def _toward_zero(x: arb) -> arb:
    return x.floor() if x > 0 else -(-x).floor()


def _steps(name: str, ball: Callable[[arb], arb], **more: Any) -> Op:
    """A step function; its derivative is 0 wherever it has one."""
    return unary(name, f"{name}_x", given={f"{name}_x": Given(ball)}, near=_STEPS, **more)


ROWS = (
    unary("exp", "exp(x)"),
    unary("exp2", "2**x"),
    unary("expm1", "expm1(x)"),
    unary("log", "log(x)", POSITIVE, kinks=kink(0.0)),
    unary("log2", "log(x)/log(2)", POSITIVE),
    unary("log10", "log(x)/log(10)", POSITIVE),
    unary("log1p", "log1p(x)", Span(low=-1.0), kinks=kink(-1.0), near=(0.0,)),
    unary("sqrt", "sqrt(x)", POSITIVE, kinks=kink(0.0)),
    unary("rsqrt", "x**-0.5", POSITIVE),
    unary("reciprocal", "1/x", near=(0.0,)),
    unary("square", "x**2"),
    unary("neg", "-x", aliases=("negative",)),
    unary("positive", "x*1"),
    unary("pow", "x**3", options={"exponent": 3.0}),
    unary("pow", "sqrt(x)", POSITIVE, options={"exponent": 0.5}, kinks=kink(0.0)),
    unary("pow", "x**1.5", POSITIVE, options={"exponent": 1.5}, kinks=kink(0.0)),
    unary("pow", "x**-2", options={"exponent": -2.0}),
    unary("float_power", "x**2.5", POSITIVE, options={"exponent": 2.5}, kinks=kink(0.0)),
    unary("abs", "abs(x)", kinks=kink(0.0), aliases=("absolute",)),
    unary("sign", "sign(x)", kinks=kink(0.0, jump=True)),
    unary("sgn", "sign(x)", kinks=kink(0.0, jump=True)),
    unary("angle", "where(x < 0, pi, 0*x)", kinks=kink(0.0, jump=True)),
    _steps("floor", lambda x: x.floor()),
    _steps("ceil", lambda x: x.ceil()),
    _steps("round", lambda x: (x + 0.5).floor()),
    _steps("trunc", _toward_zero, aliases=("fix",)),
    unary("frac", "x - trunc_x", given={"trunc_x": Given(_toward_zero)}, near=_STEPS, kinks=kink(1.0, -1.0, jump=True)),
    unary("nan_to_num", "x*1"),
    unary("deg2rad", "x*pi/180"),
    unary("rad2deg", "x*180/pi"),
    unary("sin", "sin(x)", near=_ANGLES),
    unary("cos", "cos(x)", near=_ANGLES),
    unary("tan", "tan(x)", near=_ANGLES),
    unary("asin", "asin(x)", _INSIDE, kinks=kink(1.0, -1.0), near=(0.0,), aliases=("arcsin",)),
    unary("acos", "acos(x)", _INSIDE, kinks=kink(1.0, -1.0), near=(0.0,), aliases=("arccos",)),
    unary("atan", "atan(x)", aliases=("arctan",)),
    unary("sinh", "sinh(x)", near=(710.0, 89.0)),
    unary("cosh", "cosh(x)", near=(710.0, 89.0)),
    unary("tanh", "tanh(x)", near=(9.0, 18.0)),
    unary("asinh", "asinh(x)", aliases=("arcsinh",)),
    unary("acosh", "acosh(x)", Span(low=1.0), kinks=kink(1.0), aliases=("arccosh",)),
    unary("atanh", "atanh(x)", _INSIDE, kinks=kink(1.0, -1.0), near=(0.0,), aliases=("arctanh",)),
    unary("sinc", "sin(pi*x)/(pi*x)", kinks=kink(0.0), near=(1.0, -1.0, 0.5, 1e4), aliases=("special.sinc",)),
    unary("sigmoid", "sigmoid(x)", near=(-89.0, -710.0, 17.0), aliases=("special.expit", "expit")),
    unary("logit", "log(x) - log1p(-x)", UNIT, kinks=kink(0.0, 1.0), near=(0.5,), aliases=("special.logit",)),
    unary(
        "logit",
        "log(min(max(x, 0.25), 0.75)) - log1p(-min(max(x, 0.25), 0.75))",
        UNIT,
        options={"eps": 0.25},
        kinks=kink(0.25, 0.75),
    ),
    unary("clamp", "min(max(x, -0.5), 2)", options={"min": -0.5, "max": 2.0}, kinks=kink(-0.5, 2.0), aliases=("clip",)),
    unary("clamp_min", "max(x, 0.5)", options={"min": 0.5}, kinks=kink(0.5)),
    unary("clamp_max", "min(x, 0.5)", options={"max": 0.5}, kinks=kink(0.5)),
)
