"""Which factors of a product stand above the fraction bar, and which below."""

from __future__ import annotations

import sympy

from symgrad.core.expression import Expr


def take_apart(product: sympy.Mul) -> tuple[list[Expr], list[Expr]]:
    """What stands above the fraction bar and what below."""
    above: list[Expr] = []
    below: list[Expr] = []
    for factor in product.args:
        divisor = divisor_of(factor)
        if divisor is not None:
            below.append(divisor)
        elif isinstance(factor, sympy.Rational) and factor.q != 1 and factor > 0:
            above += [sympy.Integer(factor.p)] if factor.p != 1 else []
            below.append(sympy.Integer(factor.q))
        else:
            above.append(factor)
    return above, below


def divisor_of(factor: Expr) -> Expr | None:
    """`b` for a factor `1/b`, else None."""
    if isinstance(factor, sympy.Pow) and isinstance(factor.exp, sympy.Rational) and factor.exp < 0:
        return inverse(factor.base, factor.exp)
    return None


def inverse(base: Expr, exponent: sympy.Rational) -> Expr:
    """`1/base**exponent`, for an exponent below 0."""
    return base if exponent == -1 else sympy.Pow(base, -exponent, evaluate=False)
