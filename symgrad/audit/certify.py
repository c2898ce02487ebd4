"""Certified derivatives of a row: its text read and derived by symgrad, evaluated in ball arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy
from flint import arb

from symgrad.audit.rows import Op
from symgrad.calculus.partial import partials
from symgrad.calculus.simplify import plus, times
from symgrad.checks.balls import Balls, precision
from symgrad.core.expression import Expr
from symgrad.readers.text import read_expression

FIRST_BITS = 113
LAST_BITS = 113 * 32
"""Precision is doubled from the first to the last until the correctly rounded value is fixed."""

LIMIT_BITS = 10_000
"""Precision at which limits are taken; it keeps a point and the steps away from it apart."""

NEAR, NEARER = 1_500, 3_000
"""Limits are taken 2**-NEAR and 2**-NEARER away from the point."""


@dataclass(frozen=True)
class Certified:
    """The exact derivatives of one row.

    Args:
        op: the row.
        formula: the function itself.
        entries: for each entry its name and its expression: an argument at first order, two at second.
    """

    op: Op
    formula: Expr = field(repr=False)
    entries: tuple[tuple[tuple[str, ...], Expr], ...] = field(repr=False)

    def value(self, expression: Expr, at: Sequence[float | arb]) -> float | None:
        """The correctly rounded float64 of an expression of the row, or None if it is undefined or undecided."""
        bits = FIRST_BITS
        while bits <= LAST_BITS:
            with precision(bits):
                ball = self.ball(expression, [arb(value) for value in at])
                low, high = float(ball.lower()), float(ball.upper())
            if low == high:
                return low
            bits *= 2
        return None

    def limit(self, expression: Expr, at: Sequence[float], direction: Mapping[str, int]) -> float | None:
        """The limit of an expression on the way to a point, along whole-numbered steps; None outside the domain."""
        found = []
        for exponent in (NEAR, NEARER):
            with precision(LIMIT_BITS):
                step = arb(2) ** -exponent
                values = [arb(x) + step * direction.get(n, 0) for n, x in zip(self.op.arguments, at, strict=True)]
                found.append(float(self.ball(expression, values).mid()))
        near, nearer = found
        if math.isnan(nearer) or math.isnan(near):
            return None
        diverges = abs(nearer) > 1.5 * abs(near) > 1500.0  # a logarithm doubles, a power explodes
        return math.copysign(math.inf, nearer) if diverges else nearer

    def vanishes(self, expression: Expr, at: Sequence[float]) -> bool:
        """Whether an expression is zero at a point, as far as the greatest precision can tell."""
        with precision(LAST_BITS):
            return bool(self.ball(expression, [arb(value) for value in at]).contains(arb(0)))

    def ball(self, expression: Expr, values: Sequence[arb]) -> arb:
        """The enclosure of an expression at enclosed arguments."""
        names = {symbol.name for symbol in expression.free_symbols}
        known = dict(zip(self.op.arguments, values, strict=True))
        known |= {name: given.ball(*values) for name, given in self.op.given.items() if name in names}
        return Balls.exact().value(expression, known)


def certified(op: Op, order: int = 1) -> Certified:
    """The derivatives of a row, of first or second order.

    Raises:
        ReadError: if its formula is outside the grammar.
    """
    formula = read_expression(op.formula)
    first = {name: _derived(op, formula, name) for name in op.active}
    if order == 1:
        return Certified(op, formula, tuple(((name,), expression) for name, expression in first.items()))
    entries: list[tuple[tuple[str, ...], Expr]] = []
    for position, name in enumerate(op.active):
        entries += [((name, other), _derived(op, first[name], other)) for other in op.active[position:]]
    return Certified(op, formula, tuple(entries))


def _derived(op: Op, expression: Expr, by: str) -> Expr:
    """The derivative by an argument, through every function that is given."""
    terms = []
    for partial in partials(expression, expression, {by, *op.given}, {}):
        name = partial.occurrence.name
        if name == by:
            terms.append(partial.expression)
        elif by in op.given[name].slopes:
            slope = read_expression(op.given[name].slopes[by])
            terms.append(times(partial.expression, slope))
    return plus(*terms) if terms else sympy.Integer(0)
