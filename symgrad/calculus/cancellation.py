"""Fractions cancelled, where that makes a formula clearly shorter.

Only rational structure is looked at: every function of something is held as one unknown, so tanh and sigmoid stay as
they are. SymPy does the algebra; its answer is put back into the user's order, sums as the user wrote them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import sympy

from symgrad.calculus.simplify import negative_of, plus, tidy, times
from symgrad.core.expression import (
    Expr,
    add,
    is_larger,
    is_negative,
    mul,
    occurrences,
    power,
    rebuild,
    size,
    symbol,
)

SHORTEN_LIMIT = 80
"""The largest expression (operations and operands) that `shorten` will look at."""

FACTOR_LIMIT = 16
"""The most terms above and below a fraction bar that are factored."""

CLEARLY_SHORTER = 0.8
"""A cancelled form is taken if it is at most this large beside the form it replaces."""


@lru_cache(maxsize=512)
def shorten(expression: Expr) -> Expr:
    """`expression`, or an equal one with a fraction cancelled where that is clearly shorter.

    Factors that cancel are taken as not zero, as on paper.
    """
    if is_larger(expression, SHORTEN_LIMIT) or not _has_denominator(expression):
        return expression
    atoms: dict[Expr, Expr] = {}
    rational = _rational_skeleton(expression, atoms)
    if rational is None:
        return expression
    order = _Order(
        {atom: position for position, atom in enumerate(dict.fromkeys(_unknowns(expression, atoms)))},
        {stand_in: original for original, stand_in in atoms.items()},
        {frozenset(p.args): p for p in sympy.preorder_traversal(expression) if _is_plain_sum(p)},
        {
            frozenset(factors): factors
            for p in sympy.preorder_traversal(expression)
            if isinstance(p, sympy.Mul) and (factors := _without_numbers(p.args))
        },
    )
    groups = [(rational,)]
    if isinstance(rational, sympy.Add):
        groups.append(rational.args)
    candidates = [plus(*(tidy(order.restored(_cancelled(term))) for term in terms)) for terms in groups]
    shorter = min(candidates, key=size)
    return shorter if size(shorter) <= CLEARLY_SHORTER * size(expression) else expression


def _is_plain_sum(part: sympy.Basic) -> bool:
    """Whether a part is a sum in which no term stands twice, so that its terms tell which sum it is."""
    return isinstance(part, sympy.Add) and len(set(part.args)) == len(part.args)


def _cancelled(rational: Expr) -> Expr:
    """A fraction without common factors; what stands above and below is factored where that is shorter."""
    above, below = (min(_spellings(side), key=size) for side in sympy.fraction(sympy.cancel(rational)))
    divisors = (_odd_or_even(factor) for factor in sympy.Mul.make_args(below))
    return mul(*sympy.Mul.make_args(above), *(power(base, -exponent) for base, exponent in divisors))


def _spellings(polynomial: Expr) -> list[Expr]:
    """A polynomial with its numbers in front; and factored, so that `(1 + f)**2` need not stand multiplied out."""
    plain = sympy.factor_terms(polynomial)
    terms = len(sympy.Add.make_args(polynomial))
    return [plain, sympy.factor(polynomial)] if 1 < terms <= FACTOR_LIMIT else [plain]


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


def _unknowns(expression: Expr, atoms: Mapping[Expr, Expr]) -> Iterator[Expr]:
    """The symbols of the skeleton in the order in which the user wrote what they stand for."""
    stack = [expression]
    while stack:
        part = stack.pop()
        if part in atoms:
            yield atoms[part]
        elif isinstance(part, sympy.Symbol):
            yield part
        else:
            stack.extend(reversed(part.args))


@dataclass(frozen=True)
class _Order:
    """How the user wrote it.

    Args:
        first: the position of each name's first appearance.
        held: what each stand-in holds.
        sums: the sums of the expression by their terms, no term twice.
        products: the factors of its products that are no numbers.
    """

    first: Mapping[Expr, int]
    held: Mapping[Expr, Expr]
    sums: Mapping[frozenset[Expr], Expr] = field(default_factory=dict)
    products: Mapping[frozenset[Expr], tuple[Expr, ...]] = field(default_factory=dict)

    def restored(self, expression: Expr) -> Expr:
        """SymPy's canonical answer put back into the order in which its names first appeared.

        Of two equal spellings, `(1 - p)` and `-(p - 1)`, the one without a leading minus is kept.
        """
        if expression.is_Atom:
            return self.held.get(expression, expression)
        arguments = expression.args
        if isinstance(expression, (sympy.Add, sympy.Mul)):
            product = isinstance(expression, sympy.Mul)
            arguments = sorted(arguments, key=lambda part: (not part.is_Number and product, self._place(part)))
        rebuilt = [self.restored(argument) for argument in arguments]
        if isinstance(expression, sympy.Mul):
            varying = _without_numbers(rebuilt)
            numbers = (factor for factor in rebuilt if factor.is_Number)
            rebuilt = [*numbers, *self.products.get(frozenset(varying), varying)]
        if isinstance(expression, sympy.Add):
            if frozenset(rebuilt) in self.sums:
                return self.sums[frozenset(rebuilt)]
            rebuilt.sort(key=is_negative)
        return self._signed(rebuilt) if isinstance(expression, sympy.Mul) else rebuild(expression, tuple(rebuilt))

    def _signed(self, factors: list[Expr]) -> Expr:
        """A product whose sums have the sign they have in the user's formula, or the one that spares a minus."""
        negative = False
        for position, factor in enumerate(factors):
            base, exponent = _odd_or_even(factor)
            turned = _turned(base)
            if turned is not None and frozenset(turned.args) in self.sums:
                factors[position] = power(self.sums[frozenset(turned.args)], exponent)
                negative ^= exponent % 2 == 1
        product = times(*([sympy.Integer(-1)] if negative else []), *factors)
        if not is_negative(product):
            return product
        for position, factor in enumerate(product.args):
            base, exponent = _odd_or_even(factor)
            turned = _turned(base) if exponent % 2 else None
            if turned is not None and (base not in self.sums.values() or frozenset(turned.args) in self.sums):
                turned = self.sums.get(frozenset(turned.args), turned)
                others = (*product.args[:position], *product.args[position + 1 :])
                return times(sympy.Integer(-1), power(turned, exponent), *others)
        return product

    def _place(self, part: Expr) -> tuple[int, int]:
        positions = [self.first[atom] for atom in occurrences(part) if atom in self.first]
        return (min(positions, default=len(self.first)), len(positions))


def _without_numbers(factors: Sequence[Expr]) -> tuple[Expr, ...]:
    return tuple(factor for factor in factors if not factor.is_Number)


def _odd_or_even(factor: Expr) -> tuple[Expr, int]:
    """A factor as a power with a whole exponent."""
    if isinstance(factor, sympy.Pow) and isinstance(factor.exp, sympy.Integer):
        return factor.base, int(factor.exp)
    return factor, 1


def _turned(expression: Expr) -> Expr | None:
    """`b - a` for `a - b`; None for anything that is not a sum with a minus."""
    if isinstance(expression, sympy.Add) and any(map(is_negative, expression.args)):
        return add(*sorted(map(negative_of, expression.args), key=is_negative))
    return None
