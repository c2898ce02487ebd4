"""Numbers that scale a whole line leave the sums that read it: Σ_i (c·r[i])·x[i] is c·Σ_i r[i]·x[i].

An adjoint often is a residual times 2/n; the array `2*r/n` need not be made where only sums read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy

from symgrad.core.expression import Expr, is_negative, mul, name_of, negative, without_sign
from symgrad.core.graph import Node
from symgrad.core.indices import Index, free_indices, instance, subscripts_of


def is_scaled(body: Expr) -> bool:
    """Whether a line is a number times one factor that has its indices; more factors would be multiplied again."""
    if not isinstance(body, sympy.Mul):
        return False
    varying = [factor for factor in body.args if free_indices(factor)]
    return len(varying) == 1 < len(body.args)


def unscaled(summand: Expr, scaled: Mapping[str, Node]) -> Expr:
    """A summand with such lines written out, their numbers first.

    Args:
        summand: of a sum.
        scaled: the lines that `is_scaled` admits, by name.
    """
    minus, numbers = False, []
    factors = [*_factors(summand)]
    position = 0
    while position < len(factors):
        line = _read(factors[position], scaled)
        if line is None:
            position += 1
            continue
        minus ^= is_negative(line)
        parts = _factors(without_sign(line) if is_negative(line) else line)
        numbers += [part for part in parts if not free_indices(part)]
        factors[position : position + 1] = [part for part in parts if free_indices(part)]
    if not numbers and not minus:
        return summand
    made = mul(*numbers, *factors)
    return negative(made) if minus else made


def _factors(expression: Expr) -> Sequence[Expr]:
    return expression.args if isinstance(expression, sympy.Mul) else (expression,)


def _read(factor: Expr, scaled: Mapping[str, Node]) -> Expr | None:
    """The line that a factor is an entry of, at its subscripts."""
    if not isinstance(factor, sympy.Indexed) or name_of(factor) not in scaled:
        return None
    subscripts = subscripts_of(factor)
    if not all(isinstance(subscript, Index) for subscript in subscripts):
        return None
    node = scaled[name_of(factor)]
    assert node.body is not None
    return instance(node.body, node.index, subscripts, ())
