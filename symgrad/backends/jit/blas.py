"""Large matrix products by the BLAS that SciPy comes with.

A row-major C = A·B is a column-major Cᵀ = Bᵀ·Aᵀ: the operands are swapped, and an operand whose other axis runs through
its memory without gaps is marked as transposed, never copied.
"""

from __future__ import annotations

import ctypes
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from symgrad.backends.jit.abi import SIZES, External
from symgrad.backends.jit.inlining import roles_of
from symgrad.backends.jit.lines import Lines, Value
from symgrad.backends.jit.nests import Axis, Definition, Position, Read

if TYPE_CHECKING:
    from symgrad.backends.jit.emission import Emission


def emitted(emission: Emission, definition: Definition) -> None:
    """Calls that compute a definition whose body is the product of two entries."""
    roles = roles_of(definition)
    body: Any = definition.body
    assert roles is not None
    rows, columns, summed = roles
    assert rows is not None
    assert columns is not None
    assert summed is not None
    left, right = body.operands
    (last,) = [s.axis for s in definition.subscripts if isinstance(s, Position)][-1:]
    if last is rows:
        rows, columns, left, right = columns, rows, right, left
    others = tuple(a for a in definition.folds if a is not summed)
    if others:
        emission.nest(definition.axes, lambda: emission.clear(definition))
    call = partial(_call, emission, definition, left, right, (rows, columns, summed), 1.0 if others else 0.0)
    emission.nest([*(a for a in definition.axes if a not in (rows, columns)), *others], call)


def _call(
    emission: Emission, definition: Definition, left: Read, right: Read, roles: tuple[Axis, Axis, Axis], beta: float
) -> None:
    """One call: C[rows, columns] = left[rows, summed]·right[summed, columns] + beta·C."""
    lines = emission.lines
    rows, columns, summed = roles
    target = Read(definition.array, definition.subscripts)
    for axis in roles:
        emission.at[axis] = Value(0, "whole")
    places = [_address(emission, read) for read in (right, left, target)]
    for axis in roles:
        del emission.at[axis]
    flags = ["N" if _stride(right, columns) == 1 else "T", "N" if _stride(left, summed) == 1 else "T"]
    leading = [
        _stride(right, summed if flags[0] == "N" else columns),
        _stride(left, rows if flags[1] == "N" else summed),
        _stride(target, rows),
    ]
    sizes = [columns.extent, rows.extent, summed.extent]
    name = "dgemm" if lines.dtype == "float64" else "sgemm"
    symbol = f"blas.{name}"
    lines.externals[symbol] = External(
        f"declare void @{symbol}({', '.join(['ptr'] * 13)}) nounwind", partial(_pointer, name)
    )
    arguments = [
        *(_constant(lines, "i8", str(ord(flag)), 1) for flag in flags),
        *(_constant(lines, "i32", str(size), 4) for size in sizes),
        _constant(lines, lines.type, lines.number(1.0), SIZES[lines.dtype]),
        places[0],
        _constant(lines, "i32", str(leading[0]), 4),
        places[1],
        _constant(lines, "i32", str(leading[1]), 4),
        _constant(lines, lines.type, lines.number(beta), SIZES[lines.dtype]),
        places[2],
        _constant(lines, "i32", str(leading[2]), 4),
    ]
    lines.line(f"call void @{symbol}({', '.join(f'ptr {a}' for a in arguments)})")


def _address(emission: Emission, read: Read) -> str:
    place, base, subscripts, _ = emission.addresses(read)
    return emission.element(base, emission.offset(read, subscripts, place), emission.lines.type)


def _stride(read: Read, axis: Axis) -> int:
    for place, subscript in enumerate(read.subscripts):
        if isinstance(subscript, Position) and subscript.axis is axis:
            return max(prod(read.array.shape[place + 1 :]), 1)
    raise AssertionError("the axis does not subscript the matrix")


def _constant(lines: Lines, type: str, text: str, align: int) -> str:
    """A number in memory, as Fortran wants it."""
    name = lines.fresh()
    lines.locals.append(f"  {name} = alloca {type}, align {align}")
    lines.locals.append(f"  store {type} {text}, ptr {name}, align {align}")
    return name


def _pointer(name: str) -> int:
    from scipy.linalg import cython_blas

    capsule: Any = cython_blas.__pyx_capi__[name]
    get_name, get_pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get_pointer(capsule, get_name(capsule)))
