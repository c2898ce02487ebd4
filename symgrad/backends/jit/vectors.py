"""Shorthands for straight-line code on vectors of floating-point numbers and on their bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from symgrad.backends.jit.abi import External
from symgrad.backends.jit.lines import Lines


class Vector:
    """Instructions on vectors of one width, or on single numbers where it is 1.

    Args:
        lines: where they go.
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.wide = lines.width > 1
        self.type = lines.type_of("real", self.wide)
        self.bits = 64 if lines.dtype == "float64" else 32
        self.mantissa, self.bias = {64: (52, 1023), 32: (23, 127)}[self.bits]
        self.integer = f"<{lines.width} x i{self.bits}>" if self.wide else f"i{self.bits}"
        self.truth = f"<{lines.width} x i1>" if self.wide else "i1"
        self.shift = 1.5 * 2.0**self.mantissa
        """Adding it leaves the nearest whole number in the low bits."""

    def literal(self, value: float | Fraction) -> str:
        """A number in every lane, rounded once."""
        one = self.lines.number(float(value))
        return f"splat ({self.lines.type} {one})" if self.wide else one

    def whole(self, value: int) -> str:
        """A whole number in every lane."""
        return f"splat (i{self.bits} {value})" if self.wide else str(value)

    def real(self, instruction: str, *operands: str) -> str:
        """An instruction on numbers."""
        return self.lines.emit(f"{instruction} {self.type} {', '.join(operands)}")

    def integers(self, instruction: str, *operands: str) -> str:
        """An instruction on whole numbers as wide as the others."""
        return self.lines.emit(f"{instruction} {self.integer} {', '.join(operands)}")

    def _intrinsic(self, name: str, operands: Sequence[str]) -> str:
        whole = f"{name}.{f'v{self.lines.width}' if self.wide else ''}f{self.bits}"
        declared = f"declare {self.type} @{whole}({', '.join([self.type] * len(operands))})"
        self.lines.externals[whole] = External(declared, lambda: 0)
        return self.lines.emit(f"call {self.type} @{whole}({', '.join(f'{self.type} {o}' for o in operands)})")

    def unary(self, name: str, x: str) -> str:
        """A function of one number that LLVM has itself."""
        return self._intrinsic(name, [x])

    def fma(self, a: str, b: str, c: str) -> str:
        """a·b + c, rounded once."""
        return self._intrinsic("llvm.fma", [a, b, c])

    def copysign(self, size: str, sign: str) -> str:
        """The size of one with the sign of the other."""
        return self._intrinsic("llvm.copysign", [size, sign])

    def polynomial(self, x: str, coefficients: Sequence[Fraction]) -> str:
        """c0 + c1·x + …, by Horner's rule."""
        value = self.literal(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            value = self.fma(value, x, self.literal(coefficient))
        return value

    def select(self, relation: str, left: str, right: str, then: str, rest: str) -> str:
        """`then` where `left relation right`, else `rest`; a NaN fails every ordered relation."""
        test = self.real(f"fcmp {relation}", left, right)
        return self.lines.emit(f"select {self.truth} {test}, {self.type} {then}, {self.type} {rest}")

    def select_bit(self, whole: str, bit: int, then: str, rest: str) -> str:
        """`then` where a bit of a whole number is set."""
        set_ = self.integers("and", whole, self.whole(1 << bit))
        test = self.integers("icmp ne", set_, self.whole(0))
        return self.lines.emit(f"select {self.truth} {test}, {self.type} {then}, {self.type} {rest}")

    def clamped(self, x: str, limit: str) -> str:
        """The number, but not beyond −limit and limit; NaN stays."""
        x = self.select("ogt", x, limit, limit, x)
        minus = self.real("fneg", limit)
        return self.select("olt", x, minus, minus, x)

    def to_integer(self, value: str) -> str:
        """The bits as a whole number."""
        return self.lines.emit(f"bitcast {self.type} {value} to {self.integer}")

    def to_real(self, value: str) -> str:
        """Bits as a number."""
        return self.lines.emit(f"bitcast {self.integer} {value} to {self.type}")

    def from_integer(self, value: str) -> str:
        """A whole number's value."""
        return self.lines.emit(f"sitofp {self.integer} {value} to {self.type}")

    def difference(self, a: str, b: str) -> tuple[str, str]:
        """The difference rounded, and what rounding lost (Knuth, The Art of Computer Programming 2, 4.2.2)."""
        rounded = self.real("fsub", a, b)
        of_b = self.real("fsub", a, rounded)
        of_a = self.real("fadd", rounded, of_b)
        return rounded, self.real("fadd", self.real("fsub", a, of_a), self.real("fsub", of_b, b))

    def nearest(self, shifted: str) -> tuple[str, str]:
        """What was added to `shift`, rounded to a whole number: as a number, and as bits."""
        n = self.real("fsub", shifted, self.literal(self.shift))
        whole = self.integers("sub", self.to_integer(shifted), self.to_integer(self.literal(self.shift)))
        return n, whole

    def power_of_two(self, n: str) -> str:
        """2ⁿ for whole n in the range of normal numbers."""
        biased = self.integers("add", n, self.whole(self.bias))
        return self.to_real(self.integers("shl", biased, self.whole(self.mantissa)))

    def flipped(self, value: str, second_bit: str) -> str:
        """The value with its sign flipped where bit 1 of the whole number is set."""
        sign = self.integers("shl", second_bit, self.whole(self.bits - 2))
        return self.to_real(self.integers("xor", self.to_integer(value), sign))

    def split(self, number: Fraction, parts: int) -> list[Fraction]:
        """A number as the sum of doubles, each the nearest to what is left."""
        found = []
        for _ in range(parts):
            found.append(Fraction(float(number)))
            number -= found[-1]
        return found

    def all_below(self, value: str, limit: float) -> str:
        """Whether every lane is below a limit."""
        test = self.real("fcmp olt", value, self.literal(limit))
        if not self.wide:
            return test
        name = f"llvm.vector.reduce.and.v{self.lines.width}i1"
        self.lines.externals[name] = External(f"declare i1 @{name}({self.truth})", lambda: 0)
        return self.lines.emit(f"call i1 @{name}({self.truth} {test})")

    def each_lane(self, value: str, function: Callable[[str], str]) -> str:
        """A function of one number applied lane by lane."""
        if not self.wide:
            return function(value)
        made = "poison"
        for lane in range(self.lines.width):
            one = function(self.lines.emit(f"extractelement {self.type} {value}, i64 {lane}"))
            made = self.lines.emit(f"insertelement {self.type} {made}, {self.lines.type} {one}, i64 {lane}")
        return made
