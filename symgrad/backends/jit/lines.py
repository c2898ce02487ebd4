"""Lines of LLVM IR in the making, on single numbers and on vectors.

A value is uniform, one number for all lanes, or wide, one a lane; uniform values are computed once and spread only
where they meet a wide one. Numbers known beforehand stay Python numbers until an instruction needs them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy

from symgrad.backends.jit.abi import TYPES, External

_SHORT = {"double": "f64", "float": "f32", "i64": "i64"}


class Value(NamedTuple):
    """What an instruction gives.

    Args:
        text: its name, or a number.
        kind: `real`, `whole` (an i64) or `truth` (an i1).
        wide: whether it has one entry a lane.
    """

    text: str | float
    kind: str = "real"
    wide: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it is known beforehand."""
        return not isinstance(self.text, str)


@dataclass
class Lines:
    """Instructions of one function.

    Args:
        dtype: `float32` or `float64`.
        flags: of every floating-point instruction: empty, or `fast `.
        width: lanes of a wide value; 1 while a loop runs position by position.
    """

    dtype: str
    flags: str = ""
    width: int = 1
    text: list[str] = field(default_factory=list)
    locals: list[str] = field(default_factory=list)
    externals: dict[str, External] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    block: str = "entry"
    count: int = 0

    @property
    def type(self) -> str:
        """Of a number."""
        return TYPES[self.dtype]

    def fresh(self) -> str:
        """A name."""
        self.count += 1
        return f"%t{self.count}"

    def emit(self, text: str) -> str:
        """An instruction, and the name of its value."""
        name = self.fresh()
        self.text.append(f"  {name} = {text}")
        return name

    def line(self, text: str) -> None:
        """An instruction without a value."""
        self.text.append(f"  {text}")

    def label(self, name: str) -> None:
        """Begin a block."""
        self.text.append(f"{name}:")
        self.block = name

    def new_label(self) -> str:
        """The name of a block."""
        self.count += 1
        return f"b{self.count}"

    def local(self, type: str, entries: int) -> str:
        """A local variable, made once at the start of the function."""
        name = self.fresh()
        self.locals.append(f"  {name} = alloca [{entries} x {type}], align 64")
        return name

    # types and literals

    def type_of(self, kind: str, wide: bool) -> str:
        """LLVM's type of a value."""
        one = {"real": self.type, "whole": "i64", "truth": "i1"}[kind]
        return f"<{self.width} x {one}>" if wide else one

    def number(self, value: float, kind: str = "real") -> str:
        """A number as LLVM writes it, rounded to the program's precision."""
        if kind == "whole":
            return str(int(value))
        if kind == "truth":
            return "true" if value else "false"
        with numpy.errstate(over="ignore"):
            rounded = float(numpy.float32(value)) if self.dtype == "float32" else float(value)
        return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"

    def operand(self, value: Value, kind: str, wide: bool) -> str:
        """A value as an operand of a kind, spread over the lanes where it must be; its type is not written."""
        if value.is_number:
            one = self.number(float(value.text), kind)
            return f"splat ({self.type_of(kind, False)} {one})" if wide else one
        assert isinstance(value.text, str)
        value = self.as_kind(value, kind)
        return self.spread(value) if wide and not value.wide else str(value.text)

    def as_kind(self, value: Value, kind: str) -> Value:
        """A whole number as a real one."""
        if value.kind == kind:
            return value
        assert (value.kind, kind) == ("whole", "real")
        source, target = self.type_of("whole", value.wide), self.type_of("real", value.wide)
        return Value(self.emit(f"sitofp {source} {value.text} to {target}"), "real", value.wide)

    def spread(self, value: Value) -> str:
        """A uniform value in every lane."""
        kind, one = self.type_of(value.kind, True), self.type_of(value.kind, False)
        first = self.emit(f"insertelement {kind} poison, {one} {value.text}, i64 0")
        return self.emit(f"shufflevector {kind} {first}, {kind} poison, <{self.width} x i32> zeroinitializer")

    def lane(self, value: Value, lane: int) -> Value:
        """One lane of a value."""
        if not value.wide:
            return value
        kind = self.type_of(value.kind, True)
        return Value(self.emit(f"extractelement {kind} {value.text}, i64 {lane}"), value.kind)

    def gathered(self, lanes: list[Value]) -> Value:
        """A wide value of single ones."""
        kind = lanes[0].kind
        whole, one = self.type_of(kind, True), self.type_of(kind, False)
        made = "poison"
        for position, value in enumerate(lanes):
            made = self.emit(f"insertelement {whole} {made}, {one} {self.operand(value, kind, False)}, i64 {position}")
        return Value(made, kind, True)

    # memory with a stride

    def _places(self, first: str, stride: int, one: str) -> tuple[str, str]:
        """An address a lane, and the mask that takes all of them."""
        steps = ", ".join(f"i64 {lane * stride}" for lane in range(self.width))
        places = self.emit(f"getelementptr inbounds {one}, ptr {first}, <{self.width} x i64> <{steps}>")
        return f"<{self.width} x ptr> {places}, i32 {self._size(one)}", f"<{self.width} x i1> splat (i1 true)"

    @staticmethod
    def _size(one: str) -> int:
        return 4 if one == "float" else 8

    def gather(self, first: str, stride: int, kind: str) -> Value:
        """Entries at a stride, one a lane."""
        one, wide = self.type_of(kind, False), self.type_of(kind, True)
        name = f"llvm.masked.gather.v{self.width}{_SHORT[one]}.v{self.width}p0"
        places, mask = self._places(first, stride, one)
        declared = f"declare {wide} @{name}(<{self.width} x ptr>, i32, <{self.width} x i1>, {wide})"
        self.externals[name] = External(declared, lambda: 0)
        return Value(self.emit(f"call {wide} @{name}({places}, {mask}, {wide} poison)"), kind, True)

    def scatter(self, first: str, stride: int, value: Value) -> None:
        """Write entries at a stride, one a lane."""
        one, wide = self.type, self.type_of("real", True)
        name = f"llvm.masked.scatter.v{self.width}{_SHORT[one]}.v{self.width}p0"
        places, mask = self._places(first, stride, one)
        declared = f"declare void @{name}({wide}, <{self.width} x ptr>, i32, <{self.width} x i1>)"
        self.externals[name] = External(declared, lambda: 0)
        self.line(f"call void @{name}({wide} {self.operand(value, 'real', True)}, {places}, {mask})")

    # whole numbers

    def plus(self, left: Value, right: Value) -> Value:
        """The sum of uniform whole numbers."""
        if left.is_number and right.is_number:
            return Value(int(left.text) + int(right.text), "whole")
        if 0 in (left.text, right.text):
            return right if left.text == 0 else left
        return Value(self.emit(f"add nuw nsw i64 {left.text}, {right.text}"), "whole")

    def times(self, left: Value, factor: int) -> Value:
        """A uniform whole number times a known one."""
        if left.is_number:
            return Value(int(left.text) * factor, "whole")
        return left if factor == 1 else Value(self.emit(f"mul nuw nsw i64 {left.text}, {factor}"), "whole")
