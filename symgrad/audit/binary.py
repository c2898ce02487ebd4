"""Rows of two and three arguments: arithmetic, powers, extrema, interpolation; and reductions of a pair.

Closed forms are those of torch's documentation; the arguments bear its names.
"""

from __future__ import annotations

import math

from flint import arb

from symgrad.audit.rows import POSITIVE, REAL, SIGNS, Given, Kink, Op, Span

_TWO = {"input": REAL, "other": REAL}
_PAIR = {"a": REAL, "b": REAL}
_TIES = (1.0, 1.0), (-2.0, -2.0), (0.0, 0.0)
_TIE = (Kink(_TIES, zero="input - other"),)
_PAIR_TIE = (Kink(_TIES, zero="a - b"),)
_CORNER = (Kink(((0.0, 0.0),), zero="hypot(a, b)"),)
_MODERATE = Span(reach=1e4)


def _toward_zero(x: arb, y: arb) -> arb:
    quotient = x / y
    return quotient.floor() if quotient > 0 else -(-quotient).floor()


_FLOOR = {"quotient": Given(lambda x, y: (x / y).floor())}
_TRUNC = {"quotient": Given(_toward_zero)}

ARITHMETIC = (
    Op("add", "input + other", _TWO),
    Op("add", "input + 3*other", _TWO, options={"alpha": 3.0}),
    Op("sub", "input - other", _TWO, aliases=("subtract",)),
    Op("rsub", "other - input", _TWO),
    Op("mul", "input*other", _TWO, aliases=("multiply",)),
    Op("div", "input/other", _TWO, aliases=("divide", "true_divide")),
    Op("div", "quotient", _TWO, options={"rounding_mode": "floor"}, given=_FLOOR, aliases=("floor_divide",)),
    Op("div", "quotient", _TWO, options={"rounding_mode": "trunc"}, given=_TRUNC),
    Op("remainder", "input - other*quotient", _TWO, given=_FLOOR),
    Op("fmod", "input - other*quotient", _TWO, given=_TRUNC),
    Op("copysign", "abs(input)*sign(other)", _TWO, kinks=(Kink(((0.0, 1.0), (0.0, -1.0)), zero="input*other"),)),
    Op("ldexp", "input*2**other", {"input": REAL, "other": _MODERATE}),
    Op(
        "pow",
        "input**exponent",
        {"input": POSITIVE, "exponent": _MODERATE},
        kinks=(Kink(((0.0, 2.0), (0.0, 1.0), (0.0, 0.5)), zero="input"),),
    ),
    Op("float_power", "input**exponent", {"input": POSITIVE, "exponent": _MODERATE}),
    Op("xlogy", "input*log(other)", {"input": REAL, "other": POSITIVE}, aliases=("special.xlogy",)),
    Op("special.xlog1py", "input*log1p(other)", {"input": REAL, "other": Span(low=-1.0)}),
    Op("logaddexp", "input + softplus(other - input)", _TWO),
    Op("logaddexp2", "input + softplus((other - input)*log(2))/log(2)", _TWO),
    Op(
        "hypot",
        "hypot(input, other)",
        _TWO,
        kinks=(Kink(((0.0, 0.0),), zero="hypot(input, other)"),),
    ),
    Op(
        "atan2",
        "atan2(input, other)",
        _TWO,
        kinks=(Kink(((0.0, 0.0),), zero="hypot(input, other)"),),
        aliases=("arctan2",),
    ),
    Op("maximum", "max(input, other)", _TWO, kinks=_TIE),
    Op("minimum", "min(input, other)", _TWO, kinks=_TIE),
    Op("fmax", "max(input, other)", _TWO, kinks=_TIE),
    Op("fmin", "min(input, other)", _TWO, kinks=_TIE),
    Op("lerp", "input + weight*(end - input)", {"input": REAL, "end": REAL, "weight": REAL}),
    Op(
        "addcmul",
        "input + tensor1*tensor2/2",
        {"input": REAL, "tensor1": REAL, "tensor2": REAL},
        options={"value": 0.5},
    ),
    Op(
        "addcdiv",
        "input + tensor1/tensor2/2",
        {"input": REAL, "tensor1": REAL, "tensor2": REAL},
        options={"value": 0.5},
    ),
    Op(
        "clamp",
        "min(max(input, low), high)",
        {"input": REAL, "low": REAL, "high": REAL},
        kinks=(
            Kink(((1.0, 1.0, 2.0),), zero="input - low"),
            Kink(((2.0, 1.0, 2.0),), zero="input - high"),
            Kink(((0.0, 1.0, 1.0),), zero="low - high"),
        ),
        aliases=("clip",),
    ),
    Op(
        "where",
        "where(condition > 0, input, other)",
        {"condition": SIGNS, "input": REAL, "other": REAL},
        wrt=("input", "other"),
        form="condition",
    ),
)

PAIRS = (
    Op("prod", "a*b", _PAIR, form="pair"),
    Op("cumprod", "a*b", _PAIR, form="pair", component=1),
    Op("logsumexp", "a + softplus(b - a)", _PAIR, form="pair"),
    Op("logcumsumexp", "a + softplus(b - a)", _PAIR, form="pair", component=1),
    Op("softmax", "sigmoid(a - b)", _PAIR, form="pair", component=0),
    Op("log_softmax", "-softplus(b - a)", _PAIR, form="pair", component=0),
    Op("mean", "(a + b)/2", _PAIR, form="pair"),
    Op("var", "(a - b)**2/2", _PAIR, form="pair"),
    Op("std", "abs(a - b)/sqrt(2)", _PAIR, form="pair", kinks=_PAIR_TIE),
    Op("linalg.vector_norm", "hypot(a, b)", _PAIR, form="pair", kinks=_CORNER),
    Op(
        "linalg.vector_norm",
        "abs(a) + abs(b)",
        _PAIR,
        options={"ord": 1},
        form="pair",
        kinks=(Kink(((0.0, 1.0), (0.0, 0.0)), zero="a*b"),),
    ),
    Op(
        "linalg.vector_norm",
        "(abs(a)**3 + abs(b)**3)**(1/3)",
        _PAIR,
        options={"ord": 3},
        form="pair",
        kinks=(Kink(((0.0, 1.0), (0.0, 0.0)), zero="a*b"),),
    ),
    Op(
        "linalg.vector_norm",
        "max(abs(a), abs(b))",
        _PAIR,
        options={"ord": math.inf},
        form="pair",
        kinks=(Kink(((1.0, 1.0), (-1.0, 1.0)), zero="abs(a) - abs(b)"), Kink(((0.0, 1.0), (0.0, 0.0)), zero="a*b")),
    ),
    Op("amax", "max(a, b)", _PAIR, form="pair", kinks=_PAIR_TIE),
    Op("amin", "min(a, b)", _PAIR, form="pair", kinks=_PAIR_TIE),
    Op("max", "max(a, b)", _PAIR, form="pair", kinks=_PAIR_TIE, note="by an index: torch.max(x, dim)"),
    Op("min", "min(a, b)", _PAIR, form="pair", kinks=_PAIR_TIE, note="by an index: torch.min(x, dim)"),
    Op("cummax", "max(a, b)", _PAIR, form="pair", component=1, kinks=_PAIR_TIE),
    Op("cummin", "min(a, b)", _PAIR, form="pair", component=1, kinks=_PAIR_TIE),
    Op("median", "min(a, b)", _PAIR, form="pair", kinks=_PAIR_TIE, note="the lower of two"),
)

ROWS = (*ARITHMETIC, *PAIRS)
