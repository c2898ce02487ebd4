"""The elementary functions: one row each, and nothing about them anywhere else.

A row holds the function's name in text, its SymPy class, one derivative an argument, its names in NumPy and torch,
its definition by other rows where a library lacks it, its convention at a kink and how exactly libraries round it.
Derivatives are the standard ones (NIST Digital Library of Mathematical Functions, chapters 4, 5 and 7); kinks
follow torch, and the forms (`1 - tanh(x)**2`, `1 + tan(x)**2`) are those torch evaluates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy
from sympy.codegen import cfunctions

from symgrad.core.expression import (
    HALF,
    ONE,
    ZERO,
    Expr,
    add,
    divide,
    mul,
    negative,
    number,
    power,
    square_root,
    subtract,
    where,
)
from symgrad.errors import NotDifferentiableError

Derivative = Callable[..., Expr]
"""From the arguments and then the function's own value to the partial derivative."""


class Elementary(sympy.Function):  # type: ignore[misc]  # SymPy's classes are untyped
    """A function SymPy does not have; it never evaluates itself."""

    @classmethod
    def eval(cls, *_: Expr) -> None:
        """Stay as written."""

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative by SymPy's own protocol, so that `sympy.diff` knows these functions too."""
        return row_of(self).derivatives[argindex - 1](*self.args, self)


def _class(name: str, arity: int = 1) -> type[sympy.Function]:
    return type(name, (Elementary,), {"nargs": arity})


@dataclass(frozen=True)
class Row:
    """One elementary function.

    Args:
        name: its name in the text grammar.
        symbol: its SymPy class.
        derivatives: one an argument, from the arguments and the value.
        numpy: its qualified name in NumPy or SciPy; empty where `definition` serves.
        torch: its name under `torch`; empty where `definition` serves.
        definition: the function by other rows; what a backend without it evaluates.
        options: keyword arguments that torch needs to mean the same function.
        kink: what the derivative is where there is none, as torch has it; empty for a smooth function.
        rounding: bound on the relative error of the libraries' values, in units of u = eps/2.
        absolute: as `rounding`, for an error that does not shrink with the value (near a zero of the function).
        backward: as `rounding`, for an error that is one of the argument (where the function is ill-conditioned).
        aliases: other names that read as this function.
    """

    name: str
    symbol: type[sympy.Function]
    derivatives: tuple[Derivative, ...]
    numpy: str = ""
    torch: str = ""
    definition: Callable[..., Expr] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    kink: str = ""
    rounding: float = 4.0
    absolute: float = 0.0
    backward: float = 0.0
    aliases: tuple[str, ...] = ()

    @property
    def arity(self) -> int:
        """How many arguments the function takes."""
        return len(self.derivatives)

    def __call__(self, *arguments: Expr) -> Expr:
        """The function applied, not evaluated."""
        return self.symbol(*arguments, evaluate=False)


def _not_differentiable(*_: Expr) -> Expr:
    raise NotDifferentiableError(
        "polygamma has no derivative with respect to its order; the order must be a whole number."
    )


TWO = sympy.Integer(2)
SELU_SCALE = number(1.0507009873554805)  # Klambauer et al. (2017), eq. 2 and 14; torch's constants
SELU_ALPHA = number(1.6732632423543772)
LEAKY_SLOPE = number(0.01)

sigmoid, softplus, digamma, lgamma = _class("sigmoid"), _class("softplus"), _class("digamma"), _class("lgamma")
relu, leaky_relu, elu, selu = _class("relu"), _class("leaky_relu"), _class("elu"), _class("selu")
gelu, silu, mish = _class("gelu"), _class("silu"), _class("mish")
maximum, minimum, polygamma = _class("maximum", 2), _class("minimum", 2), _class("polygamma", 2)


def _call(symbol: type[sympy.Function], *arguments: Expr) -> Expr:
    return symbol(*arguments, evaluate=False)


def _square(x: Expr) -> Expr:
    return power(x, 2)


def _positive(x: Expr) -> sympy.Basic:
    return sympy.Gt(x, ZERO, evaluate=False)


def _exp(x: Expr) -> Expr:
    return _call(sympy.exp, x)


def _gauss(x: Expr) -> Expr:
    """2/√π · exp(−x²), the derivative of erf."""
    return mul(TWO, _exp(negative(_square(x))), power(square_root(sympy.pi), -1))


def _normal_cdf(x: Expr) -> Expr:
    return divide(add(ONE, _call(sympy.erf, divide(x, square_root(TWO)))), TWO)


def _normal_pdf(x: Expr) -> Expr:
    return divide(_exp(negative(divide(_square(x), TWO))), square_root(mul(TWO, sympy.pi)))


def _tie(left: Expr, right: Expr) -> Expr:
    """1 where `left` is the larger, ½ at a tie, else 0."""
    even = where(sympy.Eq(left, right, evaluate=False), HALF, ZERO)
    return where(sympy.Gt(left, right, evaluate=False), ONE, even)


def _mish_derivative(x: Expr, _: Expr) -> Expr:
    t = _call(sympy.tanh, _call(softplus, x))
    return add(t, mul(x, _call(sigmoid, x), subtract(ONE, _square(t))))


def _silu_derivative(x: Expr, _: Expr) -> Expr:
    s = _call(sigmoid, x)
    return mul(s, add(ONE, mul(x, subtract(ONE, s))))


_ROWS = (
    Row("exp", sympy.exp, (lambda x, f: f,), "numpy.exp", "exp"),
    Row("log", sympy.log, (lambda x, f: power(x, -1),), "numpy.log", "log"),
    Row("log1p", cfunctions.log1p, (lambda x, f: power(add(ONE, x), -1),), "numpy.log1p", "log1p"),
    Row("expm1", cfunctions.expm1, (lambda x, f: add(f, ONE),), "numpy.expm1", "expm1"),
    Row("abs", sympy.Abs, (lambda x, f: _call(sympy.sign, x),), "numpy.abs", "abs", kink="0 at 0", rounding=0),
    Row("sin", sympy.sin, (lambda x, f: _call(sympy.cos, x),), "numpy.sin", "sin"),
    Row("cos", sympy.cos, (lambda x, f: negative(_call(sympy.sin, x)),), "numpy.cos", "cos"),
    Row("tan", sympy.tan, (lambda x, f: add(ONE, _square(f)),), "numpy.tan", "tan"),
    Row(
        "sec",
        sympy.sec,
        (lambda x, f: mul(f, _call(sympy.tan, x)),),
        definition=lambda x: power(_call(sympy.cos, x), -1),
    ),
    Row(
        "csc",
        sympy.csc,
        (lambda x, f: negative(mul(f, _call(sympy.cot, x))),),
        definition=lambda x: power(_call(sympy.sin, x), -1),
    ),
    Row(
        "cot",
        sympy.cot,
        (lambda x, f: negative(add(ONE, _square(f))),),
        definition=lambda x: power(_call(sympy.tan, x), -1),
    ),
    Row("asin", sympy.asin, (lambda x, f: power(square_root(subtract(ONE, _square(x))), -1),), "numpy.arcsin", "asin"),
    Row(
        "acos",
        sympy.acos,
        (lambda x, f: negative(power(square_root(subtract(ONE, _square(x))), -1)),),
        "numpy.arccos",
        "acos",
    ),
    Row("atan", sympy.atan, (lambda x, f: power(add(ONE, _square(x)), -1),), "numpy.arctan", "atan"),
    Row("sinh", sympy.sinh, (lambda x, f: _call(sympy.cosh, x),), "numpy.sinh", "sinh"),
    Row("cosh", sympy.cosh, (lambda x, f: _call(sympy.sinh, x),), "numpy.cosh", "cosh"),
    Row("tanh", sympy.tanh, (lambda x, f: subtract(ONE, _square(f)),), "numpy.tanh", "tanh"),
    Row("asinh", sympy.asinh, (lambda x, f: power(square_root(add(_square(x), ONE)), -1),), "numpy.arcsinh", "asinh"),
    Row(
        "acosh",
        sympy.acosh,
        (lambda x, f: power(square_root(subtract(_square(x), ONE)), -1),),
        "numpy.arccosh",
        "acosh",
    ),
    Row("atanh", sympy.atanh, (lambda x, f: power(subtract(ONE, _square(x)), -1),), "numpy.arctanh", "atanh"),
    Row(
        "atan2",
        sympy.atan2,
        (
            lambda y, x, f: divide(x, add(_square(x), _square(y))),
            lambda y, x, f: negative(divide(y, add(_square(x), _square(y)))),
        ),
        "numpy.arctan2",
        "atan2",
    ),
    Row(
        "hypot", cfunctions.hypot, (lambda x, y, f: divide(x, f), lambda x, y, f: divide(y, f)), "numpy.hypot", "hypot"
    ),
    Row("erf", sympy.erf, (lambda x, f: _gauss(x),), "scipy.special.erf", "erf"),
    Row("erfc", sympy.erfc, (lambda x, f: negative(_gauss(x)),), "scipy.special.erfc", "erfc", rounding=16, backward=4),
    Row(
        "lgamma",
        lgamma,
        (lambda x, f: _call(digamma, x),),
        "scipy.special.gammaln",
        "lgamma",
        rounding=16,
        absolute=16,
        backward=4,
    ),
    Row(
        "digamma",
        digamma,
        (lambda x, f: _call(polygamma, ONE, x),),
        "scipy.special.digamma",
        "digamma",
        rounding=16,
        absolute=16,
        backward=4,
    ),
    Row(
        "polygamma",
        polygamma,
        (_not_differentiable, lambda n, x, f: _call(polygamma, n + 1, x)),
        "scipy.special.polygamma",
        "polygamma",
        rounding=64,
        backward=4,
    ),
    Row(
        "sigmoid",
        sigmoid,
        (lambda x, f: mul(f, subtract(ONE, f)),),
        torch="sigmoid",
        definition=lambda x: power(add(ONE, _exp(negative(x))), -1),
    ),
    Row(
        "softplus",
        softplus,
        (lambda x, f: _call(sigmoid, x),),
        "numpy.logaddexp",
        "nn.functional.softplus",
        # torch replaces softplus by the identity above its threshold; at 40 that is exact in float64 too
        options={"threshold": 40.0},
    ),
    Row(
        "relu", relu, (lambda x, f: where(_positive(x), ONE, ZERO),), "numpy.maximum", "relu", kink="0 at 0", rounding=0
    ),
    Row(
        "leaky_relu",
        leaky_relu,
        (lambda x, f: where(_positive(x), ONE, LEAKY_SLOPE),),
        torch="nn.functional.leaky_relu",
        definition=lambda x: where(_positive(x), x, mul(LEAKY_SLOPE, x)),
        kink="0.01 at 0",
    ),
    Row(
        "elu",
        elu,
        (lambda x, f: where(_positive(x), ONE, _exp(x)),),
        torch="nn.functional.elu",
        definition=lambda x: where(_positive(x), x, _call(cfunctions.expm1, x)),
    ),
    Row(
        "selu",
        selu,
        (lambda x, f: where(_positive(x), SELU_SCALE, mul(SELU_SCALE, SELU_ALPHA, _exp(x))),),
        torch="nn.functional.selu",
        definition=lambda x: where(
            _positive(x), mul(SELU_SCALE, x), mul(SELU_SCALE, SELU_ALPHA, _call(cfunctions.expm1, x))
        ),
        kink="the left derivative at 0",
    ),
    Row(
        "gelu",
        gelu,
        (lambda x, f: add(_normal_cdf(x), mul(x, _normal_pdf(x))),),
        torch="nn.functional.gelu",
        definition=lambda x: divide(mul(x, _call(sympy.erfc, negative(divide(x, square_root(TWO))))), TWO),
    ),
    Row(
        "silu",
        silu,
        (_silu_derivative,),
        torch="nn.functional.silu",
        definition=lambda x: mul(x, _call(sigmoid, x)),
    ),
    Row(
        "mish",
        mish,
        (_mish_derivative,),
        torch="nn.functional.mish",
        definition=lambda x: mul(x, _call(sympy.tanh, _call(softplus, x))),
    ),
    Row("sign", sympy.sign, (lambda x, f: ZERO,), "numpy.sign", "sign", kink="0 everywhere", rounding=0),
    Row(
        "max",
        maximum,
        (lambda a, b, f: _tie(a, b), lambda a, b, f: _tie(b, a)),
        "numpy.maximum",
        "maximum",
        kink="1/2 each at a tie",
        rounding=0,
        aliases=("maximum",),
    ),
    Row(
        "min",
        minimum,
        (lambda a, b, f: _tie(b, a), lambda a, b, f: _tie(a, b)),
        "numpy.minimum",
        "minimum",
        kink="1/2 each at a tie",
        rounding=0,
        aliases=("minimum",),
    ),
)

BY_NAME: Mapping[str, Row] = {name: row for row in _ROWS for name in (row.name, *row.aliases)}
"""Each row under every name it is read by."""

_BY_CLASS: Mapping[type, Row] = {row.symbol: row for row in _ROWS}

REDUCTIONS = frozenset(
    [
        "sum",
        "mean",
        "var",
        "std",
        "prod",
        "dot",
        "norm",
        "softmax",
        "log_softmax",
        "logsumexp",
        "matmul",
        "outer",
        "trace",
        "diag",
        "transpose",
        "det",
        "logdet",
        "inv",
        "solve",
    ]
)
"""Names of functions on tensors; the readers write them out by indices, so that nothing else knows them."""

SPELLINGS = frozenset({"sqrt", "square", "pow", "where"})
"""Functions that read as a power or a case distinction and need no row."""

KNOWN = frozenset(BY_NAME) | REDUCTIONS | SPELLINGS
"""Every name that means a function wherever it stands, unless it is a node's."""

CALLED = frozenset({"step", "select", "ones_like", "zeros_like", "eye_like"})
"""Names that mean a function only where they are called; alone they are names like any other."""


def row_of(expression: sympy.Basic) -> Row:
    """The row of a function application.

    Raises:
        NotDifferentiableError: if symgrad does not know the function.
    """
    row = _BY_CLASS.get(type(expression))
    if row is None:
        raise NotDifferentiableError(
            f"symgrad has no rule for {type(expression).__name__!r}; its functions are {', '.join(sorted(BY_NAME))}."
        )
    return row
