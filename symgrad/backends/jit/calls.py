"""Calling a routine on NumPy's arrays: their addresses, memory for results, and scratch memory."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy

from symgrad.backends.jit import engine
from symgrad.backends.jit.abi import Routine, Slot, module
from symgrad.backends.values import check_labels
from symgrad.errors import DataError

LONG, VERY_LONG = 4_000, 12_000
"""Lines of LLVM IR from which it is optimised at level 1 and 0.

The vectors are ours, and level 2 mostly looks for some. Straight lines of thousands of values take LLVM's register
allocator time that grows with their square, and then run a tenth faster than the same values kept in memory.
"""

REUSED = (2**15, 2**28)
"""Bytes of the smallest and the largest result whose memory is used again."""

ALIGNMENT = 64


class Call:
    """A routine, ready to be called.

    Args:
        routine: for one set of shapes.
        labels: of each leaf of labels its name, which input it is, and the sizes it selects from.
    """

    def __init__(self, routine: Routine, labels: Sequence[tuple[str, int, Sequence[int]]]) -> None:
        self.routine, self.labels = routine, labels
        self.slots = [slot for slot in routine.outputs if isinstance(slot, Slot)]
        name = f"{routine.name}.objects" if _KNOWN_LAYOUT else routine.name
        self.ir, externals = module([routine], *_from_objects(routine.name, len(routine.inputs), len(self.slots)))
        lines = self.ir.count("\n")
        level = 0 if lines > VERY_LONG else 1 if lines > LONG else engine.LEVEL
        self.call = engine.load(self.ir, (name,), externals, level).function(name, None, *[ctypes.c_void_p] * 3)
        self.inputs: Any = ctypes.c_void_p * len(routine.inputs)
        self.outputs: Any = ctypes.c_void_p * len(self.slots)
        self.dtypes = [numpy.dtype(slot.dtype) for slot in routine.inputs]
        self.room = Room(self.slots)
        self.handle: Callable[[Any], int] = id if _KNOWN_LAYOUT else _address
        self.single = [place for place, slot in enumerate(self.slots) if not slot.shape]
        self.known = [(place, output) for place, output in enumerate(routine.outputs) if not isinstance(output, Slot)]

    def __call__(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The results: NumPy's numbers, arrays that are nobody else's, and Python's numbers for plain ones.

        Raises:
            DataError: if a label is none that can be selected.
        """
        arrays = [numpy.ascontiguousarray(value, dtype) for value, dtype in zip(values, self.dtypes, strict=True)]
        if not all(array.flags.aligned for array in arrays):
            arrays = [array if array.flags.aligned else array.copy() for array in arrays]
        for name, position, sizes in self.labels:
            _check_labels(name, arrays[position], sizes)
        made = self.room.arrays()
        inputs, outputs = self.inputs(*map(self.handle, arrays)), self.outputs(*map(self.handle, made))
        self.call(inputs, outputs, _scratch(self.routine.work))
        for place in self.single:
            made[place] = made[place][()]
        for place, number in self.known:
            made.insert(place, number)
        return tuple(made)


def _check_labels(name: str, labels: Any, sizes: Sequence[int]) -> None:
    check_labels(name, labels, sizes)
    if labels.size and labels.min() < 0:
        raise DataError(f"{name!r} holds the label {labels.min()}; labels are whole numbers from 0.")


def _layout_is_known() -> bool:
    """Whether an array object holds its address right after Python's own fields (`PyArrayObject_fields` in C)."""
    array = numpy.empty(1)
    if sys.implementation.name != "cpython":
        return False
    return bool(ctypes.c_void_p.from_address(id(array) + object.__basicsize__).value == array.ctypes.data)


_KNOWN_LAYOUT = _layout_is_known()


def _address(array: Any) -> int:
    """Where an array's entries are; to ask for it in Python takes longer than a small program runs."""
    return int(array.ctypes.data)


def _from_objects(name: str, inputs: int, outputs: int) -> list[str]:
    """A function that takes array objects and passes on where their entries are."""
    if not _KNOWN_LAYOUT:
        return []
    sides = [(array, count) for array, count in (("inputs", inputs), ("outputs", outputs)) if count]
    lines = [
        f"define internal void @{name}.addresses(ptr %objects, ptr %places, i64 %count) nounwind {{",
        "entry:",
        "  br label %each",
        "each:",
        "  %n = phi i64 [ 0, %entry ], [ %next, %each ]",
        "  %from = getelementptr ptr, ptr %objects, i64 %n",
        "  %object = load ptr, ptr %from",
        f"  %field = getelementptr i8, ptr %object, i64 {object.__basicsize__}",
        "  %place = load ptr, ptr %field",
        "  %to = getelementptr ptr, ptr %places, i64 %n",
        "  store ptr %place, ptr %to",
        "  %next = add nuw nsw i64 %n, 1",
        "  %more = icmp ult i64 %next, %count",
        "  br i1 %more, label %each, label %done",
        "done:",
        "  ret void",
        "}",
        f"define void @{name}.objects(ptr %inputs, ptr %outputs, ptr %work) nounwind {{",
        *(f"  %{array}.data = alloca [{count} x ptr]" for array, count in sides),
        *(f"  call void @{name}.addresses(ptr %{array}, ptr %{array}.data, i64 {count})" for array, count in sides),
    ]
    passed = [f"ptr %{array}{'.data' if count else ''}" for array, count in (("inputs", inputs), ("outputs", outputs))]
    return ["\n".join([*lines, f"  call void @{name}({', '.join(passed)}, ptr %work)", "  ret void", "}"])]


class Room(threading.local):
    """Arrays for results: new ones, or those of an earlier call that nobody holds any more.

    Memory new from the system costs about as much as computing what goes into it. Each thread has its own.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = [(slot.shape, numpy.dtype(slot.dtype)) for slot in slots]
        sizes = [prod(shape) * dtype.itemsize for shape, dtype in self.slots]
        self.large = [REUSED[0] <= size <= REUSED[1] for size in sizes]
        self.kept: list[Any] = [None] * len(slots)

    def arrays(self) -> list[Any]:
        """An array for each result; what is in it means nothing."""
        kept, large, made = self.kept, self.large, []
        for place, (shape, dtype) in enumerate(self.slots):
            if not large[place]:
                made.append(numpy.empty(shape, dtype))
                continue
            if kept[place] is None or _references(kept, place) > _UNSHARED:
                kept[place] = numpy.empty(shape, dtype)
            made.append(kept[place])
        return made


def _references(kept: Sequence[Any], place: int) -> int:
    """How many references there are to what a list holds, those of this question included; endless if not counted."""
    count = getattr(sys, "getrefcount", None)
    return int(count(kept[place])) if count is not None else sys.maxsize


_UNSHARED = _references([numpy.empty(0)], 0)
"""References to an array that only a list holds; how many that are depends on the interpreter."""

_MEMORY = threading.local()


def _scratch(length: int) -> int:
    """The address of scratch memory, kept for each thread and as large as any program of it needed."""
    if not length:
        return 0
    if getattr(_MEMORY, "length", 0) < length:
        _MEMORY.buffer = numpy.empty(length + ALIGNMENT, "uint8")
        _MEMORY.length, _MEMORY.address = length, -(-_MEMORY.buffer.ctypes.data // ALIGNMENT) * ALIGNMENT
    return int(_MEMORY.address)
