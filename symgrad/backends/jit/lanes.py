"""Which loop runs in the lanes of a vector: at most one on the way to any statement.

The lanes of a vector are positions next to each other of one axis. Over the sample axis every inner loop stays a plain
loop over vectors; over the last axis of a matrix, entries next to each other are loaded together. A cost is estimated
for each choice; what is counted is instructions.

What a loop in lanes reads with a stride, again and again, is copied into vectors first, and what it accumulates with a
stride is accumulated in vectors and copied out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, prod

from symgrad.backends.jit.nests import (
    Array,
    Assign,
    Axis,
    Clear,
    Definition,
    Literal,
    Loop,
    Position,
    Product,
    Read,
    Step,
    Term,
    Update,
    reads,
    replaced,
    walk,
)

FINISH = 12
"""What adding up the lanes of one accumulator costs, in instructions."""

PARTIALS = 2**20
"""Bytes of accumulators in vectors beyond which a fold is not split over lanes."""


@dataclass(frozen=True)
class Lanes:
    """The width of vectors.

    Args:
        width: entries in a vector.
        size: bytes of an entry.
    """

    width: int
    size: int

    def chosen(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """The steps with lanes on the loops where they pay."""
        return tuple(self._best(step)[1] for step in steps)

    def _best(self, step: Step) -> tuple[float, Step]:
        """The cost of a step, and the step with lanes chosen within it."""
        if not isinstance(step, Loop):
            return self._plain(step), step
        inner = [self._best(part) for part in step.body]
        serial = step.axis.extent * (1 + sum(cost for cost, _ in inner))
        together = self._together(step)
        if together < serial:
            return together, replace(step, lanes=True)
        return serial, replace(step, body=tuple(part for _, part in inner))

    def _plain(self, step: Step) -> float:
        match step:
            case Assign() | Update():
                return 2 + step.definition.operations + len(step.definition.reads)
            case Clear():
                return prod(axis.extent for axis in step.axes)
            case _:
                return 0

    def _together(self, loop: Loop) -> float:
        """The cost of a loop in lanes."""
        blocks, rest = divmod(loop.axis.extent, self.width)
        if not blocks:
            return inf
        within = list(walk(loop.body))
        made = {s.definition.array for s in within if isinstance(s, (Assign, Update))}
        folded = [s.definition for s in within if isinstance(s, Update) and loop.axis in s.definition.folds]
        inner = {s.axis for s in within if isinstance(s, Loop)}
        partials = sum(prod(axis.extent for axis in d.axes if axis in inner) for d in folded)
        if partials * self.width * self.size > PARTIALS:
            return inf
        block = self._in_block(loop.body, loop.axis, made)
        return blocks * (2 + block) + rest * block + partials * FINISH

    def _in_block(self, steps: Sequence[Step], axis: Axis, made: set[Array]) -> float:
        """The cost of a body whose axis is in lanes; what is strided is copied once."""
        strided: dict[Array, int] = {}

        def cost(steps: Sequence[Step], times: int) -> float:
            total = 0.0
            for step in steps:
                if isinstance(step, Loop):
                    total += cost(step.body, times * step.axis.extent)
                elif isinstance(step, Clear):
                    total += times * prod(a.extent for a in step.axes)
                elif isinstance(step, (Assign, Update)):
                    total += times * (2 + step.definition.operations)
                    for read in step.definition.reads:
                        total += times
                        if read.array not in made and (stride_of(read, axis) not in (0, 1)):
                            size = prod(read.array.shape) // axis.extent
                            strided[read.array] = min(strided.get(read.array, size), times)
            return total

        whole = cost(steps, 1)
        for step in walk(tuple(steps)):
            if isinstance(step, (Assign, Update)) and stride_of(step.definition.target, axis) not in (0, 1):
                strided.setdefault(step.definition.array, prod(step.definition.array.shape) // axis.extent)
        return whole + sum(strided.values()) * self.width


def stride_of(read: Read, axis: Axis) -> int | None:
    """How far apart entries next to each other along the axis are; None if a label tells where."""
    total = 0
    for place, subscript in enumerate(read.subscripts):
        if isinstance(subscript, Position) and subscript.axis is axis:
            total += prod(read.array.shape[place + 1 :])
        elif isinstance(subscript, Read) and any(
            stride_of(inner, axis) != 0 for inner in (subscript, *reads(subscript))
        ):
            return None
    return total


@dataclass
class Packing:
    """Copies into and out of vectors, for loops in lanes.

    Args:
        count: the number of the last array.
        outside: arrays that a loop does not make, or that are read after it: inputs and results.
    """

    count: int
    results: frozenset[Array]
    made: dict[Array, Array] = field(default_factory=dict)

    def packed(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """The steps with the copies that pay."""
        everywhere = _readers(steps)
        return tuple(self._step(step, everywhere) for step in steps)

    def _step(self, step: Step, everywhere: Mapping[Array, int]) -> Step:
        if not isinstance(step, Loop):
            return step
        if not step.lanes:
            return replace(step, body=tuple(self._step(part, everywhere) for part in step.body))
        return self._loop(step, everywhere)

    def _loop(self, loop: Loop, everywhere: Mapping[Array, int]) -> Loop:
        within = _readers(loop.body)
        defined = {s.definition.array: s.definition for s in walk(loop.body) if isinstance(s, (Assign, Update))}
        begun = {s.definition.array for s in walk(loop.body) if isinstance(s, Clear)}
        copies: dict[tuple[Array, int], Array] = {}
        leading: list[Step] = []
        trailing: list[Step] = []
        for array, definition in defined.items():
            leaves = array in self.results or everywhere.get(array, 0) > within.get(array, 0)
            again = array in begun if definition.kind else array in within
            if leaves and again and stride_of(definition.target, loop.axis) not in (0, 1):
                copies[array, _place(definition.target, loop.axis)] = copy = self._array(array)
                trailing.append(_copied(array, copy, definition.subscripts, loop.axis))
        for read in _repeated(loop, defined):
            copies[read.array, _place(read, loop.axis)] = copy = self._array(read.array)
            leading.append(_copied(copy, read.array, read.subscripts, loop.axis))
        if not copies:
            return loop
        body = tuple(_rewritten(step, copies, loop.axis) for step in loop.body)
        return replace(loop, body=(*leading, *body, *trailing))

    def _array(self, like: Array) -> Array:
        self.count += 1
        return Array(self.count, like.shape, like.whole)


def _readers(steps: Sequence[Step]) -> dict[Array, int]:
    counts: dict[Array, int] = {}
    for step in walk(tuple(steps)):
        if isinstance(step, (Assign, Update, Product)):
            for read in step.definition.reads:
                counts[read.array] = counts.get(read.array, 0) + 1
    return counts


def _repeated(loop: Loop, defined: Mapping[Array, Definition]) -> list[Read]:
    """Strided reads of arrays from outside that happen more often than the arrays have entries."""
    times: dict[tuple[Array, int], int] = {}
    first: dict[tuple[Array, int], Read] = {}

    def visit(steps: Sequence[Step], runs: int) -> None:
        for step in steps:
            if isinstance(step, Loop):
                visit(step.body, runs * step.axis.extent)
            elif isinstance(step, (Assign, Update)):
                for read in step.definition.reads:
                    if read.array in defined or read.array.whole or not _is_row(read, loop.axis):
                        continue
                    key = (read.array, _place(read, loop.axis))
                    times[key] = times.get(key, 0) + runs
                    first.setdefault(key, read)

    visit(loop.body, 1)
    return [first[key] for key, runs in times.items() if runs > prod(key[0].shape) // loop.axis.extent]


def _place(read: Read, axis: Axis) -> int:
    """Which subscript the axis is."""
    return next((n for n, s in enumerate(read.subscripts) if isinstance(s, Position) and s.axis is axis), -1)


def _is_row(read: Read, axis: Axis) -> bool:
    """Whether one subscript is the axis, with a stride, and the others are other axes or numbers."""
    own = [s for s in read.subscripts if isinstance(s, Position) and s.axis is axis]
    return len(own) == 1 and stride_of(read, axis) not in (0, 1, None)


def _copied(target: Array, source: Array, subscripts: Sequence[Term], axis: Axis) -> Step:
    """`target[…] = source[…]` for all entries at the axis' position."""
    axes: list[Axis] = []
    places: list[Term] = []
    for subscript, size in zip(subscripts, target.shape, strict=True):
        if isinstance(subscript, Position) and subscript.axis is axis:
            places.append(subscript)
        elif size == 1:
            places.append(Literal(0))
        else:
            axes.append(Axis(size))
            places.append(Position(axes[-1]))
    step: Step = Assign(Definition(target, tuple(places), (axis, *axes), Read(source, tuple(places))))
    for inner in reversed(axes):
        step = Loop(inner, (step,))
    return step


def _rewritten(step: Step, copies: Mapping[tuple[Array, int], Array], axis: Axis) -> Step:
    def change(part: Term) -> Term | None:
        if isinstance(part, Read) and (copy := copies.get((part.array, _place(part, axis)))) is not None:
            return Read(copy, tuple(replaced(s, change) for s in part.subscripts))
        return None

    def changed(definition: Definition) -> Definition:
        array = copies.get((definition.array, _place(definition.target, axis)), definition.array)
        body = replaced(definition.body, change)
        unchanged = array is definition.array and body is definition.body
        return definition if unchanged else replace(definition, array=array, body=body)

    match step:
        case Loop():
            return replace(step, body=tuple(_rewritten(part, copies, axis) for part in step.body))
        case Assign():
            return Assign(changed(step.definition))
        case Update():
            return Update(changed(step.definition))
        case Clear():
            return Clear(changed(step.definition), step.axes)
        case Product():
            return step
