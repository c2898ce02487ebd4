"""Sums of products as matrix products: which pair of factors first, and which call says it.

Pairs are contracted in the order that is cheapest, then smallest (the greedy order of Smith and Gray, opt_einsum, JOSS
3(26), 2018), so no intermediate holds an axis longer than it must. A pair becomes `@` wherever each side keeps at most
one axis of its own, since that is BLAS; `tensordot` and `einsum` say the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from symgrad.backends.arrays import (
    NEW_AXIS,
    Einsum,
    MatrixProduct,
    Take,
    TensorProduct,
    reduced,
    view,
    whole,
    word,
)
from symgrad.core.expression import Expr
from symgrad.core.indices import Extent, Index

USUAL_SIZE = 64
"""What a size known by name only counts as, where orders are compared."""

LETTERS = "ijklmnopqrstuvwxyzabcdefgh"
"""Subscripts of `einsum`, in the order in which they are taken."""

Record = Callable[[Expr], Expr]
"""From an operation on symbols to the symbol that holds it."""

Multiply = Callable[[Sequence["Ref"]], "Ref"]
"""The elementwise product, broadcast."""


class Ref(NamedTuple):
    """An array and what its axes are in the line at hand."""

    array: Expr
    axes: tuple[Index, ...] = ()


def entries(shape: Iterable[Extent]) -> int:
    """How many entries an array of this shape has, roughly."""
    return math.prod(size if isinstance(size, int) else USUAL_SIZE for size in shape)


def extent_of(axes: Collection[Index]) -> int:
    """How many entries an array with these axes has, roughly."""
    return entries(i.size for i in axes)


def contract(
    factors: Sequence[Ref], summed: Sequence[Index], order: Mapping[Index, int], multiply: Multiply, record: Record
) -> Ref:
    """Σ over `summed` of the product of `factors`, each of which has axes.

    Args:
        factors: at least one.
        summed: every one is an axis of some factor.
        order: which of two axes of a result should stand first.
        multiply: the elementwise product.
        record: names an operation.
    """
    pending = [_reduced(f, _lonely(f, factors, summed), record) for f in factors] if len(factors) > 1 else list(factors)
    while len(pending) > 1:
        left, right = min(combinations(pending, 2), key=lambda pair: _cost(pair, pending, summed))
        rest = [f for f in pending if f is not left and f is not right]
        gone = [i for i in summed if (i in left.axes or i in right.axes) and not any(i in f.axes for f in rest)]
        shared = [i for i in gone if i in left.axes and i in right.axes]
        product = _product(*_turned(left, right, order), shared, record) if shared else multiply((left, right))
        pending = [*rest, _reduced(product, [i for i in gone if i in product.axes], record)]
    (last,) = pending
    return _reduced(last, [i for i in summed if i in last.axes], record)


def _lonely(factor: Ref, factors: Sequence[Ref], summed: Sequence[Index]) -> list[Index]:
    """The summed axes that no other factor has."""
    return [i for i in summed if i in factor.axes and not any(i in f.axes for f in factors if f is not factor)]


def _cost(pair: tuple[Ref, Ref], pending: Sequence[Ref], summed: Sequence[Index]) -> tuple[int, int]:
    """Multiplications, and entries of the result."""
    both = {*pair[0].axes, *pair[1].axes}
    others = {i for f in pending if f is not pair[0] and f is not pair[1] for i in f.axes}
    return extent_of(both), extent_of([i for i in both if i in others or i not in summed])


def _reduced(ref: Ref, axes: Sequence[Index], record: Record) -> Ref:
    if not axes:
        return ref
    made = reduced(ref.array, "sum", (ref.axes.index(i) for i in axes), len(ref.axes))
    return Ref(record(made), tuple(i for i in ref.axes if i not in axes))


def _turned(left: Ref, right: Ref, order: Mapping[Index, int]) -> tuple[Ref, Ref]:
    """The two with that one first whose own axes stand first in the result, so that nothing need be transposed."""

    def place(one: Ref, other: Ref) -> int:
        return min((order.get(i, len(order)) for i in one.axes if i not in other.axes), default=len(order))

    return (right, left) if place(right, left) < place(left, right) else (left, right)


def _product(left: Ref, right: Ref, summed: Sequence[Index], record: Record) -> Ref:
    """The contraction of two arrays over axes that both have."""
    batch = [i for i in left.axes if i in right.axes and i not in summed]
    rows = [i for i in left.axes if i not in right.axes]
    columns = [i for i in right.axes if i not in left.axes]
    axes = (*batch, *rows, *columns)
    is_inner = not axes and len(summed) > 1 and left.axes == right.axes
    if not is_inner and not batch and (len(rows) > 1 or len(columns) > 1 or len(summed) > 1):
        spent = [whole(ref.axes.index(i) for i in summed) for ref in (left, right)]
        return Ref(record(TensorProduct(left.array, right.array, *spent)), axes)
    if len(summed) > 1 or len(rows) > 1 or len(columns) > 1 or (batch and not rows and not columns):
        return Ref(record(Einsum(left.array, right.array, word(_subscripts(left, right, axes)))), axes)
    if batch and not (rows and columns):
        matrix, vector, own = (left, right, rows) if rows else (right, left, columns)
        return _of_vector(matrix, vector, batch, own, summed, record)
    return Ref(
        record(MatrixProduct(_arranged(left, (*batch, *rows, *summed)), _arranged(right, (*batch, *summed, *columns)))),
        axes,
    )


def _of_vector(
    matrix: Ref, vector: Ref, batch: Sequence[Index], own: Sequence[Index], summed: Sequence[Index], record: Record
) -> Ref:
    """A matrix and a vector for each index of a batch, on the side where the matrix need not be transposed."""
    if matrix.axes.index(own[0]) < matrix.axes.index(summed[0]):
        sides = _arranged(matrix, (*batch, *own, *summed)), _arranged(vector, (*batch, *summed, None))
        gone = len(batch) + len(own)
    else:
        sides = _arranged(vector, (*batch, None, *summed)), _arranged(matrix, (*batch, *summed, *own))
        gone = len(batch)
    return Ref(record(Take(record(MatrixProduct(*sides)), *whole((gone, 0)))), (*batch, *own))


def _arranged(ref: Ref, axes: Sequence[Index | None]) -> Expr:
    return view(ref.array, tuple(NEW_AXIS if i is None else ref.axes.index(i) for i in axes))


def _subscripts(left: Ref, right: Ref, axes: Sequence[Index]) -> str:
    letters: dict[Index, str] = {}
    for index in (*left.axes, *right.axes):
        letters.setdefault(index, LETTERS[len(letters)])
    spelled = ["".join(letters[i] for i in group) for group in (left.axes, right.axes, axes)]
    return f"{spelled[0]},{spelled[1]}->{spelled[2]}"
