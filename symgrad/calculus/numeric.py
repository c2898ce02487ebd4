"""The value of an expression without names, by Python's own arithmetic."""

from __future__ import annotations

import math
from typing import Any

import sympy

from symgrad.functions import BY_NAME


def constant_value(expression: sympy.Basic) -> float | complex | None:
    """The value of an expression without names, or None if it has any or needs a function `math` lacks.

    Raises:
        OverflowError, ZeroDivisionError, ValueError: as Python's arithmetic does.
    """
    if isinstance(expression, (sympy.Number, sympy.NumberSymbol)):
        return float(expression)
    if not expression.args or isinstance(expression, (sympy.Indexed, sympy.Piecewise)):
        return None
    values = [constant_value(argument) for argument in expression.args]
    if any(value is None for value in values):
        return None
    arguments: list[float] = [value for value in values if isinstance(value, float)]
    if len(arguments) < len(values):
        return math.nan
    match expression:
        case sympy.Add():
            return math.fsum(arguments)
        case sympy.Mul():
            return math.prod(arguments)
        case sympy.Pow():
            result = arguments[0] ** arguments[1]
            return result if isinstance(result, complex) else float(result)
        case sympy.Function():
            return _function_value(expression, arguments)
        case _:
            return None


def _function_value(expression: sympy.Function, arguments: list[float]) -> float | complex | None:
    row = next((row for row in BY_NAME.values() if isinstance(expression, row.symbol)), None)
    if row is None:
        return None
    plain: Any = {"abs": abs, "max": max, "min": min}.get(row.name) or getattr(math, row.name, None)
    if plain is not None:
        return float(plain(*arguments))
    if row.name == "relu":
        return max(arguments[0], 0.0)
    return constant_value(row.definition(*expression.args)) if row.definition else None
