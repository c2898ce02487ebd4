"""Elementwise fusion: an array that is read at its own axes, once, is computed where it is read.

What is computed in place needs no memory. A fold stays an array of its own, since folds share loops, and so does what a
BLAS routine reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

from symgrad.backends.jit.folding import folded
from symgrad.backends.jit.nests import (
    LONGEST,
    Apply,
    Array,
    Axis,
    Definition,
    Entries,
    Literal,
    Position,
    Read,
    Term,
    replaced,
)

SMALL = 32
"""Below this the second largest extent of a matrix product keeps it from BLAS: packing would cost more."""

LARGE = 32**3
"""Multiplications of the smallest matrix product that BLAS computes."""

FEW = 16
"""Entries up to which a fold is done in local variables and then copied."""


def without_dead(program: Entries) -> Entries:
    """The program without definitions that no result needs."""
    needed = {result for result in program.results if isinstance(result, Array)}
    kept = []
    for definition in reversed(program.definitions):
        if definition.array in needed:
            kept.append(definition)
            needed.update(read.array for read in definition.reads)
    return replace(program, definitions=tuple(reversed(kept)))


def with_products(program: Entries) -> Entries:
    """The program with what has a routine of its own marked: large matrix products and sums over selections."""
    marked = (
        replace(d, product=True) if _is_large_product(d) or scatter_of(d) is not None else d
        for d in program.definitions
    )
    return replace(program, definitions=tuple(marked))


def _is_large_product(definition: Definition) -> bool:
    roles = roles_of(definition)
    if roles is None:
        return False
    smallest, middle, _ = sorted(axis.extent if axis else 1 for axis in roles)
    return smallest > 1 and middle >= SMALL and prod(axis.extent for axis in roles if axis) >= LARGE


def scatter_of(definition: Definition) -> tuple[Read, Read] | None:
    """`t[i]` and `a[i]` of Σ_i [k = t[i]]·a[i], `k` its first subscript; no other fold is written so."""
    match definition.body:
        case Apply("select", (Apply("==", (Position(), Read() as place)), Read() as term, Literal(0.0))):
            return (place, term) if definition.kind == "sum" else None
    return None


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
        size = prod(axis.extent for axis in definition.all_axes)
        for read in definition.reads:
            counts[read.array] = counts.get(read.array, 0) + 1
            runs[read.array] = max(runs.get(read.array, 0), size)
            if definition.product:
                operands.add(read.array)
    inside: dict[Array, Definition] = {}
    kept = []
    for definition in program.definitions:
        new = _with(definition, inside)
        if new.array not in results and new.array not in operands and not new.kind:
            alone = counts.get(new.array, 0) == 1 and runs[new.array] <= prod(axis.extent for axis in new.axes)
            if (alone and _length(new.body) <= LONGEST) or _is_cheap(new):
                inside[new.array] = new
                continue
        kept.append(new)
    return replace(program, definitions=tuple(kept))


def _is_cheap(definition: Definition) -> bool:
    """Whether computing it again costs about as much as reading it; of positions and numbers it may be more."""
    return definition.operations <= (1 if definition.reads else 3)


def _length(body: Term) -> int:
    """How many operations a body is written with."""
    return 1 + sum(map(_length, body.operands)) if isinstance(body, Apply) else 0


def _with(definition: Definition, inside: Mapping[Array, Definition]) -> Definition:
    """The definition with reads of some arrays replaced by what the arrays are there."""
    if not any(read.array in inside for read in definition.reads):
        return definition

    def change(part: Term) -> Term | None:
        if not isinstance(part, Read) or part.array not in inside:
            return None
        made = inside[part.array]
        at = dict(zip(made.axes, _running_subscripts(made, part), strict=True))
        places = {axis: replaced(subscript, change, folded) for axis, subscript in at.items()}

        def put(inner: Term) -> Term | None:
            return places.get(inner.axis) if isinstance(inner, Position) else None

        moved = any(not isinstance(p, Position) or p.axis is not axis for axis, p in places.items())
        return replaced(made.body, put, folded) if moved else made.body

    return replace(definition, body=replaced(definition.body, change, folded))


def _running_subscripts(made: Definition, read: Read) -> list[Term]:
    pairs = zip(made.subscripts, read.subscripts, strict=True)
    return [given for own, given in pairs if isinstance(own, Position)]


def in_place(program: Entries) -> Entries:
    """The program whose large folds and products are made where they are returned, not copied there."""
    made = {definition.array: definition for definition in program.definitions}
    renamed_arrays: dict[Array, Array] = {}
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

    def change(part: Term) -> Term | None:
        if isinstance(part, Read) and part.array in renamed_arrays:
            return Read(renamed_arrays[part.array], tuple(replaced(s, change) for s in part.subscripts))
        return None

    copies = set(renamed_arrays.values())
    kept = []
    for definition in program.definitions:
        if definition.array in copies:
            continue
        array = renamed_arrays.get(definition.array, definition.array)
        changes = any(read.array in renamed_arrays for read in definition.reads)
        body = replaced(definition.body, change) if changes else definition.body
        unchanged = array is definition.array and body is definition.body
        kept.append(definition if unchanged else replace(definition, array=array, body=body))
    return replace(program, definitions=tuple(kept))
