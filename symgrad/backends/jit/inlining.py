"""Elementwise fusion: an array that is read at its own axes, once, is computed where it is read.

What is computed in place needs no memory. A fold stays an array of its own, since folds share loops, and so does what a
BLAS routine reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

from symgrad.backends.jit.entries import applied
from symgrad.backends.jit.nests import (
    Apply,
    Array,
    Axis,
    Definition,
    Entries,
    Literal,
    Position,
    Read,
    Term,
    operations,
    reads,
    replaced,
)

SMALL = 32
"""Below this the second largest extent of a matrix product keeps it from BLAS: packing would cost more."""

LARGE = 32**3
"""Multiplications of the smallest matrix product that BLAS computes."""

LONGEST = 40
"""Operations of a body up to which it is written into another; a chain of thousands is no one expression."""

FEW = 16
"""Entries up to which a fold is done in local variables and then copied."""


def without_dead(program: Entries) -> Entries:
    """The program without definitions that no result needs."""
    needed = {result for result in program.results if isinstance(result, Array)}
    kept = []
    for definition in reversed(program.definitions):
        if definition.array in needed:
            kept.append(definition)
            needed.update(read.array for read in reads(definition.body))
    return replace(program, definitions=tuple(reversed(kept)))


def with_products(program: Entries) -> Entries:
    """The program with its large matrix products marked as BLAS's."""
    return replace(program, definitions=tuple(replace(d, product=_is_large_product(d)) for d in program.definitions))


def _is_large_product(definition: Definition) -> bool:
    roles = roles_of(definition)
    if roles is None:
        return False
    smallest, middle, _ = sorted(axis.extent if axis else 1 for axis in roles)
    return smallest > 1 and middle >= SMALL and prod(axis.extent for axis in roles if axis) >= LARGE


def roles_of(definition: Definition) -> tuple[Axis | None, Axis | None, Axis | None] | None:
    """The axes of rows, columns and the sum of a matrix product; None if the definition is not one.

    Rows are the left operand's own axis, columns the right's. Each operand is a matrix whose last axis is one of the
    three, without gaps.
    """
    match definition.body:
        case Apply("*", (Read() as left, Read() as right)) if definition.kind == "sum":
            pass
        case _:
            return None
    of_left, of_right = _plain_axes(left), _plain_axes(right)
    if of_left is None or of_right is None:
        return None
    rows = _largest([a for a in definition.axes if a in of_left and a not in of_right])
    columns = _largest([a for a in definition.axes if a in of_right and a not in of_left])
    summed = _largest([a for a in definition.folds if a in of_left and a in of_right])
    if rows is None or columns is None or summed is None:
        return None
    own = [s.axis for s in definition.subscripts if isinstance(s, Position)]
    ends = (of_left[-1] in (rows, summed), of_right[-1] in (columns, summed), own[-1] in (rows, columns))
    return (rows, columns, summed) if all(ends) else None


def _plain_axes(read: Read) -> list[Axis] | None:
    """The axes that subscript a read, each once; None if it is read otherwise."""
    found = []
    for subscript, size in zip(read.subscripts, read.array.shape, strict=True):
        if isinstance(subscript, Position):
            found.append(subscript.axis)
        elif not isinstance(subscript, Literal):
            return None
        elif size > 1 and subscript is read.subscripts[-1]:
            return None  # a column of a matrix has gaps
    return found if found and len(set(found)) == len(found) else None


def _largest(axes: Sequence[Axis]) -> Axis | None:
    return max(axes, key=lambda axis: axis.extent, default=None)


def inlined(program: Entries) -> Entries:
    """The program with what is read once, or costs next to nothing, computed where it is read."""
    results = {result for result in program.results if isinstance(result, Array)}
    counts: dict[Array, int] = {}
    runs: dict[Array, int] = {}
    operands: set[Array] = set()
    for definition in program.definitions:
        size = prod(axis.extent for axis in (*definition.axes, *definition.folds))
        for read in reads(definition.body):
            counts[read.array] = counts.get(read.array, 0) + 1
            runs[read.array] = max(runs.get(read.array, 0), size)
            if definition.product:
                operands.add(read.array)
    inside: dict[Array, Definition] = {}
    kept = []
    for definition in program.definitions:
        body = _with(definition.body, inside)
        new = replace(definition, body=body)
        if new.array not in results and new.array not in operands and not new.kind:
            alone = counts.get(new.array, 0) == 1 and runs[new.array] <= prod(axis.extent for axis in new.axes)
            if (alone and _length(body) <= LONGEST) or _is_cheap(body):
                inside[new.array] = new
                continue
        kept.append(new)
    return replace(program, definitions=tuple(kept))


def _is_cheap(body: Term) -> bool:
    """Whether computing it again costs about as much as reading it."""
    if all(not isinstance(part, Read) for part in _leaves(body)):
        return operations(body) <= 3  # made of positions and numbers
    return operations(body) <= 1


def _length(body: Term) -> int:
    """How many operations a body is written with."""
    return 1 + sum(_length(o) for o in body.operands) if isinstance(body, Apply) else 0


def _leaves(term: Term) -> list[Term]:
    if isinstance(term, Apply):
        return [leaf for operand in term.operands for leaf in _leaves(operand)]
    return [term]


def _with(body: Term, inside: Mapping[Array, Definition]) -> Term:
    """The body with reads of some arrays replaced by what the arrays are there."""

    def change(part: Term) -> Term | None:
        if not isinstance(part, Read) or part.array not in inside:
            return None
        made = inside[part.array]
        at = dict(zip(made.axes, _running_subscripts(made, part), strict=True))
        places = {axis: replaced(subscript, change) for axis, subscript in at.items()}

        def put(inner: Term) -> Term | None:
            return places.get(inner.axis) if isinstance(inner, Position) else None

        return folded(replaced(made.body, put))

    return folded(replaced(body, change)) if inside else body


def _running_subscripts(made: Definition, read: Read) -> list[Term]:
    pairs = zip(made.subscripts, read.subscripts, strict=True)
    return [given for own, given in pairs if isinstance(own, Position)]


def folded(term: Term) -> Term:
    """The term with operations on numbers done, and selections by them decided."""
    if not isinstance(term, Apply):
        return term
    operands = tuple(folded(operand) for operand in term.operands)
    if term.operation in ("==", "!=") and operands[0] == operands[1] and isinstance(operands[0], Position):
        return Literal(int(term.operation == "=="))
    if any(isinstance(o, Literal) for o in operands):
        return applied(term.operation, *operands)
    return Apply(term.operation, operands)


def in_place(program: Entries) -> Entries:
    """The program whose large folds and products are made where they are returned, not copied there."""
    made = {definition.array: definition for definition in program.definitions}
    renamed_arrays: dict[Array, Array] = {}
    dropped = []
    results = {result for result in program.results if isinstance(result, Array)}
    for definition in program.definitions:
        match definition.body:
            case Read(array, subscripts) if (
                definition.array in results
                and array in made
                and array not in results
                and array not in renamed_arrays
                and subscripts == definition.subscripts
                and array.shape == definition.array.shape
                and (made[array].product or prod(array.shape) > FEW)
            ):
                renamed_arrays[array] = definition.array
                dropped.append(definition)

    def change(part: Term) -> Term | None:
        if isinstance(part, Read) and part.array in renamed_arrays:
            return Read(renamed_arrays[part.array], tuple(replaced(s, change) for s in part.subscripts))
        return None

    kept = [
        replace(d, array=renamed_arrays.get(d.array, d.array), body=replaced(d.body, change))
        for d in program.definitions
        if d not in dropped
    ]
    return replace(program, definitions=tuple(kept))
