"""Programs of scalars: straight-line native code."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy

from symgrad.backends.jit import engine
from symgrad.backends.jit.abi import SIZES
from symgrad.backends.jit.instructions import Emitter, Operand
from symgrad.backends.jit.parts import divided
from symgrad.backends.module import constant_values
from symgrad.backends.straight import Lowered

_REALS: dict[str, Any] = {"float32": ctypes.c_float, "float64": ctypes.c_double}


class ScalarProgram:
    """A program of scalars as one native function.

    Args:
        program: what to compile; no value has axes.
        dtype: `float32` or `float64`.
        fastmath: whether LLVM may change the bits.
    """

    def __init__(self, program: Lowered, dtype: str, fastmath: bool) -> None:
        self.ir, emitter, self.fixed = packed(program, dtype, fastmath)
        module = engine.load(self.ir, ("gradient",), emitter.externals)
        self.native = module.function("gradient", None, ctypes.c_void_p, ctypes.c_void_p)
        self.real = numpy.dtype(dtype)
        self.inputs: Any = _REALS[dtype] * len(program.inputs)
        self.outputs: Any = _REALS[dtype] * max(self.fixed.count(None), 1)
        self.varies = all(number is None for number in self.fixed)

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """The results as NumPy scalars; those that are plain numbers as Python's."""
        if len(values) != self.inputs._length_:  # ctypes would take 0 for what is missing
            raise TypeError(f"the program takes {self.inputs._length_} values and got {len(values)}.")
        outputs = self.outputs()
        self.native(self.inputs(*values), outputs)
        found = numpy.frombuffer(outputs, self.real)
        if self.varies:
            return tuple(found)
        computed = iter(found)
        return tuple(next(computed) if number is None else number for number in self.fixed)


def results_of(emitter: Emitter, program: Lowered, inputs: Sequence[str]) -> list[Operand]:
    """Emit a whole program on values; a result that never changes is a Python number.

    Args:
        emitter: gets the instructions.
        program: what to compute.
        inputs: values of its inputs.
    """
    values: dict[Any, Operand] = {**constant_values(program)}
    values |= zip((stand_in for _, stand_in in program.inputs), inputs, strict=True)
    for statement in program.statements:
        values[statement.target] = emitter.value(statement.expression, values)
        if statement.label:
            emitter.comment(statement.label)
    return [emitter.value(result, values) for result in program.results]


def declarations(*emitters: Emitter) -> list[str]:
    """What several emitters' code declares."""
    externals = {name: external for emitter in emitters for name, external in emitter.externals.items()}
    return [external.declaration for _, external in sorted(externals.items())]


def packed(program: Lowered, dtype: str, fastmath: bool) -> tuple[str, Emitter, list[float | None]]:
    """A function from an array of inputs to an array of those results that are not plain numbers."""
    emitter = Emitter(dtype, fastmath)
    kind = emitter.type
    inputs = []
    for position, (leaf, _) in enumerate(program.inputs):
        place = emitter.emit(f"getelementptr {kind}, ptr %inputs, i64 {position}")
        inputs.append(emitter.emit(f"load {kind}, ptr {place}, align {SIZES[dtype]}"))
        emitter.comment(leaf)
    fixed: list[float | None] = []
    for result in results_of(emitter, program, inputs):
        if not isinstance(result, str):
            fixed.append(result)
            continue
        place = emitter.emit(f"getelementptr {kind}, ptr %outputs, i64 {fixed.count(None)}")
        emitter.line(f"store {kind} {result}, ptr {place}, align {SIZES[dtype]}")
        fixed.append(None)
    head = "define void @gradient(ptr noalias readonly %inputs, ptr noalias writeonly %outputs) nounwind {"
    parts, setup, lines = divided(emitter.lines, {"%inputs": "ptr", "%outputs": "ptr"}, ())
    text = [*declarations(emitter), *parts, head, *(f"  {line}" for line in (*setup, *lines)), "  ret void", "}", ""]
    ir = "\n".join(text)
    return ir, emitter, fixed
