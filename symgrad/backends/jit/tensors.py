"""Programs on tensors: one native routine for each set of shapes.

    Lowered ─ entries ─► definitions ─ inlining ─► fewer ─ fusion ─► loops ─ lanes ─► vectors ─ emission ─► LLVM IR

What native code does not compute, functions of whole matrices (`inv`, `det`, `logdet`, `solve`) and tensors without
entries, is left to the numpy backend, the whole program with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy

from symgrad.backends.jit.abi import SIZES, Routine, Slot
from symgrad.backends.jit.calls import Call
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
from symgrad.backends.numpy import is_native
from symgrad.backends.numpy_code import NumpyPrinter
from symgrad.backends.straight import Lowered
from symgrad.backends.values import check_shape
from symgrad.core.graph import Graph
from symgrad.core.memory import uncollected
from symgrad.errors import BackendError

VECTOR = 64
"""Bytes of a vector: on every machine, so that bits do not depend on it; narrower machines use several registers."""

WIDE = '"prefer-vector-width"="512" "min-legal-vector-width"="512"'
"""Lets machines that have registers of a vector's size use them."""

Shapes: TypeAlias = tuple[tuple[int, ...], ...]


def native(graph: Graph, program: Lowered, leaves: Sequence[str], dtype: str, fastmath: bool) -> TensorProgram:
    """A lowered part of a graph as native code, compiled for each set of shapes it meets."""
    return TensorProgram(graph, program, tuple(leaves), dtype, fastmath)


def routine(
    graph: Graph,
    outputs: Sequence[str],
    leaves: Sequence[str],
    dtype: str,
    shapes: Mapping[str, tuple[int, ...]],
    fastmath: bool,
    name: str,
) -> Routine:
    """Part of a graph for given shapes, for a caller in native code.

    Args:
        graph: what to compute.
        outputs: names of the nodes to return.
        leaves: names of the inputs, in order.
        dtype: `float32` or `float64`.
        shapes: one for every leaf.
        fastmath: as for `compile`.
        name: of the routine.

    Raises:
        BackendError: if something of the program has no native form.
    """
    sizes = tuple(shapes[leaf] for leaf in leaves)
    _check_shapes(graph, leaves, sizes)
    try:
        return compiled(graph, lower(graph, outputs, leaves, is_native), leaves, dtype, sizes, fastmath, name)
    except Unsupported as error:
        raise BackendError(f"the jit backend has no native form of this program ({error}).") from None


@uncollected
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
        return "\n".join(run.ir for run in self.known.values() if isinstance(run, Call))

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """The results at a point.

        Raises:
            DataError: if shapes do not fit, or a label is too large.
        """
        shapes = tuple([v.shape if isinstance(v, numpy.ndarray) else numpy.shape(v) for v in values])
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
        labels = [
            (
                leaf,
                position,
                [s if isinstance(s, int) else sizes[s][0] for s in selected if isinstance(s, int) or s in sizes],
            )
            for position, leaf in enumerate(self.leaves)
            if (selected := self.graph.selectors.get(leaf)) is not None
        ]
        return Call(made, labels)
