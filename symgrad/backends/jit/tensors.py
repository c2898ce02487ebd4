"""Programs on tensors: one native routine for each set of shapes.

    Lowered ─ entries ─► definitions ─ inlining ─► fewer ─ fusion ─► loops ─ lanes ─► vectors ─ emission ─► LLVM IR

What native code does not compute, functions of whole matrices (`inv`, `det`, `logdet`, `solve`) and tensors without
entries, is left to the numpy backend, the whole program with it.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy

from symgrad.backends.jit import engine
from symgrad.backends.jit.abi import SIZES, Routine, Slot, module
from symgrad.backends.jit.emission import Emission
from symgrad.backends.jit.entries import Unsupported, entries
from symgrad.backends.jit.fusion import planned
from symgrad.backends.jit.inlining import in_place, inlined, with_products, without_dead
from symgrad.backends.jit.lanes import Lanes, Packing
from symgrad.backends.jit.lines import Lines
from symgrad.backends.jit.nests import Array, Entries, Step
from symgrad.backends.jit.placement import placed
from symgrad.backends.lower import lower
from symgrad.backends.module import Lines as PythonLines
from symgrad.backends.numpy_code import NumpyPrinter
from symgrad.backends.straight import Lowered
from symgrad.backends.values import check_labels, check_shape
from symgrad.core.graph import Graph
from symgrad.errors import BackendError, DataError

VECTOR = 64
"""Bytes of a vector: on every machine, so that bits do not depend on it; narrower machines use several registers."""

LONG, VERY_LONG = 4_000, 12_000
"""Lines of LLVM IR from which it is optimised at level 1 and 0.

The vectors are ours, and level 2 mostly looks for some. Straight lines of thousands of values take LLVM's register
allocator time that grows with their square, and then run a tenth faster than the same values kept in memory.
"""

WIDE = '"prefer-vector-width"="512" "min-legal-vector-width"="512"'
"""Lets machines that have registers of a vector's size use them."""

Shapes: TypeAlias = tuple[tuple[int, ...], ...]


def native(graph: Graph, outputs: Sequence[str], leaves: Sequence[str], dtype: str, fastmath: bool) -> TensorProgram:
    """Part of a graph as native code, compiled for each set of shapes it meets; see `abi.CompileTensors`."""
    return TensorProgram(graph, _lowered(graph, outputs, leaves), tuple(leaves), dtype, fastmath)


def routine(
    graph: Graph,
    outputs: Sequence[str],
    leaves: Sequence[str],
    dtype: str,
    shapes: Mapping[str, tuple[int, ...]],
    fastmath: bool,
    name: str,
) -> Routine:
    """The same for given shapes, for a caller in native code; see `abi.LowerTensors`."""
    sizes = tuple(shapes[leaf] for leaf in leaves)
    _check_shapes(graph, leaves, sizes)
    try:
        return compiled(graph, _lowered(graph, outputs, leaves), leaves, dtype, sizes, fastmath, name)
    except Unsupported as error:
        raise BackendError(f"the jit backend has no native form of this program ({error}).") from None


def _lowered(graph: Graph, outputs: Sequence[str], leaves: Sequence[str]) -> Lowered:
    return lower(graph, outputs, leaves, lambda row: bool(row.numpy))


def compiled(
    graph: Graph, program: Lowered, leaves: Sequence[str], dtype: str, shapes: Shapes, fastmath: bool, name: str
) -> Routine:
    """A lowered program as LLVM IR, for given shapes.

    Raises:
        Unsupported: if it has a function of whole matrices, or a tensor without entries.
    """
    if any(0 in shape for shape in shapes):
        raise Unsupported("a tensor without entries")
    labels = frozenset(graph.selectors) & frozenset(leaves)
    read = entries(program, shapes, labels)
    nest = nested(read, SIZES[dtype])
    return _routine(nest, dtype, fastmath, name)


@dataclass(frozen=True)
class Nest:
    """A program in loops."""

    program: Entries
    steps: tuple[Step, ...]


def nested(program: Entries, size: int) -> Nest:
    """The passes, in order."""
    program = in_place(without_dead(inlined(with_products(without_dead(program)))))
    lanes = Lanes(VECTOR // size, size)
    steps = lanes.chosen(planned(program))
    numbers = [a.number for a in program.inputs] + [d.array.number for d in program.definitions]
    results = frozenset(r for r in program.results if isinstance(r, Array))
    return Nest(program, Packing(max(numbers, default=0), results).packed(steps))


def _routine(nest: Nest, dtype: str, fastmath: bool, name: str) -> Routine:
    """The LLVM IR of a function that loads its pointers and one that computes, which knows that they do not overlap."""
    program = nest.program
    lines = Lines(dtype, "fast " if fastmath else "")
    emission = Emission(lines, placed(nest.steps, program, SIZES[dtype]), VECTOR // SIZES[dtype])
    work = emission.steps(nest.steps)
    outputs = [r for r in program.results if isinstance(r, Array)]
    pointers = [("in", "inputs", len(program.inputs)), ("out", "outputs", len(outputs))]
    loads = [
        line
        for short, array, count in pointers
        for n in range(count)
        for line in (
            f"  %{short}p{n} = getelementptr ptr, ptr %{array}, i64 {n}",
            f"  %{short}{n} = load ptr, ptr %{short}p{n}",
        )
    ]
    named = [f"%{short}{n}" for short, _, count in pointers for n in range(count)]
    attributes = ["noalias readonly" if p.startswith("%in") else "noalias" for p in named]
    parameters = ", ".join(f"ptr {a} {p}" for a, p in zip((*attributes, "noalias"), (*named, "%work"), strict=True))
    arguments = ", ".join(f"ptr {p}" for p in (*named, "%work"))
    body = [
        f"define internal void @{name}.body({parameters}) nounwind {WIDE} {{",
        "entry:",
        *lines.locals,
        *lines.text,
        "  ret void",
        "}",
        f"define void @{name}(ptr %inputs, ptr %outputs, ptr %work) nounwind {{",
        *loads,
        f"  call void @{name}.body({arguments})",
        "  ret void",
        "}",
    ]
    slots = tuple(Slot(array.shape, "int64" if array.whole else dtype) for array in program.inputs)
    results = tuple(Slot(r.shape, dtype) if isinstance(r, Array) else r for r in program.results)
    return Routine(name, "\n".join(body), lines.externals, slots, results, work, lines.definitions)


def _check_shapes(graph: Graph, leaves: Sequence[str], shapes: Shapes) -> dict[str, tuple[int, str]]:
    sizes: dict[str, tuple[int, str]] = {}
    for leaf, shape in zip(leaves, shapes, strict=True):
        check_shape(graph[leaf], shape, sizes)
    return sizes


_MEMORY = threading.local()


def _work(length: int) -> int:
    """The address of scratch memory, kept for each thread and as large as any program of it needed."""
    if not length:
        return 0
    if getattr(_MEMORY, "length", 0) < length:
        _MEMORY.buffer = numpy.empty(length + VECTOR, "uint8")
        _MEMORY.length, _MEMORY.address = length, -(-_MEMORY.buffer.ctypes.data // VECTOR) * VECTOR
    return int(_MEMORY.address)


class Room(threading.local):
    """Arrays for results: new ones, or those of an earlier call that nobody holds any more.

    Memory new from the system costs about as much as computing what goes into it. Each thread has its own.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = slots
        self.kept: list[Any] = [None] * len(slots)

    def arrays(self) -> list[Any]:
        """An array for each result; what is in it means nothing."""
        made = []
        for place, slot in enumerate(self.slots):
            array = self.kept[place]
            if array is None or sys.getrefcount(array) > UNSHARED:
                array = numpy.empty(slot.shape, slot.dtype)
                if REUSED[0] <= array.nbytes <= REUSED[1]:
                    self.kept[place] = array
            made.append(array)
        return made


UNSHARED = 3
"""References to an array that only `Room` holds: the list's, the variable's and that of the question itself."""

REUSED = (2**15, 2**28)
"""Bytes of the smallest and the largest result whose memory is used again."""


class _Native:
    """A routine, ready to be called."""

    def __init__(self, routine: Routine, checks: Sequence[tuple[str, int, Sequence[int]]]) -> None:
        self.routine = routine
        self.slots = [slot for slot in routine.outputs if isinstance(slot, Slot)]
        entry = from_objects(routine.name, len(routine.inputs), len(self.slots))
        self.ir, externals = module([routine], entry)
        lines = self.ir.count("\n")
        level = 0 if lines > VERY_LONG else 1 if lines > LONG else engine.LEVEL
        self.module = engine.load(self.ir, (f"{routine.name}.objects",), externals, level)
        self.call = self.module.function(f"{routine.name}.objects", None, *[ctypes.c_void_p] * 3)
        self.checks = checks
        self.inputs: Any = ctypes.c_void_p * len(routine.inputs)
        self.outputs: Any = ctypes.c_void_p * len(self.slots)
        self.dtypes = [numpy.dtype(slot.dtype) for slot in routine.inputs]
        self.room = Room(self.slots)

    def __call__(self, values: Sequence[Any]) -> tuple[Any, ...]:
        arrays = [numpy.ascontiguousarray(value, dtype) for value, dtype in zip(values, self.dtypes, strict=True)]
        for name, position, sizes in self.checks:
            _check_labels(name, arrays[position], sizes)
        made = self.room.arrays()
        self.call(self.inputs(*map(id, arrays)), self.outputs(*map(id, made)), _work(self.routine.work))
        found = iter(made)
        return tuple(_plain(next(found)) if isinstance(o, Slot) else o for o in self.routine.outputs)


def _check_labels(name: str, labels: Any, sizes: Sequence[int]) -> None:
    check_labels(name, labels, sizes)
    if labels.size and labels.min() < 0:
        raise DataError(f"{name!r} holds the label {labels.min()}; labels are whole numbers from 0.")


def from_objects(name: str, inputs: int, outputs: int) -> str:
    """A function that takes NumPy's array objects and passes on where their entries are.

    An array object begins with Python's own fields and then the address of its entries (NumPy's C API,
    `PyArrayObject_fields`); to ask for it in Python takes longer than a small program runs.
    """
    lines = [f"define void @{name}.objects(ptr %inputs, ptr %outputs, ptr %work) nounwind {{"]
    for array, count in (("inputs", inputs), ("outputs", outputs)):
        lines.append(f"  %{array}.data = alloca [{max(count, 1)} x ptr]")
        for n in range(count):
            own = f"%{array}{n}"
            lines += [
                f"  {own}.place = getelementptr ptr, ptr %{array}, i64 {n}",
                f"  {own}.object = load ptr, ptr {own}.place",
                f"  {own}.field = getelementptr i8, ptr {own}.object, i64 {object.__basicsize__}",
                f"  {own}.address = load ptr, ptr {own}.field",
                f"  {own}.to = getelementptr ptr, ptr %{array}.data, i64 {n}",
                f"  store ptr {own}.address, ptr {own}.to",
            ]
    return "\n".join(
        [*lines, f"  call void @{name}(ptr %inputs.data, ptr %outputs.data, ptr %work)", "  ret void", "}"]
    )


def _plain(array: Any) -> Any:
    return array if array.ndim else array[()]


class TensorProgram:
    """A program on tensors.

    Args:
        graph: which it is part of.
        program: what `lower` made of it.
        leaves: its inputs, in order.
        dtype: `float32` or `float64`.
        fastmath: whether LLVM may change the bits.
    """

    def __init__(self, graph: Graph, program: Lowered, leaves: tuple[str, ...], dtype: str, fastmath: bool) -> None:
        self.graph, self.program, self.leaves = graph, program, leaves
        self.dtype, self.fastmath = dtype, fastmath
        self.known: dict[Shapes, Callable[[Sequence[Any]], tuple[Any, ...]]] = {}

    @property
    def ir(self) -> str:
        """The LLVM IR of each set of shapes met so far."""
        return "\n".join(run.ir for run in self.known.values() if isinstance(run, _Native))

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """The results at a point.

        Raises:
            DataError: if shapes do not fit, or a label is too large.
        """
        shapes = tuple(v.shape if isinstance(v, numpy.ndarray) else numpy.shape(v) for v in values)
        run = self.known.get(shapes)
        if run is None:
            run = self.known[shapes] = self._specialised(shapes)
        return run(values)

    def _specialised(self, shapes: Shapes) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        sizes = _check_shapes(self.graph, self.leaves, shapes)
        try:
            made = compiled(self.graph, self.program, self.leaves, self.dtype, shapes, self.fastmath, "gradient")
        except Unsupported:
            function = PythonLines(self.program, self.dtype, NumpyPrinter(arrays=True)).compiled().function
            return lambda values: function(*values)
        checks = [
            (
                leaf,
                position,
                [s if isinstance(s, int) else sizes[s][0] for s in selected if isinstance(s, int) or s in sizes],
            )
            for position, leaf in enumerate(self.leaves)
            if (selected := self.graph.selectors.get(leaf)) is not None
        ]
        return _Native(made, checks)
