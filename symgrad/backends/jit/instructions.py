"""Expressions of a lowered program as instructions of LLVM IR, in the order in which the numpy backend computes them.

    emitter = Emitter("float64")
    emitter.value(expression, {v0: "%x", v1: 2.0})  # a name such as "%t7", or a Python number
    emitter.lines, emitter.externals                # the instructions so far, and what they call

A sum is added from left to right, a quotient is divided and not multiplied by a reciprocal, and two Python numbers are
combined in Python, as NumPy has it (NEP 50), so that arithmetic and square roots give the numpy backend's bits.
Functions come from the C library, or from SciPy's C where it has none, or are written out; `functions.ULPS` says how
far their values may be from the numpy backend's.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy
import sympy

from symgrad.backends.jit.abi import TYPES, External
from symgrad.backends.jit.functions import LIBRARY, SCIPY, external, polygamma
from symgrad.core.expression import HALF, Expr, is_negative, otherwise, without_sign
from symgrad.errors import BackendError
from symgrad.functions import row_of

Operand: TypeAlias = str | float
"""A value of LLVM, by its name or as a literal; or a Python number, which takes the precision of what it meets."""

_COMPARED = {"==": "oeq", "!=": "une", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge"}


class Emitter:
    """Instructions in the making.

    Args:
        dtype: `float32` or `float64`, of every value.
        fastmath: whether LLVM may reassociate, contract and ignore what is not finite.
        prefix: of the names it gives, so that several emitters can write into one function.
    """

    def __init__(self, dtype: str, fastmath: bool = False, prefix: str = "t") -> None:
        self.dtype, self.type = dtype, TYPES[dtype]
        self.flags = "fast " if fastmath else ""
        self.prefix = prefix
        self.lines: list[str] = []
        self.externals: dict[str, External] = {}
        self._count = 0

    # lines

    def fresh(self) -> str:
        """A name that no value has yet."""
        self._count += 1
        return f"%{self.prefix}{self._count}"

    def line(self, text: str) -> None:
        """An instruction without a value, or a label."""
        self.lines.append(text)

    def comment(self, text: str) -> None:
        """Say something at the end of the last line."""
        if self.lines and ";" not in self.lines[-1]:
            self.lines[-1] += f"  ; {text}"

    def emit(self, text: str) -> str:
        """An instruction, and the name of its value."""
        name = self.fresh()
        self.lines.append(f"{name} = {text}")
        return name

    def literal(self, number: float) -> str:
        """A number rounded to the program's precision, as LLVM writes it."""
        with numpy.errstate(over="ignore"):
            rounded = float(numpy.float32(number)) if self.dtype == "float32" else float(number)
        return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"

    def strong(self, operand: Operand) -> str:
        """The operand as a value in the program's precision."""
        return operand if isinstance(operand, str) else self.literal(operand)

    # arithmetic

    def binary(self, operation: str, left: Operand, right: Operand, flags: str = "") -> Operand:
        """`fadd`, `fsub`, `fmul` or `fdiv`; two Python numbers are combined in Python.

        Args:
            operation: LLVM's name of it.
            left: first operand.
            right: second operand.
            flags: of this one instruction, such as `reassoc` for an accumulation.
        """
        if not isinstance(left, str) and not isinstance(right, str):
            return _combined(operation, left, right)
        flags = f"{flags} " if flags and not self.flags else self.flags
        return self.emit(f"{operation} {flags}{self.type} {self.strong(left)}, {self.strong(right)}")

    def negated(self, operand: Operand) -> Operand:
        """The operand with its sign flipped."""
        return self.emit(f"fneg {self.flags}{self.type} {operand}") if isinstance(operand, str) else -operand

    def compared(self, relation: str, left: Operand, right: Operand) -> str:
        """An `i1`: whether `left relation right`, a relation as in Python."""
        return self.emit(
            f"fcmp {self.flags}{_COMPARED[relation]} {self.type} {self.strong(left)}, {self.strong(right)}"
        )

    def selected(self, test: str, then: Operand, rest: Operand) -> str:
        """One value or the other, by an `i1`."""
        return self.emit(f"select i1 {test}, {self.type} {self.strong(then)}, {self.type} {self.strong(rest)}")

    def intrinsic(self, name: str, *operands: Operand) -> str:
        """A function of one type that LLVM has itself, such as `llvm.sqrt`."""
        whole = f"{name}.f{'32' if self.dtype == 'float32' else '64'}"
        kinds = ", ".join([self.type] * len(operands))
        self.externals[whole] = External(f"declare {self.type} @{whole}({kinds})", lambda: 0)
        listed = ", ".join(f"{self.type} {self.strong(o)}" for o in operands)
        return self.emit(f"call {self.flags}{self.type} @{whole}({listed})")

    # expressions

    def value(self, expression: Expr, values: Mapping[Expr, Operand]) -> Operand:
        """The expression's value; its instructions are emitted on the way.

        Args:
            expression: a scalar expression of a lowered program.
            values: of its symbols, and of any other part that is to be taken as it is (an operation on arrays, say).

        Raises:
            BackendError: if something has no native form.
        """
        if not expression.is_Number and expression in values:
            return values[expression]
        match expression:
            case sympy.Integer():
                return int(expression) if abs(expression) <= 2**53 else float(expression)
            case sympy.Number() | sympy.NumberSymbol():
                return float(expression)
            case sympy.Add():
                return self._sum(expression, values)
            case sympy.Mul():
                return self._product(expression, values)
            case sympy.Pow():
                return self._power(expression, values)
            case sympy.Piecewise():
                return self._cases(expression, values)
            case sympy.Function():
                return self._function(expression, values)
        raise BackendError(f"the jit backend cannot compute {type(expression).__name__!r}; use backend='numpy'.")

    def _sum(self, expression: sympy.Add, values: Mapping[Expr, Operand]) -> Operand:
        first, *others = expression.args
        result = self.value(first, values)
        for term in others:
            minus = is_negative(term)
            result = self.binary(
                "fsub" if minus else "fadd", result, self.value(without_sign(term) if minus else term, values)
            )
        return result

    def _product(self, expression: sympy.Mul, values: Mapping[Expr, Operand]) -> Operand:
        if is_negative(expression):
            return self.negated(self.value(without_sign(expression), values))
        result: Operand | None = None
        for factor in expression.args:
            divides = isinstance(factor, sympy.Pow) and factor.exp == -1
            operand = self.value(factor.base if divides else factor, values)
            if divides:
                result = self.binary("fdiv", 1 if result is None else result, operand)
            else:
                result = operand if result is None else self.binary("fmul", result, operand)
        assert result is not None
        return result

    def _power(self, expression: sympy.Pow, values: Mapping[Expr, Operand]) -> Operand:
        base = self.value(expression.base, values)
        if expression.exp == -1:
            return self.binary("fdiv", 1, base)
        if expression.exp == HALF:
            return self.intrinsic("llvm.sqrt", base)
        return self.called("pow", base, self.value(expression.exp, values))

    def _cases(self, expression: sympy.Piecewise, values: Mapping[Expr, Operand]) -> Operand:
        then, condition = expression.args[0]
        sign = {"Equality": "==", "Unequality": "!="}.get(type(condition).__name__) or condition.rel_op
        test = self.compared(sign, *(self.value(side, values) for side in condition.args))
        return self.selected(test, self.value(then, values), self.value(otherwise(expression), values))

    def _function(self, expression: sympy.Function, values: Mapping[Expr, Operand]) -> Operand:
        name = row_of(expression).name
        if name == "polygamma":
            return self._polygamma(expression.args[0], self.value(expression.args[1], values))
        operands = [self.value(argument, values) for argument in expression.args]
        match name:
            case "abs":
                return self.intrinsic("llvm.fabs", *operands)
            case "relu":
                return self.extreme(">", operands[0], 0)
            case "max" | "min":
                return self.extreme(">" if name == "max" else "<", *operands)
            case "sign":
                return self._sign(operands[0])
            case "softplus":
                return self._softplus(operands[0])
        return self.called(name, *operands)

    def extreme(self, relation: str, left: Operand, right: Operand) -> str:
        """The larger (`>`) or smaller (`<`) of two; NaN if one is NaN, the second of two zeros, as NumPy has it."""
        chosen = self.compared(relation, left, right)
        unordered = self.emit(f"fcmp uno {self.type} {self.strong(left)}, {self.strong(left)}")
        return self.selected(self.emit(f"or i1 {chosen}, {unordered}"), left, right)

    def _sign(self, operand: Operand) -> str:
        """1, −1, or the operand itself, which is 0 or NaN."""
        positive, negative = self.compared(">", operand, 0), self.compared("<", operand, 0)
        zero = self.compared("==", operand, 0)
        rest = self.selected(zero, 0, operand)
        return self.selected(positive, 1, self.selected(negative, -1, rest))

    def _softplus(self, operand: Operand) -> Operand:
        """log(exp(0) + exp(x)) as NumPy's `logaddexp` computes it: max(x, 0) + log1p(exp(−|x|))."""
        decayed = self.called("exp", self.negated(self.intrinsic("llvm.fabs", operand)))
        return self.binary("fadd", self.extreme(">", operand, 0), self.called("log1p", decayed))

    def called(self, name: str, *operands: Operand) -> str:
        """A function of the C library in the program's precision, or of SciPy in double."""
        if name in LIBRARY:
            symbol = f"libm.{name}{'f' if self.dtype == 'float32' else ''}"
            return self._call(symbol, self.type, operands)
        if name not in SCIPY:
            raise BackendError(f"the jit backend has no {name!r}; use backend='numpy'.")
        return self._in_double(f"scipy.{name}", operands, ", i32 0")

    def _polygamma(self, order: Expr, operand: Operand) -> str:
        if not order.is_Integer:
            raise BackendError("the jit backend needs a whole number as the order of polygamma; use backend='numpy'.")
        name = f"symgrad.polygamma{int(order)}"
        self.externals[name] = polygamma(int(order))
        return self._in_double(name, [operand], "")

    def _call(self, symbol: str, kind: str, operands: Sequence[Operand], more: str = "") -> str:
        self.externals.setdefault(symbol, external(symbol, kind, len(operands)))
        listed = ", ".join(f"{kind} {self.strong(o)}" for o in operands)
        return self.emit(f"call {self.flags}{kind} @{symbol}({listed}{more})")

    def _in_double(self, symbol: str, operands: Sequence[Operand], more: str) -> str:
        """A call in double precision, rounded to the program's, which is what SciPy does in float32."""
        if self.dtype == "float64":
            return self._call(symbol, "double", operands, more)
        wide = [self.emit(f"fpext float {self.strong(o)} to double") for o in operands]
        return self.emit(f"fptrunc double {self._call(symbol, 'double', wide, more)} to float")


def _combined(operation: str, left: float, right: float) -> float:
    """Python's own arithmetic, and NumPy's where Python would raise."""
    try:
        match operation:
            case "fadd":
                return left + right
            case "fsub":
                return left - right
            case "fmul":
                return left * right
            case _:
                return left / right
    except (ZeroDivisionError, OverflowError):
        function = {"fadd": numpy.add, "fsub": numpy.subtract, "fmul": numpy.multiply}.get(operation, numpy.divide)
        with numpy.errstate(all="ignore"):
            return float(function(float(left), float(right)))
