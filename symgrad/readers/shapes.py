"""Shapes while a text is read: which sizes are one, what a tensor's axes are, and how NumPy combines them.

A tensor is held as the formula of one entry. Its axes are told by placeholders counted from the last, `axis(1)`,
`axis(2)`, …, which is how NumPy aligns shapes: operands of an elementwise function need no renaming at all. An axis of
size 1 has no placeholder, since it is always read at 0; that is broadcasting.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import sympy

from symgrad.core.expression import ZERO, Expr, rebuild
from symgrad.core.graph import shape_text
from symgrad.core.indices import Extent, Index, Reduction, Size, extent, index_of, reindex
from symgrad.core.names import fresh

Shape: TypeAlias = tuple[Extent, ...]

_MARK = "·"
"""In the name of every index that the reader made; no user can type it into a name."""


class MismatchError(Exception):
    """Shapes that do not fit together; the reader adds where they stand."""


class Tensor(NamedTuple):
    """A value with axes, while it is read: the formula of one entry, and the size of each axis."""

    expr: Expr
    shape: Shape


Value: TypeAlias = Expr | Tensor
"""What an expression reads as: a scalar's formula, or a tensor."""


class Operand(NamedTuple):
    """A tensor (or, without axes, a scalar) and how the user wrote it."""

    expr: Expr
    shape: Shape
    text: str

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return len(self.shape)


@lru_cache(maxsize=64)
def axis(number: int) -> Index:
    """The placeholder of an axis, counted from the last, which is 1."""
    return index_of(f"{_MARK}{number}", _MARK)


def bound_index(number: int, size: Extent, letter: str = "") -> Index:
    """An index to be bound, unlike any other; `letter` is what the user calls it."""
    return index_of(f"{letter}{_MARK}b{number}", size)


def letter_of(index: Index) -> str:
    """What the user calls an index; nothing if the reader made it."""
    return str(index.name).partition(_MARK)[0]


def is_letter(index: Index) -> bool:
    """Whether the index is one the user wrote, and free."""
    return _MARK not in index.name


def placeholders(shape: Shape) -> tuple[Expr, ...]:
    """The subscripts that read a node of that shape entry by entry."""
    rank = len(shape)
    return tuple(ZERO if size == 1 else axis(rank - p) for p, size in enumerate(shape))


def moved(expr: Expr, moves: Mapping[int, Expr]) -> Expr:
    """`expr` with axes, by number, replaced all at once."""
    return reindex(expr, {axis(old): new for old, new in moves.items() if axis(old) != new})


def as_value(expr: Expr, shape: Shape) -> Value:
    """A tensor, or a scalar's formula alone where there is no axis."""
    return Tensor(expr, shape) if shape else expr


class Sizes:
    """What is known of sizes: a number, a declared name, or still unknown; and which are the same.

    Args:
        fixed: whether names stand for themselves, as in a graph that is complete.
    """

    def __init__(self, fixed: bool = False) -> None:
        self.fixed = fixed
        self.names: dict[str, str] = {}
        self._same: dict[str, Extent] = {}
        self._hints: dict[str, str] = {}

    def declare(self, shape: Shape, owner: str) -> None:
        """Take note of the names in a declared shape."""
        for size in shape:
            if isinstance(size, str):
                self.names.setdefault(size, owner)

    def unknown(self, hint: str) -> str:
        """A size nobody has named; `hint` is the letter of its index."""
        made = f"{_MARK}{len(self._hints)}"
        self._hints[made] = hint
        return made

    def find(self, size: Extent) -> Extent:
        """The size that stands for all that are the same."""
        while isinstance(size, str) and size in self._same:
            size = self._same[size]
        return size

    def is_unknown(self, size: Extent) -> bool:
        """Whether nothing is known of the size."""
        return self.find(size) in self._hints

    def shape(self, shape: Shape) -> Shape:
        """Each size of the shape as far as it is known."""
        return tuple(map(self.find, shape)) if self._same else shape

    def unify(self, left: Extent, right: Extent) -> bool:
        """Let two sizes be one from now on; false if they cannot be."""
        left, right = self.find(left), self.find(right)
        if left == right:
            return True
        if left not in self._hints and (right in self._hints or isinstance(left, int)):
            left, right = right, left
        if left in self._hints or (isinstance(left, str) and isinstance(right, int) and not self.fixed):
            self._same[str(left)] = right
            return True
        return False

    def spelled(self, shape: Shape) -> str:
        """A shape as the user would write it."""
        return shape_text(tuple(self.spell(size) for size in shape))

    def spell(self, size: Extent) -> Extent:
        """A size as the user would write it."""
        found = self.find(size)
        return f"n_{self._hints[str(found)]}" if found in self._hints else found

    def resolve(self, expr: Expr) -> Expr:
        """`expr` with every size as far as it is known; an index over one entry is read at 0."""
        if not self._same:
            return expr
        changes: dict[sympy.Basic, Expr] = {}
        has_units = False
        for part in _indices_and_sizes(expr):
            size: Extent = part.size if isinstance(part, Index) else str(part.name)
            found = self.find(size)
            has_units |= found == 1
            if found != size:
                changes[part] = index_of(part.name, found) if isinstance(part, Index) else extent(found)
        expr = reindex(expr, changes)
        return _without_units(expr) if has_units else expr

    def name_unknowns(self, taken: Collection[str]) -> None:
        """Give every size that is still unknown a name, after the letter of its index."""
        used = set(taken)
        for size, hint in self._hints.items():
            if size not in self._same:
                name = fresh(f"n_{hint}", used)
                used.add(name)
                self._same[size] = name

    @property
    def has_changed(self) -> bool:
        """Whether any size has become another."""
        return bool(self._same or self._hints)


def _indices_and_sizes(expr: sympy.Basic) -> Iterator[Index | Size]:
    stack = [expr]
    while stack:
        part = stack.pop()
        if isinstance(part, (Index, Size)):
            yield part
        else:
            stack.extend(part.args)


def _without_units(expr: Expr) -> Expr:
    """`expr` with each index over a single entry replaced by 0, and not reduced over."""
    units: dict[Index, Expr] = {p: ZERO for p in _indices_and_sizes(expr) if isinstance(p, Index) and p.size == 1}

    def visit(part: sympy.Basic) -> sympy.Basic:
        if isinstance(part, Reduction):
            kept = tuple(i for i in part.indices if i not in units)
            body = visit(part.body)
            return type(part)(body, *kept) if kept else body
        if not part.args or isinstance(part, sympy.Indexed):
            return part
        return rebuild(part, tuple(visit(argument) for argument in part.args))

    return reindex(visit(expr), units)


def broadcast(sizes: Sizes, operands: Sequence[Operand]) -> Shape:
    """The shape NumPy gives an elementwise function of the operands.

    Raises:
        MismatchError: if two axes differ and neither has size 1.
    """
    result: list[Extent] = []
    source: list[Operand] = []
    for operand in operands:
        for number, size in enumerate(reversed(operand.shape)):
            found = sizes.find(size)
            if number == len(result):
                result.append(found)
                source.append(operand)
            elif found == 1 or result[number] == found:
                continue
            elif result[number] == 1:
                result[number], source[number] = found, operand
            elif not sizes.unify(result[number], found):
                raise MismatchError(disagreement(sizes, source[number], operand, result[number], found))
            else:
                result[number] = sizes.find(found)
    return tuple(reversed(result))


def disagreement(sizes: Sizes, left: Operand, right: Operand, first: Extent, second: Extent) -> str:
    """The sentence that two axes differ."""
    return (
        f"{left.text} has shape {sizes.spelled(left.shape)}, but {right.text} has shape {sizes.spelled(right.shape)}: "
        f"the axes {sizes.spell(first)} and {sizes.spell(second)} differ."
    )
