"""Operations on what is known beforehand, done while the program is made: in double precision, as NumPy does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy

from symgrad.backends.jit.nests import Apply, Literal, Position, Term
from symgrad.functions import BY_NAME


def folded(operation: str, operands: tuple[Term, ...]) -> Term:
    """The operation, done if it is on numbers, decided if it is a selection by them."""
    if operation in ("==", "!=") and operands[0] == operands[1] and isinstance(operands[0], Position):
        return Literal(int(operation == "=="))
    return applied(operation, *operands)


def applied(operation: str, *operands: Term) -> Term:
    """The operation; its value where all operands are numbers."""
    values = [o.value for o in operands if isinstance(o, Literal)]
    if not values:
        return Apply(operation, operands)
    if operation == "select" and isinstance(operands[0], Literal):
        return operands[1] if operands[0].value else operands[2]
    if len(values) < len(operands):
        return Apply(operation, operands)
    with numpy.errstate(all="ignore"):
        value = _ON_NUMBERS[operation](*values) if operation in _ON_NUMBERS else _library(operation)(*values)
    return Literal(value if isinstance(value, int) else float(value))


def _divided(a: float, b: float) -> float:
    return float(numpy.float64(a) / numpy.float64(b))


_ON_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "neg": lambda a: -a,
    "sqrt": numpy.sqrt,
    "pow": lambda a, b: numpy.float64(a) ** b,
    "finite": lambda a: a if math.isfinite(a) else 0.0,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
    "relu": lambda a: max(a, 0.0),
    "softplus": lambda a: numpy.logaddexp(0, a),
}


def _library(name: str) -> Callable[..., Any]:
    """NumPy's or SciPy's function of a row."""
    module, _, function = BY_NAME[name].numpy.rpartition(".")
    return getattr(import_module(module), function)  # type: ignore[no-any-return]
