"""Views of arrays: what `lower` writes as a view, a fixed entry or a diagonal is subscripts, and nothing is moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from symgrad.backends.arrays import NEW_AXIS, Einsum, TensorProduct
from symgrad.backends.jit.nests import Array, Literal, Read, Term
from symgrad.core.expression import Expr

ZERO = Literal(0)


class Seen(NamedTuple):
    """A view of an array, or a number.

    Args:
        array: what is looked at, or the number.
        subscripts: for each axis of the array the axis of the view it is, or a fixed subscript.
        shape: of the view.
    """

    array: Array | float
    subscripts: tuple[int | Literal, ...] = ()
    shape: tuple[int, ...] = ()

    def entry(self, at: Sequence[Term]) -> Term:
        """One entry; subscripts beyond the view's rank come first and broadcast, as do axes of one entry."""
        if not isinstance(self.array, Array):
            return Literal(self.array)
        own = at[len(at) - len(self.shape) :]
        places = [ZERO if size == 1 else place for size, place in zip(self.shape, own, strict=True)]
        return Read(self.array, tuple(places[s] if isinstance(s, int) else s for s in self.subscripts))


def viewed(seen: Seen, order: tuple[int, ...]) -> Seen:
    """The axes of a view in another order, some of them new."""
    where = {old: new for new, old in enumerate(order)}
    subscripts = tuple(where[s] if isinstance(s, int) else s for s in seen.subscripts)
    return Seen(seen.array, subscripts, tuple(1 if axis == NEW_AXIS else seen.shape[axis] for axis in order))


def taken(seen: Seen, axis: int, position: int) -> Seen:
    """A view at a position of an axis, which is gone."""

    def moved(subscript: int | Literal) -> int | Literal:
        if not isinstance(subscript, int) or subscript < axis:
            return subscript
        return Literal(position % seen.shape[axis]) if subscript == axis else subscript - 1

    return Seen(seen.array, tuple(map(moved, seen.subscripts)), seen.shape[:axis] + seen.shape[axis + 1 :])


def diagonal(seen: Seen, first: int, second: int) -> Seen:
    """The diagonal of two axes, as the last axis."""
    kept = [axis for axis in range(len(seen.shape)) if axis not in (first, second)]
    where = {old: new for new, old in enumerate(kept)} | {first: len(kept), second: len(kept)}
    subscripts = tuple(where[s] if isinstance(s, int) else s for s in seen.subscripts)
    return Seen(
        seen.array, subscripts, (*(seen.shape[axis] for axis in kept), min(seen.shape[first], seen.shape[second]))
    )


def spelled(expression: Expr, left: Seen, right: Seen) -> tuple[str, str, str]:
    """A contraction's subscripts as `einsum` has them: of the left, of the right and of the result."""
    if isinstance(expression, Einsum):
        operands, _, result = expression.subscripts.partition("->")
        first, _, second = operands.partition(",")
        return first, second, result
    letters = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    of_left = [next(letters) for _ in left.shape]
    of_right = [next(letters) for _ in right.shape]
    if isinstance(expression, TensorProduct):
        for one, other in zip(expression.numbers(2), expression.numbers(3), strict=True):
            of_right[other] = of_left[one]
        gone = set(of_left) & set(of_right)
        return "".join(of_left), "".join(of_right), "".join(c for c in (*of_left, *of_right) if c not in gone)
    of_right[-2 if len(of_right) > 1 else -1] = shared = of_left[-1]
    for back in range(3, min(len(of_left), len(of_right)) + 1):
        of_right[-back] = of_left[-back]
    leading = max(of_left[:-2], of_right[:-2], key=len)
    own = [c for c in (*of_left[-2:-1], *(of_right[-1:] if len(of_right) > 1 else [])) if c != shared]
    return "".join(of_left), "".join(of_right), "".join([*leading, *own])
