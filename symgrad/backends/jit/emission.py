"""Loop nests as LLVM IR.

A loop in lanes runs over whole vectors and then, position by position, over the rest. A fold over its axis has a vector
of accumulators: lane l holds every `width`-th entry, beginning with the l-th; every `FLUSH` vectors they are added to a
second level, so that rounding grows with the square root of very long axes, not with their length. At the end the lanes
are added in halves, and then the rest one by one. The order depends on sizes and the dtype alone, so bits are the same
from run to run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod

from symgrad.backends.jit import arithmetic, blas, scatter
from symgrad.backends.jit.abi import SIZES
from symgrad.backends.jit.addressing import Addressing
from symgrad.backends.jit.inlining import scatter_of
from symgrad.backends.jit.lines import Value
from symgrad.backends.jit.nests import (
    NEUTRAL,
    Array,
    Assign,
    Axis,
    Clear,
    Definition,
    Loop,
    Product,
    Read,
    Step,
    Update,
    arrays_of,
    reads,
    size_of,
    walk,
)

FLUSH = 256
"""Vectors between two additions to the second level of accumulators."""

TILE = 4
"""Vectors in a tile."""

FIRST_CACHE = 2**15
"""Bytes of accumulators beyond which vectors are taken in tiles."""

STREAMS = 12
"""Arrays read or written side by side up to which the processor's own prefetching does."""

SECOND_CACHE = 2**21
"""Bytes beyond which arrays come from memory."""

UNROLLED = 192
"""Operations up to which a loop without lanes is written out."""


@dataclass(frozen=True)
class _Partial:
    """Accumulators of a fold over a loop in lanes: their memory, and the axes that tell them apart."""

    base: str
    axes: tuple[Axis, ...]


@dataclass
class Emission(Addressing):
    """Instructions for steps."""

    partials: dict[Array, _Partial] = field(default_factory=dict)

    def steps(self, steps: Sequence[Step]) -> int:
        """Emit a program's steps; returns the bytes of scratch memory they need."""
        for step in steps:
            self.scratch = self.placement.work
            self.step(step)
        return max(self.largest, self.placement.work)

    def step(self, step: Step) -> None:
        """Emit one step."""
        match step:
            case Assign():
                self.assign(step.definition)
            case Clear():
                self.nest(step.axes, lambda: self.clear(step.definition))
            case Update():
                self.update(step.definition)
            case Product():
                routine = blas if scatter_of(step.definition) is None else scatter
                routine.emitted(self, step.definition)
            case Loop() if step.lanes:
                self.loop_in_lanes(step)
            case Loop():
                self.loop(step)

    # statements

    def assign(self, definition: Definition) -> None:
        """An entry, or one a lane; what has no axis left stays a value."""
        value = self.term(definition.body)
        place = self.placement.places[definition.array]
        if place.base == "local" and not place.kept and definition.array not in self.tiled:
            self.values[definition.array] = self.as_real(value)
            return
        self.store(Read(definition.array, definition.subscripts), value)

    def clear(self, definition: Definition) -> None:
        """The neutral element."""
        self.store(Read(definition.array, definition.subscripts), Value(NEUTRAL[definition.kind]))

    def update(self, definition: Definition) -> None:
        """One more value folded in."""
        partial = self.partials.get(definition.array)
        value = self.term(definition.body)
        if partial is not None and self.lane in definition.folds:
            where = self.partial_place(partial)
            self._combine_at(definition.kind, where, value, wide=True)
            return
        target = Read(definition.array, definition.subscripts)
        before = self.term(target)
        self.store(target, arithmetic.applied(self.lines, arithmetic.FOLDS[definition.kind], (before, value)))

    def _combine_at(self, kind: str, where: str, value: Value, wide: bool) -> None:
        lines = self.lines
        real, align = lines.type_of("real", wide), SIZES[lines.dtype] * (lines.width if wide else 1)
        before = Value(lines.emit(f"load {real}, ptr {where}, align {align}"), "real", wide)
        after = arithmetic.applied(lines, arithmetic.FOLDS[kind], (before, value))
        lines.line(f"store {real} {lines.operand(after, 'real', wide)}, ptr {where}, align {align}")

    # loops

    def nest(self, axes: Sequence[Axis], body: Callable[[], None]) -> None:
        """Loops over axes, one within another."""
        if not axes:
            body()
            return
        self.counted(axes[0].extent, lambda place: self._at(axes[0], place, lambda: self.nest(axes[1:], body)))

    def _at(self, axis: Axis, place: Value, body: Callable[[], None]) -> None:
        self.at[axis] = place
        body()
        del self.at[axis]

    def counted(self, count: int, body: Callable[[Value], None], first: int = 0, by: int = 1) -> None:
        """A loop that counts from `first`, `count` times, by `by`."""
        if count <= 0:
            return
        if count == 1:
            body(Value(first, "whole"))
            return
        lines = self.lines
        before, head, after = lines.block, lines.new_label(), lines.new_label()
        place, following = lines.fresh(), lines.fresh()
        lines.line(f"br label %{head}")
        lines.label(head)
        position = len(lines.text)
        lines.line("")
        body(Value(place, "whole"))
        lines.text[position] = f"  {place} = phi i64 [ {first}, %{before} ], [ {following}, %{lines.block} ]"
        lines.line(f"{following} = add nuw nsw i64 {place}, {by}")
        test = lines.emit(f"icmp ult i64 {following}, {first + count * by}")
        lines.line(f"br i1 {test}, label %{head}, label %{after}")
        lines.label(after)

    def _body(self, loop: Loop) -> None:
        for step in loop.body:
            self.step(step)

    def loop(self, loop: Loop) -> None:
        """A loop position by position, written out if it is short."""
        if size_of(loop) <= UNROLLED:
            for place in range(loop.axis.extent):
                self._at(loop.axis, Value(place, "whole"), lambda: self._body(loop))
            return
        self.counted(loop.axis.extent, lambda place: self._at(loop.axis, place, lambda: self._body(loop)))

    def loop_in_lanes(self, loop: Loop) -> None:
        """A loop over vectors, and one over the rest."""
        lines, axis = self.lines, loop.axis
        blocks, rest = divmod(axis.extent, self.vectors)
        lines.width, self.lane = self.vectors, axis
        folds = [s.definition for s in walk(loop.body) if isinstance(s, Update) and axis in s.definition.folds]
        levels = 2 if blocks > 2 * FLUSH else 1
        inner = {step.axis for step in walk(loop.body) if isinstance(step, Loop)}
        first = {d.array: self._new_partial(d, inner) for d in folds}
        second = {d.array: self._new_partial(d, inner) for d in folds if levels == 2 and d.kind == "sum"}
        self.partials |= first

        def flush(place: Value, vectors: int) -> None:
            if second:
                self._flush_now_and_then(place, vectors, folds, first, second)

        ahead = self._streams(loop)

        def block(place: Value) -> None:
            self.at[axis] = place
            for step in loop.body:
                self.step(step)
                for read, write, distance in ahead.get(step, ()):
                    self.fetch(read, write, distance)
            flush(place, 1)

        def tile(place: Value) -> None:
            self._tile(loop, place)
            flush(place, TILE)

        tiles = blocks // TILE if self._is_worth_tiling(loop, folds, inner) else 0
        self.counted(tiles, tile, by=TILE * self.vectors)
        self.counted(blocks - tiles * TILE, block, first=tiles * TILE * self.vectors, by=self.vectors)
        for definition in folds:
            self._finish(definition, [p[definition.array] for p in (first, second) if definition.array in p])
            del self.partials[definition.array]
        lines.width, self.lane = 1, None
        del self.at[axis]
        self.counted(rest, lambda place: self._at(axis, place, lambda: self._body(loop)), first=blocks * self.vectors)

    def _streams(self, loop: Loop) -> dict[Step, list[tuple[Read, int, int]]]:
        """What to fetch ahead, whether to write it, and how many vectors ahead, after the first step that mentions it.

        Many arrays side by side are more than the processor keeps track of itself; long ones it fetches too late. So
        many addresses do not fit its registers either: where an array was just read or written, its address is at hand.
        """
        found: dict[Array, tuple[Step, Read, int]] = {}
        for step in loop.body:
            if isinstance(step, (Assign, Update)):
                target = Read(step.definition.array, step.definition.subscripts)
                for read, write in ((target, 1), *((r, 0) for r in reads(step.definition.body))):
                    place = self.placement.places[read.array]
                    if place.base.startswith("%") and read.array not in found and self._lane_stride(read, place) == 1:
                        found[read.array] = (step, read, write)
        many = len(found) > STREAMS
        ahead: dict[Step, list[tuple[Read, int, int]]] = {}
        if many or len(found) * loop.axis.extent * SIZES[self.lines.dtype] > SECOND_CACHE:
            for step, read, write in found.values():
                ahead.setdefault(step, []).append((read, write, 4 if many else 32))
        return ahead

    # tiles

    def _is_worth_tiling(self, loop: Loop, folds: Sequence[Definition], inner: set[Axis]) -> bool:
        """Whether the accumulators are too many to stay in the first cache from one vector to the next."""
        entries = sum(prod(a.extent for a in d.axes if a in inner) for d in folds)
        large = entries * self.vectors * SIZES[self.lines.dtype] > FIRST_CACHE
        return large and any(isinstance(step, Loop) and size_of(step) > UNROLLED for step in loop.body)

    def _tile(self, loop: Loop, place: Value) -> None:
        """Several vectors at once, in the innermost loops.

        What a loop in the body reads and adds to at one position is still in the first cache for the next vector.
        """
        parts = self._parts(loop)
        mentioned: dict[Array, int] = {}
        for part in parts:
            for array in dict.fromkeys(a for step in walk(part) for a in arrays_of(step)):
                mentioned[array] = mentioned.get(array, 0) + 1
        places = self.placement.places
        self.tiled = {a: TILE for a, count in mentioned.items() if count > 1 and a in places and places[a].vectors}

        def each(body: Callable[[], None]) -> None:
            def one(vector: Value) -> None:
                self.tile = vector
                self.at[loop.axis] = self.lines.plus(place, self.lines.times(vector, self.vectors))
                body()

            self.counted(TILE, one)

        for part in parts:
            match part:
                case (Loop(axis=axis) as inner,) if size_of(inner) > UNROLLED:
                    self.counted(axis.extent, partial(self._interchanged, inner, each))
                case _:
                    each(partial(self._all, part))
        self.tile, self.tiled = None, {}

    def _interchanged(self, inner: Loop, each: Callable[[Callable[[], None]], None], place: Value) -> None:
        self._at(inner.axis, place, lambda: each(lambda: self._body(inner)))

    def _all(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.step(step)

    @staticmethod
    def _parts(loop: Loop) -> list[tuple[Step, ...]]:
        """The body in parts: each long loop by itself, what lies between them together."""
        parts: list[tuple[Step, ...]] = []
        together: list[Step] = []
        for step in loop.body:
            if isinstance(step, Loop) and size_of(step) > UNROLLED:
                parts += [tuple(together)] if together else []
                parts.append((step,))
                together = []
            else:
                together.append(step)
        return [*parts, *([tuple(together)] if together else [])]

    # accumulators

    def _new_partial(self, definition: Definition, inner: set[Axis]) -> _Partial:
        axes = tuple(axis for axis in definition.axes if axis in inner)
        entries = prod(axis.extent for axis in axes)
        partial = _Partial(
            self.memory(self.lines.type_of("real", True), entries, self.vectors * SIZES[self.lines.dtype]), axes
        )
        self._fill(definition.kind, partial)
        return partial

    def _fill(self, kind: str, partial: _Partial) -> None:
        lines = self.lines
        neutral = lines.operand(Value(NEUTRAL[kind]), "real", True)

        def one() -> None:
            align = SIZES[lines.dtype] * self.vectors
            lines.line(
                f"store {lines.type_of('real', True)} {neutral}, ptr {self.partial_place(partial)}, align {align}"
            )

        self._each(partial, one)

    def _each(self, partial: _Partial, body: Callable[[], None]) -> None:
        """Each accumulator in turn; the axes are free here, as their loops lie within."""
        self.nest(partial.axes, body)

    def _flush_now_and_then(
        self,
        place: Value,
        vectors: int,
        folds: Sequence[Definition],
        first: dict[Array, _Partial],
        second: dict[Array, _Partial],
    ) -> None:
        lines = self.lines
        period = FLUSH * self.vectors
        low = lines.emit(f"and i64 {place.text}, {period - 1}")
        test = lines.emit(f"icmp eq i64 {low}, {period - vectors * self.vectors}")
        flush, after = lines.new_label(), lines.new_label()
        lines.line(f"br i1 {test}, label %{flush}, label %{after}")
        lines.label(flush)
        for definition in folds:
            if definition.array not in second:
                continue
            one, two = first[definition.array], second[definition.array]

            def move(one: _Partial = one, two: _Partial = two, kind: str = definition.kind) -> None:
                value = self._load_partial(one)
                self._combine_at(kind, self.partial_place(two), value, wide=True)

            self._each(one, move)
            self._fill(definition.kind, one)
        lines.line(f"br label %{after}")
        lines.label(after)

    def _load_partial(self, partial: _Partial) -> Value:
        lines = self.lines
        align = SIZES[lines.dtype] * self.vectors
        real = lines.type_of("real", True)
        return Value(lines.emit(f"load {real}, ptr {self.partial_place(partial)}, align {align}"), "real", True)

    def _finish(self, definition: Definition, partials: Sequence[_Partial]) -> None:
        """Add up the levels, then the lanes in halves, and that to what is folded."""
        operation = arithmetic.FOLDS[definition.kind]

        def one() -> None:
            total = self._load_partial(partials[-1])
            for level in reversed(partials[:-1]):
                total = arithmetic.applied(self.lines, operation, (total, self._load_partial(level)))
            lanes = arithmetic.folded(self.lines, definition.kind, total)
            target = Read(definition.array, definition.subscripts)
            lane, self.lane = self.lane, None
            before = self.term(target)
            self.store(target, arithmetic.applied(self.lines, operation, (before, lanes)))
            self.lane = lane

        self._each(partials[0], one)

    def partial_place(self, partial: _Partial) -> str:
        """The address of an accumulator."""
        offset = Value(0, "whole")
        for place, axis in enumerate(partial.axes):
            stride = prod(later.extent for later in partial.axes[place + 1 :])
            offset = self.lines.plus(offset, self.lines.times(self.at[axis], stride))
        return self.element(partial.base, offset, self.lines.type_of("real", True))
