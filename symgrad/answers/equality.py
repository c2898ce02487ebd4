"""Whether two enclosures are of one number, of two, or might be either.

Disjoint enclosures are certainly of two numbers. Enclosures that overlap though each is known to 200 bits are taken to
be of one; that is no proof at one point, which is why several independent ones are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy
import sympy
from flint import arb

from symgrad.checks.scalar_balls import compared, precision
from symgrad.checks.spaces import Space
from symgrad.core.expression import Expr
from symgrad.core.indices import MatrixFunction
from symgrad.functions import row_of

PRECISIONS = (256, 512, 1024, 2048)
"""Bits, raised until the comparison is decided."""

AGREED = arb(2) ** -200
"""The relative width at which enclosures that overlap are taken to be of one number."""

VANISHED = arb(2) ** -400
"""The width at which an enclosure of 0 is taken to be 0."""

Outcome = Literal["same", "different", "no value", "open"]


def entries(enclosed: Any) -> list[arb]:
    """The balls of a scalar or an array, in order."""
    return enclosed.ravel().tolist() if isinstance(enclosed, numpy.ndarray) else [enclosed]


def is_finite(enclosed: Any) -> bool:
    """Whether every entry is enclosed at all."""
    return all(ball.is_finite() for ball in entries(enclosed))


def _is_nothing(ball: arb) -> bool:
    return bool(ball.abs_upper() < VANISHED) and bool(ball.contains(0))


def compare(left: Any, right: Any) -> Outcome:
    """Two enclosures of the same shape, at the precision they were made with."""
    open_ = False
    for a, b in zip(entries(left), entries(right), strict=True):
        if not (a.is_finite() and b.is_finite()):
            open_ = True
        elif not a.overlaps(b):
            return "different"
        elif not _agrees(a, b):
            open_ = True
    return "open" if open_ else "same"


def _agrees(a: arb, b: arb) -> bool:
    """Whether two balls that overlap are narrow enough."""
    if _is_nothing(a) and _is_nothing(b):
        return True
    size = min(a.abs_lower(), b.abs_lower())
    return bool(size > 0) and bool(a.rad() + b.rad() <= AGREED * size)


Made = Callable[[int], tuple[Any, Any]]
"""From a number of bits to two enclosures."""


def settled(made: Made) -> tuple[Outcome, int]:
    """The comparison, with precision raised until it is decided, and the bits that took."""
    outcome: Outcome = "open"
    bits = PRECISIONS[0]
    for bits in PRECISIONS:
        with precision(bits):
            left, right = made(bits)
            outcome = compare(left, right)
        if outcome != "open":
            break
    return outcome, bits


_EDGES: dict[str, Sequence[int]] = {
    "log": (0,),
    "log1p": (-1,),
    "asin": (-1, 1),
    "acos": (-1, 1),
    "atanh": (-1, 1),
    "acosh": (1,),
}
"""Where a function's domain ends; on the edge itself rounding decides nothing."""


def lacks_value(body: Expr, space: Space) -> bool:
    """Whether an expression that is not enclosed certainly has no value: log(−1), not acos(1 ± 1e-300)."""
    if isinstance(body, MatrixFunction) or not body.args:
        return False
    if isinstance(body, sympy.Piecewise):
        return any(lacks_value(branch, space) for branch in _chosen(body, space))
    for argument in body.args if not isinstance(body, sympy.Indexed) else ():
        if isinstance(argument, sympy.Expr) and not argument.is_Symbol and not _finite_in(argument, space):
            return lacks_value(argument, space)
    return _leaves_its_domain(body, space)


def _finite_in(part: Expr, space: Space) -> bool:
    return is_finite(space.value(part).array)


def _chosen(distinction: sympy.Piecewise, space: Space) -> list[Expr]:
    """The branch that certainly holds, if it is one for all entries."""
    for branch, condition in distinction.args:
        if condition is sympy.true:
            return [branch]
        sides = [space.value(side).array for side in condition.args]
        if any(isinstance(side, numpy.ndarray) for side in sides):
            return []
        holds = compared(condition, *sides)
        if holds is not False:
            return [branch] if holds else []
    return []


def _leaves_its_domain(body: Expr, space: Space) -> bool:
    """Whether an argument lies outside, and clear of the edge; or a divisor is exactly 0."""
    if isinstance(body, sympy.Pow):
        bases = entries(space.value(body.base).array)
        if isinstance(body.exp, sympy.Integer):
            return any(base.is_zero() for base in bases)
        return any(base < 0 or base.is_zero() for base in bases)
    if not isinstance(body, sympy.Function):
        return False
    edges = _EDGES.get(row_of(body).name)
    if edges is None:
        return False
    balls = entries(space.value(body.args[0]).array)
    return not any(ball.contains(edge) and not ball.is_exact() for ball in balls for edge in edges)
