"""Bounded simplification that keeps the user's names and order.

`times` and `plus` build products and sums as a person writes them: ones and zeros dropped, numbers gathered in
front, equal factors joined into powers, equal terms counted, names before parentheses, otherwise the order given.
Nothing here ever multiplies out; fractions are cancelled in cancellation.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy

from symgrad.core.expression import (
    ONE,
    ZERO,
    Expr,
    add,
    cases,
    is_negative,
    mul,
    number,
    power,
    rebuild,
)
from symgrad.core.indices import Index, SumOver, free_indices, reindex, total
from symgrad.core.symbols import MatrixFunction

NUMBER_LIMIT = 16
"""The largest exponent to which a number is multiplied out."""


def times(*factors: Expr) -> Expr:
    """The product of `factors`, tidied: `times(2*(y_pred - y), x)` is `2*x*(y_pred - y)`."""
    exact, decimals = Fraction(1), []
    exponents: dict[Expr, int] = {}
    for factor in _flat(factors, sympy.Mul):
        for base, exponent in _powers(factor):
            small = 0 < exponent <= NUMBER_LIMIT
            if isinstance(base, sympy.Float) and small:
                decimals += [base] * exponent
            elif isinstance(base, sympy.Rational) and (small or (base != 0 and abs(exponent) <= NUMBER_LIMIT)):
                exact *= Fraction(base.p, base.q) ** exponent
            else:
                exponents[base] = exponents.get(base, 0) + exponent
    if exact == 0:
        return ZERO
    bases = [power(base, n) if n != 1 else base for base, n in exponents.items() if n]
    return mul(*_coefficient(exact, decimals), *sorted(bases, key=_rank))


def plus(*terms: Expr) -> Expr:
    """The sum of `terms`, tidied: zeros dropped, equal terms counted, the order of first appearance kept.

    Terms are equal in whatever order their factors stand, as `a*b` and `b*a` are.
    """
    counted: dict[object, tuple[Expr, list[Expr]]] = {}
    for term in _flat(terms, sympy.Add):
        count, rest = _count_and_rest(term)
        factors = frozenset(Counter(rest.args).items()) if isinstance(rest, sympy.Mul) else rest
        counted.setdefault(factors, (rest, []))[1].append(count)
    return add(*(times(count, rest) for rest, counts in counted.values() for count in _joined(counts)))


def _joined(counts: list[Expr]) -> list[Expr]:
    """How often a term stands in a sum: one number if that is exact (`1 - 0.1` is `0.9`), else those that came."""
    exact = sum((Fraction(c.p, c.q) for c in counts if isinstance(c, sympy.Rational)), Fraction(0))
    decimals = [c for c in counts if isinstance(c, sympy.Float)]
    whole = [sympy.Rational(exact.numerator, exact.denominator)] if exact else []
    if not decimals or len(decimals) + len(whole) == 1:
        return [*whole, *decimals]
    together = exact + sum(map(_as_fraction, decimals))
    joined = _as_decimal(together)
    return [*whole, *decimals] if joined is None else [joined] if together else []


def tidy(expression: Expr) -> Expr:
    """`expression` rebuilt by `times` and `plus` throughout."""
    if not expression.args or isinstance(expression, (sympy.Indexed, MatrixFunction)):
        return expression
    arguments = tuple(tidy(argument) for argument in expression.args)
    match expression:
        case SumOver():
            return _tidy_sum(arguments[0], arguments[1:])
        case sympy.Mul():
            return times(*arguments)
        case sympy.Add():
            return plus(*arguments)
        case sympy.Pow() if isinstance(arguments[1], sympy.Integer):
            return times(power(*arguments))
        case sympy.Piecewise():
            return _tidy_cases(arguments)
        case _:
            return rebuild(expression, arguments)


def _tidy_cases(pairs: Sequence[sympy.Basic]) -> Expr:
    """Cases without those that never hold, and without those after one that always does."""
    kept: list[tuple[Expr, sympy.Basic]] = []
    for expression, condition in pairs:
        holds = _decided(condition)
        if holds is not False:
            kept.append((expression, sympy.true if holds else condition))
        if holds:
            break
    return kept[0][0] if len(kept) == 1 else cases(*kept)


def _decided(condition: sympy.Basic) -> bool | None:
    """Whether a comparison of two whole numbers or of an index with itself holds; None for any other."""
    if condition is sympy.true:
        return True
    left, right = condition.args
    if (isinstance(left, Index) and left == right) or (left.is_Rational and right.is_Rational):
        return bool(condition.func(left, right))
    return None


def _tidy_sum(body: Expr, indices: tuple[Index, ...]) -> Expr:
    """Σ of a tidy body, whatever does not depend on its indices pulled out."""
    if isinstance(body, SumOver):
        return _tidy_sum(body.body, (*indices, *body.indices))
    single = {index: ZERO for index in indices if index.size == 1}
    if single:
        return _tidy_sum(tidy(reindex(body, single)), tuple(i for i in indices if i not in single))
    factors = body.args if isinstance(body, sympy.Mul) else (body,)
    inside = [factor for factor in factors if any(i in indices for i in free_indices(factor))]
    outside = [factor for factor in factors if not any(i in indices for i in free_indices(factor))]
    return times(*outside, total(mul(*inside), indices))


def factored(expression: Expr) -> Expr:
    """`a*b + a*c` as `a*(b + c)`; numbers are not pulled out."""
    if not isinstance(expression, sympy.Add):
        return expression
    terms = [list(term.args) if isinstance(term, sympy.Mul) else [term] for term in expression.args]
    common = [f for f in terms[0] if not f.is_Number and all(f in term for term in terms[1:])]
    if not common:
        return expression
    for term in terms:
        for factor in common:
            if factor in term:
                term.remove(factor)
    left = sorted((mul(*term) for term in terms), key=is_negative)
    return times(*common, plus(*left)) if len(set(common)) == len(common) else expression


def _flat(parts: tuple[Expr, ...], kind: Any) -> list[Expr]:
    flat: list[Expr] = []
    for part in parts:
        flat.extend(_flat(part.args, kind) if isinstance(part, kind) else [part])
    return flat


def _powers(factor: Expr, exponent: int = 1) -> list[tuple[Expr, int]]:
    """A factor as powers of bases: `(b*c)**-2` is b to the −2 and c to the −2."""
    if isinstance(factor, sympy.Pow):
        written = plain_exponent(factor.exp)
        if isinstance(written, sympy.Integer):
            return _powers(factor.base, exponent * int(written))
        if written is not factor.exp:
            return [(power(factor.base, written), exponent)]
    if isinstance(factor, sympy.Mul):
        return [found for part in factor.args for found in _powers(part, exponent)]
    return [(factor, exponent)]


def plain_exponent(exponent: Expr) -> Expr:
    """`1/2` as the number it is, where the user wrote a division."""
    return exponent if exponent.is_Atom or exponent.free_symbols else tidy(exponent)


def _rank(factor: Expr) -> int:
    """Names first, then functions and parentheses, then the same below a fraction; `sorted` keeps the order within."""
    if isinstance(factor, sympy.Pow) and isinstance(factor.exp, sympy.Rational) and factor.exp < 0:
        return 4 + _rank(power(factor.base, -factor.exp))
    base = factor.base if isinstance(factor, sympy.Pow) and isinstance(factor.exp, sympy.Integer) else factor
    if isinstance(base, sympy.Piecewise):
        return 3
    if isinstance(base, sympy.Add):
        return 2
    return 0 if base.is_Atom or isinstance(base, sympy.Indexed) else 1


def _coefficient(exact: Fraction, decimals: list[Expr]) -> list[Expr]:
    """The number in front: one decimal if that is exact (`2*0.1` is `0.2`), else the factors as they came."""
    product = exact
    for decimal in decimals:
        product *= _as_fraction(decimal)
    if not decimals:
        return [] if exact == 1 else [sympy.Rational(exact.numerator, exact.denominator)]
    joined = _as_decimal(product)
    if joined is not None and joined != 0:
        return [] if product == 1 else [sympy.Integer(-1)] if product == -1 else [joined]
    return _coefficient(exact, []) + decimals


def _as_fraction(decimal: Expr) -> Fraction:
    return Fraction(repr(float(decimal)))


def _as_decimal(value: Fraction) -> Expr | None:
    """A number as a decimal; None where its spelling would not be exact."""
    try:
        decimal = number(float(value))
    except OverflowError:
        return None
    return decimal if _as_fraction(decimal) == value else None


def _count_and_rest(term: Expr) -> tuple[Expr, Expr]:
    """The number in front of a term, and what it counts."""
    if isinstance(term, sympy.Number):
        return term, ONE
    if isinstance(term, sympy.Mul) and isinstance(term.args[0], sympy.Number):
        return term.args[0], mul(*term.args[1:])
    return ONE, term


def negative_of(expression: Expr) -> Expr:
    """`-expression` without a double sign: the negative of `-y` is `y`."""
    return times(sympy.Integer(-1), expression)
