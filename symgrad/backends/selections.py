"""Sums over what labels select: Σ_i [k = t[i]]·a[i], the gradient of `e[t[i]]` by `e`."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import sympy

from symgrad.core.expression import ONE, ZERO, Expr, mul, name_of
from symgrad.core.graph import Graph
from symgrad.core.indices import Index, free_indices, subscripts_of


class Selection(NamedTuple):
    """A summand that is 0 but where a label says so.

    Args:
        place: `k`.
        label: `t[i]`.
        others: the other factors; `k` is not in them.
    """

    place: Index
    label: sympy.Indexed
    others: Expr


def selection(summand: Expr, summed: Collection[Index], graph: Graph) -> Selection | None:
    """The first factor that selects, if the sum is over every index of its label and not over its place.

    A label is an entry of a leaf; what is computed may be no whole number.
    """
    factors = summand.args if isinstance(summand, sympy.Mul) else (summand,)
    for position, factor in enumerate(factors):
        if (sides := _indicator(factor)) is None:
            continue
        place, label = sides
        own = subscripts_of(label)
        if not graph[name_of(label)].is_leaf:
            continue
        others = mul(*factors[:position], *factors[position + 1 :])
        if own and set(summed).issuperset(own) and place not in summed and place not in free_indices(others):
            return Selection(place, label, others)
    return None


def _indicator(factor: Expr) -> tuple[Index, sympy.Indexed] | None:
    """`k` and `t[i]` of `[k = t[i]]`."""
    match factor:
        case sympy.Piecewise(args=(sympy.Tuple(args=(then, sympy.Eq(args=sides))), sympy.Tuple(args=(rest, _)))):
            match sorted(sides, key=lambda side: not isinstance(side, Index)):
                case Index() as place, sympy.Indexed() as label if (then, rest) == (ONE, ZERO):
                    return place, label
    return None
