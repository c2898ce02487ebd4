"""Where arrays live: inputs and outputs where the caller has them, everything else as briefly and as small as can be.

An array that is made and read within one loop loses the loop's axis; in lanes its entries are vectors. What is small
then is a local variable; what is large, or crosses loops, stands in the scratch memory, where arrays that are not alive
at the same time share bytes (first fit by decreasing lifetime of whole steps).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from symgrad.backends.jit.nests import (
    Array,
    Assign,
    Clear,
    Definition,
    Entries,
    Loop,
    Position,
    Product,
    Step,
    Update,
)

LOCAL = 4096
"""Bytes of the largest array that is a local variable."""

ALIGNMENT = 64


@dataclass(frozen=True)
class Place:
    """Where an array is.

    Args:
        base: `%in0`, `%out0`, `local` or `work`.
        kept: for each axis that is stored its place among the subscripts, and the entries between neighbours.
        entries: how many are stored.
        vectors: whether an entry is a vector, one lane a position.
        offset: bytes from the start of the scratch memory; None if that is for the nest to find.
    """

    base: str
    kept: tuple[tuple[int, int], ...]
    entries: int
    vectors: bool = False
    offset: int | None = None


@dataclass(frozen=True)
class Placement:
    """Every array's place, and the bytes of scratch memory that outlives a nest."""

    places: dict[Array, Place]
    work: int


@dataclass
class _Use:
    """The loops around every mention of an array, as far as they are the same, and the first and last step."""

    path: tuple[Loop, ...]
    first: int
    last: int
    definition: Definition | None = None


def placed(steps: Sequence[Step], program: Entries, size: int) -> Placement:
    """Give every array its place.

    Args:
        steps: the program.
        program: its inputs and results.
        size: bytes of a number.
    """
    places = {array: Place(f"%in{n}", *_row_major(array, ())) for n, array in enumerate(program.inputs)}
    outputs = [result for result in program.results if isinstance(result, Array)]
    places |= {array: Place(f"%out{n}", *_row_major(array, ())) for n, array in enumerate(outputs)}
    crossing: list[tuple[Array, _Use, Place]] = []
    for array, use in _uses(steps).items():
        if array in places:
            continue
        assert use.definition is not None
        shared = {loop.axis: loop for loop in use.path}
        dropped = {
            n: shared[s.axis]
            for n, s in enumerate(use.definition.subscripts)
            if isinstance(s, Position) and s.axis in shared
        }
        kept, entries = _row_major(array, dropped)
        vectors = any(loop.lanes for loop in dropped.values())
        place = Place("local" if entries * size <= LOCAL else "work", kept, entries, vectors)
        places[array] = place
        if place.base == "work" and not use.path:
            crossing.append((array, use, place))
    return _shared_memory(places, crossing, size)


def _row_major(array: Array, dropped: object) -> tuple[tuple[tuple[int, int], ...], int]:
    gone: frozenset[int] = frozenset(dropped)  # type: ignore[call-overload]
    kept = [place for place, extent in enumerate(array.shape) if place not in gone]
    strides = [prod(array.shape[later] for later in kept[n + 1 :]) for n in range(len(kept))]
    return tuple(zip(kept, strides, strict=True)), prod(array.shape[place] for place in kept)


def _uses(steps: Sequence[Step]) -> dict[Array, _Use]:
    uses: dict[Array, _Use] = {}

    def mention(array: Array, path: tuple[Loop, ...], now: int) -> _Use:
        use = uses.setdefault(array, _Use(path, now, now))
        same = 0
        while same < min(len(path), len(use.path)) and path[same] is use.path[same]:
            same += 1
        use.path, use.last = path[:same], now
        return use

    def visit(step: Step, path: tuple[Loop, ...], now: int) -> None:
        match step:
            case Loop():
                for part in step.body:
                    visit(part, (*path, step), now)
            case Clear():
                mention(step.definition.array, path, now).definition = step.definition
            case Assign() | Update() | Product():
                mention(step.definition.array, path, now).definition = step.definition
                for read in step.definition.reads:
                    mention(read.array, path, now)

    for now, step in enumerate(steps):
        visit(step, (), now)
    return uses


def _shared_memory(places: dict[Array, Place], crossing: list[tuple[Array, _Use, Place]], size: int) -> Placement:
    """Offsets for what crosses steps: first fit, those that live longest first."""
    taken: list[tuple[int, int, _Use]] = []
    total = 0
    for array, use, place in sorted(crossing, key=lambda item: (item[1].first - item[1].last, item[0].number)):
        length = _rounded(place.entries * size)
        offset = 0
        alive = sorted((t for t in taken if t[2].first <= use.last and use.first <= t[2].last), key=lambda t: t[0])
        for start, end, _ in alive:
            if offset + length <= start:
                break
            offset = max(offset, end)
        taken.append((offset, offset + length, use))
        total = max(total, offset + length)
        places[array] = Place("work", place.kept, place.entries, offset=offset)
    return Placement(places, total)


def _rounded(length: int) -> int:
    return -(-length // ALIGNMENT) * ALIGNMENT
