"""Where entries are, and how they are read and written: one at a time, as vectors, or with a stride."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from symgrad.backends.jit import arithmetic
from symgrad.backends.jit.abi import SIZES, External
from symgrad.backends.jit.lines import Lines, Value
from symgrad.backends.jit.nests import Apply, Array, Axis, Literal, Position, Read, Term
from symgrad.backends.jit.placement import ALIGNMENT, LOCAL, Place, Placement


@dataclass
class Addressing:
    """Instructions that reach entries, and the terms made of them.

    Args:
        lines: where instructions go.
        placement: where arrays are.
        vectors: lanes of a vector.

    Attributes:
        at: where each axis stands; of the axis in lanes, the first lane.
        lane: the axis in lanes.
        tile: the place of the vector in its tile, in a loop that takes several vectors at a time.
        tiled: arrays that have an entry for each vector of a tile.
        values: what was computed and needs no memory.
    """

    lines: Lines
    placement: Placement
    vectors: int
    at: dict[Axis, Value] = field(default_factory=dict)
    lane: Axis | None = None
    tile: Value | None = None
    tiled: dict[Array, int] = field(default_factory=dict)
    values: dict[Array, Value] = field(default_factory=dict)
    bases: dict[tuple[Array, int, int], str] = field(default_factory=dict)
    scratch: int = 0
    largest: int = 0

    # memory

    def memory(self, type: str, entries: int, size: int) -> str:
        """Room for entries: a local variable if it is small, else scratch memory of the step."""
        if entries * size <= LOCAL:
            return self.lines.local(type, entries)
        return self._in_work(self._more_scratch(entries * size))

    def element(self, base: str, offset: Value, type: str) -> str:
        """The address of an entry."""
        if offset.text == 0:
            return base
        return self.lines.emit(f"getelementptr inbounds {type}, ptr {base}, i64 {offset.text}")

    def base(self, array: Array, place: Place) -> str:
        """Where an array begins."""
        if place.base.startswith("%"):
            return place.base
        copies = self.tiled.get(array, 1)
        key = (array, self.lines.width if place.vectors else 0, copies)
        if key not in self.bases:
            size = SIZES[self.lines.dtype] * (self.vectors if place.vectors else 1)
            type = self.lines.type_of("real", place.vectors and self.lane is not None)
            if place.offset is not None:
                self.bases[key] = self._in_work(place.offset)
            elif place.entries * copies * size <= LOCAL:
                self.bases[key] = self.lines.local(type, place.entries * copies)
            else:
                self.bases[key] = self._in_work(self._more_scratch(place.entries * copies * size))
        return self.bases[key]

    def _in_work(self, offset: int) -> str:
        """An address in the scratch memory, known from the start of the function."""
        name = self.lines.fresh()
        self.lines.locals.append(f"  {name} = getelementptr i8, ptr %work, i64 {offset}")
        return name

    def _more_scratch(self, length: int) -> int:
        """The offset of so many bytes of the step's own."""
        offset = self.scratch
        self.scratch += -(-length // ALIGNMENT) * ALIGNMENT
        self.largest = max(self.largest, self.scratch)
        return offset

    def offset(self, read: Read, subscripts: Sequence[Value], place: Place) -> Value:
        """How many entries lie before one."""
        offset = Value(0, "whole")
        if read.array in self.tiled and self.tile is not None:
            offset = self.lines.times(self.tile, place.entries)
        for which, stride in place.kept:
            offset = self.lines.plus(offset, self.lines.times(subscripts[which], stride))
        return offset

    def _lane_stride(self, read: Read, place: Place) -> int:
        """How far apart the entries of neighbouring lanes are."""
        if self.lane is None or place.vectors:
            return 0
        return sum(
            stride
            for which, stride in place.kept
            if isinstance(s := read.subscripts[which], Position) and s.axis is self.lane
        )

    def addresses(self, read: Read) -> tuple[Place, str, list[Value], int]:
        """A read's place, its base, its subscripts, and the lanes' stride."""
        place = self.placement.places[read.array]
        kept = {which for which, _ in place.kept}
        subscripts = [
            self.subscript(s) if which in kept else Value(0, "whole") for which, s in enumerate(read.subscripts)
        ]
        return place, self.base(read.array, place), subscripts, self._lane_stride(read, place)

    def subscript(self, term: Term) -> Value:
        """A subscript; of the axis in lanes, the first lane's."""
        if isinstance(term, Position):
            return self.at[term.axis]
        return self.term(term)

    def fetch(self, read: Read, write: int, ahead: int) -> None:
        """Ask for entries some vectors ahead; beyond the end of an array this does nothing."""
        lines = self.lines
        place, base, subscripts, _ = self.addresses(read)
        offset = lines.plus(self.offset(read, subscripts, place), Value(ahead * lines.width, "whole"))
        where = lines.emit(f"getelementptr {lines.type}, ptr {base}, i64 {offset.text}")
        lines.externals["llvm.prefetch.p0"] = External("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)", lambda: 0)
        lines.line(f"call void @llvm.prefetch.p0(ptr {where}, i32 {write}, i32 3, i32 1)")

    def store(self, target: Read, value: Value) -> None:
        """Write an entry, or one a lane."""
        lines = self.lines
        place, base, subscripts, stride = self.addresses(target)
        wide = self.lane is not None and (place.vectors or stride > 0)
        if not wide:
            one = lines.operand(value, "real", False)
            where = self.element(base, self.offset(target, subscripts, place), lines.type)
            lines.line(f"store {lines.type} {one}, ptr {where}, align {SIZES[lines.dtype]}")
            return
        offset = self.offset(target, subscripts, place)
        if place.vectors or stride == 1:
            kind = lines.type_of("real", True)
            align = SIZES[lines.dtype] * (lines.width if place.vectors else 1)
            where = self.element(base, offset, kind if place.vectors else lines.type)
            lines.line(f"store {kind} {lines.operand(value, 'real', True)}, ptr {where}, align {align}")
            return
        lines.scatter(self.element(base, offset, lines.type), stride, value)

    def load(self, read: Read) -> Value:
        """Read an entry, or one a lane."""
        lines = self.lines
        place, base, subscripts, stride = self.addresses(read)
        kind = "whole" if read.array.whole else "real"
        one = lines.type_of(kind, False)
        size = 8 if read.array.whole else SIZES[lines.dtype]
        if any(s.wide for s in subscripts):
            return self._scattered(read, place, base, subscripts, kind)
        offset = self.offset(read, subscripts, place)
        if (place.vectors and self.lane is not None) or stride == 1:
            align = size * (lines.width if place.vectors else 1)
            wide = lines.type_of(kind, True)
            where = self.element(base, offset, wide if place.vectors else one)
            return Value(lines.emit(f"load {wide}, ptr {where}, align {align}"), kind, True)
        if stride == 0:
            return self._single(base, offset, kind)
        return lines.gather(self.element(base, offset, one), stride, kind)

    def _single(self, base: str, offset: Value, kind: str) -> Value:
        one = self.lines.type_of(kind, False)
        size = 8 if kind == "whole" else SIZES[self.lines.dtype]
        return Value(self.lines.emit(f"load {one}, ptr {self.element(base, offset, one)}, align {size}"), kind)

    def _scattered(self, read: Read, place: Place, base: str, subscripts: Sequence[Value], kind: str) -> Value:
        """Entries that labels select, lane by lane."""
        lines = self.lines
        spread = self._lane_stride(read, place)
        lanes = []
        for n in range(lines.width):
            offset = self.offset(read, [lines.lane(s, n) for s in subscripts], place)
            if place.vectors:
                offset = lines.times(offset, lines.width)
            offset = lines.plus(offset, Value(n if place.vectors else n * spread, "whole"))
            lanes.append(self._single(base, offset, kind))
        return lines.gathered(lanes)

    # terms

    def term(self, term: Term) -> Value:
        """The value of a term here."""
        match term:
            case Literal():
                return Value(term.value, "whole" if isinstance(term.value, int) else "real")
            case Position():
                return self._position(term.axis)
            case Read():
                if term.array in self.values:
                    return self.values[term.array]
                return self.load(term)
            case Apply("select", (test, then, rest)):
                decided = self.term(test)
                if decided.is_number:
                    return self.term(then if decided.text else rest)
                return arithmetic.selected(self.lines, decided, self.term(then), self.term(rest))
            case Apply():
                return arithmetic.applied(self.lines, term.operation, [self.term(o) for o in term.operands])

    def _position(self, axis: Axis) -> Value:
        lines, first = self.lines, self.at[axis]
        if axis is not self.lane:
            return first
        kind = lines.type_of("whole", True)
        steps = ", ".join(f"i64 {n}" for n in range(lines.width))
        return Value(lines.emit(f"add {kind} {lines.operand(first, 'whole', True)}, <{steps}>"), "whole", True)

    def as_real(self, value: Value) -> Value:
        """A whole number as a real one; a number known beforehand stays."""
        return value if value.is_number else self.lines.as_kind(value, "real")
