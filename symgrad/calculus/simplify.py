"""Bounded simplification that keeps the user's names and order.

`times` and `plus` build products and sums as a person writes them: ones and zeros dropped, numbers gathered in
front, equal factors joined into powers, names before parentheses, otherwise the order given. `shorten` may cancel
a fraction. Nothing here ever multiplies out, and nothing is tried on an expression of unbounded size.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy

from symgrad.core.expression import (
    ONE,
    ZERO,
    Expr,
    add,
    is_larger,
    is_negative,
    mul,
    negative,
    number,
    occurrences,
    power,
    rebuild,
    size,
    symbol,
)
from symgrad.core.indices import Index, SumOver, free_indices, reindex, total
from symgrad.core.symbols import MatrixFunction

SHORTEN_LIMIT = 80
"""The largest expression (operations and operands) that `shorten` will look at."""


CLEARLY_SHORTER = 0.8
"""A cancelled form is taken if it is at most this large beside the form it replaces."""

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
    """The sum of `terms`, tidied: zeros dropped, equal terms counted, the order of first appearance kept."""
    counts: dict[Expr, Fraction] = {}
    for term in _flat(terms, sympy.Add):
        count, rest = _count_and_rest(term)
        counts[rest] = counts.get(rest, Fraction(0)) + count
    return add(*(_counted(count, rest) for rest, count in counts.items() if count))


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
        case _:
            return rebuild(expression, arguments)


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


def shorten(expression: Expr) -> Expr:
    """`expression`, or an equal one with a fraction cancelled where that is clearly shorter.

    Only rational structure is looked at: every function of something is held as one unknown, so tanh and sigmoid
    stay as they are. Factors that cancel are taken as not zero, as on paper.
    """
    if is_larger(expression, SHORTEN_LIMIT) or not _has_denominator(expression):
        return expression
    atoms: dict[Expr, Expr] = {}
    rational = _rational_skeleton(expression, atoms)
    if rational is None:
        return expression
    order = {atom: position for position, atom in enumerate(dict.fromkeys(occurrences(rational)))}
    back = {stand_in: original for original, stand_in in atoms.items()}
    whole = [sympy.cancel(rational)]
    termwise = [sympy.cancel(term) for term in rational.args] if isinstance(rational, sympy.Add) else whole
    candidates = (plus(*(tidy(_in_order(sympy.factor_terms(t), order, back)) for t in ts)) for ts in (whole, termwise))
    shorter = min(candidates, key=size)
    return shorter if size(shorter) <= CLEARLY_SHORTER * size(expression) else expression


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
    """Names first, then functions, parentheses, and what stands below a fraction; `sorted` keeps the order within."""
    base = factor
    if isinstance(factor, sympy.Pow) and isinstance(factor.exp, sympy.Rational):
        if factor.exp < 0:
            return 4
        base = factor.base
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
    try:
        joined = number(float(product))
    except OverflowError:
        joined = None
    if joined is not None and joined != 0 and _as_fraction(joined) == product:
        return [] if product == 1 else [sympy.Integer(-1)] if product == -1 else [joined]
    return _coefficient(exact, []) + decimals


def _as_fraction(decimal: Expr) -> Fraction:
    return Fraction(repr(float(decimal)))


def _count_and_rest(term: Expr) -> tuple[Fraction, Expr]:
    if isinstance(term, sympy.Rational):
        return Fraction(term.p, term.q), ONE
    if isinstance(term, sympy.Mul) and isinstance(term.args[0], sympy.Rational):
        return Fraction(term.args[0].p, term.args[0].q), mul(*term.args[1:])
    return Fraction(1), term


def _counted(count: Fraction, rest: Expr) -> Expr:
    if rest == ONE:
        return sympy.Rational(count.numerator, count.denominator)
    if count == 1:
        return rest
    return times(sympy.Rational(count.numerator, count.denominator), rest)


def _has_denominator(expression: Expr) -> bool:
    parts = sympy.preorder_traversal(expression)
    return any(isinstance(p, sympy.Pow) and isinstance(p.exp, sympy.Integer) and p.exp < 0 for p in parts)


def _rational_skeleton(expression: Expr, atoms: dict[Expr, Expr]) -> Expr | None:
    """`expression` with each non-rational part replaced by a symbol; None if it holds decimals or cases."""
    match expression:
        case sympy.Float() | sympy.Piecewise():
            return None
        case sympy.Add() | sympy.Mul():
            pass
        case sympy.Pow() if isinstance(expression.exp, sympy.Integer) and abs(int(expression.exp)) <= 8:
            pass
        case sympy.Symbol() | sympy.Rational():
            return expression
        case _:
            return atoms.setdefault(expression, symbol(f"_{len(atoms)}"))
    arguments = [_rational_skeleton(argument, atoms) for argument in expression.args]
    return None if None in arguments else expression.func(*arguments)


def _in_order(expression: Expr, order: dict[Expr, int], back: dict[Expr, Expr]) -> Expr:
    """SymPy's canonical answer put back into the order in which its names first appeared.

    Of two equal spellings, `(1 - p)` and `-(p - 1)`, the one without a leading minus is kept.
    """
    if expression.is_Atom:
        return back.get(expression, expression)

    def first(part: Expr) -> tuple[int, int]:
        positions = [order[atom] for atom in occurrences(part) if atom in order]
        return (min(positions, default=len(order)), len(positions))

    arguments = expression.args
    if isinstance(expression, (sympy.Add, sympy.Mul)):
        arguments = sorted(
            arguments, key=lambda part: (not part.is_Number and isinstance(expression, sympy.Mul), first(part))
        )
    rebuilt = [_in_order(argument, order, back) for argument in arguments]
    if isinstance(expression, sympy.Add):
        rebuilt.sort(key=is_negative)
    if isinstance(expression, sympy.Mul):
        for position, part in enumerate(rebuilt):
            flipped = _flip(part)
            if flipped is not None and isinstance(rebuilt[0], sympy.Number) and rebuilt[0] < 0:
                rebuilt[position], rebuilt[0] = flipped, -rebuilt[0]
    return rebuild(expression, tuple(rebuilt))


def _flip(expression: Expr) -> Expr | None:
    """`b - a` for `a - b`; None for anything that is not a difference of two."""
    if isinstance(expression, sympy.Add) and len(expression.args) == 2 and is_negative(expression.args[1]):
        return add(negative_of(expression.args[1]), negative(expression.args[0]))
    return None


def negative_of(expression: Expr) -> Expr:
    """`-expression` without a double sign: the negative of `-y` is `y`."""
    return times(sympy.Integer(-1), expression)
