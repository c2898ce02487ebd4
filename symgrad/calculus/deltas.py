"""Kronecker's deltas resolved: Σ_i [i = j]·f[i] is f[j]."""

from __future__ import annotations

import sympy

from symgrad.calculus.simplify import plus, times
from symgrad.core.expression import ONE, ZERO, Expr, mul
from symgrad.core.indices import Index, Reduction, SumOver, free_indices, reindex, total


def resolve_deltas(expression: Expr) -> Expr:
    """`expression` with each delta under a Σ used to name the index it fixes, where it stands as a factor."""
    if not _has_delta(expression):
        return expression
    match expression:
        case SumOver():
            return _sum(resolve_deltas(expression.body), expression.indices)
        case sympy.Add():
            return plus(*(resolve_deltas(term) for term in expression.args))
        case sympy.Mul():
            return times(*(resolve_deltas(factor) for factor in expression.args))
        case sympy.Piecewise() if _delta_of(expression) is not None:
            left, right = expression.args[0][1].args
            return ONE if left == right else ZERO if left.is_Integer and right.is_Integer else expression
        case _:
            return expression


def _sum(body: Expr, indices: tuple[Index, ...]) -> Expr:
    if isinstance(body, sympy.Add) and _has_delta(body):
        return plus(*(_sum(term, indices) for term in body.args))
    factors = list(body.args) if isinstance(body, sympy.Mul) else [body]
    for position, factor in enumerate(factors):
        sides = _delta_of(factor)
        if sides is None:
            continue
        for index, value in (sides, sides[::-1]):
            if index in indices and index not in free_indices(value):
                rest = mul(*factors[:position], *factors[position + 1 :])
                kept = tuple(i for i in indices if i != index)
                return _sum(resolve_deltas(reindex(rest, {index: value})), kept)
    return total(body, indices)


def _delta_of(factor: Expr) -> tuple[Expr, Expr] | None:
    """The two subscripts of a delta; None for anything else."""
    if not isinstance(factor, sympy.Piecewise) or len(factor.args) != 2:
        return None
    (one, condition), (zero, _) = factor.args
    if (one, zero) != (ONE, ZERO) or not isinstance(condition, sympy.Equality):
        return None
    left, right = condition.args
    if not (isinstance(left, Index) or isinstance(right, Index) or (left.is_Integer and right.is_Integer)):
        return None
    return left, right


def _has_delta(expression: sympy.Basic) -> bool:
    stack = [expression]
    while stack:
        part = stack.pop()
        if isinstance(part, sympy.Piecewise) and _delta_of(part) is not None:
            return True
        if isinstance(part, (sympy.Add, sympy.Mul, Reduction)):
            stack.extend(part.args)
    return False
