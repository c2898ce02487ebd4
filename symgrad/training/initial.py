"""Where trained tensors start: given, or drawn by a seeded rule."""

from __future__ import annotations

import math
from typing import Any

import numpy

from symgrad.core.names import suggestion
from symgrad.errors import DataError

RULES = ("zeros", "ones", "glorot", "normal")
"""`glorot` is uniform on ±sqrt(6/(rows + columns)) (Glorot and Bengio, AISTATS 2010, eq. 16); `normal` is N(0, 1)."""


def drawn(rule: str, name: str, shape: tuple[int, ...], seed: int) -> numpy.ndarray[Any, Any]:
    """The start of a parameter by a rule; each name has its own stream, so that no other name changes it.

    Args:
        rule: one of `RULES`.
        name: the parameter.
        shape: its shape; empty for a scalar.
        seed: of the run.

    Raises:
        DataError: if there is no such rule.
    """
    if rule not in RULES:
        hint = suggestion(rule, RULES) or f" The rules are {', '.join(RULES)}."
        raise DataError(f"the initial value of {name!r} is {rule!r}, which is neither a number nor a rule.{hint}")
    generator = numpy.random.default_rng([seed, *name.encode()])
    match rule:
        case "zeros":
            return numpy.zeros(shape)
        case "ones":
            return numpy.ones(shape)
        case "normal":
            return generator.normal(size=shape)
        case _:
            limit = math.sqrt(6 / max(sum(shape[-2:]), 1))
            return generator.uniform(-limit, limit, size=shape)
