"""Numbers that scale a whole line leave the sums that read it: Σ_i (c·r[i])·x[i] is c·Σ_i r[i]·x[i].

An adjoint often is a residual times 2/n; the array `2*r/n` need not be made where only sums read it.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from symgrad.core.expression import Expr, is_negative, mul, name_of, negative, without_sign
from symgrad.core.graph import Graph
from symgrad.core.indices import Index, free_indices, instance, subscripts_of


def unscaled(summand: Expr, graph: Graph) -> Expr:
    """A summand of which every factor that is an entry of such a line is written out, the numbers first."""
    minus, numbers = False, []
    factors = [*_factors(summand)]
    position = 0
    while position < len(factors):
        line = _scaled(factors[position], graph)
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


def _scaled(factor: Expr, graph: Graph) -> Expr | None:
    """The line that a factor is an entry of, at its subscripts, if it is a number times one factor that varies.

    With more factors that vary, they would be multiplied again.
    """
    if not isinstance(factor, sympy.Indexed):
        return None
    node, subscripts = graph[name_of(factor)], subscripts_of(factor)
    if not isinstance(node.body, sympy.Mul) or not all(isinstance(subscript, Index) for subscript in subscripts):
        return None
    varying = [part for part in node.body.args if free_indices(part)]
    return instance(node.body, node.index, subscripts, ()) if len(varying) == 1 < len(node.body.args) else None
