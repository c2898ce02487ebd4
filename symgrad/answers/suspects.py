"""Factors that a hand-made derivative may lack or have too often, in the user's own names."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

import sympy
from flint import arb, fmpq

from symgrad.calculus.chain import derive
from symgrad.calculus.elementary import elementary
from symgrad.calculus.forms import Forms
from symgrad.calculus.simplify import times
from symgrad.core.derivation import Derivation
from symgrad.core.expression import Expr, name_of, occurrences, size, symbol
from symgrad.core.graph import Graph

FACTORS = 5
"""Of a product with more factors, no combinations are tried."""

LARGEST = 30
"""A larger factor says nothing to a reader (operations and operands)."""

MOST = 120
"""Factors that are tried."""

SIMPLE = 1000
"""The largest numerator and denominator of a simple ratio."""


class Suspect(NamedTuple):
    """A factor, and the edge it is the local partial of, from parent to child, if it is one."""

    factor: Expr
    edge: tuple[str, ...] = ()


def suspects(derivation: Derivation, name: str) -> tuple[Suspect, ...]:
    """Factors that somebody who derives by hand may forget, the likeliest first.

    Local partials, then the factors of the derivative and products of several, local partials of the operations within
    a line, names and their powers.

    Args:
        derivation: by the name alone.
        name: of what is differentiated by.
    """
    found: dict[Expr, Suspect] = {}
    for suspect in _all(derivation, name):
        factor = suspect.factor
        if not factor.free_symbols or size(factor) > LARGEST or len(found) >= MOST:
            continue
        if all(name_of(o) in derivation.primal for o in occurrences(factor)):
            found.setdefault(factor, suspect)
    return tuple(found.values())


def _all(derivation: Derivation, name: str) -> Iterator[Suspect]:
    primal, forms = derivation.primal, Forms(derivation)
    for term in derivation.terms:
        yield Suspect(term.partial, (term.parent, term.child))
    worked = forms.worked[name]
    closed = forms.closed(worked)
    for whole in (worked, closed):
        yield from _products(whole)
    yield from map(Suspect, _inner_partials(primal, name, derivation.output))
    used = primal.ancestors(derivation.output)
    names = [symbol(n.name) for n in primal.nodes if n.name in used and not n.inserted]
    for exponent in (1, -1, 2, -2):
        yield from (Suspect(times(sympy.Pow(x, exponent, evaluate=False)) if exponent != 1 else x) for x in names)


def _products(whole: Expr | None) -> Iterator[Suspect]:
    """The factors of a product, and products of several."""
    if not isinstance(whole, sympy.Mul):
        return
    factors = [factor for factor in whole.args if not factor.is_Number]
    for count in range(1, min(len(factors), FACTORS + 1)):
        for chosen in combinations(factors, count):
            yield Suspect(times(*chosen))


def _inner_partials(primal: Graph, name: str, output: str) -> Iterator[Expr]:
    """The local partials within each line, written in the names of the leaves."""
    split = derive(elementary(primal), name, output=output)
    forms = Forms(split)
    for term in split.terms:
        closed = forms.closed(term.partial)
        if closed is not None:
            yield closed


def simple_ratio(ball: arb) -> Fraction | None:
    """The fraction of small numbers that an enclosure contains, if there is one."""
    if not ball.is_finite() or ball.rad() > 1e-30:
        return None
    try:
        near = Fraction(float(ball.mid())).limit_denominator(SIMPLE)
    except (OverflowError, ValueError):
        return None
    if not near or abs(near.numerator) > SIMPLE:
        return None
    return near if ball.contains(fmpq(near.numerator, near.denominator)) else None
