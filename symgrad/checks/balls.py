"""Enclosures of whole graphs: true values, and what conforming programs may return.

An enclosure certainly contains the true value. Widened by a unit roundoff it contains what any conforming float program
returns, in whatever order it adds and multiplies. Scalars are balls, tensors arrays of balls; where a graph of tensors
is too large for balls, arrays in extended precision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy

from symgrad.checks.extended import Spread
from symgrad.checks.scalar_balls import MAX_PRECISION, PRECISION, SMALLEST, UNIT, Balls, precision
from symgrad.checks.spaces import Space, space_of
from symgrad.core.derivation import Derivation
from symgrad.core.graph import Graph


def enclose(graph: Graph, at: Mapping[str, Any], balls: Balls) -> dict[str, Any]:
    """The enclosure of every node of a graph at a point of exact binary values."""
    return enclosed(graph, at, balls).values


def enclosed(graph: Graph, at: Mapping[str, Any], balls: Balls) -> Space:
    """As `enclose`, with the arithmetic that can read the enclosures."""
    space = space_of(graph, balls, at)
    for node in graph.nodes:
        if node.body is None:
            space.give(node.name, at[node.name])
        else:
            space.values[node.name] = space.line(node.body, node.index)
    return space


def conforming(derivation: Derivation, at: Mapping[str, Any], dtype: str) -> Space:
    """What conforming programs of a dtype may return for every value, local partial and adjoint, by node.

    Partials are taken as the rules gave them, before anything cancelled, since torch adds up such terms and rounds.
    """
    space = space_of(derivation.gradient, Balls.conforming(dtype), at, derivation.primal)
    values = space.values
    for node in derivation.gradient.nodes:
        if node.name in derivation.primal:
            if node.body is None:
                space.give(node.name, at[node.name])
            else:
                values[node.name] = space.line(node.body, node.index)
    for step in derivation.steps:
        for term in step.terms:
            if term.partial_name in derivation.gradient:
                values[term.partial_name] = space.line(term.written)
            values[term.contribution] = space.contribution(derivation, term)
        if step.node == derivation.output or not step.terms:
            adjoint = derivation.gradient[step.adjoint]
            assert adjoint.body is not None
            values[step.adjoint] = space.line(adjoint.body, adjoint.index)
        else:
            values[step.adjoint] = space.total([values[term.contribution] for term in step.terms])
    return space


def certified(graph: Graph, at: Mapping[str, Any]) -> dict[str, Any]:
    """True values of every node, tight enough to round correctly to float64 wherever that is decidable.

    Precision is doubled until each enclosure is relatively accurate to 60 bits; a value that is exactly zero by
    cancellation stays an interval around zero.
    """
    bits = PRECISION
    while True:
        with precision(bits):
            values = enclosed(graph, at, Balls.exact()).values
        tight = all(map(_is_tight, values.values()))
        if tight or bits >= MAX_PRECISION:
            return values
        bits *= 2


def _is_tight(value: Any) -> bool:
    if isinstance(value, Spread):
        return True  # its digits are what they are
    balls = value.ravel().tolist() if isinstance(value, numpy.ndarray) else [value]
    return all(
        isinstance(ball, int) or not ball.is_finite() or ball.is_zero() or ball.rel_accuracy_bits() >= 60
        for ball in balls
    )


def distance_in_ulps(value: float, reference: float, dtype: str) -> float:
    """|value − reference| in units in the last place of the reference; infinite if only one of them is finite."""
    if value == reference or (math.isnan(value) and math.isnan(reference)):
        return 0.0
    if not (math.isfinite(value) and math.isfinite(reference)):
        return math.inf
    digits, least = {"float32": (24, -149), "float64": (53, -1074)}[dtype]
    exponent = math.frexp(reference)[1] if reference else least
    try:
        return math.ldexp(abs(value - reference), -max(exponent - digits, least))
    except OverflowError:  # beside a reference of 0 or next to it
        return math.inf


__all__ = [
    "MAX_PRECISION",
    "PRECISION",
    "SMALLEST",
    "UNIT",
    "Balls",
    "certified",
    "conforming",
    "distance_in_ulps",
    "enclose",
    "enclosed",
    "precision",
]
