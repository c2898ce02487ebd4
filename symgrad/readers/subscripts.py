"""What may stand in brackets after a tensor, and what it does to the tensor's axes.

Index notation gives every axis a letter, a whole number or an entry of a leaf of integers: `W[i,j]`, `P[b, t[b]]`.
NumPy's brackets take whole axes along as well: `A[0, :]`, `x[:, None]`, `P[arange(n), t]`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import sympy

from symgrad.core.expression import Expr
from symgrad.core.indices import Extent, Index
from symgrad.readers.shapes import MismatchError, Operand, Shape, Sizes, Value, as_value, axis, broadcast, moved

REDUCING = frozenset({"sum", "mean", "prod", "var", "std", "norm", "logsumexp", "softmax", "log_softmax"})
"""Functions whose further arguments are indices; those of `max` and `min` may be operands as well."""


class Span(Enum):
    """What keeps axes."""

    WHOLE = ":"
    NEW = "None"
    REST = "..."


@dataclass(frozen=True)
class Letter:
    """An index, and the tensor it was first used with."""

    index: Index
    first: Operand


@dataclass(frozen=True)
class Selector:
    """An array of integers that chooses entries: a leaf, or `arange(n)`, which is its own placeholder."""

    operand: Operand


Item: TypeAlias = Span | Letter | Selector | int


def items_of(node: ast.Subscript) -> list[ast.expr]:
    """What stands between the brackets, one an item."""
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]


def names_of_indices(tree: ast.AST) -> dict[str, ast.Name]:
    """Each name that stands where an index may: alone in brackets, or after what a function reduces."""
    found: dict[str, ast.Name] = {}
    for node in ast.walk(tree):
        places: list[ast.expr] = []
        if isinstance(node, ast.Subscript):
            places = items_of(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REDUCING:
            places = node.args[1:]
        for place in places:
            if isinstance(place, ast.Name):
                found.setdefault(place.id, place)
    return found


def subscripted(sizes: Sizes, operand: Operand, items: Sequence[Item]) -> Value:
    """The operand with its axes replaced as the items say.

    Raises:
        MismatchError: if the items do not fit the operand's shape.
    """
    items = _one_an_axis(sizes, operand, items)
    group, start = _selected(sizes, items)
    dims: list[Extent] = []
    kept: dict[int, int] = {}
    place = 0
    for number, item in enumerate(items):
        if group is not None and number == start:
            offset_before = len(dims)
            dims.extend(group)
        if item is Span.WHOLE:
            kept[place] = len(dims)
            dims.append(operand.shape[place])
        elif item is Span.NEW:
            dims.append(1)
        place += item is not Span.NEW
    after = len(dims) - offset_before - len(group) if group is not None else 0
    moves: dict[int, Expr] = {}
    consuming = [item for item in items if item is not Span.NEW]
    for place, item in enumerate(consuming):
        old = operand.rank - place
        if item is Span.WHOLE:
            moves[old] = axis(len(dims) - kept[place])
        else:
            moves[old] = _entry(sizes, operand, place, item, after)
    return as_value(moved(operand.expr, moves), tuple(dims))


def _one_an_axis(sizes: Sizes, operand: Operand, items: Sequence[Item]) -> list[Item]:
    """The items with `...`, or what is missing at the end, written out."""
    used = sum(item not in (Span.NEW, Span.REST) for item in items)
    rests = sum(item is Span.REST for item in items)
    missing = operand.rank - used
    in_letters = any(isinstance(item, Letter) for item in items) and Span.WHOLE not in items
    if missing < 0 or rests > 1 or (missing and in_letters and not rests):
        axes = "1 axis" if operand.rank == 1 else f"{operand.rank} axes"
        subscripts = "1 subscript" if used == 1 else f"{used} subscripts"
        raise MismatchError(
            f"{operand.text} has {axes}, {sizes.spelled(operand.shape)}, but here {'is' if used == 1 else 'are'} "
            f"{subscripts}."
        )
    if not rests:
        return [*items, *[Span.WHOLE] * missing]
    at = items.index(Span.REST)
    return [*items[:at], *[Span.WHOLE] * missing, *items[at + 1 :]]


def _selected(sizes: Sizes, items: Sequence[Item]) -> tuple[Shape | None, int]:
    """The shape of the entries that arrays choose together, and the item it takes the place of."""
    arrays = [item.operand for item in items if isinstance(item, Selector)]
    if not arrays:
        return None, 0
    fixed = [n for n, item in enumerate(items) if isinstance(item, (Selector, int, Letter))]
    if fixed[-1] - fixed[0] + 1 != len(fixed):
        raise MismatchError("arrays that select stand side by side here. Write it in index notation, as in P[b, t[b]].")
    return broadcast(sizes, arrays), fixed[0]


def _entry(sizes: Sizes, operand: Operand, place: int, item: Item, after: int) -> Expr:
    """The subscript that an item puts in place of an axis."""
    size = sizes.find(operand.shape[place])
    if isinstance(item, Selector):
        chosen = item.operand
        return moved(chosen.expr, {k: axis(k + after) for k in range(1, chosen.rank + 1)})
    if isinstance(item, Letter):
        if not sizes.unify(item.index.size, size):
            first, other = sizes.spell(item.index.size), sizes.spell(size)
            raise MismatchError(
                f"{item.first.text} has shape {sizes.spelled(item.first.shape)}, but {operand.text} has shape "
                f"{sizes.spelled(operand.shape)}: the axes {first} and {other} differ. "
                f"The index {item.index.name} runs over both."
            )
        return item.index
    assert isinstance(item, int)
    if isinstance(size, int) and not -size <= item < size:
        raise MismatchError(
            f"{operand.text} has shape {sizes.spelled(operand.shape)}: there is no entry {item} on that axis."
        )
    if item < 0 and not isinstance(size, int):
        raise MismatchError(
            f"counting from the end needs a size in numbers, but {operand.text} has shape "
            f"{sizes.spelled(operand.shape)}."
        )
    return sympy.Integer(item if item >= 0 else item + int(size))
